"""What the models learned, on small real data."""

import dataclasses
import json

import numpy as np
import pytest
from sklearn.svm import SVC

from digitrec.analyses import ANALYSES, AnalysisContext
from digitrec.analyses.learned_weights import learned_maps, pack_maps, unpack_maps
from digitrec.analyses.nearest_neighbours import describe_neighbours
from digitrec.analyses.support_vectors import describe_support_vectors
from digitrec.comparison.execution import run_experiment
from digitrec.datasets import load_dataset
from digitrec.evaluation.job_store import JobStore


def test_maps_survive_packing():
    maps = np.random.default_rng(0).normal(size=(3, 4, 5))
    maps[1] = 0
    packed = json.loads(json.dumps(pack_maps(maps)))
    found = unpack_maps(packed)
    assert found.shape == maps.shape
    np.testing.assert_allclose(found, maps, atol=np.abs(maps).max() / 250)
    assert not found[1].any()


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


def test_learned_maps_are_of_models_that_read(digits):
    found = learned_maps(digits, 0, max_rows=600)
    assert found["n"] + found["n_held_out"] == 600
    maps = {entry["kind"]: unpack_maps(entry["maps"]) for entry in found["models"]}
    assert maps["weights"].shape == (10, 8, 8)
    assert maps["filters"].shape[1:] == (8, 8)
    assert 10 <= len(maps["filters"]) <= 45
    assert maps["importance"].shape == (1, 8, 8)
    assert maps["class_importance"].shape == (10, 8, 8)
    for entry in found["models"]:
        assert entry["accuracy"] is None or entry["accuracy"] > 0.85
    assert maps["importance"].sum() == pytest.approx(1, abs=0.1)
    # Ink in the middle speaks against a zero.
    assert maps["weights"][0, 3:5, 3:5].max() < 0


def test_pixels_without_ink_have_no_weight(digits):
    X = digits.X_train.copy()
    X[:, :8] = 0
    blank = dataclasses.replace(digits, X_train=X, fingerprint="")
    for entry in learned_maps(blank, 0, max_rows=300)["models"]:
        assert not unpack_maps(entry["maps"])[:, 0].any()


def test_two_classes_have_a_map_each(digits):
    kept = digits.y_train < 2
    two = dataclasses.replace(
        digits,
        X_train=digits.X_train[kept],
        y_train=digits.y_train[kept],
        label_names=("0", "1"),
        fingerprint="",
    )
    maps = {entry["kind"]: unpack_maps(entry["maps"]) for entry in learned_maps(two, 0)["models"]}
    np.testing.assert_array_equal(maps["weights"][0], -maps["weights"][1])


def test_support_vectors_of_each_class_the_heaviest_first(digits):
    X, y = digits.X_train[:500] / 255, digits.y_train[:500]
    machine = SVC(C=0.5, gamma=0.05).fit(X, y)
    found = describe_support_vectors(machine.support_, machine.dual_coef_, 0.5, y, 10)
    assert found["n"] == len(machine.support_) == sum(entry["n"] for entry in found["classes"])
    for label, entry in enumerate(found["classes"]):
        assert set(y[entry["rows"]]) == {label}
        assert entry["weights"] == sorted(entry["weights"], reverse=True)
        assert entry["n_at_bound"] <= entry["n"] <= entry["n_train"]
    assert any(entry["n_at_bound"] for entry in found["classes"])


def test_distorted_copies_are_counted_not_shown():
    support = np.array([0, 3, 5])  # of 3 images and one copy of each
    found = describe_support_vectors(support, [[1.0, -0.5, 0.25]], 1.0, [0, 1, 1], 2)
    assert [entry["n"] for entry in found["classes"]] == [2, 1]
    assert [entry["rows"] for entry in found["classes"]] == [[0], []]


def test_neighbours_are_the_nearest_training_rows():
    X_train = np.array([[0.0], [1.0], [4.0], [9.0]])
    y_train = [0, 1, 2, 3]
    found = describe_neighbours(
        X_train, y_train, np.array([[0.4], [4.4], [8.5]]), [0, 3, 2], [1, 2, 0]
    )
    assert [near[0] for near in found["neighbours"]] == [0, 2, 3]
    assert found["distances"][0][:2] == [0.4, 0.6]
    assert found["nearest_is_true"] == 1
    assert found["nearest_is_predicted"] == 1
    assert found["nearest_is_other"] == 1


def test_the_analysis_of_a_run(make_experiment, small_digits):
    experiment = make_experiment("svm", "lda")
    run = run_experiment(experiment, small_digits, "digits").run
    context = AnalysisContext(
        dataset=small_digits,
        results=tuple(result for result in run.results if result.ok),
        winner=run.winner,
        store=JobStore(experiment.folder / "jobs"),
        random_state=0,
        n_jobs=1,
        cache=experiment.cache_folder,
    )
    found = {
        name: json.loads(json.dumps(ANALYSES[name].run(context), allow_nan=False))
        for name in ("support_vectors", "nearest_neighbours")
    }
    assert found["support_vectors"]["name"] == "gradients-svm-seed0"
    assert ANALYSES["support_vectors"].frame(found["support_vectors"])["n_train"].sum() == 300
    near = found["nearest_neighbours"]
    assert len(ANALYSES["nearest_neighbours"].frame(near)) == 5 * near["n_mistakes"]
    predicted = context.predictions(run.winning_result).y_test_pred
    assert near["rows"] == np.flatnonzero(predicted != small_digits.y_test).tolist()
    assert near["predicted"] == predicted[near["rows"]].tolist()
    judged = near["nearest_is_true"] + near["nearest_is_predicted"] + near["nearest_is_other"]
    assert judged == near["n_mistakes"] == len(near["neighbours"])
    assert max(map(max, near["neighbours"])) < len(small_digits.y_train)
