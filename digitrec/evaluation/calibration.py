"""Whether confidence can be believed: calibration, and errors when the least sure are rejected.

Every model is shown before and after temperature scaling (Guo et al. 2017, arXiv:1706.04599)
fitted on the validation rows. The validation scores come from the model fitted on the training
rows alone, the test scores from the one refitted on training and validation rows: one temperature
is carried from the first to the second, which never saw its rows held out. It divides the scores
only, so that predictions stay as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.frozen import FrozenEstimator

if TYPE_CHECKING:
    from digitrec.evaluation.store import JobPredictions

__all__ = ["calibration_metrics", "describe_calibration", "risk_coverage", "temperature_scale"]

N_BINS = 15
COVERAGES = (1.0, 0.99, 0.98, 0.95, 0.9, 0.8)
_SMALLEST = 1e-12


def calibration_metrics(y_true: ArrayLike, probabilities: ArrayLike) -> dict[str, Any]:
    """Score probabilities on rows whose labels are known.

    Parameters
    ----------
    y_true : array-like of int, shape (n_samples,)
        Labels, columns of `probabilities`.
    probabilities : array-like of float, shape (n_samples, n_classes)
        Rows that sum to 1.

    Returns
    -------
    dict
        JSON-safe. ``log_loss``: mean negative logarithm of the true class's probability;
        ``brier``: mean squared distance from the true class's unit vector, 0–2 (Brier 1950);
        ``ece``: top-label expected calibration error, 0–1, over 15 bins of equal width, the mean
        over predicted labels (Gupta and Ramdas 2021, arXiv:2107.08353; MAPIE's implementation);
        ``bins``: ``confidence``, ``accuracy`` and ``count`` of each bin that has rows.
    """
    from mapie.metrics.calibration import top_label_ece  # slow to import

    y_true = np.asarray(y_true)
    probabilities = np.asarray(probabilities, dtype=np.float64)
    rows = np.arange(len(y_true))
    true = np.clip(probabilities[rows, y_true], _SMALLEST, 1.0)
    distance = np.square(probabilities).sum(axis=1) - 2 * probabilities[rows, y_true] + 1
    predicted = probabilities.argmax(axis=1)
    confidence = np.clip(probabilities[rows, predicted], 0.0, 1.0)
    right = predicted == y_true
    bin_of = np.minimum((confidence * N_BINS).astype(int), N_BINS - 1)
    return {
        "log_loss": float(-np.log(true).mean()),
        "brier": float(distance.mean()),
        "ece": float(
            top_label_ece(y_true, confidence, predicted, num_bins=N_BINS, split_strategy="uniform")
        ),
        "bins": [
            {
                "confidence": float(confidence[bin_of == number].mean()),
                "accuracy": float(right[bin_of == number].mean()),
                "count": int(np.count_nonzero(bin_of == number)),
            }
            for number in np.unique(bin_of)
        ],
    }


def temperature_scale(
    validation_scores: ArrayLike, y_validation: ArrayLike, scores: ArrayLike
) -> NDArray[np.float64]:
    """Turn scores into calibrated probabilities, by one temperature fitted on held-out rows.

    Parameters
    ----------
    validation_scores : array-like of float, shape (n_validation, n_classes)
        Decision values, or logarithms of probabilities, of the held-out rows.
    y_validation : array-like of int, shape (n_validation,)
        Their labels; every class occurs.
    scores : array-like of float, shape (n_samples, n_classes)
        Scores of the same kind to be calibrated.

    Returns
    -------
    ndarray of float64, shape (n_samples, n_classes)
        Rows that sum to 1, with the same most probable class as `scores`.
    """
    from sklearn.calibration import CalibratedClassifierCV

    validation_scores = np.asarray(validation_scores, dtype=np.float64)
    model = FrozenEstimator(_StoredScores(tuple(range(validation_scores.shape[1]))))
    calibrated = CalibratedClassifierCV(model, method="temperature")
    calibrated.fit(validation_scores, np.asarray(y_validation))
    return calibrated.predict_proba(np.asarray(scores, dtype=np.float64))


def risk_coverage(right: ArrayLike, confidence: ArrayLike) -> dict[str, Any]:
    """Return the error among the rows kept when the least sure ones are rejected.

    Parameters
    ----------
    right : array-like of bool, shape (n_samples,)
        Whether each prediction is right.
    confidence : array-like of float, shape (n_samples,)
        How sure the model was; any scale. Equally sure rows are kept or rejected together:
        their risk counts in equal parts.

    Returns
    -------
    dict
        JSON-safe. ``coverage`` and ``error``: the curve at 101 or fewer shares of rows kept;
        ``table``: ``coverage``, ``error`` and ``wrong`` at fixed shares; ``area``: mean error
        over all shares, the area under the curve.
    """
    right = np.asarray(right, dtype=bool)
    confidence = np.asarray(confidence, dtype=np.float64)
    n = len(right)
    order = np.argsort(-confidence, kind="stable")
    wrong = (~right)[order].astype(np.float64)
    # The order within ties is arbitrary: each row of a tie gets the tie's mean.
    ends = np.flatnonzero(np.append(np.diff(confidence[order]) != 0, True)) + 1
    starts = np.concatenate([[0], ends[:-1]])
    total = np.concatenate([[0.0], np.cumsum(wrong)])
    wrong = np.repeat((total[ends] - total[starts]) / (ends - starts), ends - starts)
    kept = np.arange(1, n + 1)
    error = np.cumsum(wrong) / kept
    places = np.unique(np.ceil(np.linspace(0.01, 1, 100) * n).astype(int).clip(1)) - 1
    table = []
    for coverage in COVERAGES:
        place = max(1, round(coverage * n)) - 1
        count = float(error[place] * kept[place])
        table.append({"coverage": coverage, "error": float(error[place]), "wrong": count})
    return {
        "coverage": (kept[places] / n).tolist(),
        "error": error[places].tolist(),
        "table": table,
        "area": float(error.mean()),
    }


def describe_calibration(
    y_test: NDArray[np.integer], y_train: NDArray[np.integer], predictions: JobPredictions
) -> dict[str, Any] | None:
    """Return calibration and risk-coverage of one model; None where it has no scores.

    Parameters
    ----------
    y_test : ndarray of int, shape (n_test,)
        Labels of the test rows.
    y_train : ndarray of int, shape (n_train,)
        Labels of all training rows, which the validation rows are among.
    predictions : JobPredictions
        What the model said.

    Returns
    -------
    dict or None
        JSON-safe. ``has_probabilities``; ``before``: `calibration_metrics` of the model's
        probabilities, or of the softmax of its decision values where it has none; ``after``:
        the same after temperature scaling, or None without validation scores; ``risk``:
        `risk_coverage` by the calibrated probability of the predicted class.
    """
    if predictions.test_scores is None:
        return None
    logits = _logits(predictions.test_scores, predictions.has_probabilities)
    before = after = softmax(logits, axis=1)
    if predictions.has_probabilities:
        before = predictions.test_scores
    calibrated = predictions.validation_scores is not None
    if predictions.validation_scores is not None:
        held_out = _logits(predictions.validation_scores, predictions.has_probabilities)
        after = temperature_scale(held_out, y_train[predictions.validation_index], logits)
    rows = np.arange(len(y_test))
    labels = predictions.y_test_pred
    return {
        "has_probabilities": predictions.has_probabilities,
        "before": calibration_metrics(y_test, before),
        "after": calibration_metrics(y_test, after) if calibrated else None,
        "risk": risk_coverage(labels == y_test, after[rows, labels]),
    }


class _StoredScores(ClassifierMixin, BaseEstimator):
    """A fitted classifier whose input is already the scores that a model gave."""

    def __init__(self, classes: tuple[int, ...]) -> None:
        self.classes = classes

    def __sklearn_is_fitted__(self) -> bool:
        return True

    @property
    def classes_(self) -> NDArray[np.int64]:
        return np.asarray(self.classes)

    def fit(self, X: NDArray[np.float64], y: NDArray[np.integer]) -> _StoredScores:
        return self

    def decision_function(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        return X

    def predict(self, X: NDArray[np.float64]) -> NDArray[np.int64]:
        return self.classes_[X.argmax(axis=1)]


def _logits(scores: NDArray[np.float32], has_probabilities: bool) -> NDArray[np.float64]:
    values = np.asarray(scores, dtype=np.float64)
    return np.log(np.clip(values, _SMALLEST, None)) if has_probabilities else values
