"""What README and documentation say is so: commands run, options, names and links exist."""

import importlib
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from threadpoolctl import threadpool_limits
from typer.main import get_command

from benchmarks.readme import insert_part, render_block, render_registries
from digitrec.cli import app
from digitrec.cli import main as cli_main
from digitrec.datasets import DATASETS
from digitrec.models import MODELS
from digitrec.preprocessing import FEATURES
from digitrec.reporting import write_index

ROOT = Path(__file__).parents[1]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]
}
README = PAGES["README.md"]
MARK = "--- end of a block ---"
NOT_RUN = "<!-- not run -->\n"
# What takes minutes, needs a network, a server or files that only a user has.
SLOW = re.compile(
    r"^(?!digitrec )|^digitrec (serve|compare$)|--models all|--features all|--seeds|--executor"
    r"|compare(?!.*--(dataset|list|help|config))|mnist(?!_5k)|photo|scans|my_images"
)


def _blocks(page, *languages):
    """Return the blocks of code of a page, each with the text block that follows at once."""
    pattern = rf"({NOT_RUN})?^```(\w+)\n(.*?)^```(?:\n\n```text\n(.*?)^```)?"
    return [
        (text, output, not skipped)
        for skipped, language, text, output in re.findall(
            pattern, PAGES[page], re.MULTILINE | re.DOTALL
        )
        if language in languages
    ]


def _commands(page):
    """Return the commands of a page, those in tables too."""
    lines = [
        line
        for text, _, _ in _blocks(page, "sh", "bash")
        for line in text.replace("\\\n", " ").splitlines()
    ]
    lines += re.findall(r"^\| `((?:python|digitrec) [^`]+)` \|", PAGES[page], re.MULTILINE)
    commands = [line.split("  #")[0].strip() for line in lines]
    return [command for command in commands if command and not command.startswith("#")]


def _click_command(words):
    """Return the command that a line runs, and its arguments; None for other programs."""
    if words[:2] == ["python", "-m"] and words[2].startswith("benchmarks."):
        module = importlib.import_module(words[2])
        if hasattr(module, "app"):
            return get_command(module.app), words[3:]
        single = typer.Typer()
        single.command()(module.main)
        return get_command(single), words[3:]
    if words[0] == "digitrec":
        command = get_command(app).commands[words[1]]
        if hasattr(command, "commands"):
            return command.commands[words[2]], words[3:]
        return command, words[2:]
    return None


COMMANDS = sorted({command for page in PAGES for command in _commands(page)})


def test_there_are_commands():
    assert any(command.startswith("make ") for command in COMMANDS)
    assert any(command.startswith("digitrec ") for command in COMMANDS)
    assert any("benchmarks.peers" in command for command in COMMANDS)


@pytest.mark.parametrize("line", COMMANDS)
def test_command_exists_with_its_options(line):
    words = shlex.split(line)
    while "=" in words[0]:
        words = words[1:]
    if words[0] == "make":
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        assert re.search(rf"^{words[1]}:", makefile, re.MULTILINE)
        return
    found = _click_command(words)
    if found is None:
        assert words[0] in {"git", "cd", "pip", "curl", "docker", "python", "sudo", "dask"}
        return
    command, arguments = found
    known = {option for parameter in command.params for option in parameter.opts}
    used = {word.split("=")[0] for word in arguments if word.startswith("-")}
    assert used <= known, f"{used - known} of: {line}"


def test_the_tables_are_those_of_the_registries():
    page = PAGES["docs/reference.md"]
    names = [*MODELS, *DATASETS, *FEATURES]
    assert [name for name in names if f"`{name}`" not in page] == []
    assert insert_part(page, "registries", render_registries()) == page, (
        "run python -m benchmarks.readme"
    )


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 150


@pytest.mark.parametrize("page", PAGES)
def test_local_links_lead_somewhere(page):
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)[^)]*\)", PAGES[page])
    folder = (ROOT / page).parent
    assert not [target for target in targets if not (folder / target).exists()]


