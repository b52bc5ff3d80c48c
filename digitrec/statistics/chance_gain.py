"""How much the best of many candidates gains by chance alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

N_RESAMPLES = 1000
_CHUNK = 50  # resamples at a time: 50 x 10,000 rows of float64 take 4 MB


@dataclass(frozen=True, kw_only=True)
class ChanceGain:
    """What choosing the best of many candidates gains where none is better than the default.

    Attributes
    ----------
    mean, high : float
        Mean and 95th percentile of that gain, in the unit of the differences.
    p_value : float
        Share of the resamples in which it is at least the gain that was observed.
    """

    mean: float
    high: float
    p_value: float


def chance_gain(differences: ArrayLike, gain: float, random_state: int = 0) -> ChanceGain:
    """Compare a gain with what the choice among candidates gives by chance: White's reality check.

    Rows are drawn with replacement, the same for all candidates, and each candidate's mean
    difference is centred at what it was, as if it were no better than the default. The largest
    is what the choice would have gained. Candidates that answer alike count for little more than
    one, which a correction for their number alone does not see.

    Parameters
    ----------
    differences : array-like of float, shape (n_rows, n_candidates)
        Score of each candidate minus that of the default, row by row.
    gain : float
        Mean difference of the candidate that was chosen.
    random_state : int
        Seed.

    References
    ----------
    H. White, "A reality check for data snooping", Econometrica 68 (2000).

    Examples
    --------
    >>> import numpy as np
    >>> equal = np.random.default_rng(0).choice([-1, 0, 0, 0, 1], size=(500, 20))
    >>> chance_gain(equal, equal.mean(axis=0).max()).p_value > 0.05
    True
    >>> chance_gain(equal + 0.2, 0.2 + equal.mean(axis=0).max()).p_value < 0.05
    True
    """
    rows = np.asarray(differences, dtype=np.float64)
    centred = rows - rows.mean(axis=0)
    rng = np.random.default_rng(random_state)
    n = len(rows)
    largest = np.concatenate(
        [
            (rng.multinomial(n, np.full(n, 1 / n), size=_CHUNK) @ centred / n).max(axis=1)
            for _ in range(N_RESAMPLES // _CHUNK)
        ]
    )
    # The default is a candidate, too: what is worse than it is not chosen.
    largest = np.maximum(largest, 0.0)
    reached = int(np.sum(largest >= gain - 1e-12))
    return ChanceGain(
        mean=float(largest.mean()),
        high=float(np.quantile(largest, 0.95)),
        p_value=(1 + reached) / (1 + N_RESAMPLES),
    )
