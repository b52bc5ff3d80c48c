"""Test rows that other candidates were scored on before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from digitrec.analyses.checks._check import Check, Finding

if TYPE_CHECKING:
    from digitrec.analyses import AnalysisContext

__all__ = ["CHECK", "earlier_looks"]


def earlier_looks(context: AnalysisContext) -> list[str]:
    """Return the keys of stored results on the same data that are not of this run."""
    mine = {result.key for result in (*context.results, *context.failed)}
    return sorted(
        result.key
        for result in context.store.all_results()
        if result.ok
        and result.data_fingerprint == context.dataset.fingerprint
        and result.key not in mine
    )


def run(context: AnalysisContext) -> Finding | None:
    """Count the results that earlier runs left in the folder."""
    earlier, now = len(earlier_looks(context)), len(context.results)
    if not earlier:
        return None
    return Finding(
        sentence=(
            f"The test rows were scored {earlier + now:,} times in this folder, {earlier:,} of "
            "them by candidates that are not in this report."
        ),
        advice=(
            "Say how often the test rows were looked at; what was changed after a look is no "
            "longer independent of them. Fresh rows answer this, a fresh folder does not."
        ),
        numbers={"earlier": earlier, "this_run": now},
    )


CHECK = Check(
    name="test_reuse",
    severity="note",
    title="Test rows that were scored before",
    run=run,
)
