"""Fitting the models of a run again on parts of the training rows, in processes of their own.

Fixed features are read from the cache, not computed again; what is learned (components, scale,
model) is fitted on the part alone. Every measurement is written down as soon as it is made, so
that a process killed at its time limit costs only what it was doing.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import as_completed
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
from numpy.typing import NDArray
from pebble import ProcessPool
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, StratifiedShuffleSplit
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from digitrec.evaluation.executors import process_context
from digitrec.evaluation.isolation import prepare_process
from digitrec.evaluation.job import Limits
from digitrec.evaluation.result import Result
from digitrec.evaluation.shared import SharedData
from digitrec.models import MODELS
from digitrec.preprocessing import FEATURES, FeatureStore

if TYPE_CHECKING:
    from digitrec.analyses import AnalysisContext

__all__ = ["Refit", "fold_rows", "make_refit", "nested_rows", "run_refits"]

Part = tuple[NDArray[np.intp], NDArray[np.intp] | None]


@dataclass(frozen=True, kw_only=True)
class Refit:
    """One process's work: a model, and the parts of the training rows to fit it on.

    Attributes
    ----------
    name : str
        `Result.stem` of the result whose model is fitted again.
    dataset, fingerprint : str
        Name and fingerprint of the data.
    features, model : str
        Registry keys.
    overrides : dict
        Parameters that replace the registry's.
    random_state : int
        Seed of the model.
    cache : pathlib.Path
        Folder of what processes share.
    limits : Limits
        What the process may use.
    sizes : tuple of int
        Numbers of training rows; nested stratified samples are fitted on and scored on the test
        set.
    n_folds, repeat : int
        Folds of a cross-validation, and which repetition of it; 0 folds for none.
    split_seed : int
        Seed of the samples or folds.
    grouped : bool
        Whether no writer may stand on both sides of a fold.
    log, groups : str
        File that measurements are written to, and file of the writers; set by `run_refits`.
    """

    name: str
    dataset: str
    fingerprint: str
    features: str
    model: str
    overrides: dict[str, Any] = field(default_factory=dict)
    random_state: int
    cache: Path
    limits: Limits
    sizes: tuple[int, ...] = ()
    n_folds: int = 0
    repeat: int = 0
    split_seed: int = 0
    grouped: bool = False
    log: str = ""
    groups: str = ""


def make_refit(context: AnalysisContext, result: Result, *, timeout: float, **plan: Any) -> Refit:
    """Return the work of fitting a result's model again; `plan` are further fields of `Refit`."""
    return Refit(
        name=result.stem,
        dataset=context.dataset.name,
        fingerprint=context.dataset.fingerprint,
        features=result.features,
        model=result.model,
        overrides=dict(context.overrides.get(result.model, {})),
        random_state=result.random_state,
        cache=context.cache,
        limits=Limits(timeout=timeout, n_threads=result.n_threads),
        split_seed=context.random_state,
        **plan,
    )


