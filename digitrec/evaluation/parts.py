"""Jobs on parts of the training rows: folds, growing samples, candidates of a search.

They are jobs of the same runner as the models of a run: each in a process that is killed at its
time limit, stored when it ends, and read from there the next time.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, StratifiedShuffleSplit

from digitrec._code import cache_key
from digitrec.evaluation.job import Job, Part
from digitrec.evaluation.result import Result
from digitrec.evaluation.runner import Event, run_jobs, split_stored
from digitrec.evaluation.splits import validation_split
from digitrec.evaluation.store import JobStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from digitrec.datasets import Dataset

__all__ = [
    "fold_rows",
    "make_part_job",
    "nested_rows",
    "part_rows",
    "run_part_jobs",
]

Rows = NDArray[np.intp]


def make_part_job(parent: Job, part: Part, *, timeout: float | None = None, **changes: Any) -> Job:
    """Return a job that fits the model of another on a part of its training rows.

    Parameters
    ----------
    parent : Job
        Names the data, the features, the model and its parameters.
    part : Part
        The rows.
    timeout : float, optional
        Seconds.
    **changes
        Further fields of the job that differ; they must be in the key already.
    """
    facts = {"parent": parent.key, "part": dataclasses.asdict(part) | {"groups": bool(part.groups)}}
    return dataclasses.replace(
        parent,
        key=cache_key(facts, "digitrec.evaluation.parts"),
        part=part,
        folder=parent.folder.parent / "parts",
        limits=dataclasses.replace(parent.limits, timeout=timeout),
        **changes,
    )


def run_part_jobs(
    jobs: list[Job],
    dataset: Dataset,
    *,
    n_workers: int,
    title: str,
    report: Callable[[str], None] = lambda line: None,
    deadline: float | None = None,
) -> list[Result]:
    """Run jobs on parts, side by side, and return their results in the same order.

    Parameters
    ----------
    jobs : list of Job
        See `make_part_job`.
    dataset : Dataset
        The data, which are put where the processes find them.
    n_workers : int
        Jobs at a time, and cores.
    title : str
        What they are for, in the progress lines.
    report : callable
        Called with a line for each that ends.
    deadline : float, optional
        `time.monotonic` after which nothing may run.

    Raises
    ------
    KeyboardInterrupt
        If Ctrl-C ended them; what is finished is stored.
    """
    from digitrec.evaluation.executors import KillablePool
    from digitrec.evaluation.shared import SharedData
    from digitrec.preprocessing import FEATURES, FeatureStore

    if not jobs:
        return []
    cache = jobs[0].cache
    store = JobStore(jobs[0].folder)
    with store.lock(wait=True):
        found, to_run = split_stored(jobs, store)
        if to_run:
            n_cores, n_workers = n_workers, max(1, min(len(to_run), n_workers))
            n_threads = max(1, n_cores // n_workers)
            executor = KillablePool(n_workers, n_threads)
            try:
                SharedData(cache, n_jobs=n_cores).put(dataset)
                features = FeatureStore(cache / "features", n_jobs=n_cores)
                for name in dict.fromkeys(job.features for job in to_run):
                    if name in FEATURES:
                        features.fixed(dataset, name)
            except BaseException:
                executor.shutdown(cancel_futures=True)
                raise

            def tell(event: Event) -> None:
                if event.kind == "finished" and event.result is not None:
                    done, total = event.snapshot.done, event.snapshot.total
                    result = event.result
                    line = f"{title}: {result.stem}, {result.part} ({done} of {total})"
                    if not result.ok:
                        line += f": {result.reason.splitlines()[0]}"
                    report(line)

            ran, interrupted = run_jobs(
                [_with_threads(job, n_threads) for job in to_run],
                store,
                executor,
                n_workers=n_workers,
                total=len(jobs),
                deadline=deadline,
                on_event=tell,
            )
            if interrupted:
                raise KeyboardInterrupt
            found |= ran
    return [found[job.key] for job in jobs]


def part_rows(part: Part, y: NDArray[np.integer], random_state: int) -> tuple[Rows, Rows | None]:
    """Return the training rows to fit on, and those to score on; None means the test rows.

    Parameters
    ----------
    part : Part
        The part.
    y : ndarray of int, shape (n_train,)
        Labels.
    random_state : int
        Seed of the job, which draws the validation rows.
    """
    if part.kind == "fold":
        groups = np.load(part.groups) if part.groups else None
        return fold_rows(y, part.n_folds, part.seed, groups)[part.index]
    if part.kind == "sample":
        return nested_rows(y, part.sizes, part.seed)[part.index], None
    split = validation_split(y, random_state)
    return split.train, split.validation


def nested_rows(y: NDArray[np.integer], sizes: tuple[int, ...], random_state: int) -> list[Rows]:
    """Return stratified samples of the rows, each one within the next larger one.

    Parameters
    ----------
    y : ndarray of int, shape (n_samples,)
        Labels.
    sizes : tuple of int
        Rows of each sample, ascending, each less than ``n_samples``.
    random_state : int
        Seed.
    """
    rows = np.arange(len(y))
    samples = []
    for size in sorted(sizes, reverse=True):
        if size < len(rows):
            splitter = StratifiedShuffleSplit(1, train_size=size, random_state=random_state)
            kept, _ = next(splitter.split(rows[:, None], y[rows]))
            rows = np.sort(rows[kept])
        samples.append(rows)
    return samples[::-1]


def fold_rows(
    y: NDArray[np.integer],
    n_folds: int,
    random_state: int,
    groups: NDArray[np.integer] | None = None,
) -> list[tuple[Rows, Rows]]:
    """Return the rows to fit on and the rows held out of each fold, stratified by label.

    With `groups`, shape (n_samples,), all rows of a group are on one side of every fold.
    """
    make = StratifiedKFold if groups is None else StratifiedGroupKFold
    folds = make(n_folds, shuffle=True, random_state=random_state)
    return list(folds.split(np.zeros((len(y), 1)), y, groups))


def _with_threads(job: Job, n_threads: int) -> Job:
    return dataclasses.replace(job, limits=dataclasses.replace(job.limits, n_threads=n_threads))