@pytest.fixture
def workplace(tmp_path, monkeypatch, digit_model_file, bundled_digits):
    """A folder with the files that the pages name; a cache of its own."""
    import numpy as np
    import pandas as pd
    from PIL import Image

    X, y = bundled_digits
    for path in digit_model_file.parent.glob("small*"):
        shutil.copy(path, tmp_path / path.name.replace("small", "model"))
    seven = X[np.flatnonzero(y == 7)[3]].reshape(28, 28)
    page = np.full((160, 160), 255, np.uint8)
    page[24:136, 24:136] = 255 - np.kron(seven, np.ones((4, 4), np.uint8))
    for name in ("digit.png", "postcode.png"):
        Image.fromarray(page).save(tmp_path / name)
    names = [f"pixel{index}" for index in range(784)]
    rows = np.arange(0, len(X), 10)
    table = pd.DataFrame(X[rows], columns=names)
    table[:50].to_csv(tmp_path / "test.csv", index=False)
    table.insert(0, "label", y[rows])
    table.to_csv(tmp_path / "train.csv", index=False)
    (tmp_path / "mine.py").write_text(
        "from sklearn.naive_bayes import GaussianNB\n\n\nclass Model(GaussianNB):\n    pass\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DIGITREC_DATA", str(tmp_path / "cache"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if _blocks(page, "python")])
def test_python_runs_and_prints_what_the_page_shows(page, workplace):
    blocks = _blocks(page, "python")
    for text, _, _ in blocks:
        compile(text, page, "exec")
    run = [(text, output) for text, output, wanted in blocks if wanted]
    script = "\n".join(f"{text}\nprint({MARK!r}, flush=True)" for text, _ in run)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    for (_, output), printed in zip(run, done.stdout.split(f"{MARK}\n"), strict=False):
        if output:
            assert _shape(printed) == _shape(output)


def _shape(text):
    """Return printed lines without what differs between machines: times, order, close winners."""
    lines = [re.sub(r"[\d.,]+", "#", re.sub(r"[★≈-]+", " ", line)) for line in text.splitlines()]
    return sorted(" ".join(line.split()) for line in lines if line.strip())


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(not SLOW.search(line) for line in _commands(page))]
)
def test_commands_run(page, workplace, capsys):
    """In the order of the page: each may use what those before have written."""
    for line in _commands(page):
        if SLOW.search(line):
            continue
        code = 0
        try:
            with threadpool_limits(1):  # small matrices: threads would only wait for each other
                cli_main(shlex.split(line)[1:])
        except SystemExit as ended:
            code = ended.code
        assert not code, f"{line}: {capsys.readouterr().err}"


def _git(*arguments):
    """Return what git prints; nothing where there is no git or no repository."""
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    except OSError:
        return ""
    return done.stdout if done.returncode == 0 else ""


@pytest.fixture
def published(tmp_path):
    """The folder of the published results: not of a run of one's own, as `make benchmark` is."""
    results = ":(glob)reports/*/results.json"
    changed = [
        line[3:] for line in _git("status", "--porcelain", "README.md", results).splitlines()
    ]
    if not changed or "README.md" in changed:
        return ROOT
    for name in _git("ls-files", results).splitlines():
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text(_git("show", f"HEAD:{name}"), encoding="utf-8")
    return tmp_path


def test_results_are_those_of_the_saved_runs(monkeypatch, published):
    monkeypatch.chdir(published)
    block = render_block(Path("reports/mnist"))
    assert insert_part(README, "results", block) == README
    # Every experiment that the README counts on has its results here.
    assert block.count("[report]") == 5


def test_the_lists_of_reports_are_true(tmp_path):
    """README.md and index.html of the published reports say what the reports say now."""
    names = _git("ls-files", "reports").splitlines()
    names = names or [path.relative_to(ROOT).as_posix() for path in ROOT.glob("reports/**/*")]
    for name in names:
        target = tmp_path / name
        if target.name in ("report.md", "report.html", "results.json"):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())
        elif target.suffix == ".png":
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch()
    write_index(tmp_path / "reports")
    for name in ("README.md", "index.html"):
        listed, expected = (
            (folder / "reports" / name).read_text(encoding="utf-8").rpartition("</style>")[2]
            for folder in (ROOT, tmp_path)
        )
        assert listed == expected, "run python -m benchmarks.readme"
        assert listed.count("report.") > 10
