"""Thresholds of confidence whose error among accepted digits is bounded, after labelled images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv

GRID = 1 / (1 + np.exp(-np.arange(-1.0, 12.01, 0.1)))
"""Thresholds that are tried, fixed before any image is seen: 0.27 to 0.999994."""
STARTS = (0.9, 0.99, 0.999)
"""Thresholds from which the grid is gone down, each with its share of the allowed probability."""


@dataclass(frozen=True)
class Choice:
    """A threshold and what it does on the labelled images.

    Attributes
    ----------
    threshold : float
    n_images, n_accepted, n_wrong : int
        All images, those accepted at the threshold, and those accepted with a wrong digit.
    bound : float
        Upper bound of the error among accepted digits.
    """

    threshold: float
    n_images: int
    n_accepted: int
    n_wrong: int
    bound: float


def upper_bound(wrong: ArrayLike, n: ArrayLike, level: float) -> NDArray[np.float64]:
    """Return the one-sided upper confidence bound of a share, after Clopper and Pearson.

    Parameters
    ----------
    wrong, n : array-like of int
        Errors among how many.
    level : float
        Confidence, 0–1.

    Returns
    -------
    ndarray of float64
        1 where `n` is 0.

    Examples
    --------
    >>> float(upper_bound(0, 600, 0.95).round(5))
    0.00498
    """
    wrong, n = np.asarray(wrong, dtype=float), np.asarray(n, dtype=float)
    known = wrong < n
    least = np.where(known, n - wrong, 1.0)
    return np.where(known, betaincinv(wrong + 1, least, level), 1.0)


def accuracy_by_threshold(
    confidence: ArrayLike, right: ArrayLike, acceptable: ArrayLike
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how many images each threshold of `GRID` accepts, and how many of those are wrong."""
    shown = np.asarray(acceptable, dtype=bool)
    values, good = np.asarray(confidence, float)[shown], np.asarray(right, bool)[shown]
    accepted = len(values) - np.searchsorted(np.sort(values), GRID)
    wrong = np.sort(values[~good])
    return accepted, len(wrong) - np.searchsorted(wrong, GRID)


def choose_threshold(
    confidence: ArrayLike,
    right: ArrayLike,
    acceptable: ArrayLike,
    *,
    error: float,
    level: float = 0.95,
) -> Choice | None:
    """Choose the lowest threshold whose error among accepted digits is bounded.

    With probability `level` over the choice of the labelled images, the error among the digits
    that the threshold accepts, of images of the same kind, is at most `error`.

    Parameters
    ----------
    confidence : array-like, shape (n,)
        Of each image's best guess, 0–1.
    right : array-like of bool, shape (n,)
        Whether that guess is right.
    acceptable : array-like of bool, shape (n,)
        Whether a low enough threshold accepts the image.
    error : float
        Greatest share of wrong digits among the accepted ones, 0–1.
    level : float

    Returns
    -------
    Choice or None
        None where no threshold guarantees it.

    Notes
    -----
    Each threshold of a fixed grid has a Clopper–Pearson bound. From each of three fixed starts the
    grid is gone down until a bound fails; each start has a third of the probability of a wrong
    guarantee (a union bound), and going down costs nothing more, for the first threshold that does
    not hold must pass before any other does (fixed-sequence testing; A. N. Angelopoulos et al.,
    "Learn then test", 2021).
    """
    accepted, wrong = accuracy_by_threshold(confidence, right, acceptable)
    bounds = upper_bound(wrong, accepted, _level_of_one(level))
    chosen: int | None = None
    for start in STARTS:
        index = int(np.searchsorted(GRID, start))
        while index >= 0 and bounds[index] <= error:
            chosen = index if chosen is None else min(chosen, index)
            index -= 1
    if chosen is None:
        return None
    return Choice(
        threshold=float(GRID[chosen]),
        n_images=len(np.asarray(confidence)),
        n_accepted=int(accepted[chosen]),
        n_wrong=int(wrong[chosen]),
        bound=float(bounds[chosen]),
    )


def least_error(
    wrong: NDArray[np.int64], accepted: NDArray[np.int64], level: float = 0.95
) -> tuple[int, float]:
    """Return the start and the least error for which `choose_threshold` finds a threshold.

    Parameters
    ----------
    wrong, accepted : ndarray of int
        As `accuracy_by_threshold` returns them.
    level : float

    Returns
    -------
    index : int
        Of the start in `GRID`.
    error : float
    """
    starts = np.searchsorted(GRID, STARTS)
    bounds = upper_bound(wrong[starts], accepted[starts], _level_of_one(level))
    best = int(bounds.argmin())
    return int(starts[best]), float(bounds[best])


def least_images(error: float, level: float = 0.95) -> int:
    """Return how many images, all accepted and right, it takes to guarantee an error.

    Examples
    --------
    >>> least_images(0.005)
    817
    """
    return int(np.ceil(np.log(1 - _level_of_one(level)) / np.log1p(-error)))


def _level_of_one(level: float) -> float:
    return 1 - (1 - level) / len(STARTS)
