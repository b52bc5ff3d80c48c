import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import (
    balanced_accuracy_score,
    f1_score,
    log_loss,
    precision_recall_fscore_support,
    top_k_accuracy_score,
)
from statsmodels.stats.proportion import proportion_confint

from digitrec.evaluation.metrics import (
    Predictions,
    class_scores,
    top_k_accuracy,
    wilson_interval,
)


@given(n=st.integers(1, 5000), part=st.floats(0, 1))
def test_wilson_interval_is_that_of_statsmodels(n, part):
    successes = round(part * n)
    low, high = wilson_interval(successes, n)
    expected = proportion_confint(successes, n, method="wilson")
    assert (low, high) == pytest.approx(expected, abs=1e-12)
    assert 0 <= low <= successes / n <= high <= 1


def test_metrics_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(3), size=200).astype(np.float32)
    y_true = rng.integers(0, 3, size=200)
    y_pred = probabilities.argmax(axis=1)
    found = Predictions(y_true, y_pred, probabilities, has_probabilities=True).metrics(3)
    assert found.test_accuracy == pytest.approx(np.mean(y_true == y_pred))
    assert found.test_error == pytest.approx(1 - found.test_accuracy)
    assert found.balanced_accuracy == pytest.approx(balanced_accuracy_score(y_true, y_pred))
    assert found.macro_f1 == pytest.approx(f1_score(y_true, y_pred, average="macro"))
    exact = probabilities.astype(float)
    expected = log_loss(y_true, exact / exact.sum(axis=1, keepdims=True))
    assert found.log_loss == pytest.approx(expected, rel=1e-5)
    assert found.top2_accuracy == pytest.approx(top_k_accuracy_score(y_true, probabilities, k=2))
    assert np.sum(found.confusion) == 200


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30))
def test_scores_of_classes_are_those_of_scikit_learn(pairs):
    y_true, y_pred = np.array(pairs).T
    found = Predictions(y_true, y_pred).metrics(4).by_class
    expected = precision_recall_fscore_support(y_true, y_pred, labels=range(4), zero_division=0)
    for name, values in zip(found._fields, expected, strict=True):
        np.testing.assert_array_equal(getattr(found, name), values, err_msg=name)


def test_a_model_without_scores_has_no_top2_accuracy_and_no_log_loss():
    y = np.array([0, 1, 2, 2])
    found = Predictions(y, y).metrics(3)
    assert found.top2_accuracy is None
    assert found.log_loss is None
    assert found.test_accuracy == 1


def test_a_class_missing_from_the_test_set_does_not_count():
    y = np.array([0, 1, 0, 1])
    found = Predictions(y, y).metrics(3)
    assert found.balanced_accuracy == 1
    assert found.by_class.support.tolist() == [2, 2, 0]


def test_ties_in_scores_go_to_the_smaller_class():
    scores = np.array([[0.0, 0.0, 0.0]])
    assert top_k_accuracy(np.array([1]), scores, 2) == 1
    assert top_k_accuracy(np.array([2]), scores, 2) == 0


def test_class_scores_have_a_column_for_a_class_never_seen():
    X = np.array([[0.0], [1.0], [2.0], [3.0]])
    probabilities, probable = class_scores(LogisticRegression().fit(X, [0, 0, 2, 2]), X, 3)
    assert probable
    assert probabilities.shape == (4, 3)
    assert np.all(probabilities[:, 1] == 0)
    decisions, probable = class_scores(RidgeClassifier().fit(X, [0, 0, 2, 2]), X, 3)
    assert not probable
    assert decisions.argmax(axis=1).tolist() == [0, 0, 2, 2]
    assert np.all(decisions[:, 1] < decisions[:, [0, 2]].min(axis=1))
