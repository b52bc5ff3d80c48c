"""Models that are far more accurate on rows that they were fitted on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from digitrec.analyses.checks._check import Check, Finding, listed, proportion_gap

if TYPE_CHECKING:
    from digitrec.analyses import AnalysisContext

__all__ = ["CHECK"]

MAX_GAP = 0.1  # of accuracy; models that store rows have one of their whole error
MIN_STANDARD_ERRORS = 3.0
MAX_ROWS = 1000  # training rows that are scored


def run(context: AnalysisContext) -> Finding | None:
    """Score a sample of the training rows with the models that were fitted on them."""
    X_train, y_train = context.dataset.X_train, np.asarray(context.dataset.y_train)
    rows = np.arange(len(y_train))
    if len(rows) > MAX_ROWS:
        chosen = np.random.default_rng(context.random_state).choice(rows, MAX_ROWS, replace=False)
        rows = np.sort(chosen)
    X, y = np.asarray(X_train[rows]), y_train[rows]
    numbers = {}
    for result in context.one_per_model:
        if result.validation_accuracy is None:
            continue
        training = float(np.mean(np.asarray(context.pipeline(result).predict(X)) == y))
        gap = training - result.validation_accuracy
        errors = proportion_gap(
            training, len(rows), result.validation_accuracy, result.n_validation
        )
        if gap > MAX_GAP and errors > MIN_STANDARD_ERRORS:
            numbers[result.stem] = {
                "training_accuracy": training,
                "validation_accuracy": result.validation_accuracy,
            }
    if not numbers:
        return None
    named = [
        f"{stem} ({100 * found['training_accuracy']:.1f} against "
        f"{100 * found['validation_accuracy']:.1f} %)"
        for stem, found in numbers.items()
    ]
    return Finding(
        sentence=(
            f"Accuracy on training rows is more than {100 * MAX_GAP:.0f} points above that on "
            f"validation rows: {listed(named)}."
        ),
        advice="Regularise these models, give them more rows (--augment), or fewer features.",
        numbers=numbers,
    )


CHECK = Check(
    name="overfitting",
    severity="note",
    title="Large gap between training and validation accuracy",
    run=run,
)
