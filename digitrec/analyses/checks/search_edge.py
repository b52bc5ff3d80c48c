"""Searches over parameters whose best value is the first or last one tried."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

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
    order = np.argsort(search.cv_results_["rank_test_score"], kind="stable")
    return _edges([search.cv_results_["params"][place] for place in order])


def _edges(candidates: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Return the parameters whose best values are extreme; the best candidate comes first.

    Of many values, as a random search draws them, the two best must lie in the same outer tenth.
    """
    found = {}
    for name in candidates[0] if candidates else ():
        tried = [c[name] for c in candidates if _is_number(c.get(name))]
        values = sorted(set(tried))
        if not _is_number(candidates[0][name]) or len(values) < MIN_VALUES:
            continue
        reach = max(1, len(values) // 10)
        ends = (values[:reach], values[-reach:])
        best = tried[:1] if reach == 1 else tried[:2]
        if any(all(value in end for value in best) for end in ends):
            found[name] = {
                "best": float(tried[0]),
                "low": float(values[0]),
                "high": float(values[-1]),
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
    """Look at every fitted model that is itself a search, and at the searches of the run."""
    numbers: dict[str, dict[str, dict[str, float]]] = {}
    for result in context.one_per_model:
        for search in _searches(context.pipeline(result)):
            if edges := edge_values(search):
                numbers[result.stem] = edges
    for record in context.tuning:
        drawn = [c["parameters"] for c in record["candidates"] if c["accuracy"] is not None]
        if edges := _edges([parameters for parameters in drawn if parameters]):
            numbers[f"{record['model']} ({record['features']})"] = edges
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
