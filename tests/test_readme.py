"""The README's commands, options and names exist."""

import importlib
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import typer
from typer.main import get_command

from benchmarks.readme import insert_results, render_block
from digitrec.cli import app
from digitrec.datasets import DATASETS
from digitrec.models import MODELS
from digitrec.preprocessing import FEATURES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def _blocks(*languages):
    return [
        text
        for language, text in re.findall(r"^```(\w*)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
        if language in languages
    ]


def _commands():
    for block in _blocks("sh", "bash"):
        for line in block.replace("\\\n", " ").splitlines():
            command = line.split("  #")[0].strip()
            if command and not command.startswith("#"):
                yield command


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
        return get_command(app).commands[words[1]], words[2:]
    return None


COMMANDS = sorted(set(_commands()))


def test_there_are_commands():
    assert any(command.startswith("make ") for command in COMMANDS)
    assert any(command.startswith("digitrec ") for command in COMMANDS)
    assert any("benchmarks.run_all" in command for command in COMMANDS)


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


@pytest.mark.parametrize("name", [*MODELS, *DATASETS, *FEATURES])
def test_registries_are_listed(name):
    assert f"`{name}`" in README


def test_local_links_lead_somewhere():
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)[^)]*\)", README)
    assert targets
    assert not [target for target in targets if not (ROOT / target).exists()]


@pytest.mark.parametrize("block", _blocks("python"))
def test_python_compiles(block):
    compile(block, "README.md", "exec")


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
    assert insert_results(README, block) == README
    # Every experiment that the README counts on has its results here.
    assert block.count("[report]") == 4


def test_the_list_of_reports_is_complete():
    pages = [*ROOT.glob("reports/*/report.md"), *ROOT.glob("reports/*/*/report.md")]
    listed = (ROOT / "reports" / "README.md").read_text(encoding="utf-8")
    paths = [page.relative_to(ROOT / "reports").as_posix() for page in pages]
    missing = [path for path in paths if f"({path})" not in listed]
    assert len(pages) > 5
    assert not missing, "run python -m benchmarks.readme"
