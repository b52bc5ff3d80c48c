"""The choice of the winner, which looks at validation data only, and its model file."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean

from digitrec._files import atomic_path
from digitrec.errors import DigitrecError
from digitrec.evaluation.result import Result, Run

__all__ = ["save_winner", "select_winner"]

_FACTS = ("model", "features", "parameters", "random_state", "dataset", "data_fingerprint")
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
    identity = {"key": winner.key, "finished_at": winner.finished_at}
    with contextlib.suppress(DigitrecError, OSError, KeyError):
        metadata = read_metadata(path)
        there = {**identity, "bytes": path.stat().st_size}
        if all(metadata[name] == value for name, value in there.items()):
            return
    with atomic_path(path) as temporary:
        shutil.copyfile(source, temporary)
    write_metadata(
        path,
        {
            **identity,
            **{name: getattr(winner, name) for name in _FACTS},
            "data_source": run.dataset["source"],
            "label_names": run.dataset["label_names"],
            "image_shape": run.dataset["image_shape"],
            "n_columns": run.dataset.get("n_columns"),
            "n_train": run.dataset["n_train"],
            "seen": run.dataset.get("seen", []),
            "test_fingerprint": run.dataset.get("test_fingerprint"),
            "metrics": {name: getattr(winner, name) for name in _METRICS},
        },
    )
    write_model_card(path)
