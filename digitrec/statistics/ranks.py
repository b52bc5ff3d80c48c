"""Comparing models over several datasets by their ranks, after Demšar (2006).

Demšar, J. (2006). Statistical comparisons of classifiers over multiple data sets. *Journal of
Machine Learning Research* 7:1–30.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import chi2, f, rankdata, studentized_range

from digitrec.errors import ConfigurationError
from digitrec.statistics import ALPHA


def nemenyi_critical_difference(n_models: int, n_datasets: int, alpha: float = ALPHA) -> float:
    """Return by how much two mean ranks must differ to be significant by Nemenyi's test.

    Parameters
    ----------
    n_models, n_datasets : int
        Models compared, and datasets they are compared over.
    alpha : float
        Level over all pairs, 0–1.
    """
    # Infinite degrees of freedom: the variance of ranks is known, not estimated.
    q = float(studentized_range.ppf(1 - alpha, n_models, np.inf)) / math.sqrt(2)
    return q * math.sqrt(n_models * (n_models + 1) / (6 * n_datasets))


@dataclass(frozen=True, kw_only=True)
class RankPair:
    """Two models over the same datasets; Nemenyi's test allows for all pairs.

    Attributes
    ----------
    first, second : int
        Columns of the scores.
    difference, low, high : float
        Difference of the mean ranks, and that plus and minus the critical difference.
    p_value : float
        Nemenyi's.
    significant : bool
        Whether the difference is at least the critical one.
    """

    first: int
    second: int
    difference: float
    low: float
    high: float
    p_value: float
    significant: bool


@dataclass(frozen=True, kw_only=True)
class RankComparison:
    """Several models over several datasets.

    Attributes
    ----------
    mean_ranks : list of float
        Of each model; 1 is best.
    chi_square, p_value : float
        Friedman's test.
    f_statistic, f_p_value : float or None
        Iman and Davenport's less conservative form of it; None where every dataset ranks the
        models alike.
    kendall_w : float
        Agreement of the datasets, 0–1, the effect size.
    critical_difference : float
        Smallest significant difference of mean ranks by Nemenyi.
    pairs : list of RankPair
        Every pair of models.
    """

    mean_ranks: list[float]
    chi_square: float
    p_value: float
    f_statistic: float | None
    f_p_value: float | None
    kendall_w: float
    critical_difference: float
    pairs: list[RankPair]


def compare_over_datasets(scores: ArrayLike) -> RankComparison:
    """Compare models by their ranks over several datasets.

    Parameters
    ----------
    scores : array-like of float, shape (n_datasets, n_models)
        Higher is better; equal scores share their mean rank. At least two of each.

    Raises
    ------
    ConfigurationError
        If there are fewer than two models or datasets.
    """
    scores = np.asarray(scores, dtype=np.float64)
    n_datasets, n_models = scores.shape
    if n_datasets < 2 or n_models < 2:
        raise ConfigurationError(
            f"comparing by ranks needs at least 2 models and 2 datasets, got {n_models!r} and "
            f"{n_datasets!r}; give several with --dataset a,b"
        )
    ranks = rankdata(-scores, axis=1)
    mean_ranks = ranks.mean(axis=0)
    # Demšar's formula divided by its correction for ties; scipy's version takes no 2 columns.
    centred = n_datasets * np.sum((mean_ranks - (n_models + 1) / 2) ** 2)
    spread = np.sum((ranks - (n_models + 1) / 2) ** 2) / (n_datasets * (n_models - 1))
    chi_square = float(centred / spread) if spread else 0.0
    largest = n_datasets * (n_models - 1)
    error = math.sqrt(n_models * (n_models + 1) / (6 * n_datasets))
    f_statistic = f_p_value = None
    if not math.isclose(chi_square, largest):
        f_statistic = (n_datasets - 1) * chi_square / (largest - chi_square)
        degrees = (n_models - 1, (n_models - 1) * (n_datasets - 1))
        f_p_value = float(f.sf(f_statistic, *degrees))
    critical = nemenyi_critical_difference(n_models, n_datasets)
    pairs = []
    for i, j in itertools.combinations(range(n_models), 2):
        difference = float(mean_ranks[i] - mean_ranks[j])
        q = abs(difference) / error * math.sqrt(2)
        pairs.append(
            RankPair(
                first=i,
                second=j,
                difference=difference,
                low=difference - critical,
                high=difference + critical,
                p_value=float(studentized_range.sf(q, n_models, np.inf)),
                significant=abs(difference) >= critical,
            )
        )
    return RankComparison(
        mean_ranks=mean_ranks.tolist(),
        chi_square=chi_square,
        p_value=float(chi2.sf(chi_square, n_models - 1)),
        f_statistic=f_statistic,
        f_p_value=f_p_value,
        kendall_w=chi_square / largest,
        critical_difference=critical,
        pairs=pairs,
    )
