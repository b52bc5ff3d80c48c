"""From the context of a run to each further analysis of it.

What an analysis needs is imported when it runs: the registry is read at every start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from digitrec.evaluation.representatives import representatives

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from digitrec.evaluation.analyses import AnalysisContext

__all__ = [
    "calibration",
    "confused_pairs",
    "cross_validation",
    "interpretation",
    "learning_curves",
    "lenses",
    "pareto",
    "robustness",
    "significance",
]


def significance(context: AnalysisContext) -> dict[str, Any]:
    """Compare all models on the test rows; see `digitrec.evaluation.statistics`."""
    from digitrec.evaluation.statistics import compare_predictions

    labels = _labels(context)
    # The winner is the first of its model and features; it was chosen on validation rows.
    stems = {result.key: result.stem for result in context.results}
    best = stems.get(context.winner or "", next(iter(labels)))
    return compare_predictions(context.dataset.y_test, labels, best)


def calibration(context: AnalysisContext) -> dict[str, Any]:
    """Describe how far confidence can be believed; see `digitrec.evaluation.calibration`."""
    from digitrec.evaluation.calibration import describe_calibration

    y_test, y_train = np.asarray(context.dataset.y_test), np.asarray(context.dataset.y_train)
    models = []
    for result in representatives(context.results, context.winner):
        found = describe_calibration(y_test, y_train, context.predictions(result))
        if found is not None:
            models.append({"name": result.stem, **found})
    return {"models": models}


def lenses(context: AnalysisContext) -> dict[str, Any]:
    """Score models on parts of MNIST's test set; empty for other data."""
    from digitrec.evaluation.lenses import describe_lenses, has_mnist_test_set

    if not has_mnist_test_set(context.dataset):
        return {}
    return describe_lenses(context.dataset.y_test, _labels(context))


def confused_pairs(context: AnalysisContext) -> dict[str, Any]:
    """Count errors per pair of classes; see `digitrec.evaluation.lenses`."""
    from digitrec.evaluation.lenses import count_confused_pairs

    n_classes = len(context.dataset.label_names)
    return count_confused_pairs(context.dataset.y_test, _labels(context), n_classes)


def pareto(context: AnalysisContext) -> dict[str, Any]:
    """Find the models that no other beats; see `digitrec.evaluation.pareto`."""
    from digitrec.evaluation.pareto import describe_fronts

    return describe_fronts(representatives(context.results, context.winner))


def robustness(context: AnalysisContext) -> dict[str, Any]:
    """Score models on corrupted images; see `digitrec.evaluation.robustness`."""
    from pathlib import Path

    from threadpoolctl import threadpool_limits

    from digitrec.evaluation.robustness import score_robustness

    results = representatives(context.results, context.winner)
    folder = context.options.get("mnist_c")
    with threadpool_limits(context.n_jobs):
        return score_robustness(
            context.dataset,
            [(result.stem, result.features, context.pipeline(result)) for result in results],
            {result.stem: result.test_error or 0.0 for result in results},
            mnist_c=Path(folder) if folder else None,
            random_state=context.random_state,
            n_jobs=context.n_jobs,
            report=context.report,
        )


def learning_curves(context: AnalysisContext) -> dict[str, Any]:
    """Fit models on growing samples; see `digitrec.evaluation.learning_curves`."""
    from digitrec.evaluation.learning_curves import measure_learning_curves

    return measure_learning_curves(context)


def cross_validation(context: AnalysisContext) -> dict[str, Any]:
    """Cross-validate models; see `digitrec.evaluation.cross_validation`."""
    from digitrec.evaluation.cross_validation import cross_validate

    return cross_validate(context)


def interpretation(context: AnalysisContext) -> dict[str, Any]:
    """Show what models have learned; see `digitrec.evaluation.interpretation`."""
    from threadpoolctl import threadpool_limits

    from digitrec.evaluation.interpretation import interpret

    with threadpool_limits(context.n_jobs):
        return interpret(context)


def _labels(context: AnalysisContext) -> dict[str, NDArray[np.uint8]]:
    """Return the test predictions of one result of each model, by `Result.stem`."""
    return {
        result.stem: context.predictions(result).y_test_pred
        for result in representatives(context.results, context.winner)
    }
