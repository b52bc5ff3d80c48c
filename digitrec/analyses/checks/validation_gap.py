"""Validation and test accuracy that differ by more than chance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from digitrec.analyses.checks._check import Check, Finding, listed, proportion_gap

if TYPE_CHECKING:
    from digitrec.analyses import AnalysisContext

__all__ = ["CHECK"]

MIN_STANDARD_ERRORS = 3.0


def run(context: AnalysisContext) -> Finding | None:
    """Compare the two accuracies of each model."""
    numbers = {}
    for result in context.one_per_model:
        validation, test = result.validation_accuracy, result.test_accuracy
        if validation is None or test is None:
            continue
        errors = proportion_gap(validation, result.n_validation, test, result.n_test)
        if abs(errors) > MIN_STANDARD_ERRORS:
            numbers[result.stem] = {
                "validation_accuracy": validation,
                "test_accuracy": test,
                "standard_errors": errors,
            }
    if not numbers:
        return None
    named = [
        f"{stem} ({100 * found['validation_accuracy']:.2f} and "
        f"{100 * found['test_accuracy']:.2f} %)"
        for stem, found in numbers.items()
    ]
    return Finding(
        sentence=f"Validation and test accuracy differ by more than chance: {listed(named)}.",
        advice=(
            "Ask whether both come from one source: other writers, scanners or years, copies "
            "across the split, or a choice that looked at one of them."
        ),
        numbers=numbers,
    )


CHECK = Check(
    name="validation_gap",
    severity="warning",
    title="Validation and test accuracy further apart than chance",
    run=run,
)
