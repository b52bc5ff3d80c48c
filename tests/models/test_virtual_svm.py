"""The virtual support vector machine: exact pairs, useful copies, repeatable fits."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from digitrec.models._distorted import JITTER
from digitrec.models.virtual_svm import VirtualSVC


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return (X / 16).astype(np.float32), y


@parametrize_with_checks([VirtualSVC(n_copies=1, random_state=0)])
def test_follows_scikit_learn_conventions(estimator, check):
    check(estimator)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_without_copies_margins_are_those_of_libsvm(digits, n_jobs):
    X, y = digits
    model = VirtualSVC(n_copies=0, n_components=40, n_jobs=n_jobs).fit(X[:900], y[:900])
    rows = model.features_.pipeline_.transform(X)
    stock = SVC(C=10, gamma=model.gamma_, decision_function_shape="ovo")
    stock.fit(rows[:900], y[:900])
    np.testing.assert_allclose(model._pair_margins(rows), stock.decision_function(rows), atol=2e-3)


def test_copies_join_the_fit_and_help(digits):
    X, y = digits
    train, test = slice(0, 300), slice(300, None)
    plain = VirtualSVC(n_copies=0, n_components=60).fit(X[train], y[train])
    virtual = VirtualSVC(n_copies=6, n_components=60, random_state=0).fit(X[train], y[train])
    assert len(virtual.support_vectors_) > len(plain.support_vectors_)
    assert virtual.score(X[test], y[test]) >= plain.score(X[test], y[test])
    assert virtual.score(X[test], y[test]) > 0.88


def test_second_fit_equals_one_on_all_rows_and_copies(digits):
    """Rows left out lie outside the margin of the final machine, or nearly so."""
    X, y = digits
    chosen = np.flatnonzero((y == 3) | (y == 8))[:200]
    X, y = X[chosen], y[chosen]
    model = VirtualSVC(n_copies=3, n_components=40, random_state=1).fit(X, y)
    copies = list(model.features_.copies(X, 3, model.distortion_seed_, JITTER))
    rows = np.concatenate([model.features_.pipeline_.transform(X), *copies])
    stock = SVC(C=10, gamma=model.gamma_).fit(rows, np.tile(y, 4))
    agreement = np.mean(model.predict(X) == stock.predict(rows[: len(X)]))
    assert agreement == 1
    difference = -model._pair_margins(rows)[:, 0] - stock.decision_function(rows)
    assert np.abs(difference).mean() < 0.1


def test_fits_are_repeatable_with_threads(digits):
    X, y = digits
    first = VirtualSVC(n_copies=2, random_state=3).fit(X[:200], y[:200])
    again = VirtualSVC(n_copies=2, random_state=3, n_jobs=2).fit(X[:200], y[:200])
    other = VirtualSVC(n_copies=2, random_state=4).fit(X[:200], y[:200])
    probabilities = first.predict_proba(X)
    # Sums in single precision depend on how rows are shared among threads.
    np.testing.assert_allclose(again.predict_proba(X), probabilities, rtol=1e-5, atol=1e-4)
    assert not np.allclose(other.predict_proba(X), probabilities, rtol=1e-5, atol=1e-4)
