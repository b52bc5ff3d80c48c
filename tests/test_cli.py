import json
import os
import re
import subprocess
import sys

import pytest

from digitrec.cli import main
from digitrec.datasets import DATASETS
from digitrec.models import MODELS


def digitrec(*arguments, cwd=None, encoding=None):
    return subprocess.run(
        [sys.executable, "-m", "digitrec.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding=encoding,
        cwd=cwd,
        env={**os.environ, **({"PYTHONIOENCODING": encoding} if encoding else {})},
        check=False,
    )


def test_listings_name_every_entry_of_the_registries():
    listed = digitrec("models")
    assert listed.returncode == 0
    assert {line.split()[0] for line in listed.stdout.splitlines()[2:]} == set(MODELS)
    listed = digitrec("datasets")
    assert all(name in listed.stdout for name in DATASETS)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("cli") / "digits.joblib"
    result = digitrec("train", "--dataset", "digits", "--model", "lda", "--output", path)
    assert result.returncode == 0, result.stderr
    assert "validation accuracy 9" in result.stdout
    assert str(path) in result.stdout
    return path


def test_evaluate_prints_and_writes_the_same_report(model, tmp_path):
    result = digitrec(
        "evaluate", "--model", model, "--dataset", "digits", "--output-dir", tmp_path, "--quiet"
    )
    assert result.returncode == 0, result.stderr
    written = (tmp_path / "evaluation.md").read_text()
    assert written.startswith(result.stdout.split("\nwritten to")[0].rstrip())
    facts = json.loads((tmp_path / "evaluation.json").read_text())
    assert f"{100 * facts['test_accuracy']:.2f} %" in result.stdout
    assert (tmp_path / "confusion.png").read_bytes().startswith(b"\x89PNG")


def test_scores_of_training_rows_are_called_so(model):
    result = digitrec("evaluate", "--model", model, "--dataset", "digits", "--part", "train")
    assert result.returncode == 0, result.stderr
    assert "trained on these rows" in result.stderr
    folder = model.parent / "digits-on-digits-train"
    facts = json.loads((folder / "evaluation.json").read_text())
    assert "train_accuracy" in facts
    assert "test_accuracy" not in facts
    assert "trained on these rows" in (folder / "evaluation.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "--dataset", "nothing"), "one of: mnist"),
        (("train", "--dataset", "digits", "--model", "forest"), "unknown model 'forest'"),
        (("train", "--dataset", "digits", "--set", "svm.depth=1"), "no parameter 'depth'"),
        (("train", "--dataset", "digits", "--set", "knn.p=1"), "--set names knn"),
        (("train", "--dataset", "digits", "--output", "m.json"), "name the model file m.joblib"),
        (("train", "--dataset", "digits", "--output", "."), "is a folder"),
        (("evaluate", "--model", "none.joblib"), "no model file at none.joblib"),
        (("submit", "a.csv", "b.csv", "--model", "none.joblib"), "no model file at none.joblib"),
    ],
)
def test_mistakes_end_with_one_line_and_exit_code_2(
    arguments, message, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as exit_:
        main(list(arguments))
    assert exit_.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error: ")
    assert message in last
    assert not list(tmp_path.iterdir())


def test_model_for_other_images_is_refused(model, tmp_path):
    result = digitrec("evaluate", "--model", model, "--dataset", "mnist_5k", cwd=tmp_path)
    assert result.returncode == 2
    assert "trained on image shape [8, 8]" in result.stderr
    assert "Traceback" not in result.stderr


def test_help_answers_without_heavy_imports():
    script = (
        "import sys, digitrec.cli\n"
        "heavy = {'sklearn', 'matplotlib', 'pandas', 'scipy'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("encoding", ["latin-1", "cp437", "cp932", "cp1252", "utf-8"])
def test_a_console_of_any_encoding_shows_what_it_can(encoding):
    refused = digitrec("train", "--dataset", "√–数", encoding=encoding)
    assert (refused.returncode, refused.stdout) == (2, "")
    known = "√–数".encode(encoding, errors="replace").decode(encoding)
    assert re.match(f"error: .*{re.escape(known)}", refused.stderr)
    assert "Traceback" not in refused.stderr


def test_a_result_is_shown_on_a_console_that_lacks_its_characters(tmp_path):
    path = tmp_path / "lda.joblib"
    done = digitrec(
        *("train", "--dataset", "digits", "--model", "lda", "--output", path), encoding="cp437"
    )
    assert (done.returncode, path.exists()) == (0, True)
    assert re.search(r"95 % interval [\d.]+\?[\d.]+ %", done.stdout)


SLOW_TO_IMPORT = {"sklearn", "scipy", "pandas", "matplotlib", "joblib", "skimage", "fastapi"}


@pytest.mark.parametrize("command", ["--help", "models", "datasets", "train --help"])
def test_listings_and_help_load_no_library_that_is_slow_to_import(command):
    code = """
import sys
from digitrec.cli import main
try:
    main(sys.argv[2:])
finally:
    print(sorted(set(sys.argv[1].split(",")) & set(sys.modules)), file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, ",".join(SLOW_TO_IMPORT), *command.split()],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == "[]\n"
