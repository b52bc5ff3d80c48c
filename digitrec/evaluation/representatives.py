"""Which results stand for their models in analyses that take one of each."""

from __future__ import annotations

from collections.abc import Iterable

from digitrec.evaluation.result import Result

__all__ = ["representatives"]


def representatives(results: Iterable[Result], winner: str | None) -> list[Result]:
    """Return one result of each model and feature set: the winner, else the lowest seed.

    Parameters
    ----------
    results : iterable of Result
        Results of all seeds; those that did not end well are left out.
    winner : str or None
        `Result.key` of the winner.

    Returns
    -------
    list of Result
        Best validation accuracy first.
    """
    chosen: dict[tuple[str, str], Result] = {}
    for result in sorted(results, key=lambda result: (result.key != winner, result.random_state)):
        if result.ok:
            chosen.setdefault((result.features, result.model), result)
    return sorted(chosen.values(), key=lambda result: -(result.validation_accuracy or 0.0))
