"""What the classifiers of this package share: labels, the most probable class, pairs of classes."""

from __future__ import annotations

import functools
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets

MARGIN_SLOPE = 4.0
"""Slope of the logistic that turns a margin between two classes into a probability.

Of 1 to 8, 4 gave the least log loss on held-out training rows of MNIST."""


class MostProbableClassifier(ClassifierMixin, BaseEstimator):
    """A classifier whose label is the class of the largest probability."""

    classes_: NDArray
    predict_proba: Any

    def predict(self, X: ArrayLike) -> NDArray:
        """Return the most probable class.

        Parameters
        ----------
        X : array-like, shape (n_samples, n_features)
            Rows as `fit` takes them.

        Returns
        -------
        ndarray, shape (n_samples,)
            Labels.
        """
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(axis=1)]


def encode_classes(y: NDArray) -> tuple[NDArray, NDArray[np.intp]]:
    """Return the classes and the number of each row's class.

    Parameters
    ----------
    y : ndarray, shape (n_samples,)
        Labels.

    Returns
    -------
    classes : ndarray, shape (n_classes,)
        Sorted labels.
    codes : ndarray of int, shape (n_samples,)
        Index into `classes`.

    Raises
    ------
    ValueError
        If `y` are not labels of classes, or are all of one class.
    """
    check_classification_targets(y)
    classes, codes = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            f"classification needs at least 2 classes; y has one class: {classes.tolist()[0]!r}"
        )
    return classes, codes


@functools.cache
def pair_membership(n_classes: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return matrices that mark the first and the second class of each pair.

    Pairs stand in the order (0, 1), (0, 2), …, (1, 2), ….

    Parameters
    ----------
    n_classes : int
        Number of classes.

    Returns
    -------
    first, second : ndarray of float32, shape (n_pairs, n_classes)
        Zeros and ones.
    """
    pairs = np.array(list(combinations(range(n_classes), 2)))
    identity = np.eye(n_classes, dtype=np.float32)
    return identity[pairs[:, 0]], identity[pairs[:, 1]]


def pair_log_probabilities(margins: NDArray, n_classes: int) -> NDArray:
    """Return for each class the sum of its log-probabilities against every other.

    Parameters
    ----------
    margins : ndarray of float, shape (n_samples, n_pairs)
        Positive for the first class of each pair; times `MARGIN_SLOPE` they are log-odds.
    n_classes : int
        Number of classes.

    Returns
    -------
    ndarray, shape (n_samples, n_classes)
        At most 0; of the type of `margins`.
    """
    first, second = pair_membership(n_classes)
    log_odds = margins * margins.dtype.type(MARGIN_SLOPE)
    return log_expit(log_odds) @ first + log_expit(-log_odds) @ second


def pair_votes(pairs: NDArray[np.float64], n_classes: int) -> NDArray[np.float64]:
    """Turn pairwise margins into one value per class, as scikit-learn does for its SVC."""
    first, second = pair_membership(n_classes)
    won = pairs >= 0
    votes = won @ first + ~won @ second
    margins = pairs @ (first - second)
    # The margins only order classes of equal votes: they are squeezed into (-1/3, 1/3).
    return votes + margins / (3 * (np.abs(margins) + 1))
