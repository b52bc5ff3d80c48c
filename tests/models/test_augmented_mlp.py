"""The network on distorted gradients: conventions, use, repeatable fits."""

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


def test_fits_are_repeatable_with_threads(digits):
    X, y = digits
    model = AugmentedMLP((8, 8), n_epochs=3, random_state=5).fit(X[:300], y[:300])
    again = AugmentedMLP((8, 8), n_epochs=3, random_state=5, n_jobs=2).fit(X[:300], y[:300])
    expected = model.predict_proba(X)
    np.testing.assert_allclose(again.predict_proba(X), expected, atol=1e-5)


def test_weights_are_the_mean_of_the_last_third(digits):
    X, y = digits
    two = AugmentedMLP(n_epochs=2, random_state=1).fit(X[:200], y[:200])
    three = AugmentedMLP(n_epochs=3, random_state=1).fit(X[:200], y[:200])
    # One epoch of two or three is averaged: the mean is that epoch's own weights.
    assert not np.allclose(two.networks_[0].coefs_[0], three.networks_[0].coefs_[0])
    assert two.networks_[0].coefs_[0].dtype == np.float32


def test_networks_of_one_stream_are_averaged(digits):
    X, y = digits
    model = AugmentedMLP(n_networks=2, n_epochs=3, random_state=1).fit(X[:200], y[:200])
    first, second = model.networks_
    assert not np.allclose(first.coefs_[0], second.coefs_[0])
    rows = model.features_.pipeline_.transform(X)
    expected = (first.predict_proba(rows) + second.predict_proba(rows)) / 2
    np.testing.assert_allclose(model.predict_proba(X), expected, atol=1e-6)
    alone = AugmentedMLP(n_networks=1, n_epochs=3, random_state=1).fit(X[:200], y[:200])
    np.testing.assert_allclose(alone.networks_[0].coefs_[0], first.coefs_[0], atol=1e-5)
