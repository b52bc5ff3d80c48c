"""Test labels that all models contradict with confidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from digitrec.analyses.checks._check import Check, Finding, listed

if TYPE_CHECKING:
    from digitrec.analyses import AnalysisContext

__all__ = ["CHECK"]

MIN_CONFIDENCE = 0.9  # probability of the answer
MIN_MODELS = 2
_SHOWN = 16


def run(context: AnalysisContext) -> Finding | None:
    """Look for test rows to which every model gives the same other label, surely."""
    truth = np.asarray(context.dataset.y_test)
    said = [context.predictions(result) for result in context.one_per_model]
    sure = [p for p in said if p.has_probabilities and p.test_scores is not None]
    if len(said) < MIN_MODELS or not sure:
        return None
    answer = np.asarray(said[0].y_test_pred)
    against = answer != truth
    for predictions in said[1:]:
        against &= np.asarray(predictions.y_test_pred) == answer
    confidence = np.min(
        [np.asarray(p.test_scores)[np.arange(len(truth)), answer] for p in sure], axis=0
    )
    rows = np.flatnonzero(against & (confidence >= MIN_CONFIDENCE))
    if not len(rows):
        return None
    rows = rows[np.argsort(-confidence[rows], kind="stable")]
    names = [str(name) for name in context.dataset.label_names]
    shown = [f"row {row}: {names[truth[row]]}, read as {names[answer[row]]}" for row in rows]
    pictures = []
    if context.dataset.image_shape is not None:
        pictures = [
            ("test", int(row), f"row {row}\n{names[truth[row]]} → {names[answer[row]]}")
            for row in rows[:_SHOWN]
        ]
    return Finding(
        sentence=(
            f"All {len(said)} models give another label than the data to {len(rows):,} of "
            f"{len(truth):,} test rows, each with a probability of at least "
            f"{MIN_CONFIDENCE:.0%} where it has one ({listed(shown, 3)})."
        ),
        advice=(
            "Look at these rows: a wrong label counts against every model that reads it rightly. "
            "Do not remove rows because models misread them."
        ),
        numbers={"rows": rows[:100].tolist(), "count": len(rows), "models": len(said)},
        pictures=pictures,
    )


CHECK = Check(
    name="contradicted_labels",
    severity="note",
    title="Labels that all models contradict with confidence",
    run=run,
)
