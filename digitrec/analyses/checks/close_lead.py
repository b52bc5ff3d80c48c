"""A winner whose lead on the validation rows is within chance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from digitrec.analyses.checks._check import Check, Finding, listed
from digitrec.statistics.paired import mcnemar_test

if TYPE_CHECKING:
    from digitrec.analyses import AnalysisContext

__all__ = ["CHECK"]

ALPHA = 0.05


def run(context: AnalysisContext) -> Finding | None:
    """Compare the winner with each other model on the validation rows that both were scored on."""
    winner = context.winning_result
    if winner is None:
        return None
    y_train = np.asarray(context.dataset.y_train)
    mine = context.predictions(winner)
    right = np.asarray(mine.y_validation_pred) == y_train[mine.validation_index]
    numbers = {}
    for result in context.one_per_model:
        other = context.predictions(result)
        if result.key == winner.key or not np.array_equal(
            mine.validation_index, other.validation_index
        ):
            continue
        other_right = np.asarray(other.y_validation_pred) == y_train[other.validation_index]
        test = mcnemar_test(right, other_right)
        if test.p_value >= ALPHA:
            numbers[result.stem] = {"lead": test.difference, "p_value": test.p_value}
    if not numbers:
        return None
    named = [
        f"{stem} ({100 * found['lead']:+.2f} points, p = {found['p_value']:.2f})"
        for stem, found in numbers.items()
    ]
    return Finding(
        sentence=(
            f"On {len(right):,} validation rows the lead of {winner.stem} is within chance over "
            f"{listed(named)}."
        ),
        advice=(
            "Name these models as equally good, or compare them on more rows (--cv, or more "
            "seeds) before one is preferred for its accuracy."
        ),
        numbers=numbers,
    )


CHECK = Check(
    name="close_lead",
    severity="note",
    title="Winner's lead within chance",
    run=run,
)
