import numpy as np
import pytest

from benchmarks._common import run_facts
from benchmarks.scale import growth, measure, render, training_images
from digitrec.datasets import load_dataset


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


@pytest.mark.parametrize("n_rows", [100, 3000])
def test_as_many_images_as_asked_for_with_their_labels(digits, n_rows):
    X, y = training_images(digits, n_rows)
    assert X.shape == (n_rows, 64)
    assert y.shape == (n_rows,)
    n_train = len(digits.y_train)
    if n_rows > n_train:
        np.testing.assert_array_equal(X[:n_train], digits.X_train)
        # A copy is another picture of the same digit.
        copies = X[n_train : 2 * n_train].astype(float)
        assert (copies != X[:n_train]).any(axis=1).all()
        distances = [np.abs(copies - np.roll(X[:n_train], k, axis=0)).sum() for k in (0, 1)]
        assert distances[0] < distances[1]
        np.testing.assert_array_equal(y[n_train : 2 * n_train], digits.y_train)
    else:
        places = [np.flatnonzero((digits.X_train == image).all(axis=1))[0] for image in X]
        np.testing.assert_array_equal(digits.y_train[places], y)


def test_exponents_are_those_of_the_power():
    assert growth([10, 60, 240], [3 * n**1.5 for n in (10, 60, 240)]) == pytest.approx(1.5)


def test_every_part_is_measured_and_shown(digits):
    measured = measure(digits, [200, 2000], ["logistic_regression", "random_forest"], n_jobs=1)
    assert [(row["part"], row["n_rows"]) for row in measured] == [
        (part, n)
        for n in (200, 2000)
        for part in ("features", "logistic_regression", "random_forest")
    ]
    assert all(row["fit_seconds"] > 0 and row["peak_memory_bytes"] > 2**20 for row in measured)
    facts = run_facts("scale", digits, n_jobs=1)
    text = render(measured, facts)
    assert "| Random forest" in text
    assert "2,000" in text
