"""Checks of the models and of the choice among them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from digitrec.analyses.checks._check import Finding, check, listed, proportion_gap
from digitrec.statistics import ALPHA

if TYPE_CHECKING:
    from digitrec.analyses import AnalysisContext

MAX_GAP = 0.1  # of accuracy; models that store rows have one of their whole error
MIN_STANDARD_ERRORS = 3.0
MAX_ROWS = 1000  # training rows that are scored


@check("note", "Large gap between training and validation accuracy")
def overfitting(context: AnalysisContext) -> Finding | None:
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


@check("warning", "Validation and test accuracy further apart than chance")
def validation_gap(context: AnalysisContext) -> Finding | None:
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
        f"{stem} ({100 * found['validation_accuracy']:.2f} and {100 * found['test_accuracy']:.2f} "
        "%)"
        for stem, found in numbers.items()
    ]
    return Finding(
        sentence=f"Validation and test accuracy differ by more than chance: {listed(named)}.",
        advice=(
            "Check whether both come from one source: other writers, scanners or years, copies "
            "across the split, or choices made on one of them."
        ),
        numbers=numbers,
    )


@check("note", "Winner's lead not significant")
def close_lead(context: AnalysisContext) -> Finding | None:
    """Compare the winner with each other model on the validation rows that both were scored on."""
    from digitrec.statistics.paired import mcnemar_test

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
            f"On {len(right):,} validation rows the lead of {winner.stem} is not significant over "
            f"{listed(named)}."
        ),
        advice=(
            "Report these models as equally accurate, or compare them on more rows (--cv, or more "
            "seeds)."
        ),
        numbers=numbers,
    )


MIN_ALIKE = 5  # candidates within chance of the best; their best looks 1.8 errors too good


@check("note", "More candidates than the validation rows can distinguish")
def many_candidates(context: AnalysisContext) -> Finding | None:
    """Compare the spread of the candidates with the standard error of their accuracies."""
    results = [r for r in context.results if r.validation_accuracy is not None]
    if not results:
        return None
    best = max(results, key=lambda result: result.validation_accuracy or 0.0)
    accuracy, n = best.validation_accuracy or 0.0, best.n_validation
    error = math.sqrt(max(accuracy * (1 - accuracy), 1 / n) / n)
    tuned = {search.tuned for search in context.tuning}
    accuracies = [r.validation_accuracy or 0.0 for r in results if r.model not in tuned]
    accuracies += [
        candidate.accuracy
        for search in context.tuning
        for candidate in search.candidates
        if candidate.parameters and candidate.accuracy is not None
    ]
    alike = [found for found in accuracies if accuracy - found <= 2 * error]
    if len(alike) < MIN_ALIKE:
        return None
    # The largest of m equal candidates lies about this far above their common accuracy.
    optimism = error * math.sqrt(2 * math.log(len(alike)))
    return Finding(
        sentence=(
            f"{len(alike)} of {len(accuracies)} candidates are within two standard errors "
            f"({200 * error:.2f} points) of the best on {n:,} validation rows; the best of as "
            f"many equal candidates would look up to {100 * optimism:.2f} points better than it is."
        ),
        advice="Compare fewer candidates, hold out more rows, or choose by repeated --cv.",
        numbers={
            "candidates": len(accuracies),
            "alike": len(alike),
            "standard_error": error,
            "optimism": optimism,
        },
    )


MAX_ERROR = 0.1  # top-label calibration error, 0–1
# Among few answers to a label, chance alone makes an error of this order.
MIN_ROWS_PER_CLASS = 30


@check("note", "Probabilities far from calibrated")
def miscalibration(context: AnalysisContext) -> Finding | None:
    """Compare the confidence of each model that has probabilities with its accuracy."""
    from digitrec.analyses.calibration import calibration_errors

    y_test, y_train = np.asarray(context.dataset.y_test), np.asarray(context.dataset.y_train)
    if len(y_test) < MIN_ROWS_PER_CLASS * len(np.unique(y_test)):
        return None
    numbers: dict[str, Any] = {}
    for result in context.one_per_model:
        predictions = context.predictions(result)
        if not predictions.has_probabilities:
            continue
        errors = calibration_errors(y_test, y_train, predictions)
        if errors is not None and errors[0] > MAX_ERROR:
            numbers[result.stem] = {"error": errors[0], "after_scaling": errors[1]}
    if not numbers:
        return None
    named = [f"{stem} ({100 * found['error']:.1f} points)" for stem, found in numbers.items()]
    return Finding(
        sentence=(
            f"Confidence and accuracy differ by more than {100 * MAX_ERROR:.0f} points: "
            f"{listed(named)}."
        ),
        advice=(
            "Do not read these scores as probabilities; calibrate them on held-out rows "
            "(sklearn.calibration.CalibratedClassifierCV)."
        ),
        numbers=numbers,
    )


MIN_VALUES = 3  # tried, for one to be at an edge


def edge_values(search: Any) -> dict[str, dict[str, float]]:
    """Return the numeric parameters of a fitted search whose best value is an extreme one.

    Parameters
    ----------
    search : estimator
        Has ``best_params_`` and ``cv_results_``, as scikit-learn's searches do.

    Returns
    -------
    dict of str to dict
        ``best``, ``low`` and ``high`` of the values tried, by parameter.
    """
    order = np.argsort(search.cv_results_["rank_test_score"], kind="stable")
    return _edges([search.cv_results_["params"][place] for place in order])


def _edges(candidates: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Return the parameters whose best values are extreme; the best candidate comes first.

    Of many values, as a random search draws them, the two best must be in the same outer tenth.
    """
    found = {}
    for name in candidates[0] if candidates else ():
        tried = [c[name] for c in candidates if _is_number(c.get(name))]
        values = sorted(set(tried))
        if not _is_number(candidates[0][name]) or len(values) < MIN_VALUES:
            continue
        reach = max(1, len(values) // 10)
        ends = (values[:reach], values[-reach:])
        best = tried[:1] if reach == 1 else tried[:2]
        if any(all(value in end for value in best) for end in ends):
            found[name] = {
                "best": float(tried[0]),
                "low": float(values[0]),
                "high": float(values[-1]),
            }
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _searches(estimator: Any) -> Iterator[Any]:
    """Return the fitted searches among the steps of an estimator."""
    for step in [estimator, *(part for _, part in getattr(estimator, "steps", ()))]:
        if hasattr(step, "best_params_") and hasattr(step, "cv_results_"):
            yield step


@check("warning", "Best parameter at the edge of its search")
def search_edge(context: AnalysisContext) -> Finding | None:
    """Look at every fitted model that is itself a search, and at the searches of the run."""
    numbers: dict[str, dict[str, dict[str, float]]] = {}
    for result in context.one_per_model:
        for search in _searches(context.pipeline(result)):
            if edges := edge_values(search):
                numbers[result.stem] = edges
    for tuning in context.tuning:
        fitted = [c.parameters for c in tuning.candidates if c.accuracy is not None]
        if edges := _edges([parameters for parameters in fitted if parameters]):
            numbers[f"{tuning.model} ({tuning.features})"] = edges
    if not numbers:
        return None
    named = [
        f"{name} of {stem} = {edge['best']:g} (tried {edge['low']:g} to {edge['high']:g})"
        for stem, edges in numbers.items()
        for name, edge in edges.items()
    ]
    return Finding(
        sentence=f"The best value is at the edge of what was tried: {listed(named)}.",
        advice="Extend the search beyond that edge: a better value may be there.",
        numbers=numbers,
    )


@check("warning", "Models that stopped at their iteration limit")
def iteration_limit(context: AnalysisContext) -> Finding | None:
    """Look for results whose solver did not converge."""
    stopped = [result for result in context.results if result.reached_limit]
    if not stopped:
        return None
    named = [
        result.stem + (f" ({result.iterations:,} iterations)" if result.iterations else "")
        for result in stopped
    ]
    return Finding(
        sentence=f"Stopped at the iteration limit before converging: {listed(named)}.",
        advice="Raise the limit (max_iter), or report that the fit did not converge.",
        numbers={result.stem: result.iterations for result in stopped},
    )
