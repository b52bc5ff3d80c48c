"""Jobs that a limit on time or memory ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from digitrec.analyses.checks._check import Check, Finding, listed

if TYPE_CHECKING:
    from digitrec.analyses import AnalysisContext

__all__ = ["CHECK"]

_WORDS = {"timeout": "time", "out_of_memory": "memory", "not_run": "budget"}


def run(context: AnalysisContext) -> Finding | None:
    """Look for jobs that were killed or left out."""
    hit = [result for result in context.failed if result.status in _WORDS]
    if not hit:
        return None
    named = [f"{result.stem} ({_WORDS[result.status]})" for result in hit]
    return Finding(
        sentence=f"Ended by a limit, and so missing from the comparison: {listed(named)}.",
        advice="Raise --timeout, --max-memory or the budget, or say which models were left out.",
        numbers={result.stem: result.status for result in hit},
    )


CHECK = Check(
    name="limits_hit",
    severity="warning",
    title="Limits on time or memory that were hit",
    run=run,
)
