"""The search over parameters: drawn, chosen on validation rows, told honestly."""

import numpy as np
import pytest
from own_estimators import Centroids, report_text
from scipy.stats import loguniform
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import fbeta_score, make_scorer
from sklearn.neighbors import KNeighborsClassifier

import digitrec
from digitrec.errors import ConfigurationError
from digitrec.evaluation import tuning
from digitrec.evaluation.tuning import draw_candidates
from digitrec.models import MODELS, ModelSpec


@pytest.fixture(scope="module")
def rings():
    """Two classes that one neighbour tells apart better than two hundred."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 600)
    angle = rng.uniform(0, 2 * np.pi, 600)
    radius = 1 + y + rng.normal(0, 0.15, 600)
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]), y


def test_candidates_come_from_their_space_and_none_twice():
    space = {"a": [1, 2, 3], "b": ("log", 0.1, 10.0), "c": ("uniform", -1.0, 1.0)}
    drawn = draw_candidates(space, 50, 0)
    assert drawn == draw_candidates(space, 50, 0) != draw_candidates(space, 50, 1)
    for name, low, high in (("a", 1, 3), ("b", 0.1, 10), ("c", -1, 1)):
        assert all(low <= candidate[name] <= high for candidate in drawn)
    few = draw_candidates({"a": [1, 2], "b": ["x", "y"]}, 50, 0)
    assert len(few) == len({tuple(sorted(c.items())) for c in few}) == 4


def test_spaces_of_the_registry_name_parameters_that_the_models_have():
    for spec in MODELS.values():
        for candidate in draw_candidates(spec.search, 3, 0) if spec.search else []:
            spec.build(0, candidate)


def test_the_chosen_is_a_row_beside_the_default(rings):
    # What goes with the features stays with the default alone: the chosen keeps its own.
    bad = ModelSpec(name="knn_own", title="Neighbours", summary="", seconds=1,
                    estimator=KNeighborsClassifier(7),
                    feature_parameters={"raw": {"n_neighbors": 200}})  # fmt: skip
    space = {"n_neighbors": [1, 5, 150], "weights": ["uniform"]}
    c = digitrec.compare(rings, {"knn_own": bad, "dummy": "dummy"}, tune=10,
                         search={"knn_own": space})  # fmt: skip
    board = c.leaderboard()
    assert set(board.index) == {"knn_own", "knn_own_tuned", "dummy"}
    assert c.best_name == "knn_own_tuned"
    assert c.result("knn_own_tuned").parameters["n_neighbors"] in (1, 5)
    (row,) = c.tuning().to_dict("records")
    assert (row["model"], row["tuned"], row["n_candidates"]) == ("knn_own", "knn_own_tuned", 4)
    assert row["default"] == board.loc["knn_own", "validation_accuracy"]
    assert row["best"] == board.loc["knn_own_tuned", "validation_accuracy"] > row["default"]
    gain = board.loc["knn_own_tuned", "test_accuracy"] - board.loc["knn_own", "test_accuracy"]
    assert row["test_gain"] == pytest.approx(gain)
    assert row["test_low"] < row["test_gain"] < row["test_high"]
    report = report_text(c)
    assert "## Tuning" in report
    assert "`n_neighbors=150, weights=uniform`" in report
    # A gain of many points is not what three candidates give by chance.
    assert 0 < row["chance_gain"] < row["chance_high"] < row["best"] - row["default"]
    assert row["p_value"] < 0.01
    curve = c.validation_curve("knn_own")
    assert set(curve["parameter"]) == set(space)
    neighbours = curve[curve["parameter"] == "n_neighbors"].set_index("candidate")["value"]
    assert sorted(neighbours) == [1, 5, 150, 200]
    assert neighbours[0] == c.result("knn_own_tuned").parameters["n_neighbors"]
    figure = c.plot("validation_curve", "knn_own")
    assert [axes.get_xlabel() for axes in figure.axes] == ["n_neighbors", "weights"]
    again = digitrec.compare(rings, {"knn_own": bad, "dummy": "dummy"}, tune=10,
                             search={"knn_own": space})  # fmt: skip
    assert again.run.tuning == c.run.tuning
    assert digitrec.read_comparison(c.folder).run.tuning == c.run.tuning


@pytest.mark.parametrize(
    "metric", ["macro_f1", "log_loss", make_scorer(fbeta_score, beta=2, average="macro")]
)
def test_other_metrics_choose(rings, metric, monkeypatch):
    monkeypatch.setattr(tuning, "N_GROUPS", 12)  # each group costs a score of all rows
    search = {"k_neighbors_classifier": {"n_neighbors": [1, 15, 120]}}
    c = digitrec.compare(rings, KNeighborsClassifier(150), tune=3, search=search, metric=metric)
    (row,) = c.tuning().to_dict("records")
    scores = c.leaderboard()["validation_score"]
    assert row["metric"] == c.run.metric
    assert row["default"] == pytest.approx(scores["k_neighbors_classifier"])
    assert row["best"] == scores["k_neighbors_classifier_tuned"] > row["default"]
    assert row["p_value"] < 0.05
    assert row["test_low"] < row["test_gain"] < row["test_high"]
    curve = c.validation_curve().set_index("value")["score"]
    assert curve.idxmax() in (1, 15)
    report = report_text(c)
    assert f"chosen by {row['metric'].replace('_', ' ')}" in report


def test_a_metric_that_a_model_cannot_be_scored_by_is_told(rings):
    models = [RidgeClassifier(), KNeighborsClassifier(30)]
    search = {"ridge_classifier": {"alpha": [0.1, 1.0]}}
    c = digitrec.compare(rings, models, tune=2, search=search, metric="log_loss")
    record = c.run.tuning[0]
    assert (record.tuned, record.best, record.chance) == (None, None, None)
    assert "predict_proba" in record.reason


def test_halving_ends_with_all_rows_and_the_same_test(rings, monkeypatch):
    monkeypatch.setattr(tuning, "MIN_CLASS_ROWS", 20)
    monkeypatch.setattr(tuning, "MIN_HALVING_SECONDS", 0.0)
    search = {"k_neighbors_classifier": {"n_neighbors": list(range(1, 19, 2))}}
    c = digitrec.compare(rings, KNeighborsClassifier(150), tune=9, search=search)
    record = c.run.tuning[0]
    n_rows = c.result("k_neighbors_classifier").n_train
    assert [r["candidates"] for r in record.rounds] == [9, 3, 1]
    assert [r["rows"] for r in record.rounds] == [n_rows // 9, n_rows // 3, n_rows]
    best, second = record.candidates[:2]
    assert best.rows == second.rows == n_rows  # the chosen beside the default
    assert second.parameters == {}
    assert record.tuned == "k_neighbors_classifier_tuned"
    assert len(record.candidates) == 10
    text = report_text(c)
    assert "the better third of a round goes on" in text


def test_a_search_that_finds_nothing_better_adds_no_row(rings):
    search = {"k_neighbors_classifier": {"n_neighbors": [250, 300]}}
    c = digitrec.compare(rings, KNeighborsClassifier(5), tune=2, search=search)
    assert c.names == ["k_neighbors_classifier"]
    (row,) = c.tuning().to_dict("records")
    assert row["tuned"] is None
    assert row["best"] == row["default"]


def test_a_search_ends_with_its_time(rings):
    c = digitrec.compare(rings, KNeighborsClassifier(5), tune="1s",
                         search={"k_neighbors_classifier": {"p": loguniform(1, 8)}})  # fmt: skip
    states = [row.status for row in c.run.tuning[0].candidates]
    assert "not_run" in states
    assert c.leaderboard()["status"].iloc[0] == "ok"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tune": 0}, "tune must be a whole number"),
        ({"tune": True}, "tune must be a whole number"),
        ({"tune": 1.5}, "tune must be a whole number"),
        ({"tune": 3}, "no search space is known of centroids"),
        ({"tune": 3, "search": {"centroids": {}}}, "search space of centroids names no parameter"),
        ({"tune": "later"}, "cannot read the time of tune= 'later'"),
        ({"search": {"centroids": {"shift": [1]}}}, "search= is for tune="),
        ({"tune": 3, "search": {"svm": {"C": [1]}}}, "unknown model of this comparison 'svm'"),
        *(
            ({"tune": 3, "search": {"centroids": {"shift": space}}}, r"space of centroids\.shift")
            for space in (5, [], ("log", -1, 5), ("log", 1), ("uniform", 5, 1), ("log", 2, 2))
        ),
    ],
)
def test_searches_that_cannot_be_made_are_refused(rings, arguments, message):
    with pytest.raises(ConfigurationError, match=message):
        digitrec.compare(rings, Centroids(), **arguments)
