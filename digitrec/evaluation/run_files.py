"""What a run leaves besides its jobs: its record, and the predictions for its report."""

from __future__ import annotations

import dataclasses
import datetime
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from digitrec._files import atomic_path
from digitrec.errors import DigitrecError
from digitrec.evaluation.result import Result, Run, read_run, shape_list
from digitrec.evaluation.store import JobStore, small_labels

if TYPE_CHECKING:
    from digitrec.datasets import Dataset

__all__ = ["keep_times", "make_run", "write_predictions"]


def make_run(
    dataset: Dataset,
    results: list[Result],
    winner: str | None,
    analyses: dict[str, Any],
    started_at: float,
    failures: dict[str, str] | None = None,
    *,
    location: str = "",
    command: str = "",
    config: dict[str, Any] | None = None,
) -> Run:
    """Return the record of a run.

    Parameters
    ----------
    dataset : Dataset
        The data.
    results : list of Result
        One per job.
    winner : str or None
        `Result.key` of the winner.
    analyses : dict
        Output of the analyses, by name.
    started_at : float
        ``time.monotonic()`` at the start of the run.
    failures : dict of str to str, optional
        Why analyses have no output, by name.
    location : str
        What `digitrec.datasets.load_dataset` takes to find the data again.
    command : str
        The command or call that made the run.
    config : dict, optional
        Options that repeat it, by name.
    """
    return Run(
        dataset={
            "name": dataset.name,
            "n_train": len(dataset.y_train),
            "n_test": len(dataset.y_test),
            "image_shape": shape_list(dataset.image_shape),
            "n_columns": int(dataset.X_train.shape[1]),
            "label_names": list(dataset.label_names),
            "label_values": _json_labels(dataset.label_values),
            "source": dataset.source,
            "location": location,
            "license": dataset.license,
            "fingerprint": dataset.fingerprint,
            "seen": [dataset.part_fingerprint("train"), *dataset.merged_parts],
            "test_fingerprint": dataset.part_fingerprint("test"),
            "warnings": list(dataset.warnings),
        },
        results=results,
        winner=winner,
        analyses=analyses,
        failures=failures or {},
        command=command,
        config=config or {},
        total_seconds=time.monotonic() - started_at,
        created_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )


def _json_labels(values: tuple[Any, ...]) -> list[Any] | None:
    """Return labels as JSON has them; None where they are 0, 1, 2, … or JSON has no such thing."""
    if values and all(isinstance(value, (str, int, float, bool)) for value in values):
        return list(values)
    return None


def keep_times(run: Run, path: Path) -> Run:
    """Give a run that took stored results only the times of the run that made them.

    Parameters
    ----------
    run : Run
        The run whose jobs were all reused.
    path : pathlib.Path
        The ``results.json`` of the run before.

    Returns
    -------
    Run
        With the earlier date, command and time, where the run before had the same results and
        analyses; with the sum of both times, where it lacked analyses.
    """
    try:
        earlier = read_run(path)
    except DigitrecError:
        return run
    if _jobs_of(earlier) != _jobs_of(run):
        return run
    if set(run.analyses) - set(earlier.analyses):
        both = earlier.total_seconds + run.total_seconds
        return dataclasses.replace(run, total_seconds=both)
    return dataclasses.replace(
        run,
        total_seconds=earlier.total_seconds,
        created_at=earlier.created_at,
        command=earlier.command,
        config=earlier.config,
    )


def _jobs_of(run: Run) -> list[tuple[str, str]]:
    return [(result.key, result.finished_at) for result in run.results]


def write_predictions(run: Run, store: JobStore, dataset: Dataset, folder: Path) -> None:
    """Write the test predictions of a run for its report, and remove those of earlier runs."""
    wanted = {result.stem: result for result in run.results if result.ok}
    for stem, result in wanted.items():
        path = folder / f"{stem}.npz"
        predictions = store.read_predictions(result)
        scores = predictions.test_scores
        with atomic_path(path) as temporary:
            np.savez_compressed(
                temporary,
                y_true=small_labels(dataset.y_test, len(dataset.label_names)),
                y_pred=predictions.y_test_pred,
                scores=np.empty((0, 0), dtype=np.float32) if scores is None else scores,
                has_probabilities=np.bool_(predictions.has_probabilities),
                key=np.str_(result.key),
            )
    for path in folder.glob("*.npz"):
        if path.stem not in wanted:
            path.unlink()
