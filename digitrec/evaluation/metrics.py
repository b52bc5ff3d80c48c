"""Scores of predicted labels and of class scores."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn import metrics

from digitrec.evaluation.result import Metrics, score_classes


@dataclass(frozen=True, eq=False)
class Predictions:
    """What one model said about labelled rows.

    Attributes
    ----------
    y_true, y_pred : ndarray of int, shape (n_samples,)
        Labels, indices into the label names.
    scores : ndarray of float32, shape (n_samples, n_classes), or None
        Probabilities, or decision values where the model has no probabilities; None without
        either, and where they were not asked for.
    has_probabilities : bool
        Whether `scores` are probabilities.
    seconds : float
        Wall time of predicting all rows, where it was taken.

    Examples
    --------
    >>> found = Predictions(np.array([0, 1, 1, 0]), np.array([0, 1, 0, 0]))
    >>> found.accuracy, found.mistakes
    (0.75, array([2]))
    """

    y_true: NDArray[np.integer]
    y_pred: NDArray[np.integer]
    scores: NDArray[np.float32] | None = None
    has_probabilities: bool = False
    seconds: float = math.nan

    @property
    def n_right(self) -> int:
        """Rows whose label was predicted."""
        return int(np.sum(self.y_true == self.y_pred))

    @property
    def accuracy(self) -> float:
        """Share of these rows, in 0–1."""
        return self.n_right / len(self.y_true)

    @property
    def error(self) -> float:
        """Share of the other rows, in 0–1."""
        return (len(self.y_true) - self.n_right) / len(self.y_true)

    @property
    def accuracy_interval(self) -> tuple[float, float]:
        """Wilson 95 % interval of the accuracy, in 0–1."""
        return wilson_interval(self.n_right, len(self.y_true))

    @property
    def error_interval(self) -> tuple[float, float]:
        """Wilson 95 % interval of the error, in 0–1."""
        return wilson_interval(len(self.y_true) - self.n_right, len(self.y_true))

    @cached_property
    def confidence(self) -> NDArray[np.float32] | None:
        """How sure the model is of each prediction, shape (n_samples,); None without scores.

        The probability of the predicted class, or, for decision values, its lead over the
        next class.
        """
        if self.scores is None:
            return None
        rows = np.arange(len(self.y_pred))
        top = self.scores[rows, self.y_pred]
        if self.has_probabilities:
            return top
        others = self.scores.copy()
        others[rows, self.y_pred] = -np.inf
        return top - others.max(axis=1)

    @cached_property
    def mistakes(self) -> NDArray[np.intp]:
        """Rows that the model got wrong, the surest first."""
        wrong = np.flatnonzero(self.y_true != self.y_pred)
        if self.confidence is None:
            return wrong
        return wrong[np.argsort(-self.confidence[wrong], kind="stable")]

    def take(self, rows: NDArray[np.intp]) -> Predictions:
        """Return the same of some of the rows."""
        return Predictions(
            self.y_true[rows],
            self.y_pred[rows],
            None if self.scores is None else self.scores[rows],
            self.has_probabilities,
        )

    def metrics(self, n_classes: int) -> Metrics:
        """Score the predictions, as those of the test rows."""
        labels = np.arange(n_classes)
        confusion = metrics.confusion_matrix(self.y_true, self.y_pred, labels=labels).tolist()
        classes = score_classes(confusion)
        present = classes.support > 0
        low, high = self.accuracy_interval
        top2 = log_loss = None
        if self.scores is not None:
            top2 = top_k_accuracy(self.y_true, self.scores, 2)
            if self.has_probabilities:
                log_loss = _log_loss(self.y_true, self.scores, labels)
        return Metrics(
            test_accuracy=self.accuracy,
            test_error=self.error,
            test_accuracy_low=low,
            test_accuracy_high=high,
            balanced_accuracy=float(classes.recall[present].mean()),
            macro_f1=float(classes.f1[present].mean()),
            top2_accuracy=top2,
            log_loss=log_loss,
            confusion=confusion,
        )


def wilson_interval(successes: int, n: int) -> tuple[float, float]:
    """Return Wilson's 95 % score interval of a proportion.

    Parameters
    ----------
    successes, n : int
        Successes among `n` trials; `n` is at least 1.

    Returns
    -------
    tuple of float
        Lower and upper bound, in 0–1.

    References
    ----------
    E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
    Journal of the American Statistical Association 22 (1927).
    """
    interval = binomtest(int(successes), int(n)).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)


def top_k_accuracy(y_true: NDArray[np.integer], scores: NDArray[np.floating], k: int) -> float:
    """Return the fraction of rows whose true class is among the `k` with the largest scores.

    Of equal scores the class with the smaller index counts as larger.

    Parameters
    ----------
    y_true : ndarray of int, shape (n_samples,)
        True labels, columns of `scores`.
    scores : ndarray of float, shape (n_samples, n_classes)
        One score per class.
    k : int
        How many classes may be named.
    """
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return float(np.mean(np.any(order == y_true[:, None], axis=1)))


def class_scores(model: Any, X: NDArray, n_classes: int) -> tuple[NDArray[np.float32] | None, bool]:
    """Return one score per class from a fitted classifier.

    Parameters
    ----------
    model : classifier
        A fitted estimator whose classes are integers below `n_classes`.
    X : ndarray, shape (n_samples, n_features)
        What it takes.
    n_classes : int
        Classes of the dataset; the model may have seen fewer.

    Returns
    -------
    scores : ndarray of float32, shape (n_samples, n_classes), or None
        Probabilities where the model has them, else decision values; None without either. A
        class that the model never saw has probability 0, or a value below every other.
    has_probabilities : bool
        Whether `scores` are probabilities.
    """
    if hasattr(model, "predict_proba"):
        found, probable = np.asarray(model.predict_proba(X)), True
    elif hasattr(model, "decision_function"):
        found, probable = np.asarray(model.decision_function(X)), False
        if found.ndim == 1:
            found = np.column_stack([-found, found])
    else:
        return None, False
    scores = np.zeros((len(found), n_classes), dtype=np.float32)
    if not probable:
        scores += found.min(axis=1, keepdims=True) - 1
    scores[:, np.asarray(model.classes_, dtype=np.intp)] = found
    return scores, probable


def _log_loss(y_true: NDArray, probabilities: NDArray, labels: NDArray) -> float | None:
    """Return the log loss of rows renormalised in double precision.

    Probabilities kept in single precision do not sum to 1 within the tolerance that
    scikit-learn warns at. A model that gives no numbers has no log loss.
    """
    rows = np.asarray(probabilities, dtype=np.float64)
    totals = rows.sum(axis=1, keepdims=True)
    if not (np.all(np.isfinite(rows)) and np.all(totals > 0)):
        return None
    rows = rows / totals
    return float(metrics.log_loss(y_true, rows, labels=labels))
