"""Comparing two models by repeated cross-validation, whose folds are not independent.

The training sets of the folds overlap, so that the usual t-test sees differences where there are
none. Both tests here widen the variance by Nadeau and Bengio's correction.

References
----------
Nadeau, C. and Bengio, Y. (2003). Inference for the generalization error. *Machine Learning*
52:239–281.

Corani, G. and Benavoli, A. (2015). A Bayesian approach for comparing cross-validated algorithms
on multiple data sets. *Machine Learning* 100:285–304.

Benavoli, A., Corani, G., Demšar, J. and Zaffalon, M. (2017). Time for a change: a tutorial for
comparing multiple classifiers through Bayesian analysis. *Journal of Machine Learning Research*
18(77):1–36.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr, stdtrit

from digitrec.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class CorrelatedTest:
    """Two models on the same folds.

    Attributes
    ----------
    difference, low, high : float
        Mean of the first's scores minus the second's, with its 95 % interval. The interval is
        both the corrected t-test's and the Bayesian test's, which share one distribution.
    statistic, p_value : float
        Nadeau and Bengio's corrected t and its two-sided p-value.
    effect_size : float or None
        Cohen's d of the fold differences: their mean over their standard deviation; None where
        every fold has the same difference.
    probability_first, probability_same, probability_second : float
        Posterior probability that the first is better by more than the region of practical
        equivalence, that the two are practically equivalent, and that the second is better.
    """

    difference: float
    low: float
    high: float
    statistic: float | None
    p_value: float
    effect_size: float | None
    probability_first: float
    probability_same: float
    probability_second: float


def correlated_test(
    first_scores: ArrayLike,
    second_scores: ArrayLike,
    n_folds: int,
    *,
    rope: float = 0.001,
) -> CorrelatedTest:
    """Compare the scores of two models on the folds of a repeated cross-validation.

    Parameters
    ----------
    first_scores, second_scores : array-like of float, shape (n_repeats * n_folds,)
        Scores on the same folds; higher is better.
    n_folds : int
        Folds of one repeat; test rows are one part, training rows ``n_folds - 1`` parts.
    rope : float
        Half-width of the region of practical equivalence, in units of the score: differences
        smaller than this do not matter. 0.001 is 0.1 percentage points of accuracy.

    Returns
    -------
    CorrelatedTest
        The frequentist corrected resampled t-test and the Bayesian correlated t-test.

    Raises
    ------
    ConfigurationError
        If there are fewer than two scores or a different number of them.
    """
    differences = np.asarray(first_scores, dtype=np.float64) - np.asarray(second_scores)
    n = differences.size
    if differences.ndim != 1 or n < 2 or n_folds < 2:
        raise ConfigurationError(
            f"a correlated t-test needs scores of at least 2 folds, got {n!r} scores of "
            f"{n_folds!r} folds"
        )
    mean = float(differences.mean())
    deviation = float(differences.std(ddof=1))
    if deviation <= 1e-12:
        # No spread: the posterior is one point.
        return CorrelatedTest(
            difference=mean,
            low=mean,
            high=mean,
            statistic=None,
            p_value=float(abs(mean) <= 1e-12),
            effect_size=None,
            probability_first=float(mean > rope),
            probability_same=float(abs(mean) <= rope),
            probability_second=float(mean < -rope),
        )
    error = deviation * math.sqrt(1 / n + 1 / (n_folds - 1))
    # scipy.stats.t would build a distribution object for each of many pairs.
    below, above = stdtr(n - 1, (np.array([-rope, rope]) - mean) / error)
    half_width = error * stdtrit(n - 1, 0.975)
    return CorrelatedTest(
        difference=mean,
        low=float(mean - half_width),
        high=float(mean + half_width),
        statistic=mean / error,
        p_value=float(2 * stdtr(n - 1, -abs(mean) / error)),
        effect_size=mean / deviation,
        probability_first=float(1 - above),
        probability_same=float(above - below),
        probability_second=float(below),
    )
