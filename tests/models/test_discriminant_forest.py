"""The forest on features and discriminants: conventions, what the discriminants are worth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits, make_circles
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from digitrec.models.discriminant_forest import DiscriminantForest


@parametrize_with_checks([DiscriminantForest(10, max_features="sqrt", random_state=0)])
def test_follows_scikit_learn_conventions(estimator, check):
    check(estimator)


def _cells(seed, n_classes, n_rows, n_features=6):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(n_classes, n_features)) * 3
    y = np.arange(n_rows) % n_classes
    return centres[y] + rng.normal(size=(n_rows, n_features)), y


@pytest.mark.parametrize("random_thresholds", [False, True])
@pytest.mark.parametrize("n_classes", [2, 3, 10, 300])
def test_answers_are_those_of_a_forest_on_few_columns_of_few_levels(n_classes, random_thresholds):
    X, y = _cells(0, n_classes, 3000)
    model = DiscriminantForest(
        10, random_thresholds=random_thresholds, random_state=0, n_jobs=2
    ).fit(X[:2000], y[:2000])
    kind = ExtraTreesClassifier if random_thresholds else RandomForestClassifier
    assert type(model.forest_) is kind
    levels = model._levels(X[2000:].astype(np.float32))
    assert levels.shape[1] <= 70
    assert set(np.unique(levels)) <= set(range(64))
    assert model.forest_.n_features_in_ == levels.shape[1]
    expected = model.forest_.predict_proba(levels)
    np.testing.assert_allclose(model.predict_proba(X[2000:]), expected)
    plain = RandomForestClassifier(10, random_state=0).fit(X[:2000], y[:2000])
    assert model.score(X[2000:], y[2000:]) > plain.score(X[2000:], y[2000:]) - 0.02


def test_discriminants_are_those_of_scikit_learn():
    X, y = _cells(1, 4, 2000)
    model = DiscriminantForest(5, random_state=0).fit(X, y)
    stock = LinearDiscriminantAnalysis().fit(X, y)
    ours, theirs = X @ model.axes_[:, :3], stock.transform(X)
    for k in range(3):
        assert abs(np.corrcoef(ours[:, k], theirs[:, k])[0, 1]) > 0.99
    both = np.isin(y, [0, 1])
    pair = LinearDiscriminantAnalysis().fit(X[both], y[both])
    of_pair = X[both] @ model.axes_[:, 3]
    assert abs(np.corrcoef(of_pair, pair.transform(X[both])[:, 0])[0, 1]) > 0.99


def test_features_fill_up_where_discriminants_say_nothing():
    X, y = make_circles(600, noise=0.05, factor=0.5, random_state=0)
    model = DiscriminantForest(30, random_state=0).fit(X[:400], y[:400])
    assert model.score(X[400:], y[400:]) > 0.97


@settings(max_examples=40)
@given(
    n_classes=st.integers(2, 14),
    n_features=st.integers(1, 80),
    n_rows=st.integers(2, 60),
    seed=st.integers(0, 1000),
    kind=st.sampled_from(["plain", "same", "duplicated", "constant columns", "huge", "tiny"]),
)
def test_few_or_odd_rows_give_probabilities(n_classes, n_features, n_rows, seed, kind):
    X, y = _cells(seed, n_classes, max(n_rows, n_classes), n_features)
    if kind == "same":
        X[:] = 7
    elif kind == "duplicated":
        X[:] = X[y]
    elif kind == "constant columns":
        X[:, ::2] = 3
    elif kind in ("huge", "tiny"):
        X *= 1e12 if kind == "huge" else 1e-12
    model = DiscriminantForest(3, random_state=0).fit(X, y)
    probabilities = model.predict_proba(X)
    assert probabilities.shape == (len(X), n_classes)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    levels = np.unique(model._levels(X.astype(np.float32)), axis=0)
    if kind == "duplicated" and len(levels) == n_classes:  # rounding may join two classes
        assert model.score(X, y) == 1


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
