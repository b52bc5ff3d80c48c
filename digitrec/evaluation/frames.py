"""Results as DataFrames: one long table of jobs, and the leaderboard of models."""

from __future__ import annotations

import functools
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from digitrec.evaluation.result import Result

if TYPE_CHECKING:
    import pandas as pd

JOB_COLUMNS: Mapping[str, str] = {
    "dataset": "name of the data",
    "model": "registry key, or the caller's name",
    "title": "name in reports of a model that is the caller's own; else empty",
    "features": "registry key, or the caller's name",
    "parameters": "parameters of the model as built",
    "random_state": "seed of the validation split, the features and the model",
    "part": "rows it was about, such as a fold; empty for all",
    "status": "ok, timeout, out_of_memory, error, interrupted or not_run",
    "reason": "why it is not ok",
    "n_train": "training rows, without those held out",
    "n_validation": "rows held out for the ranking",
    "n_test": "test rows",
    "validation_accuracy": "share of the validation rows predicted correctly, 0–1",
    "validation_score": "score by the metric of the run, where that is not the accuracy",
    "is_ranked": "whether the metric of the run can be computed of it",
    "test_accuracy": "share of the test rows predicted correctly, 0–1",
    "test_accuracy_low": "lower end of its 95 % interval (Wilson)",
    "test_accuracy_high": "upper end",
    "test_error": "share of the test rows predicted wrongly, 0–1",
    "balanced_accuracy": "mean recall of the classes, 0–1",
    "macro_f1": "F1 score averaged over classes, 0–1",
    "top2_accuracy": "share of the test rows whose class is among the two most probable, 0–1",
    "log_loss": "mean negative log of the true class's probability",
    "fit_seconds": "fit on training and validation rows",
    "validation_fit_seconds": "fit on the training rows alone",
    "feature_seconds": "features of all rows, shared by the models",
    "predict_seconds": "warm prediction of all test rows, from features",
    "latency_p50_ms": "one raw row to its label, median, milliseconds",
    "latency_p99_ms": "the same, 99th percentile",
    "model_bytes": "size of the saved Pipeline",
    "peak_memory_bytes": "peak resident memory of the job's process",
    "iterations": "iterations of the solver",
    "iteration_limit": "iterations it was allowed",
    "reached_limit": "whether a fit stopped there, short of convergence",
    "core_wait": "seconds waited for a free core per second of running",
    "n_threads": "threads the job might use",
    "data_fingerprint": "hash of the data",
    "test_fingerprint": "hash of the test rows alone",
    "key": "hash of all that determines the result",
    "finished_at": "ISO 8601 time",
}
"""Columns of the table of jobs, with their meaning."""


def job_rows(results: Iterable[Result]) -> list[dict[str, Any]]:
    """Return one flat record a job: `JOB_COLUMNS`, then the versions and the hardware."""
    rows = []
    for result in results:
        row = {name: getattr(result, name) for name in JOB_COLUMNS}
        for group in ("versions", "hardware"):
            facts = getattr(result, group)
            row |= {f"{group}_{name.replace('-', '_')}": fact for name, fact in facts.items()}
        rows.append(row)
    return rows


def jobs_frame(results: Iterable[Result]) -> pd.DataFrame:
    """Return one row a job with the columns of `JOB_COLUMNS`."""
    import pandas as pd

    return pd.DataFrame(job_rows(results), columns=list(JOB_COLUMNS))


def model_title(name: str) -> str:
    """Return the title of a model of the registry, tuned or not; another name as it is."""
    from digitrec.models import MODELS

    if name in MODELS:
        return MODELS[name].title
    plain = name.removesuffix("_tuned")
    return f"{MODELS[plain].title}, tuned" if plain in MODELS else name


def result_title(result: Result) -> str:
    """Return the title of a result's model, of the registry or the caller's own."""
    return result.title or model_title(result.model)


