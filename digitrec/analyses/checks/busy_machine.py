"""Times that were taken while the machine was busy with something else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from digitrec.analyses.checks._check import Check, Finding, listed

if TYPE_CHECKING:
    from digitrec.analyses import AnalysisContext

__all__ = ["CHECK"]

# Seconds of waiting for a core per second of running. One other busy process for each core makes
# it 1; the threads of an unhindered job hardly wait.
MAX_CORE_WAIT = 0.2


def run(context: AnalysisContext) -> Finding | None:
    """Look for jobs whose threads had to wait for a core."""
    waits = {r.stem: r.core_wait for r in context.results if r.core_wait is not None}
    numbers = {stem: wait for stem, wait in waits.items() if wait > MAX_CORE_WAIT}
    if not numbers:
        return None
    named = [
        f"{stem} ({wait:.1f})" for stem, wait in sorted(numbers.items(), key=lambda item: -item[1])
    ]
    return Finding(
        sentence=(
            "The machine was busy while times were taken. Seconds that jobs waited for a core per "
            f"second that they ran: {listed(named)}."
        ),
        advice="Measure again on a quiet machine (--force) before times are compared.",
        numbers=numbers,
    )


CHECK = Check(
    name="busy_machine",
    severity="note",
    title="Machine busy while times were taken",
    run=run,
)
