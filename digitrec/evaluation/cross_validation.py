"""Repeated stratified cross-validation of the models of a run, on the training rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from digitrec.errors import ConfigurationError
from digitrec.evaluation.correlated_tests import compare_folds
from digitrec.evaluation.representatives import representatives

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from digitrec.datasets import Dataset
    from digitrec.evaluation.analyses import AnalysisContext

__all__ = ["DEFAULT_FOLDS", "cross_validate", "known_writers"]

DEFAULT_FOLDS = 5


def cross_validate(context: AnalysisContext) -> dict[str, Any]:
    """Cross-validate every model of a run on the same folds and compare them in pairs.

    The options ``cv`` (folds, 5), ``repeats`` (1) and ``rope`` (half-width of the region of
    practical equivalence, 0.001) are read, and ``cv_groups``: with ``"writer"`` no writer stands
    on both sides of a fold, as no writer of the test set does. The test set takes no part.

    Returns
    -------
    dict
        Output of `digitrec.evaluation.correlated_tests.compare_folds`, ``failed``: why a model
        has no scores, by name, and ``groups``: what folds keep together, or None.

    Raises
    ------
    ConfigurationError
        If the writers are asked for and not known.
    """
    from digitrec.evaluation.refits import make_refit, run_refits

    n_folds = int(context.options.get("cv") or DEFAULT_FOLDS)
    n_repeats = int(context.options.get("repeats") or 1)
    groups = context.options.get("cv_groups")
    if groups:
        known_writers(context.dataset)
    results = representatives(context.results, context.winner)
    refits = [
        make_refit(
            context,
            result,
            timeout=60 + 5 * n_folds * (result.fit_seconds or 0.0),
            n_folds=n_folds,
            repeat=repeat,
            grouped=bool(groups),
        )
        for result in results
        for repeat in range(n_repeats)
    ]
    scores: dict[str, list[float]] = {result.stem: [] for result in results}
    failed: dict[str, str] = {}
    for refit, rows, stopped in run_refits(context, refits, "cross-validation"):
        scores[refit.name] += [row["accuracy"] for row in rows]
        if stopped:
            failed.setdefault(refit.name, stopped)
    complete = {name: values for name, values in scores.items() if name not in failed}
    rope = float(context.options.get("rope") or 0.001)
    return {**compare_folds(complete, n_folds, rope=rope), "failed": failed, "groups": groups}


def known_writers(dataset: Dataset) -> NDArray[np.int64]:
    """Return the writer of each training row, shape (n_train,).

    Raises
    ------
    ConfigurationError
        If they are not known; the message says how to supply them.
    """
    if dataset.groups_train is None:
        raise ConfigurationError(
            f"the writers of dataset {dataset.name!r} are not known; for MNIST put "
            "qmnist-train-labels.tsv.gz of QMNIST into the folder qmnist of DIGITREC_DATA"
        )
    return dataset.groups_train
