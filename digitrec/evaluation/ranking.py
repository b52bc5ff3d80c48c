"""Rank models by their score on the validation rows, and choose and save the winner."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from digitrec._files import atomic_path
from digitrec.errors import ConfigurationError, DigitrecError
from digitrec.evaluation.metrics import Predictions

if TYPE_CHECKING:
    from digitrec.datasets import Dataset
    from digitrec.evaluation.job_store import JobPredictions, JobStore
    from digitrec.evaluation.result import Result, Run

METRICS = {
    "accuracy": "share of rows read rightly",
    "balanced_accuracy": "mean over classes of the share read rightly",
    "macro_f1": "F1 score averaged over classes",
    "log_loss": "mean negative log of the true class's probability, less is better",
}
"""Metrics by name, with what they are; any name of a scikit-learn scorer does, too."""

# What a model file says of the winner's scores and times.
_METRICS = (
    "validation_accuracy",
    "validation_score",
    "test_accuracy",
    "test_accuracy_low",
    "test_accuracy_high",
    "test_error",
    "balanced_accuracy",
    "macro_f1",
    "top2_accuracy",
    "log_loss",
    "fit_seconds",
    "predict_seconds",
    "latency_p50_ms",
    "latency_p99_ms",
)

# Names that scikit-learn's scorers have for them; their scores are more the better.
_SCORERS = {"macro_f1": "f1_macro", "log_loss": "neg_log_loss"}


def metric_name(metric: str | Callable[..., float]) -> str:
    """Return how a metric is called in results and reports."""
    if isinstance(metric, str):
        return metric
    function = getattr(metric, "_score_func", metric)
    return str(getattr(function, "__name__", type(metric).__name__))


def check_metric(metric: str | Callable[..., float]) -> None:
    """Refuse what is not a metric.

    Raises
    ------
    ConfigurationError
        The message lists the metrics.
    """
    _scorer(metric)


def rank_results(
    results: Sequence[Result], metric: str | Callable[..., float], store: JobStore, dataset: Dataset
) -> list[Result]:
    """Return results with `Result.validation_score`, where the metric is not the accuracy.

    Parameters
    ----------
    results : sequence of Result
        Results of one dataset.
    metric : str or callable
        One of `METRICS`, a name or object of a scikit-learn scorer.
    store : JobStore
        Where the validation predictions lie.
    dataset : Dataset
        The data.

    Raises
    ------
    ConfigurationError
        If the metric is unknown, or no model gives what it needs.
    """
    if metric == "accuracy":
        return [
            dataclasses.replace(result, validation_score=None, is_ranked=True) for result in results
        ]
    labels = np.asarray(dataset.y_train)
    ranked, reasons = [], []
    for result in results:
        score = None
        if result.ok:
            predictions = validation_predictions(store.read_predictions(result), labels)
            try:
                score = score_predictions(predictions, metric, dataset)
            except (ValueError, AttributeError) as error:
                reasons.append(f"{result.model}: {str(error).splitlines()[0]}")
        known = score is not None and bool(np.isfinite(score))
        ranked.append(
            dataclasses.replace(
                result, validation_score=score if known else None, is_ranked=known or not result.ok
            )
        )
    if reasons and not any(result.ok and result.is_ranked for result in ranked):
        raise ConfigurationError(
            f"no model can be ranked by {metric_name(metric)!r} ({reasons[0]}); choose another "
            "metric"
        )
    return ranked


def validation_predictions(
    predictions: JobPredictions, y_train: NDArray[np.integer]
) -> Predictions:
    """Return the predictions of the validation rows; `y_train` are all training labels."""
    return Predictions(
        y_train[predictions.validation_index],
        predictions.y_validation_pred,
        predictions.validation_scores,
        predictions.has_probabilities,
    )


def score_predictions(
    predictions: Predictions, metric: str | Callable[..., float], dataset: Dataset
) -> float:
    """Return the score of what a model said, more is better.

    Parameters
    ----------
    predictions : Predictions
        What the model said.
    metric : str or callable
        See `rank_results`.
    dataset : Dataset
        Its classes.
    """
    names = np.array(dataset.label_values or range(len(dataset.label_names)))
    stored = _Stored(names, predictions.y_pred, predictions.scores, predictions.has_probabilities)
    places = np.arange(len(predictions.y_true))[:, None]
    return float(_scorer(metric)(stored, places, names[predictions.y_true]))


class _Stored:
    """A fitted classifier whose rows are places in what it said before."""

    _estimator_type = "classifier"

    def __init__(
        self,
        classes: NDArray[Any],
        labels: NDArray[np.integer],
        scores: NDArray[np.floating] | None,
        has_probabilities: bool,
    ) -> None:
        self.classes_ = classes
        self._labels = labels
        self._scores = scores
        if scores is not None and has_probabilities:
            self.predict_proba = self._probabilities
        elif scores is not None:
            self.decision_function = self._decisions

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags(),
            input_tags=InputTags(),
        )

    def fit(self, X: Any, y: Any) -> _Stored:
        return self

    def predict(self, X: NDArray[np.integer]) -> NDArray[Any]:
        return self.classes_[self._labels[X[:, 0]]]

    def _probabilities(self, X: NDArray[np.integer]) -> NDArray[np.float64]:
        assert self._scores is not None
        rows = self._scores[X[:, 0]].astype(np.float64)
        return rows / rows.sum(axis=1, keepdims=True)

    def _decisions(self, X: NDArray[np.integer]) -> NDArray[np.float64]:
        assert self._scores is not None
        rows = self._scores[X[:, 0]].astype(np.float64)
        return rows[:, 1] if len(self.classes_) == 2 else rows


def _scorer(metric: str | Callable[..., float]) -> Callable[..., float]:
    from sklearn.metrics import get_scorer, get_scorer_names

    if callable(metric):
        return metric
    try:
        return get_scorer(_SCORERS.get(metric, metric))
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigurationError(
            f"unknown metric {metric!r}; choose one of: {', '.join(METRICS)}, or a scorer of "
            f"scikit-learn, such as {', '.join(get_scorer_names()[:4])}"
        ) from error


def select_winner(results: Iterable[Result]) -> str | None:
    """Return the key of the result with the best score on the validation rows.

    That is `Result.ranking_score`, the validation accuracy unless the run has another metric.
    With several seeds, models are ranked by their mean over seeds, and the lowest seed stands for
    the winner; a model of which a seed failed that others finished does not take part. Of equal
    models the first by name wins, then the first feature set by name: the same in every run.

    Parameters
    ----------
    results : iterable of Result
        Results of one dataset.

    Returns
    -------
    str or None
        `Result.key`; None where no job succeeded.
    """
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        if result.ok and result.ranking_score is not None:
            groups.setdefault((result.features, result.model), []).append(result)
    if not groups:
        return None
    most = max(len(group) for group in groups.values())
    complete = [group for group in groups.values() if len(group) == most]

    def rank(group: list[Result]) -> tuple[float, str, str]:
        scores = [result.ranking_score for result in group if result.ranking_score is not None]
        return -fmean(scores), group[0].model, group[0].features

    best = min(complete, key=rank)
    return min(best, key=lambda result: result.random_state).key


def save_winner(run: Run, source: Path, path: Path) -> None:
    """Copy the winner's saved Pipeline to a place of its own, with its metadata and model card.

    Nothing is done where it is there already.

    Parameters
    ----------
    run : Run
        A run with a winner.
    source : pathlib.Path
        The winner's Pipeline, fitted on training and validation rows.
    path : pathlib.Path
        The file to write, such as ``reports/mnist/best_model.joblib``.

    Raises
    ------
    ConfigurationError
        If the path is not one of a joblib file; see `check_model_path`.
    """
    from digitrec.persistence import (
        check_model_path,
        read_metadata,
        write_metadata,
        write_model_card,
    )

    check_model_path(path)
    winner = run.winning_result
    assert winner is not None, "a run without a winner has no model to save"
    with contextlib.suppress(DigitrecError, OSError):
        there = read_metadata(path)
        found = (there.key, there.finished_at, there.bytes)
        if found == (winner.key, winner.finished_at, path.stat().st_size):
            return
    with atomic_path(path) as temporary:
        shutil.copyfile(source, temporary)
        write_metadata(
            path,
            dataclasses.replace(
                run.dataset.model_metadata(),
                key=winner.key,
                finished_at=winner.finished_at,
                model=winner.model,
                features=winner.features,
                parameters=winner.parameters,
                random_state=winner.random_state,
                metrics={name: getattr(winner, name) for name in _METRICS},
            ),
            content=temporary,
        )
    write_model_card(path)
