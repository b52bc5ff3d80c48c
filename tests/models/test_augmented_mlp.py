"""The network on distorted gradients: conventions, use, repeatable fits."""

import pickle

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.utils.estimator_checks import parametrize_with_checks

from digitrec.models.augmented_mlp import AugmentedMLP


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return (X / 16).astype(np.float32), y


SMALL = AugmentedMLP(hidden_layer_sizes=(16,), n_components=20, n_epochs=4, random_state=0)


@parametrize_with_checks(
    [SMALL],
    expected_failed_checks=lambda _: {
        "check_classifiers_train": "four epochs are too few for the accuracy it asks for"
    },
)
def test_follows_scikit_learn_conventions(estimator, check):
    check(estimator)


def test_learns_digits_from_few_images(digits):
    X, y = digits
    model = AugmentedMLP(
        hidden_layer_sizes=(64,), n_components=60, n_epochs=40, batch_size=50, random_state=0
    )
    model.fit(X[:400], y[:400])
    assert model.score(X[400:], y[400:]) > 0.9
    probabilities = model.predict_proba(X)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(probabilities.argmax(axis=1), model.predict(X))


def test_fits_are_repeatable_and_survive_pickling(digits):
    X, y = digits
    model = AugmentedMLP((8, 8), n_epochs=3, random_state=5).fit(X[:300], y[:300])
    again = AugmentedMLP((8, 8), n_epochs=3, random_state=5, n_jobs=2).fit(X[:300], y[:300])
    expected = model.predict_proba(X)
    np.testing.assert_allclose(again.predict_proba(X), expected, atol=1e-5)
    restored = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(restored.predict_proba(X), expected)


def test_weights_are_the_mean_of_the_last_third(digits):
    X, y = digits
    two = AugmentedMLP(n_epochs=2, random_state=1).fit(X[:200], y[:200])
    three = AugmentedMLP(n_epochs=3, random_state=1).fit(X[:200], y[:200])
    # One epoch of two or three is averaged: the mean is that epoch's own weights.
    assert not np.allclose(two.network_.coefs_[0], three.network_.coefs_[0])
    assert two.network_.coefs_[0].dtype == np.float32
