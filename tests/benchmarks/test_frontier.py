"""The frontier benchmark on small data: every candidate, resuming, report and figure."""

import json

import joblib
import numpy as np
import pytest

from benchmarks._common import run_facts
from benchmarks._frontier_candidates import TRIALS, candidates_for
from benchmarks.frontier import (
    frontier_figure,
    measure,
    measure_shortcut,
    render_report,
    run_trials,
    winner_of,
)
from digitrec.datasets import load_dataset
from digitrec.errors import DigitrecError

CANDIDATES = candidates_for("digits")
# A committee and its members, and one more; the others differ in parameters only.
NAMES = ["svm", "augmented_mlp", "virtual_svm", "committee"]


@pytest.fixture(scope="module")
def small():
    return load_dataset("digits", max_train=240)


@pytest.fixture(scope="module")
def measured(small, tmp_path_factory):
    folder = tmp_path_factory.mktemp("frontier")
    return folder, measure(small, NAMES, folder, 1, lambda line: None)


def test_candidates_are_measured_and_saved(small, measured):
    folder, stored = measured
    assert [row["name"] for row in stored["results"]] == NAMES
    for row in stored["results"]:
        path = folder / "models" / f"{row['name']}-final-{row['key']}.joblib"
        predicted = joblib.load(path).predict(small.X_test)
        assert np.mean(predicted != small.y_test) == pytest.approx(row["test_error"])
        assert row["test_error"] < 0.25
        assert row["test_error_low"] <= row["test_error"] <= row["test_error_high"]
        assert row["model_bytes"] == path.stat().st_size


def test_a_committee_averages_probabilities_and_adds_times(small, measured):
    folder, stored = measured
    keys = {row["name"]: row["key"] for row in stored["results"]}
    models = {
        name: joblib.load(folder / "models" / f"{name}-final-{keys[name]}.joblib")
        for name in ("committee", *CANDIDATES["committee"].members)
    }
    probabilities = {n: model.predict_proba(small.X_test) for n, model in models.items()}
    members = [probabilities[name] for name in CANDIDATES["committee"].members]
    np.testing.assert_allclose(probabilities["committee"], np.mean(members, axis=0), atol=1e-5)
    seconds = {row["name"]: row["fit_seconds"] for row in stored["results"]}
    assert seconds["committee"] > seconds["virtual_svm"] + seconds["augmented_mlp"]


def test_measured_candidates_are_not_run_again(small, measured):
    folder, stored = measured
    lines: list[str] = []
    again = measure(small, NAMES, folder, 1, lines.append)
    assert again == stored
    assert lines == [f"{name}: measured before" for name in NAMES]


def test_the_winner_is_chosen_on_validation_rows():
    rows = [
        {"name": "a", "validation_error": 0.02, "test_error": 0.01, "fit_seconds": 1.0},
        {"name": "b", "validation_error": 0.01, "test_error": 0.03, "fit_seconds": 9.0},
        {"name": "c", "validation_error": 0.01, "test_error": 0.04, "fit_seconds": 5.0},
    ]
    assert winner_of(rows)["name"] == "c"


def test_report_and_figure_show_what_was_measured(small, measured):
    _, stored = measured
    shortcut = measure_shortcut(small, 150)
    assert shortcut["agreement"] > 0.95
    stored = {**stored, "dataset": "mnist", "shortcut": shortcut}
    text = render_report(stored)
    for row in stored["results"]:
        assert CANDIDATES[row["name"]].title in text
        assert f"{row['test_error']:.2%}" in text
    assert "LeNet-5" in text
    left, right = frontier_figure(stored).axes
    for axes, field in ((left, "fit_seconds"), (right, "latency_ms")):
        points = axes.collections[0].get_offsets()
        expected = [[row[field], row["test_error"] * 100] for row in stored["results"]]
        np.testing.assert_allclose(points, expected)


def test_a_committee_needs_its_members(small, tmp_path):
    with pytest.raises(DigitrecError, match="measure 'virtual_svm' in the same run"):
        measure(small, ["committee"], tmp_path, 1, lambda line: None)
    assert not (tmp_path / "results.json").exists()


@pytest.mark.parametrize("facts", [{"fingerprint": "another"}, {}, {"shortcut": {}}])
def test_results_of_other_data_or_code_are_not_reused(small, tmp_path, facts):
    row = {"name": "svm", "test_error": 0.0, "key": "of earlier code"}
    content = {"fingerprint": small.fingerprint, "results": [row], **facts}
    (tmp_path / "results.json").write_text(json.dumps(content), encoding="utf-8")
    stored = measure(small, ["svm"], tmp_path, 1, lambda line: None)
    assert stored["fingerprint"] == small.fingerprint
    assert stored["results"][0]["fit_seconds"] > 0
    assert "shortcut" not in stored


def test_trials_hold_their_images_out(small):
    lines: list[str] = []
    trials = run_trials(small, lines.append)
    assert trials["n_train"] + trials["n_held_out"] <= len(small.X_train)
    titles = [row["title"] for row in trials["rows"]]
    assert titles == [trial.title for trial in TRIALS]
    assert len(lines) == len(titles)
    text = render_report({**_any_result(small), "trials": trials})
    assert "affine jitter only" in text


def _any_result(small):
    row = {
        "name": "svm",
        "validation_error": 0.1,
        "test_error": 0.1,
        "test_error_low": 0.05,
        "test_error_high": 0.2,
        "fit_seconds": 1.0,
        "predict_seconds": 1.0,
        "latency_ms": 1.0,
        "model_bytes": 1,
        "n_threads": 1,
    }
    return {
        "dataset": "mnist",
        "n_train": 1,
        "n_validation": 1,
        "n_test": 1,
        "results": [row],
        **run_facts("frontier"),
    }
