"""The comparison of two runs, as a user runs it."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from records_for_tests import make_result, make_run

from benchmarks import compare
from benchmarks._common import run_app
from digitrec.evaluation.compare_runs import compare_runs
from digitrec.evaluation.result import read_run, write_run

ROOT = Path(__file__).parents[2]
N = 1000


def right(n_wrong, start=0):
    rows = np.ones(N, dtype=bool)
    rows[start : start + n_wrong] = False
    return rows


def save(folder, run, rights, seed=0):
    """Write a run with predictions that are right on the given rows."""
    y = np.random.default_rng(seed).integers(0, 10, N).astype(np.uint8)
    (folder / "predictions").mkdir(parents=True)
    for result in run.results:
        if result.key in rights:
            np.savez(
                folder / "predictions" / f"{result.stem}.npz",
                y_true=y,
                y_pred=np.where(rights[result.key], y, (y + 1) % 10),
                scores=np.empty((0, 0), dtype=np.float32),
                has_probabilities=False,
                key=result.key,
            )
    write_run(run, folder / "results.json")
    return folder / "results.json"


@pytest.fixture
def call(monkeypatch, capsys):
    """Return a function that runs the command and gives its exit code and what it printed."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["compare", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            run_app(compare.main)
        return ended.value.code or 0, capsys.readouterr()

    return run


FIRST = make_run([make_result("svm"), make_result("mlp"), make_result("knn")])
FIRST_RIGHT = {"raw-svm-0": right(20), "raw-mlp-0": right(30), "raw-knn-0": right(40)}


def test_verdicts_of_all_kinds():
    second = make_run(
        [
            make_result("svm", fit_seconds=2.0),
            make_result("mlp"),
            make_result("lda"),
            make_result("knn", status="timeout", reason="killed", fit_seconds=None),
        ]
    )
    gone = make_result("ridge")
    first = make_run([*FIRST.results, gone])
    changes = compare_runs(
        first, second, FIRST_RIGHT, {"raw-svm-0": right(80), "raw-mlp-0": right(10)}
    )
    verdicts = {change.stem.split("-")[1]: change.verdict for change in changes}
    assert verdicts == {
        "svm": "worse",
        "mlp": "better",
        "knn": "failed",
        "ridge": "gone",
        "lda": "new",
    }
    svm = changes[0]
    assert svm.ratios == {"fit_seconds": 2.0, "latency_p50_ms": 1.0}
    assert (svm.test.only_first, svm.test.only_second) == (0, 60)
    assert svm.test.difference == pytest.approx(-0.06)
    assert [change.is_loss for change in changes] == [True, False, True, False, False]
    back = compare_runs(
        second, first, {"raw-svm-0": right(80), "raw-mlp-0": right(10)}, FIRST_RIGHT
    )
    assert {change.verdict for change in back} == {"better", "worse", "recovered", "gone", "new"}


def test_small_changes_are_no_loss():
    second = {**FIRST_RIGHT, "raw-svm-0": right(24)}
    assert {c.verdict for c in compare_runs(FIRST, FIRST, FIRST_RIGHT, second)} == {"same"}


def test_exit_codes(call, tmp_path):
    first = save(tmp_path / "a", FIRST, FIRST_RIGHT)
    code, printed = call(first, first)
    assert code == 0
    assert "3 compared, 0 significantly better, 0 worse or failed" in printed.out
    worse = save(tmp_path / "b", FIRST, {**FIRST_RIGHT, "raw-svm-0": right(80)})
    code, printed = call(first, worse.parent)
    assert code == 1
    row = next(line for line in printed.out.splitlines() if "raw-svm-seed0" in line)
    assert "worse" in row
    assert "-6.00" in row
    assert call(worse, first)[0] == 0


def test_the_command_runs_in_a_process_of_its_own(tmp_path):
    first = save(tmp_path / "a", FIRST, FIRST_RIGHT)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.compare", first, tmp_path / "missing.json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "no saved results" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "path",
    [path.parent for path in sorted((ROOT / "reports").glob("**/mnist/results.json"))],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_published_runs_of_all_versions_can_be_read(path):
    run = read_run(path / "results.json")
    assert run.winning_result is not None
    assert run.dataset.n_columns == 784


def test_bad_input_is_named_with_exit_code_2(call, tmp_path):
    first = save(tmp_path / "a", FIRST, FIRST_RIGHT)
    other_rows = save(tmp_path / "b", FIRST, FIRST_RIGHT, seed=1)
    other_data = save(tmp_path / "c", make_run(FIRST.results, "usps"), FIRST_RIGHT)
    without = save(tmp_path / "d", FIRST, {"raw-svm-0": right(1)})
    (tmp_path / "broken.json").write_text("{")
    early = json.loads(first.read_text())
    del early["dataset"]["source"]
    (tmp_path / "early.json").write_text(json.dumps(early))
    cases = {
        tmp_path / "early.json": "run it again",
        tmp_path / "broken.json": "not a results file",
        other_rows: "different test images",
        other_data: "different test images",
        without: "no stored predictions of 'raw-mlp-seed0'",
    }
    for path, message in cases.items():
        code, printed = call(first, path)
        assert code == 2, path
        assert message in " ".join(printed.err.split())


def test_changed_key_is_not_a_change_of_model():
    # Another version of digitrec gives the same model another key.
    renamed = [dataclasses.replace(result, key=f"{result.key}-2") for result in FIRST.results]
    rights = {f"{key}-2": rows for key, rows in FIRST_RIGHT.items()}
    changes = compare_runs(FIRST, make_run(renamed), FIRST_RIGHT, rights)
    assert {change.verdict for change in changes} == {"same"}
