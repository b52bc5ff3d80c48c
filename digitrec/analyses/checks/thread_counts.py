"""Times that were taken with different numbers of threads or on different machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from digitrec.analyses.checks._check import Check, Finding

if TYPE_CHECKING:
    from digitrec.analyses import AnalysisContext

__all__ = ["CHECK"]


def run(context: AnalysisContext) -> Finding | None:
    """Compare the threads and the hardware of all results."""
    threads = sorted({result.n_threads for result in context.results})
    machines = {tuple(sorted(map(str, r.hardware.items()))) for r in context.results}
    told = []
    if len(threads) > 1:
        told.append(f"with {', '.join(map(str, threads))} threads")
    if len(machines) > 1:
        told.append(f"on {len(machines)} different machines")
    if not told:
        return None
    return Finding(
        sentence=f"Times were taken {' and '.join(told)}: they cannot be compared.",
        advice="Run all models again with the same --jobs on one machine (--force).",
        numbers={"threads": threads, "machines": len(machines)},
    )


CHECK = Check(
    name="thread_counts",
    severity="warning",
    title="Times taken with different numbers of threads or on different machines",
    run=run,
)
