"""Probabilities that are far from the share of right answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from digitrec.analyses.checks._check import Check, Finding, listed

if TYPE_CHECKING:
    from digitrec.analyses import AnalysisContext

__all__ = ["CHECK"]

MAX_ERROR = 0.1  # top-label calibration error, 0–1
# Among few answers to a label, chance alone makes an error of this order.
MIN_ROWS_PER_CLASS = 30


def run(context: AnalysisContext) -> Finding | None:
    """Compare the confidence of each model that has probabilities with its accuracy."""
    from digitrec.analyses.calibration import describe_calibration

    y_test, y_train = np.asarray(context.dataset.y_test), np.asarray(context.dataset.y_train)
    if len(y_test) < MIN_ROWS_PER_CLASS * len(np.unique(y_test)):
        return None
    numbers = {}
    for result in context.one_per_model:
        predictions = context.predictions(result)
        if not predictions.has_probabilities:
            continue
        found = describe_calibration(y_test, y_train, predictions)
        if found is not None and found["before"]["ece"] > MAX_ERROR:
            after = found["after"]
            numbers[result.stem] = {
                "error": found["before"]["ece"],
                "after_scaling": after and after["ece"],
            }
    if not numbers:
        return None
    named = [f"{stem} ({100 * found['error']:.1f} points)" for stem, found in numbers.items()]
    return Finding(
        sentence=f"Confidence and accuracy are far apart: {listed(named)}.",
        advice=(
            "Do not read these scores as probabilities; calibrate them on held-out rows "
            "(sklearn.calibration.CalibratedClassifierCV)."
        ),
        numbers=numbers,
    )


CHECK = Check(
    name="miscalibration",
    severity="note",
    title="Probabilities far from calibrated",
    run=run,
)
