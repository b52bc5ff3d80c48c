"""Error and fit time against the number of training rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import linregress, t

from digitrec.evaluation.representatives import representatives
from digitrec.evaluation.result import Result

if TYPE_CHECKING:
    from digitrec.evaluation.analyses import AnalysisContext

__all__ = ["curve_sizes", "growth_exponent", "measure_learning_curves"]

# Shorter fits are measured too coarsely to say how they grow.
_SHORTEST_SECONDS = 0.005


def curve_sizes(n_train: int, n_classes: int) -> tuple[int, ...]:
    """Return numbers of training rows in steps of 1, 2, 5, below `n_train`.

    From a sixtieth of the rows (1,000 for MNIST) to two fifths, so that all fits together take
    less than one on all rows; never fewer than ten rows per class.
    """
    low, high = max(n_train / 60, 10 * n_classes), n_train / 2.5
    series = [step * 10**power for power in range(1, 9) for step in (1, 2, 5)]
    return tuple(size for size in series if low <= size <= high)


def growth_exponent(sizes: Sequence[int], values: Sequence[float]) -> dict[str, float] | None:
    """Fit a power law ``value = c * size ** exponent`` by least squares on log axes.

    Parameters
    ----------
    sizes : sequence of int
        Training rows.
    values : sequence of float
        What grows or shrinks with them; values of 0 are left out.

    Returns
    -------
    dict or None
        ``exponent``, ``low`` and ``high`` (95 % interval), ``coefficient``; None with fewer
        than three points.
    """
    points = [(size, value) for size, value in zip(sizes, values, strict=True) if value > 0]
    if len({size for size, _ in points}) < 3:
        return None
    x, y = np.log(np.array(points, dtype=np.float64)).T
    fit = linregress(x, y)
    margin = float(t.ppf(0.975, len(points) - 2)) * float(fit.stderr)
    return {
        "exponent": float(fit.slope),
        "low": float(fit.slope) - margin,
        "high": float(fit.slope) + margin,
        "coefficient": math.exp(fit.intercept),
    }


def measure_learning_curves(context: AnalysisContext) -> dict[str, Any]:
    """Fit every model of a run on growing samples of the training rows.

    The samples are nested and stratified. The test set is only looked at, as in the main table:
    nothing is chosen by it. The last point of each curve is the run's own fit on all rows. A
    model may take three times its full fit, or a minute; what it did until then is kept.

    Returns
    -------
    dict
        JSON-safe. ``sizes``; ``models``: ``name``, ``points`` (``n``, ``error``,
        ``fit_seconds``), ``cost`` and ``gain`` (`growth_exponent` of the fit time and of the
        error), ``stopped`` (why a curve is incomplete, else empty).
    """
    from digitrec.evaluation.refits import make_refit, run_refits

    n_train = len(context.dataset.y_train)
    sizes = curve_sizes(n_train, len(context.dataset.label_names))
    results = representatives(context.results, context.winner)
    refits = [
        make_refit(context, result, timeout=_time_limit(result), sizes=sizes) for result in results
    ]
    models = []
    outcomes = run_refits(context, refits, "learning curves")
    for result, (refit, rows, stopped) in zip(results, outcomes, strict=True):
        points = [
            {"n": row["n"], "error": 1 - row["accuracy"], "fit_seconds": row["fit_seconds"]}
            for row in rows
        ]
        # With random copies the run's own fit had more rows than the sample says.
        if not context.options.get("augment") and result.test_error is not None:
            seconds = result.fit_seconds or 0.0
            points.append({"n": n_train, "error": result.test_error, "fit_seconds": seconds})
        timed = [point for point in points if point["fit_seconds"] >= _SHORTEST_SECONDS]
        models.append(
            {
                "name": refit.name,
                "points": points,
                "cost": growth_exponent(
                    [int(point["n"]) for point in timed], [p["fit_seconds"] for p in timed]
                ),
                "gain": growth_exponent(
                    [int(point["n"]) for point in points], [p["error"] for p in points]
                ),
                "stopped": stopped,
            }
        )
    return {"sizes": [*sizes, n_train], "models": models}


def _time_limit(result: Result) -> float:
    # A process needs some seconds to start; samples have two thirds of the rows in all.
    return 60 + 3 * (result.fit_seconds or 0.0) + 10 * (result.predict_seconds or 0.0)
