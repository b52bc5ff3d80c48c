"""The main command, in a process of its own where that matters."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import numpy as np
import psutil
import pytest

from benchmarks import run_all
from digitrec.datasets import load_dataset
from digitrec.errors import DigitrecError
from digitrec.evaluation.result import read_run
from digitrec.models import MODELS
from digitrec.persistence import load_model

ROOT = Path(__file__).parents[2]


def command(*arguments):
    return [sys.executable, "-m", "benchmarks.run_all", *map(str, arguments)]


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    return os.environ | {"DIGITREC_DATA": str(tmp_path_factory.mktemp("cache")), "COLUMNS": "200"}


@pytest.fixture
def call(environment, monkeypatch, capsys):
    """Return a function that runs the command here and gives its exit code and what it printed."""
    for name in ("DIGITREC_DATA", "COLUMNS"):
        monkeypatch.setenv(name, environment[name])

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", [run_all.__file__, *map(str, arguments)])
        monkeypatch.setitem(sys.modules, "__main__", run_all)
        code = 0
        before = signal.getsignal(signal.SIGTERM)
        try:
            run_all.main()
        except SystemExit as ended:
            code = ended.code or 0
        finally:
            signal.signal(signal.SIGTERM, before)
        return subprocess.CompletedProcess(arguments, code, *capsys.readouterr())

    return run


SMALL = ("--dataset", "digits", "--max-train", 300)
MAIN_JOB = ("--dataset", "mnist_5k", "--max-train", 1000)


@pytest.fixture(scope="module")
def reports(environment, tmp_path_factory):
    """Reports of the main job on images of MNIST, in a process of its own."""
    folder = tmp_path_factory.mktemp("reports")
    done = subprocess.run(
        command(*MAIN_JOB, "--output-dir", folder), cwd=ROOT, env=environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


@pytest.mark.slow
def test_a_run_leaves_a_report_and_a_model(reports):
    folder, output = reports
    mnist = folder / "mnist_5k"
    run = read_run(mnist / "results.json")
    assert [result.model for result in run.results] == [
        "logistic_regression",
        "svm",
        "random_forest",
        "mlp",
    ]
    errors = {result.model: result.test_error for result in run.results}
    assert errors["svm"] < 0.03
    assert errors["logistic_regression"] < 0.035
    assert errors["mlp"] < 0.035
    assert errors["random_forest"] < 0.05
    assert run.dataset.name == "mnist_5k"
    assert run.command.startswith("python -m benchmarks.run_all --dataset mnist_5k --max-train")
    for name in ("report.md", "report.html", "results.csv", "best_model.joblib.json"):
        assert (mnist / name).stat().st_size > 0
    with (mnist / "results.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 4
    report = (mnist / "report.md").read_text()
    for path in (mnist / "figures").glob("*.png"):
        assert f"figures/{path.name}" in report
    assert "mnist_5k/report.md" in (folder / "README.md").read_text()
    # One line per job, then the table, with no control codes where there is no terminal.
    assert "[4/4]" in output
    assert "Logistic regression" in output
    assert "\x1b" not in output


@pytest.mark.slow
def test_the_winner_takes_raw_pixels(reports):
    folder, _ = reports
    run = read_run(folder / "mnist_5k" / "results.json")
    dataset = load_dataset("mnist_5k")
    model = load_model(folder / "mnist_5k" / "best_model.joblib")
    accuracy = np.mean(model.predict(dataset.X_test) == dataset.y_test)
    assert accuracy == pytest.approx(run.winning_result.test_accuracy)
    metadata = json.loads((folder / "mnist_5k" / "best_model.joblib.json").read_text())
    assert metadata["data_fingerprint"] == run.dataset.fingerprint


@pytest.mark.slow
def test_the_second_run_reuses_the_first_and_keeps_its_times(reports, call):
    folder, _ = reports
    before = read_run(folder / "mnist_5k" / "results.json")
    done = call(*MAIN_JOB, "--output-dir", folder)
    assert done.stdout.count("(stored)") == 4
    assert read_run(folder / "mnist_5k" / "results.json") == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--models", "svn"), "unknown model 'svn'; choose one of: logistic_regression, svm"),
        (("--dataset", "emnist99"), "unknown dataset 'emnist99'"),
        (("--set", "svm.C=1"), "is for 'svm', which is not a model of this comparison"),
        (("--set", "lda.n_jobs=4"), "--set lda.n_jobs has no effect"),
        (("--repeats", "3"), "--repeats has no effect without --cv"),
        (("--rope", "0.1"), "--rope has no effect without --cv"),
        (("--report-only", "--seeds", "2"), "have no effect with --report-only"),
        (("--set", "svm.C"), "model.parameter=value"),
        (("--timeout", "soon"), "cannot read the time limit 'soon'"),
        (("--executor", "slurm"), "unknown executor 'slurm'; choose one of: local, dask"),
        (("--executor", "dask"), "--scheduler"),
        (("--profile", "slow"), "unknown profile 'slow'; choose one of: fast, full"),
        (("--jobs", "0"), "--jobs"),
    ],
)
def test_mistakes_end_with_one_line_and_exit_code_2(arguments, message, call, tmp_path):
    done = call("--models", "logistic_regression,lda", *SMALL, "--output-dir", tmp_path, *arguments)
    assert done.returncode == 2
    assert message in click.unstyle(" ".join(done.stderr.split()))
    assert "Traceback" not in done.stderr


def test_a_report_of_nothing_cannot_be_rebuilt(tmp_path):
    from digitrec.commands.compare_command import _rebuild, _saved_folder

    with pytest.raises(DigitrecError, match="no saved results"):
        _rebuild(_saved_folder(tmp_path, "digits"), None)


def test_the_list_names_everything(call):
    done = call("--list")
    assert done.returncode == 0
    for name in (*MODELS, "mnist_5k", "gradients"):
        assert name in done.stdout


@pytest.mark.slow
def test_ctrl_c_writes_the_report_of_what_is_there(environment, tmp_path):
    arguments = ("--models", "lda,hist_gradient_boosting", "--jobs", 2, "--output-dir", tmp_path)
    endless = ("--set", "hist_gradient_boosting.max_iter=100000")
    process = subprocess.Popen(
        command(*arguments, *endless, *SMALL), cwd=ROOT, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    jobs = tmp_path / "digits" / "jobs"
    limit = time.monotonic() + 300
    while not (any(jobs.glob("*-lda-*.json")) and any(jobs.glob("*-hist_*.running"))):
        assert time.monotonic() < limit
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    (path,) = jobs.glob("*-hist_*.running")
    worker = psutil.Process(json.loads(path.read_text())["pid"])
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 130
    assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE
    results = read_run(tmp_path / "digits" / "results.json").results
    assert [result.status for result in results] == ["ok", "interrupted"]
    assert results[1].reason == "the run was stopped while it ran"
    assert "Traceback" not in errors
    assert "the same command continues the run" in output
    assert "interrupted" in (tmp_path / "digits" / "report.md").read_text()
