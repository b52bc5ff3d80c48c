"""Which models no other model beats in both error and cost."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from digitrec.evaluation.result import Result

__all__ = ["COSTS", "describe_fronts", "pareto_front"]

# What a model costs: fields of Result.
COSTS = ("fit_seconds", "latency_p50_ms", "model_bytes")


def pareto_front(costs: ArrayLike, errors: ArrayLike) -> NDArray[np.bool_]:
    """Tell which points no other point beats.

    Parameters
    ----------
    costs, errors : array-like of float, shape (n,)
        Coordinates of each point; less is better. A point is beaten by one that is not worse in
        either and better in one of them.

    Returns
    -------
    ndarray of bool, shape (n,)
        Whether each point is on the front.
    """
    cost, error = np.asarray(costs, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    not_worse = (cost <= cost[:, None]) & (error <= error[:, None])
    better = (cost < cost[:, None]) | (error < error[:, None])
    return np.asarray(~np.any(not_worse & better, axis=1))


def describe_fronts(results: Iterable[Result]) -> dict[str, Any]:
    """Return the models on the Pareto front of test error against each cost.

    Returns
    -------
    dict
        JSON-safe. ``fronts``: for each of `COSTS` the `Result.stem` of the models on the front,
        the cheapest first.
    """
    results = list(results)
    fronts = {}
    for cost in COSTS:
        known = [
            (float(value), result.test_error, result.stem)
            for result in results
            if (value := getattr(result, cost)) is not None and result.test_error is not None
        ]
        on_front = pareto_front([point[0] for point in known], [point[1] for point in known])
        chosen = [point for point, kept in zip(known, on_front, strict=True) if kept]
        fronts[cost] = [stem for _, _, stem in sorted(chosen)]
    return {"fronts": fronts}
