"""Classes that are missing or rare in a part of the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from digitrec.analyses.checks._check import Check, Finding, listed

if TYPE_CHECKING:
    from digitrec.analyses import AnalysisContext

__all__ = ["CHECK"]

MIN_ROWS = 10  # of a class in a part; fewer make its scores jump by 10 points a row


def run(context: AnalysisContext) -> Finding | None:
    """Count the rows of each class in the training, validation and test rows."""
    dataset = context.dataset
    names = [str(name) for name in dataset.label_names]
    y_train = np.asarray(dataset.y_train)
    held_out = context.predictions(context.one_per_model[0]).validation_index
    parts = {
        "training": y_train,
        "validation": y_train[held_out],
        "test": np.asarray(dataset.y_test),
    }
    counts = {part: np.bincount(y, minlength=len(names)) for part, y in parts.items()}
    told = []
    numbers = {}
    for part, found in counts.items():
        missing = [names[i] for i in np.flatnonzero(found == 0)]
        rare = np.flatnonzero((found > 0) & (found < MIN_ROWS))
        if missing:
            told.append(f"no {part} rows of {listed(missing)}")
        if len(rare):
            told.append(
                f"fewer than {MIN_ROWS} {part} rows of "
                + listed([f"{names[i]} ({found[i]})" for i in rare])
            )
        if missing or len(rare):
            numbers[part] = {names[i]: int(found[i]) for i in np.flatnonzero(found < MIN_ROWS)}
    if not told:
        return None
    return Finding(
        sentence=f"There are {'; '.join(told)}.",
        advice="Collect more rows of these classes, merge them, or leave them out of conclusions.",
        numbers=numbers,
    )


CHECK = Check(
    name="rare_classes",
    severity="warning",
    title="Classes that are rare or missing in a part of the data",
    run=run,
)
