"""Calibration and risk-coverage, by hand and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import brier_score_loss, log_loss

from digitrec.analyses.calibration import (
    calibration_metrics,
    describe_calibration,
    fit_temperature,
    risk_coverage,
)
from digitrec.evaluation.job_store import JobPredictions


@pytest.fixture(scope="module")
def drawn():
    """Labels that really follow the probabilities, and the logits of those."""
    rng = np.random.default_rng(0)
    logits = 2 * rng.standard_normal((6000, 5))
    probabilities = softmax(logits, axis=1)
    y = (probabilities.cumsum(axis=1) < rng.random((6000, 1))).sum(axis=1).clip(max=4)
    return y, logits, probabilities


def test_scores_agree_with_scikit_learn(drawn):
    y, _, probabilities = drawn
    metrics = calibration_metrics(y, probabilities)
    assert metrics["log_loss"] == pytest.approx(log_loss(y, probabilities))
    expected = brier_score_loss(y, probabilities, labels=range(5), scale_by_half=False)
    assert metrics["brier"] == pytest.approx(expected)
    assert sum(part["count"] for part in metrics["bins"]) == len(y)


def test_expected_calibration_error_by_hand():
    # Predicted as 0 with confidence 0.8, three of four right: |0.75 - 0.8|. Predicted as 1 with
    # confidence 0.6, one of two right: |0.5 - 0.6|. Both labels count alike.
    probabilities = [[0.8, 0.2]] * 4 + [[0.4, 0.6]] * 2
    metrics = calibration_metrics([0, 0, 0, 1, 1, 0], probabilities)
    assert metrics["ece"] == pytest.approx((0.05 + 0.1) / 2)
    assert metrics["bins"][-1] == pytest.approx({"confidence": 0.8, "accuracy": 0.75, "count": 4})


def test_true_probabilities_are_calibrated_and_sharpened_ones_are_not(drawn):
    y, logits, probabilities = drawn
    sharp = softmax(3 * logits, axis=1)
    assert calibration_metrics(y, probabilities)["ece"] < 0.05
    assert calibration_metrics(y, sharp)["ece"] > 0.15


def test_temperature_restores_sharpened_scores(drawn):
    y, logits, probabilities = drawn
    restored = softmax(3 * logits[3000:] / fit_temperature(3 * logits[:3000], y[:3000]), axis=1)
    # A true temperature of 3, estimated from 3,000 rows.
    assert restored == pytest.approx(probabilities[3000:], abs=0.05)
    assert np.array_equal(restored.argmax(axis=1), logits[3000:].argmax(axis=1))


def test_temperature_is_that_of_scikit_learn(drawn):
    y, logits, _ = drawn
    model = CalibratedClassifierCV(FrozenEstimator(_Scores().fit(logits, y)), method="temperature")
    expected = model.fit(3 * logits, y).predict_proba(3 * logits)
    found = softmax(3 * logits / fit_temperature(3 * logits, y), axis=1)
    assert found == pytest.approx(expected, abs=1e-4)


class _Scores(ClassifierMixin, BaseEstimator):
    """Gives its input as decision values."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def decision_function(self, X):
        return X

    def predict(self, X):
        return self.classes_[X.argmax(axis=1)]


@pytest.mark.parametrize("probable", [True, False])
def test_a_class_without_training_rows_gets_no_probability(drawn, probable):
    # Labels 0 to 4, of which training never saw 4: 200 test rows are of it all the same.
    y, logits, _ = drawn
    known = logits[:, :4]
    scores = np.zeros((len(y), 5)) if probable else np.full((len(y), 5), known.min() - 1)
    scores[:, :4] = softmax(known, axis=1) if probable else known
    y_train = np.where(y[:4000] == 4, 0, y[:4000])
    predictions = JobPredictions(
        y_test_pred=scores[4000:].argmax(axis=1).astype(np.uint8),
        test_scores=scores[4000:].astype(np.float32),
        y_validation_pred=scores[:1000].argmax(axis=1).astype(np.uint8),
        validation_scores=scores[:1000].astype(np.float32),
        validation_index=np.arange(1000),
        has_probabilities=probable,
    )
    outcome = describe_calibration(y[4000:], y_train, predictions)
    assert np.isfinite([outcome["after"][name] for name in ("log_loss", "brier", "ece")]).all()
    assert outcome["temperature"] > 0


def test_decision_values_become_better_probabilities():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((3000, 8))
    y = (X[:, :4] + 0.7 * rng.standard_normal((3000, 4))).argmax(axis=1)
    model = RidgeClassifier().fit(X[:1000], y[:1000])
    predictions = JobPredictions(
        y_test_pred=model.predict(X[2000:]).astype(np.uint8),
        test_scores=model.decision_function(X[2000:]).astype(np.float32),
        y_validation_pred=model.predict(X[1000:2000]).astype(np.uint8),
        validation_scores=model.decision_function(X[1000:2000]).astype(np.float32),
        validation_index=np.arange(1000, 2000),
        has_probabilities=False,
    )
    outcome = describe_calibration(y[2000:], y[:2000], predictions)
    assert outcome["after"]["log_loss"] < outcome["before"]["log_loss"]
    assert outcome["after"]["ece"] < outcome["before"]["ece"]
    risk = {row["coverage"]: row["error"] for row in outcome["risk"]["table"]}
    assert risk[0.8] < risk[1.0] == pytest.approx(np.mean(predictions.y_test_pred != y[2000:]))


def test_models_without_scores_have_no_calibration():
    labels = np.zeros(2, dtype=np.uint8)
    predictions = JobPredictions(
        y_test_pred=labels,
        test_scores=None,
        y_validation_pred=labels,
        validation_scores=None,
        validation_index=np.arange(2),
        has_probabilities=False,
    )
    assert describe_calibration(labels, labels, predictions) is None


def test_risk_coverage_by_hand():
    right = np.array([True] * 8 + [False] * 2)
    outcome = risk_coverage(right, np.arange(10)[::-1])
    table = {row["coverage"]: row for row in outcome["table"]}
    assert table[1.0]["error"] == pytest.approx(0.2)
    assert table[0.9]["error"] == pytest.approx(1 / 9)
    assert table[0.8]["error"] == 0
    assert outcome["area"] == pytest.approx((1 / 9 + 2 / 10) / 10)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.1, 0.5, 0.9])), min_size=1))
def test_order_of_equally_sure_rows_does_not_matter(rows):
    right, confidence = (np.array(column) for column in zip(*rows, strict=True))
    forward = risk_coverage(right, confidence)
    backward = risk_coverage(right[::-1], confidence[::-1])
    assert forward["error"] == pytest.approx(backward["error"])
    assert forward["error"][-1] == pytest.approx(1 - right.mean())