@dataclass(frozen=True, kw_only=True)
class Row:
    """The results of one model on one feature set, over all seeds: a row of the leaderboard.

    Attributes
    ----------
    name : str
        Name of the model; with its features where the run has it on several.
    features, model : str
        Registry keys, or the caller's names.
    results : tuple of Result
        Results that succeeded, by seed.
    failures : tuple of Result
        Results that did not.
    is_winner : bool
        Whether the winner of the run is among the results.
    shown : Result
        The result whose details stand for the row: the winner, else the lowest seed.
    """

    name: str
    features: str
    model: str
    results: tuple[Result, ...]
    failures: tuple[Result, ...]
    is_winner: bool
    shown: Result

    @property
    def title(self) -> str:
        """Title of the model."""
        return result_title(self.shown)

    @property
    def reached_limit(self) -> bool:
        """Whether a fit stopped at its iteration limit."""
        return any(result.reached_limit for result in self.results)

    def mean(self, column: str) -> float | None:
        """Return the mean over seeds of a measurement; None where no seed has it."""
        values = self._values(column)
        return statistics.fmean(values) if values else None

    def spread(self, column: str) -> float | None:
        """Return the standard deviation over seeds; None with fewer than two values."""
        values = self._values(column)
        return statistics.stdev(values) if len(values) > 1 else None

    def _values(self, column: str) -> list[float]:
        found = (getattr(result, column) for result in self.results)
        return [value for value in found if value is not None]


def leaderboard_rows(results: Sequence[Result], winner: str | None) -> list[Row]:
    """Return the models of a run: the winner, then by score on the validation rows, failures last.

    A failed seed leaves its row at the score of the others.
    """
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in sorted(results, key=lambda result: result.random_state):
        groups.setdefault((result.model, result.features), []).append(result)
    models = [model for model, _ in groups]

    def row(model: str, features: str, group: list[Result]) -> Row:
        ok = [result for result in group if result.ok]
        best = [result for result in ok if result.key == winner]
        return Row(
            name=model if models.count(model) == 1 else f"{model} ({features})",
            features=features,
            model=model,
            results=tuple(ok),
            failures=tuple(result for result in group if not result.ok),
            is_winner=bool(best),
            shown=(best or ok or group)[0],
        )

    def place(row: Row) -> tuple[bool, bool, bool, float]:
        score = row.mean("ranking_score")
        return not row.results, not row.is_winner, score is None, -(score or 0.0)

    return sorted((row(*key, group) for key, group in groups.items()), key=place)


def _reasons(row: Row) -> str:
    first = [result.reason.splitlines()[0] for result in row.failures if result.reason]
    return "; ".join(dict.fromkeys(first))


def _status(row: Row) -> str:
    return ", ".join(dict.fromkeys(result.status for result in (*row.results, *row.failures)))


_MEANS = (
    *("validation_accuracy", "validation_score", "test_accuracy", "test_accuracy_low"),
    *("test_accuracy_high", "test_error", "balanced_accuracy", "macro_f1", "log_loss"),
    *("fit_seconds", "predict_seconds", "latency_p50_ms", "model_bytes"),
)
LEADERBOARD_COLUMNS: Mapping[str, Callable[[Row], Any]] = {
    "model": lambda row: row.shown.model,
    "features": lambda row: row.shown.features,
    "winner": lambda row: row.is_winner,
    **{name: functools.partial(Row.mean, column=name) for name in _MEANS},
    "reached_limit": lambda row: row.reached_limit,
    "n_seeds": lambda row: len(row.results),
    "status": _status,
    "reason": _reasons,
}
"""Columns of the leaderboard: name, and what it is of a row. Means are over seeds."""


def leaderboard_frame(results: Sequence[Result], winner: str | None) -> pd.DataFrame:
    """Return one row a model, the best on the validation rows first; see `LEADERBOARD_COLUMNS`."""
    import pandas as pd

    found = leaderboard_rows(results, winner)
    rows = [{name: of(c) for name, of in LEADERBOARD_COLUMNS.items()} for c in found]
    index = pd.Index([c.name for c in found], name="name")
    frame = pd.DataFrame(rows, columns=list(LEADERBOARD_COLUMNS), index=index)
    if frame["validation_score"].isna().all():
        frame = frame.drop(columns="validation_score")
    return frame
