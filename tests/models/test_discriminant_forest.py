"""The forest on features and discriminants: conventions, what the discriminants are worth."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from digitrec.models.discriminant_forest import DiscriminantForest


@parametrize_with_checks([DiscriminantForest(10, max_features="sqrt", random_state=0)])
def test_follows_scikit_learn_conventions(estimator, check):
    check(estimator)


@pytest.mark.parametrize("n_classes", [2, 10])
def test_is_a_forest_on_the_features_and_their_discriminants(n_classes):
    X, y = load_digits(n_class=n_classes, return_X_y=True)
    X = X.astype(np.float32)
    half = len(X) // 2
    model = DiscriminantForest(20, random_state=0).fit(X[:half], y[:half])
    axes = LinearDiscriminantAnalysis().fit(X[:half], y[:half])
    wide = np.hstack([X, axes.transform(X).astype(np.float32)])
    assert wide.shape[1] == 64 + n_classes - 1
    stock = RandomForestClassifier(20, max_features=5, bootstrap=False, random_state=0)
    stock.fit(wide[:half], y[:half])
    np.testing.assert_allclose(model.predict_proba(X[half:]), stock.predict_proba(wide[half:]))
    np.testing.assert_array_equal(model.predict(X[half:]), stock.predict(wide[half:]))


def test_discriminants_help():
    X, y = load_digits(return_X_y=True)
    # Turned features: no single column tells two digits apart.
    X = X.astype(np.float32) @ np.linalg.qr(np.random.default_rng(0).normal(size=(64, 64)))[0]
    half = len(X) // 2
    with_them = DiscriminantForest(random_state=0).fit(X[:half], y[:half])
    without = RandomForestClassifier(bootstrap=False, max_features=5, random_state=0)
    without.fit(X[:half], y[:half])
    assert with_them.score(X[half:], y[half:]) > without.score(X[half:], y[half:]) + 0.01


def test_one_class_is_refused_by_name():
    with pytest.raises(ValueError, match="one class: 3"):
        DiscriminantForest().fit(np.eye(4), np.full(4, 3))
