"""Searches over parameters whose best value is the first or last one tried."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Real
from typing import TYPE_CHECKING, Any

from digitrec.analyses.checks._check import Check, Finding, listed

if TYPE_CHECKING:
    from digitrec.analyses import AnalysisContext

__all__ = ["CHECK", "edge_values"]

MIN_VALUES = 3  # tried, for one to be at an edge


def edge_values(search: Any) -> dict[str, dict[str, float]]:
    """Return the numeric parameters of a fitted search whose best value is an extreme one.

    Parameters
    ----------
    search : estimator
        Has ``best_params_`` and ``cv_results_``, as scikit-learn's searches do.

    Returns
    -------
    dict of str to dict
        ``best``, ``low`` and ``high`` of the values tried, by parameter.
    """
    found = {}
    tried = search.cv_results_["params"]
    for name, best in search.best_params_.items():
        values = {candidate.get(name) for candidate in tried if _is_number(candidate.get(name))}
        if _is_number(best) and len(values) >= MIN_VALUES and best in (min(values), max(values)):
            found[name] = {
                "best": float(best),
                "low": float(min(values)),
                "high": float(max(values)),
            }
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _searches(estimator: Any) -> Iterator[Any]:
    """Return the fitted searches among the steps of an estimator."""
    for step in [estimator, *(part for _, part in getattr(estimator, "steps", ()))]:
        if hasattr(step, "best_params_") and hasattr(step, "cv_results_"):
            yield step


def run(context: AnalysisContext) -> Finding | None:
    """Look at every fitted model that is itself a search."""
    numbers: dict[str, dict[str, dict[str, float]]] = {}
    for result in context.one_per_model:
        for search in _searches(context.pipeline(result)):
            if edges := edge_values(search):
                numbers[result.stem] = edges
    if not numbers:
        return None
    named = [
        f"{name} of {stem} = {edge['best']:g} (tried {edge['low']:g} to {edge['high']:g})"
        for stem, edges in numbers.items()
        for name, edge in edges.items()
    ]
    return Finding(
        sentence=f"The best value is at the edge of what was tried: {listed(named)}.",
        advice="Extend the search beyond that edge: a better value may lie there.",
        numbers=numbers,
    )


CHECK = Check(
    name="search_edge",
    severity="warning",
    title="Best parameter at the edge of its search",
    run=run,
)
