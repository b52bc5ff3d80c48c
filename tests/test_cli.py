import contextlib
import io
import json
import os
import re
import subprocess
import sys

import pytest

from digitrec.cli import main
from digitrec.datasets import DATASETS
from digitrec.models import MODELS


def digitrec(*arguments, encoding="utf-8"):
    """Run the command line within this process, on a console of an encoding."""
    streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2)]
    code = 0
    with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]):
        try:
            main(list(map(str, arguments)))
        except SystemExit as ended:
            code = ended.code or 0
        finally:
            for stream in streams:
                stream.flush()
    stdout, stderr = (stream.buffer.getvalue().decode(encoding) for stream in streams)
    return subprocess.CompletedProcess(arguments, code, stdout, stderr)


def test_listings_name_every_entry_of_the_registries():
    listed = digitrec("models")
    assert listed.returncode == 0
    assert {line.split()[0] for line in listed.stdout.splitlines()[2:]} == set(MODELS)
    listed = digitrec("datasets")
    assert all(name in listed.stdout for name in DATASETS)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model that a process of its own has trained, on a console that lacks some characters."""
    path = tmp_path_factory.mktemp("cli") / "digits.joblib"
    command = [sys.executable, "-m", "digitrec.cli", "train", "--dataset", "digits"]
    result = subprocess.run(
        [*command, "--model", "lda", "--output", path],
        capture_output=True,
        encoding="cp437",
        env={**os.environ, "PYTHONIOENCODING": "cp437"},
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "validation accuracy 9" in result.stdout
    assert re.search(r"95 % interval [\d.]+\?[\d.]+ %", result.stdout)
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
        (("train", "--dataset", ""), "the name of the dataset is empty"),
        (
            ("train", "--dataset", "digits", "--model", "knn", "--set", "knn.p=x"),
            "with knn.p=x: The",
        ),
        (("predict", ""), "the path of an image is empty"),
        (("predict", "a.png", "--rotation", "nan"), "rotation must be in degrees"),
        (("predict", "a.png", "--rotation", "1e9"), "not 1000000000.0"),
        (("compare", "--models", ""), "no name in ''"),
        (("compare", "--dataset", ""), "no name in ''"),
        (("calibrate", ".", "--output", "t.png"), "must end in .json"),
        (("serve", "--forwarded-allow-ips", "proxy.local"), "'proxy.local' does not appear"),
        (("evaluate", "--model", "none.joblib"), "no model file at none.joblib"),
        (("submit", "a.csv", "b.csv", "--model", "none.joblib"), "no model file at none.joblib"),
    ],
)
def test_mistakes_end_with_one_line_and_exit_code_2(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = digitrec(*arguments)
    assert result.returncode == 2
    last = result.stderr.splitlines()[-1]
    assert last.startswith("error: ")
    assert message in last
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("seed", ["-1", str(2**32), "x"])
@pytest.mark.parametrize("command", ["train", "compare"])
def test_seeds_that_no_generator_takes_are_refused(command, seed):
    result = digitrec(command, "--dataset", "digits", "--random-state", seed)
    assert result.returncode == 2
    assert "--random-state" in result.stderr


@pytest.mark.parametrize("there", ["test.csv", "model", "notes.txt", "photo.png", "folder"])
def test_outputs_do_not_replace_files_of_another_kind(model, there, tmp_path):
    test_csv, notes, photo = (tmp_path / name for name in ("test.csv", "notes.txt", "photo.png"))
    rows = [",".join(f"pixel{i}" for i in range(64)), *(",".join(["0", "16"] * 32) for _ in "abc")]
    test_csv.write_text("\n".join(rows) + "\n")
    notes.write_text("the ImageId,Label of each row\n")
    photo.write_bytes(b"\x89PNG\r\n")
    (tmp_path / "folder").mkdir()
    target = model if there == "model" else tmp_path / there
    files = [path for path in (test_csv, notes, photo, model) if path.is_file()]
    before = [path.read_bytes() for path in files]
    commands = [("submit", test_csv, target, "--model", model)]
    if there != "model":
        commands.append(("train", "--dataset", "digits", "--output", target))
    for command in commands:
        result = digitrec(*command)
        assert result.returncode == 2, command
        assert re.search("exists and is not a|is a folder", result.stderr.splitlines()[-1])
    assert [path.read_bytes() for path in files] == before


def test_a_submission_is_replaced_by_the_next(model, tmp_path):
    test_csv, submission = tmp_path / "test.csv", tmp_path / "submission.csv"
    for n_rows in (3, 2):
        header = ",".join(f"pixel{i}" for i in range(64))
        test_csv.write_text("\n".join([header, *([",".join(["0", "16"] * 32)] * n_rows)]) + "\n")
        assert digitrec("submit", test_csv, submission, "--model", model).returncode == 0
        assert len(submission.read_text().splitlines()) == n_rows + 1


def test_model_for_other_images_is_refused(model):
    result = digitrec("evaluate", "--model", model, "--dataset", "mnist_5k")
    assert result.returncode == 2
    assert "trained on image shape [8, 8]" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("encoding", ["latin-1", "cp437", "cp932", "cp1252", "utf-8"])
def test_a_console_of_any_encoding_shows_what_it_can(encoding):
    refused = digitrec("train", "--dataset", "√–数", encoding=encoding)
    assert (refused.returncode, refused.stdout) == (2, "")
    known = "√–数".encode(encoding, errors="replace").decode(encoding)
    assert re.match(f"error: .*{re.escape(known)}", refused.stderr)
    assert "Traceback" not in refused.stderr
