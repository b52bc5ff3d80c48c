"""Whether models that answered the same test rows differ by more than chance.

Every p-value comes with the size of the difference and its interval. Models are compared on
which rows each one got right, so the tests are the paired ones: Cochran's Q over all models and
McNemar's exact test for each pair.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.stats import binomtest, norm

from digitrec.errors import ConfigurationError

__all__ = [
    "CochranTest",
    "PairedTest",
    "cochran_test",
    "compare_predictions",
    "holm",
    "mcnemar_test",
    "paired_difference_interval",
]


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


def mcnemar_test(
    first_right: ArrayLike, second_right: ArrayLike, *, confidence: float = 0.95
) -> PairedTest:
    """Compare two classifiers by the rows that only one of them got right.

    Parameters
    ----------
    first_right, second_right : array-like of bool, shape (n_samples,)
        Whether each classifier got each row right.
    confidence : float
        Level of the interval of the difference, 0–1.

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
    low, high = paired_difference_interval(only_first, only_second, first.size, confidence)
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
        root = math.sqrt(linear**2 + 8 * n * c * delta * (1 - delta))
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
    right = np.asarray(right, dtype=bool)
    n_samples, n_classifiers = right.shape
    # Rows on which all agree carry no information, and without others Q is 0 / 0.
    if not np.any(right.any(axis=1) != right.all(axis=1)):
        return CochranTest(
            statistic=0.0, degrees_of_freedom=n_classifiers - 1, p_value=1.0, effect_size=0.0
        )
    from statsmodels.stats.contingency_tables import cochrans_q  # slow to import

    test = cochrans_q(right.astype(np.int64))
    return CochranTest(
        statistic=float(test.statistic),
        degrees_of_freedom=int(test.df),
        p_value=float(test.pvalue),
        effect_size=float(test.statistic) / (n_samples * (n_classifiers - 1)),
    )


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Return p-values adjusted for being several, by Holm's step-down method (1979)."""
    p_values = np.asarray(p_values, dtype=np.float64)
    if not p_values.size:
        return p_values
    from statsmodels.stats.multitest import multipletests  # slow to import

    return np.asarray(multipletests(p_values, method="holm")[1], dtype=np.float64)


def compare_predictions(
    y_true: ArrayLike,
    predictions: Mapping[str, ArrayLike],
    best: str,
    *,
    alpha: float = 0.05,
) -> dict[str, Any]:
    """Compare all models on the same test rows.

    Parameters
    ----------
    y_true : array-like of int, shape (n_samples,)
        Labels.
    predictions : mapping of str to array-like of int, shape (n_samples,)
        Predicted labels of each model, by its name.
    best : str
        Name of the model that won on validation data, which the test rows did not choose.
    alpha : float
        Chance, 0–1, of calling any pair different where none is.

    Returns
    -------
    dict
        JSON-safe. ``n``, ``alpha``, ``best``; ``cochran``: fields of `CochranTest`, or None for
        a single model; ``pairs``: fields of `PairedTest` with ``first``, ``second``,
        ``p_adjusted`` (Holm over all pairs) and ``significant``; ``group``: the best and the
        models whose comparison with it is not significant; ``better``: the models that are
        significantly better than it on the test rows.

    Raises
    ------
    ConfigurationError
        If `best` is not among the models.
    """
    if best not in predictions:
        raise ConfigurationError(f"best model {best!r} has no predictions to compare")
    truth = np.asarray(y_true)
    right = {name: np.asarray(labels) == truth for name, labels in predictions.items()}
    pairs: list[dict[str, Any]] = [
        {"first": first, "second": second, **asdict(mcnemar_test(right[first], right[second]))}
        for first, second in itertools.combinations(right, 2)
    ]
    for pair, p_adjusted in zip(pairs, holm([pair["p_value"] for pair in pairs]), strict=True):
        pair["p_adjusted"] = float(p_adjusted)
        pair["significant"] = bool(p_adjusted < alpha)
    group, better = [best], []
    for pair in pairs:
        if best not in (pair["first"], pair["second"]):
            continue
        other = pair["second"] if pair["first"] == best else pair["first"]
        sign = 1 if pair["first"] == best else -1
        if not pair["significant"]:
            group.append(other)
        elif sign * pair["difference"] < 0:
            better.append(other)
    cochran = cochran_test(np.column_stack(list(right.values()))) if len(right) > 1 else None
    return {
        "n": len(truth),
        "alpha": alpha,
        "best": best,
        "cochran": None if cochran is None else asdict(cochran),
        "pairs": pairs,
        "group": group,
        "better": better,
    }
