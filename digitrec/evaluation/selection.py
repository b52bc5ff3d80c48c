"""The choice of the winner. It looks at validation data only."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import fmean

from digitrec.evaluation.result import Result

__all__ = ["select_winner"]


def select_winner(results: Iterable[Result]) -> str | None:
    """Return the key of the result with the best validation accuracy.

    With several seeds, models are ranked by their mean over seeds, and the lowest seed stands for
    the winner; a model of which a seed failed that others finished does not take part. Ties go to
    the model that is fitted faster.

    Parameters
    ----------
    results : iterable of Result
        Results of one dataset.

    Returns
    -------
    str or None
        `Result.key`; None where no job ended well.
    """
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        if result.ok and result.validation_accuracy is not None:
            groups.setdefault((result.features, result.model), []).append(result)
    if not groups:
        return None
    most = max(len(group) for group in groups.values())
    complete = [group for group in groups.values() if len(group) == most]

    def rank(group: list[Result]) -> tuple[float, float]:
        accuracy = fmean(result.validation_accuracy or 0.0 for result in group)
        return -accuracy, fmean(result.fit_seconds or 0.0 for result in group)

    best = min(complete, key=rank)
    return min(best, key=lambda result: result.random_state).key