def run_refits(
    context: AnalysisContext, refits: list[Refit], title: str
) -> list[tuple[Refit, list[dict[str, float]], str]]:
    """Run refits side by side.

    Parameters
    ----------
    context : AnalysisContext
        Its dataset is put where the processes find it.
    refits : list of Refit
        What to do.
    title : str
        Name of the analysis for the progress lines.

    Returns
    -------
    list of tuple
        Each refit in the order given, its measurements (``n``, ``fit_seconds``, ``accuracy`` of
        each part), and why it ended early: empty where it did not.
    """
    shared = SharedData(context.cache, n_jobs=context.n_jobs)
    shared.put(context.dataset)
    store = FeatureStore(context.cache / "features", n_jobs=context.n_jobs)
    for features in dict.fromkeys(refit.features for refit in refits):
        store.fixed(context.dataset, features)
    outcomes: dict[int, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        writers = ""
        if any(refit.grouped for refit in refits):
            writers = str(Path(folder) / "groups.npy")
            np.save(writers, np.asarray(context.dataset.groups_train))
        logged = [
            _with_files(refit, Path(folder) / f"{number}.jsonl", writers)
            for number, refit in enumerate(refits)
        ]
        pool = ProcessPool(
            max_workers=max(1, min(len(refits), context.n_jobs)),
            max_tasks=1,
            initializer=prepare_process,
            initargs=(max((refit.limits.n_threads for refit in refits), default=1), os.getpid()),
            context=process_context(),
        )
        try:
            futures = {
                pool.schedule(measure, args=(refit,), timeout=refit.limits.timeout): number
                for number, refit in enumerate(logged)
            }
            for done in as_completed(futures):
                number = futures[done]
                outcomes[number] = reason = _reason(done.exception(), refits[number])
                line = f"{title}: {refits[number].name} ({len(outcomes)} of {len(refits)})"
                context.report(f"{line}: {reason}" if reason else line)
        finally:
            pool.stop()
            pool.join()
        return [
            (refit, _read_log(Path(logged[number].log)), outcomes[number])
            for number, refit in enumerate(refits)
        ]


def measure(refit: Refit) -> None:
    """Fit a model on each part and write down how long it took and how accurate it is."""
    dataset = SharedData(refit.cache).get(refit.dataset, refit.fingerprint)
    assert dataset is not None, "run_refits puts the dataset in place"
    n_threads = refit.limits.n_threads
    store = FeatureStore(refit.cache / "features", n_jobs=n_threads)
    fixed = store.fixed(dataset, refit.features)
    y = np.asarray(dataset.y_train)
    if refit.n_folds:
        groups = np.load(refit.groups) if refit.groups else None
        seed = refit.split_seed + refit.repeat
        parts: Iterator[Part] = iter(fold_rows(y, refit.n_folds, seed, groups))
    else:
        parts = ((rows, None) for rows in nested_rows(y, refit.sizes, refit.split_seed))
    with (
        threadpool_limits(n_threads),
        joblib.parallel_config(backend="threading", n_jobs=n_threads),
        warnings.catch_warnings(),
        Path(refit.log).open("a", encoding="utf-8") as log,
    ):
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", "Got `batch_size`")  # samples smaller than a batch
        for rows, held_out in parts:
            X_score = fixed.test if held_out is None else fixed.train[held_out]
            y_score = dataset.y_test if held_out is None else y[held_out]
            transformer = FEATURES[refit.features].build_fitted(dataset.image_shape)
            X = _fit_features(transformer, np.asarray(fixed.train[rows]), len(rows))
            model = MODELS[refit.model].build(refit.random_state, refit.overrides)
            threads = [name for name in model.get_params() if name.rpartition("__")[2] == "n_jobs"]
            model.set_params(**dict.fromkeys(threads))
            started = time.perf_counter()
            model.fit(X, y[rows])
            fit_seconds = time.perf_counter() - started
            predicted = model.predict(transformer.transform(np.asarray(X_score)))
            row = {
                "n": len(rows),
                "fit_seconds": fit_seconds,
                "accuracy": float(np.mean(predicted == y_score)),
            }
            log.write(json.dumps(row) + "\n")
            log.flush()


def nested_rows(
    y: NDArray[np.integer], sizes: tuple[int, ...], random_state: int
) -> list[NDArray[np.intp]]:
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
) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Return the rows to fit on and the rows held out of each fold, stratified by label.

    With `groups`, shape (n_samples,), all rows of a group are on one side of every fold.
    """
    make = StratifiedKFold if groups is None else StratifiedGroupKFold
    folds = make(n_folds, shuffle=True, random_state=random_state)
    return list(folds.split(np.zeros((len(y), 1)), y, groups))


def _fit_features(transformer: Pipeline, X: NDArray[np.float32], n: int) -> NDArray[np.float32]:
    for _, step in transformer.steps:
        # Small samples have fewer components than the feature set asks for.
        asked = getattr(step, "n_components", 0)
        if asked and asked > min(n, X.shape[1]):
            step.set_params(n_components=min(n, X.shape[1]))
    return transformer.fit_transform(X)


def _with_files(refit: Refit, log: Path, groups: str) -> Refit:
    log.touch()
    return replace(refit, log=str(log), groups=groups if refit.grouped else "")


def _reason(error: BaseException | None, refit: Refit) -> str:
    if error is None:
        return ""
    if isinstance(error, TimeoutError):
        return f"stopped after its time limit of {refit.limits.timeout:g} s"
    return f"{type(error).__name__}: {error}"


def _read_log(path: Path) -> list[dict[str, float]]:
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:  # The process was killed while it wrote.
            break
    return rows
