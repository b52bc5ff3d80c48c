"""Models that stopped at their iteration limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from digitrec.analyses.checks._check import Check, Finding, listed

if TYPE_CHECKING:
    from digitrec.analyses import AnalysisContext

__all__ = ["CHECK"]


def run(context: AnalysisContext) -> Finding | None:
    """Look for results whose solver did not converge."""
    stopped = [result for result in context.results if result.reached_limit]
    if not stopped:
        return None
    named = [
        result.stem + (f" ({result.iterations:,} iterations)" if result.iterations else "")
        for result in stopped
    ]
    return Finding(
        sentence=f"Stopped at the iteration limit before converging: {listed(named)}.",
        advice="Raise the limit (max_iter), or say that the result is of a fit cut short.",
        numbers={result.stem: result.iterations for result in stopped},
    )


CHECK = Check(
    name="iteration_limit",
    severity="warning",
    title="Models that stopped at their iteration limit",
    run=run,
)
