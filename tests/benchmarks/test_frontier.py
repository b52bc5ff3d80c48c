"""The frontier benchmark on small data: comparing means, resuming, the winner, the report."""

import json

import joblib
import numpy as np
import pytest
from sklearn.metrics import log_loss
from typer.testing import CliRunner

import benchmarks.frontier
from benchmarks._common import make_app
from benchmarks._frontier_candidates import candidates_for
from benchmarks._frontier_report import frontier_figure, render_report
from benchmarks.frontier import Means, measure, measure_shortcut, score_winner
from digitrec._messages import messages_to
from digitrec.datasets import load_dataset
from digitrec.evaluation.splits import validation_split
from digitrec.models import MODELS
from digitrec.preprocessing import FEATURES

NAMES = ["svm", "equal_width_svm"]


@pytest.fixture(scope="module")
def small():
    return load_dataset("digits", max_train=240)


@pytest.fixture(scope="module")
def measured(small, tmp_path_factory):
    folder = tmp_path_factory.mktemp("frontier")
    stored = measure(small, NAMES, folder, 1)
    stored["winner"] = score_winner(small, stored["results"][0]["members"], folder, 1)
    return folder, stored


@pytest.mark.parametrize("dataset", ["mnist", "fashion_mnist"])
def test_candidates_are_models_with_features_of_the_registries(dataset):
    for candidate in candidates_for(dataset).values():
        known = MODELS[candidate.model].build(0).get_params()
        assert set(dict(candidate.parameters)) <= set(known)
        assert candidate.features in FEATURES


def probabilities(n_rows, names="abc", seed=0):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 4, n_rows)
    found = {}
    for name in names:
        scores = rng.normal(size=(n_rows, 4)) + 2 * np.eye(4)[codes]
        found[name] = (np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)).astype("f4")
    return found, codes


def test_every_mean_is_compared_on_the_same_rows():
    found, codes = probabilities(500)
    means = Means.of(found, codes, most_members=2)
    assert means.members == [("a",), ("b",), ("c",), ("a", "b"), ("a", "c"), ("b", "c")]
    for members, losses, wrong in zip(means.members, means.losses, means.wrong, strict=True):
        mean = np.mean([found[name] for name in members], axis=0)
        assert losses.mean() == pytest.approx(log_loss(codes, mean, labels=range(4)), rel=1e-4)
        assert wrong.mean() == np.mean(mean.argmax(axis=1) != codes)
    assert means.losses[means.best()].mean() == means.losses.mean(axis=1).min()


def test_selection_bias_is_what_choosing_adds():
    found, codes = probabilities(400, "abcdefgh")
    assert Means.of(found, codes, most_members=1).selection_bias() > 0.002
    # One candidate is not chosen: rows drawn and rows not drawn have the same error.
    alone = Means.of({"a": found["a"]}, codes)
    assert abs(alone.selection_bias(2000)) < 0.002


def test_candidates_are_compared_on_rows_that_they_have_not_seen(small, measured):
    folder, stored = measured
    split = validation_split(small.y_train, fraction=1 / 3)
    assert (stored["n_fitted"], stored["n_held_out"]) == (len(split.train), len(split.validation))
    assert stored["n_means"] == 3
    assert sorted(len(row["members"]) for row in stored["results"]) == [1, 1, 2]
    losses = [row["log_loss"] for row in stored["results"]]
    assert losses == sorted(losses)
    files = sorted(path.name.rpartition("-")[0] for path in (folder / "held_out").iterdir())
    assert files == sorted(NAMES)


def test_the_winner_is_the_mean_of_its_members_on_the_test_rows(small, measured):
    folder, stored = measured
    winner = stored["winner"]
    assert winner["members"] == stored["results"][0]["members"]
    found = [
        joblib.load(next((folder / "models").glob(f"{name}-*.joblib")))
        for name in winner["members"]
    ]
    mean = np.mean([model.predict_proba(small.X_test) for model, _ in found], axis=0)
    assert np.mean(mean.argmax(axis=1) != small.y_test) == pytest.approx(winner["test_error"])
    assert winner["fit_seconds"] == pytest.approx(sum(seconds for _, seconds in found))
    assert winner["test_error_low"] <= winner["test_error"] <= winner["test_error_high"] < 0.3


def test_measured_candidates_are_not_fitted_again(small, measured):
    folder, stored = measured
    lines: list[str] = []
    with messages_to(lines.append):
        again = measure(small, NAMES, folder, 1)
    assert again["results"] == stored["results"]
    assert [line for line in lines if "before" in line] == [f"{n}: measured before" for n in NAMES]


def test_the_winner_is_timed_again_without_the_comparison(small, measured, monkeypatch):
    folder, stored = measured
    (folder / "results.json").write_text(json.dumps(stored), encoding="utf-8")
    monkeypatch.setattr(benchmarks.frontier, "load_dataset", lambda *_, **__: small)
    run = CliRunner().invoke(
        make_app(benchmarks.frontier.main), ["--retime", "--output-dir", str(folder)]
    )
    assert run.exit_code == 0, run.output
    again = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert again["results"] == stored["results"]
    assert again["winner"]["test_error"] == stored["winner"]["test_error"]
    assert again["winner"]["fit_seconds"] != stored["winner"]["fit_seconds"]
    assert "stands for" in (folder / "report.md").read_text(encoding="utf-8")


def test_times_alone_need_the_results_of_a_run(small, tmp_path, monkeypatch):
    monkeypatch.setattr(benchmarks.frontier, "load_dataset", lambda *_, **__: small)
    run = CliRunner().invoke(
        make_app(benchmarks.frontier.main), ["--retime", "--output-dir", str(tmp_path)]
    )
    assert run.exit_code != 0
    assert "run without it first" in str(run.exception)


def test_report_and_figure_show_what_was_measured(small, measured):
    _, stored = measured
    shortcut = measure_shortcut(small, 150)
    assert shortcut["agreement"] > 0.95
    stored = {**stored, "dataset": "mnist", "shortcut": shortcut}
    text = render_report(stored)
    for row in stored["results"]:
        assert f"{row['held_out_error']:.3%}" in text
    assert f"{stored['winner']['test_error']:.2%}" in text
    assert "LeNet-5" in text
    left, right = frontier_figure(stored).axes
    points = left.collections[0].get_offsets()
    expected = [[r["processor_seconds"], r["held_out_error"] * 100] for r in stored["results"]]
    np.testing.assert_allclose(points, expected)
    assert stored["winner"]["test_error"] * 100 in right.collections[1].get_offsets()[:, 0]
