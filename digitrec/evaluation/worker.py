"""Run one job in a worker process."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import joblib
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from digitrec._environment import core_seconds
from digitrec._files import atomic_path
from digitrec._messages import messages_to
from digitrec._platform import peak_memory_bytes
from digitrec.datasets import Dataset
from digitrec.errors import DatasetError
from digitrec.evaluation.fitting import Fit, fit_and_score, fit_model, latencies, score_model
from digitrec.evaluation.job import Job, describe_parameters
from digitrec.evaluation.job_store import JobPredictions, JobStore, small_labels
from digitrec.evaluation.result import Result
from digitrec.evaluation.shared import SharedData
from digitrec.evaluation.splits import validation_split
from digitrec.preprocessing import join_pipelines


def run_job(job: Job) -> Result:
    """Fit, score and save the model of a job.

    The model is fitted on the training rows and scored on the validation rows; then a fresh one
    is fitted on both, scored once on the test set, and saved as a Pipeline that takes raw pixels.

    Parameters
    ----------
    job : Job
        What to do.

    Returns
    -------
    Result
        With status ``"ok"``; its JSON, predictions and Pipeline are in the job's folder.

    Raises
    ------
    Exception
        Whatever the data or the model raise.
    """
    store = JobStore(job.folder)
    n_threads = job.limits.n_threads
    try:
        with (
            threadpool_limits(n_threads),
            joblib.parallel_config(backend="threading", n_jobs=n_threads),
            messages_to(lambda line: store.write_stage(job, line), "digitrec.models"),
        ):
            run = _run if job.part is None else _run_part
            return run(job, store, lambda stage: store.write_stage(job, stage))
    finally:
        store.clear_stage(job)


def _run(job: Job, store: JobStore, stage: Callable[[str], None]) -> Result:
    started = core_seconds()
    stage("features")
    dataset = open_dataset(job)
    shared = SharedData(job.cache, n_jobs=job.limits.n_threads)
    split = shared.features_of(dataset, job)

    stage("fit")
    n_classes = len(dataset.label_names)
    first = _fit(job, split.X_fit, split.y_fit)
    stage("validation")
    held_out = score_model(first.model, split.X_score, split.y_score, n_classes)
    # The first model's memory is free before the second is fitted.
    first = dataclasses.replace(first, model=None)

    stage("refit")
    whole = shared.features_of(dataset, job, hold_out=False)
    final = _fit(job, whole.X_fit, whole.y_fit)
    stage("test")
    tested = score_model(final.model, whole.X_score, whole.y_score, n_classes, warm=True)

    stage("latency")
    fixed = job.feature_spec.build_fixed(
        dataset.image_shape, X=dataset.X_train, pixel_range=dataset.pixel_range
    )
    pipeline = join_pipelines(fixed, whole.transformer, model=final.model)
    milliseconds = latencies(pipeline, dataset.X_test)

    stage("saving")
    store.write_predictions(
        job,
        JobPredictions(
            y_test_pred=small_labels(tested.y_pred, n_classes),
            test_scores=tested.scores,
            y_validation_pred=small_labels(held_out.y_pred, n_classes),
            validation_scores=held_out.scores,
            validation_index=validation_split(dataset.y_train, job.random_state).validation,
            has_probabilities=tested.has_probabilities,
        ),
    )
    with atomic_path(job.path(".joblib")) as temporary:
        dump_model(pipeline, temporary, by_value=bool(job.own))
        model_bytes = temporary.stat().st_size
    result = Result(
        **job.identity(),
        status="ok",
        parameters=describe_parameters(final.model),
        validation_accuracy=held_out.accuracy,
        **dataclasses.asdict(tested.metrics(n_classes)),
        fit_seconds=final.seconds,
        validation_fit_seconds=first.seconds,
        feature_seconds=whole.fixed_seconds + whole.seconds,
        predict_seconds=tested.seconds,
        latency_p50_ms=float(np.percentile(milliseconds, 50)),
        latency_p99_ms=float(np.percentile(milliseconds, 99)),
        model_bytes=model_bytes,
        peak_memory_bytes=peak_memory_bytes(),
        iterations=final.iterations,
        iteration_limit=final.iteration_limit,
        reached_limit=first.reached_limit or final.reached_limit,
        core_wait=_core_wait(started, core_seconds()),
        curves=first.curves,
    )
    store.write_result(
        result,
        job.limits,
        label_names=dataset.label_names,
        image_shape=dataset.image_shape,
        data_source=dataset.source,
    )
    return result


def _core_wait(start: tuple[float, float] | None, end: tuple[float, float] | None) -> float | None:
    """Return the seconds waited for a core per second of running, between two moments."""
    if start is None or end is None:
        return None
    running, waiting = end[0] - start[0], end[1] - start[1]
    # Threads that ended in between take their seconds with them.
    return max(0.0, waiting) / running if running > 0 else None


def _run_part(job: Job, store: JobStore, stage: Callable[[str], None]) -> Result:
    """Fit on a part of the training rows and score on the rows that go with it."""
    from digitrec.evaluation.splits import nested_rows, part_rows

    assert job.part is not None, "the caller looks"
    stage("features")
    dataset = open_dataset(job)
    if job.part.kind == "validation":
        split = SharedData(job.cache, n_jobs=job.limits.n_threads).features_of(dataset, job)
        X_fit, y_fit, X_score, y_score = split.X_fit, split.y_fit, split.X_score, split.y_score
        if job.part.sizes:
            rows = nested_rows(y_fit, job.part.sizes, job.part.seed)[job.part.index]
            X_fit, y_fit = X_fit[rows], y_fit[rows]
        transformer = None  # fitted already, on all rows that are not held out
    else:
        shared = SharedData(job.cache, n_jobs=job.limits.n_threads)
        fixed = shared.fixed(dataset, job.feature_spec)
        y = np.asarray(dataset.y_train)
        rows, held_out = part_rows(job.part, y)
        X_fit, y_fit = np.asarray(fixed.train[rows]), y[rows]
        X_score = np.asarray(fixed.test if held_out is None else fixed.train[held_out])
        y_score = np.asarray(dataset.y_test) if held_out is None else y[held_out]
        transformer = job.feature_spec.build_fitted()
    stage("fit")
    n_classes = len(dataset.label_names)
    fit, scores = fit_and_score(
        job.build_model(),
        (X_fit, y_fit),
        (X_score, y_score),
        n_classes,
        transformer=transformer,
    )
    if job.part.kind == "validation":
        store.write_predictions(
            job,
            JobPredictions(
                y_test_pred=small_labels([], n_classes),
                test_scores=None,
                y_validation_pred=small_labels(scores.y_pred, n_classes),
                validation_scores=scores.scores,
                validation_index=validation_split(dataset.y_train, job.random_state).validation,
                has_probabilities=scores.has_probabilities,
            ),
        )
    accuracy = scores.accuracy
    on_test = job.part.kind == "sample"
    result = Result(
        **job.identity()
        | {
            "n_train": len(y_fit),
            "n_validation": 0 if on_test else len(y_score),
            "n_test": len(y_score) if on_test else 0,
        },
        status="ok",
        parameters=describe_parameters(fit.model),
        validation_accuracy=None if on_test else accuracy,
        test_accuracy=accuracy if on_test else None,
        test_error=1 - accuracy if on_test else None,
        fit_seconds=fit.seconds,
        predict_seconds=scores.seconds,
        peak_memory_bytes=peak_memory_bytes(),
        iterations=fit.iterations,
        iteration_limit=fit.iteration_limit,
        reached_limit=fit.reached_limit,
    )
    store.write_result(result, job.limits)
    return result


def open_dataset(job: Job) -> Dataset:
    """Return the data of a job: from the shared folder, else by name.

    Raises
    ------
    DatasetError
        If the data found by name are not those the job was made for.
    """
    shared = SharedData(job.cache, n_jobs=job.limits.n_threads)
    dataset = shared.get(job.dataset, job.fingerprint)
    if dataset is not None:
        return dataset
    from digitrec.datasets import load_dataset

    if not job.source:
        raise DatasetError(
            f"the data {job.dataset!r} were given in memory and this machine does not see the "
            "cache in which they are; give the workers a shared folder as DIGITREC_DATA"
        )
    dataset = load_dataset(job.source, max_train=job.max_train, random_state=job.load_seed)
    if dataset.fingerprint != job.fingerprint:
        raise DatasetError(
            f"the dataset {job.source!r} of this machine has the fingerprint "
            f"{dataset.fingerprint!r}, not {job.fingerprint!r}; give the workers the same data, "
            "or a shared folder as DIGITREC_DATA"
        )
    dataset = dataclasses.replace(dataset, name=job.dataset)
    shared.put(dataset)
    return dataset


def dump_model(model: Any, path: Path, *, by_value: bool = False) -> None:
    """Write a fitted Pipeline; `by_value` where its classes may not be importable elsewhere."""
    if not by_value:
        joblib.dump(model, path)
        return
    with path.open("wb") as file:
        cloudpickle.dump(model, file)


def _fit(job: Job, X: NDArray, y: NDArray) -> Fit:
    return fit_model(job.build_model(), X, y)
