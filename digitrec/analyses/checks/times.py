"""Checks of times and limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from digitrec.analyses.checks._check import Finding, check, listed

if TYPE_CHECKING:
    from digitrec.analyses import AnalysisContext

# Seconds of waiting for a core per second of running. The four default models on mnist_5k, two jobs
# on two cores, twice each: 0.003 to 0.02 alone, 0.32 to 0.62 with one busy process (fits took 1.1
# to 2 times as long), 0.99 to 1.04 with two (2.1 to 3 times).
MAX_CORE_WAIT = 0.2


@check("note", "Machine busy while times were measured")
def busy_machine(context: AnalysisContext) -> Finding | None:
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
            "Other processes used the cores while times were measured. Seconds that jobs waited "
            f"for a core per second of running: {listed(named)}."
        ),
        advice="Measure again on an idle machine (--force) before comparing times.",
        numbers=numbers,
    )


@check("warning", "Times measured with different numbers of threads or on different machines")
def thread_counts(context: AnalysisContext) -> Finding | None:
    """Compare the threads and the hardware of all results."""
    threads = sorted({result.n_threads for result in context.results})
    machines = {tuple(sorted(map(str, r.hardware.items()))) for r in context.results}
    found = []
    if len(threads) > 1:
        found.append(f"with {', '.join(map(str, threads))} threads")
    if len(machines) > 1:
        found.append(f"on {len(machines)} different machines")
    if not found:
        return None
    return Finding(
        sentence=f"Times were measured {' and '.join(found)}: they are not comparable.",
        advice="Run all models again with the same --jobs on one machine (--force).",
        numbers={"threads": threads, "machines": len(machines)},
    )


_WORDS = {"timeout": "time", "out_of_memory": "memory", "not_run": "budget"}


@check("warning", "Limits on time or memory that were hit")
def limits_hit(context: AnalysisContext) -> Finding | None:
    """Look for jobs that were killed or not run."""
    hit = [result for result in context.failed if result.status in _WORDS]
    if not hit:
        return None
    named = [f"{result.stem} ({_WORDS[result.status]})" for result in hit]
    return Finding(
        sentence=f"Ended by a limit, and so missing from the comparison: {listed(named)}.",
        advice="Raise --timeout, --max-memory or the budget, or say which models were left out.",
        numbers={result.stem: result.status for result in hit},
    )
