"""Whether models that answered the same test rows differ by more than chance.

Every p-value comes with the size of the difference and its interval. Models are compared on
which rows each one got right, so the tests are the paired ones: Cochran's Q over all models and
McNemar's exact test for each pair.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.stats import binomtest, chi2, norm

from digitrec.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class PairedTest:
    """Two classifiers on the same rows.

    Attributes
    ----------
    n : int
        Rows.
    only_first, only_second : int
        Rows that only the first, and only the second, got right.
    difference, low, high : float
        Accuracy of the first minus that of the second, -1 to 1, with its 95 % interval.
    p_value : float
        Two-sided exact p-value of McNemar's test.
    """

    n: int
    only_first: int
    only_second: int
    difference: float
    low: float
    high: float
    p_value: float


@dataclass(frozen=True, kw_only=True)
class CochranTest:
    """Several classifiers on the same rows.

    Attributes
    ----------
    statistic : float
        Cochran's Q.
    degrees_of_freedom : int
        Classifiers minus one.
    p_value : float
        Probability of a Q at least as large if all were equally accurate.
    effect_size : float
        Eta squared of Q, 0 to 1: the share of the largest Q that these rows allow (Serlin, Carr
        and Marascuilo 1982, *Psychological Bulletin* 91:786).
    """

    statistic: float
    degrees_of_freedom: int
    p_value: float
    effect_size: float


def mcnemar_test(first_right: ArrayLike, second_right: ArrayLike) -> PairedTest:
    """Compare two classifiers by the rows that only one of them got right.

    Parameters
    ----------
    first_right, second_right : array-like of bool, shape (n_samples,)
        Whether each classifier got each row right.

    Returns
    -------
    PairedTest
        Counts, difference with interval, and the exact two-sided p-value (McNemar 1947).

    Raises
    ------
    ConfigurationError
        If the two have different lengths or no rows.
    """
    first = np.asarray(first_right, dtype=bool)
    second = np.asarray(second_right, dtype=bool)
    if first.shape != second.shape or first.ndim != 1 or not first.size:
        raise ConfigurationError(
            f"paired predictions need the same rows, got shapes {first.shape!r} and "
            f"{second.shape!r}; compare runs on the same test set"
        )
    only_first = int(np.count_nonzero(first & ~second))
    only_second = int(np.count_nonzero(second & ~first))
    discordant = only_first + only_second
    low, high = paired_difference_interval(only_first, only_second, first.size)
    return PairedTest(
        n=first.size,
        only_first=only_first,
        only_second=only_second,
        difference=(only_first - only_second) / first.size,
        low=low,
        high=high,
        p_value=float(binomtest(only_first, discordant).pvalue) if discordant else 1.0,
    )


def paired_difference_interval(
    only_first: int, only_second: int, n: int, confidence: float = 0.95
) -> tuple[float, float]:
    """Return Tango's score interval of a difference of paired proportions.

    Parameters
    ----------
    only_first, only_second : int
        Rows that only the first, and only the second, got right.
    n : int
        All rows.
    confidence : float
        Level, 0–1.

    Returns
    -------
    tuple of float
        Lower and upper limit, -1 to 1.

    Notes
    -----
    Tango (1998), *Statistics in Medicine* 17:891: the differences that the score test does not
    reject. It stays in range and has a width where one count is zero, unlike Wald's.
    """
    z = float(norm.ppf(0.5 + confidence / 2))
    high = _tango_limit(only_first, only_second, n, z)
    low = -_tango_limit(only_second, only_first, n, z)
    return low, high


def _tango_limit(b: int, c: int, n: int, z: float) -> float:
    estimate = (b - c) / n

    def excess(delta: float) -> float:
        linear = -(b + c) + (2 * n - b + c) * delta
        # Never below 0 but for rounding, where all rows are right for one of the two alone.
        root = math.sqrt(max(0.0, linear**2 + 8 * n * c * delta * (1 - delta)))
        nuisance = (root - linear) / (4 * n)
        variance = n * (2 * nuisance + delta * (1 - delta))
        return (b - c - n * delta) / math.sqrt(max(variance, 1e-300)) + z

    start, end = estimate + 1e-12, 1 - 1e-12
    if start >= end:
        return 1.0
    return float(brentq(excess, start, end, xtol=1e-12))


def cochran_test(right: ArrayLike) -> CochranTest:
    """Test whether several classifiers are equally accurate on the same rows.

    Parameters
    ----------
    right : array-like of bool, shape (n_samples, n_classifiers)
        Whether each classifier got each row right; at least two classifiers.

    Returns
    -------
    CochranTest
        Cochran's Q (1950), its chi-square p-value and an effect size. Classifiers that are
        right on exactly the same rows give Q = 0 and p = 1.
    """
    right = np.asarray(right, dtype=np.int64)
    n_samples, k = right.shape
    by_row, by_classifier = right.sum(axis=1), right.sum(axis=0)
    # Rows on which all agree carry no information, and without others Q is 0 / 0.
    disagreement = int(np.sum(by_row * (k - by_row)))
    spread = k * int(np.sum(by_classifier**2)) - int(by_classifier.sum()) ** 2
    q = (k - 1) * spread / disagreement if disagreement else 0.0
    return CochranTest(
        statistic=q,
        degrees_of_freedom=k - 1,
        p_value=float(chi2.sf(q, k - 1)),
        effect_size=q / (n_samples * (k - 1)),
    )


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Return p-values adjusted for being several, by Holm's step-down method (1979)."""
    p_values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(np.maximum.accumulate(factors * p_values[order]), 1.0)
    return adjusted
