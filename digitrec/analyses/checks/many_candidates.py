"""More candidates than the validation rows can tell apart."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from digitrec.analyses.checks._check import Check, Finding

if TYPE_CHECKING:
    from digitrec.analyses import AnalysisContext

__all__ = ["CHECK"]

MIN_ALIKE = 5  # candidates within chance of the best; their best looks 1.8 errors too good


def run(context: AnalysisContext) -> Finding | None:
    """Compare the spread of the candidates with the standard error of their accuracies."""
    results = [r for r in context.results if r.validation_accuracy is not None]
    if not results:
        return None
    best = max(results, key=lambda result: result.validation_accuracy or 0.0)
    accuracy, n = best.validation_accuracy or 0.0, best.n_validation
    error = math.sqrt(max(accuracy * (1 - accuracy), 1 / n) / n)
    tuned = {record["tuned"] for record in context.tuning}
    accuracies = [r.validation_accuracy or 0.0 for r in results if r.model not in tuned]
    accuracies += [
        candidate["accuracy"]
        for record in context.tuning
        for candidate in record["candidates"]
        if candidate["parameters"] and candidate["accuracy"] is not None
    ]
    alike = [found for found in accuracies if accuracy - found <= 2 * error]
    if len(alike) < MIN_ALIKE:
        return None
    # The largest of m equal candidates lies about this far above their common accuracy.
    optimism = error * math.sqrt(2 * math.log(len(alike)))
    return Finding(
        sentence=(
            f"{len(alike)} of {len(accuracies)} candidates lie within two standard errors "
            f"({200 * error:.2f} points) of the best on {n:,} validation rows; the best of as "
            f"many equal candidates would look up to {100 * optimism:.2f} points better than it is."
        ),
        advice="Compare fewer candidates, hold out more rows, or choose by repeated --cv.",
        numbers={
            "candidates": len(accuracies),
            "alike": len(alike),
            "standard_error": error,
            "optimism": optimism,
        },
    )


CHECK = Check(
    name="many_candidates",
    severity="note",
    title="More candidates than the validation rows can tell apart",
    run=run,
)
