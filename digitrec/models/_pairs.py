"""Combine one-vs-one scores into per-class scores."""

from __future__ import annotations

import functools
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_expit


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


def pair_log_probabilities(log_odds: NDArray, n_classes: int) -> NDArray:
    """Return for each class the sum of its log-probabilities against every other.

    Parameters
    ----------
    log_odds : ndarray of float, shape (n_samples, n_pairs)
        Of the first class of each pair against the second.
    n_classes : int
        Number of classes.

    Returns
    -------
    ndarray, shape (n_samples, n_classes)
        At most 0; of the type of `log_odds`.
    """
    first, second = pair_membership(n_classes)
    return log_expit(log_odds) @ first + log_expit(-log_odds) @ second


def elect(decisions: NDArray, classes: NDArray) -> NDArray:
    """Return the class with the largest decision value.

    Parameters
    ----------
    decisions : ndarray of float, shape (n_samples, n_classes) or (n_samples,)
        For two classes the value of the second, positive where it wins.
    classes : ndarray, shape (n_classes,)
        Labels.

    Returns
    -------
    ndarray, shape (n_samples,)
        Labels.
    """
    if decisions.ndim == 1:
        return classes[(decisions > 0).astype(np.intp)]
    return classes[decisions.argmax(axis=1)]
