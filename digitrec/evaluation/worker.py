"""The work of one job, in the process it is given."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import time
import warnings
from collections.abc import Callable
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from digitrec._environment import describe_hardware, library_versions
from digitrec._files import atomic_path
from digitrec._platform import peak_memory_bytes
from digitrec.datasets import Dataset
from digitrec.errors import DatasetError
from digitrec.evaluation.job import Job, describe_parameters
from digitrec.evaluation.metrics import class_scores, classification_metrics
from digitrec.evaluation.result import Result, Status
from digitrec.evaluation.shared import SharedData
from digitrec.evaluation.splits import validation_split
from digitrec.evaluation.store import JobPredictions, JobStore
from digitrec.models import MODELS, listen_to_fit
from digitrec.preprocessing import FEATURES, join_pipelines

__all__ = ["failed_result", "open_dataset", "run_job"]

# Single-image latency is taken over this many rows, or as many as fit into the time.
_LATENCY_ROWS = 200
_LATENCY_SECONDS = 3.0
# A first prediction that took longer than this is not repeated to time a warm one.
_WARM_LIMIT_SECONDS = 10.0


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
            listen_to_fit(lambda line: store.write_stage(job, line)),
            warnings.catch_warnings(),
        ):
            # An iteration limit that was reached is a choice of the registry, not a fault.
            warnings.simplefilter("ignore", ConvergenceWarning)
            return _run(job, store, lambda stage: store.write_stage(job, stage))
    finally:
        store.clear_stage(job)


def _run(job: Job, store: JobStore, stage: Callable[[str], None]) -> Result:
    stage("features")
    dataset = open_dataset(job)
    shared = SharedData(job.cache, n_jobs=job.limits.n_threads)
    features = functools.partial(
        shared.features,
        dataset,
        job.features,
        n_copies=job.augment,
        copies_seed=job.random_state,
    )
    split = features(validation_seed=job.random_state)

    stage("fit")
    model, validation_fit_seconds = _fit(job, split.X_fit, split.y_fit)
    stage("validation")
    n_classes = len(dataset.label_names)
    y_validation_pred = np.asarray(model.predict(split.X_score))
    validation_scores, _ = class_scores(model, split.X_score, n_classes)
    validation_accuracy = float(np.mean(y_validation_pred == split.y_score))
    curves = training_curves(model)
    del model

    stage("refit")
    whole = features(validation_seed=None)
    model, fit_seconds = _fit(job, whole.X_fit, whole.y_fit)
    stage("test")
    y_pred, predict_seconds = _timed_predict(model, whole.X_score)
    scores, has_probabilities = class_scores(model, whole.X_score, n_classes)

    stage("latency")
    fixed = FEATURES[job.features].build_fixed(dataset.image_shape)
    pipeline = join_pipelines(fixed, whole.transformer, model=model)
    latencies = _latencies(pipeline, dataset.X_test)

    stage("saving")
    store.write_predictions(
        job,
        JobPredictions(
            y_test_pred=_labels(y_pred),
            test_scores=scores,
            y_validation_pred=_labels(y_validation_pred),
            validation_scores=validation_scores,
            validation_index=validation_split(dataset.y_train, job.random_state).validation,
            has_probabilities=has_probabilities,
        ),
    )
    with atomic_path(job.path(".joblib")) as temporary:
        joblib.dump(pipeline, temporary)
        model_bytes = temporary.stat().st_size
    result = Result(
        **_identity(job),
        status="ok",
        parameters=describe_parameters(model),
        validation_accuracy=validation_accuracy,
        **classification_metrics(
            np.asarray(dataset.y_test),
            y_pred,
            scores,
            scores if has_probabilities else None,
            dataset.label_names,
        ),
        fit_seconds=fit_seconds,
        validation_fit_seconds=validation_fit_seconds,
        feature_seconds=whole.fixed_seconds + whole.seconds,
        predict_seconds=predict_seconds,
        latency_p50_ms=float(np.percentile(latencies, 50)),
        latency_p99_ms=float(np.percentile(latencies, 99)),
        model_bytes=model_bytes,
        peak_memory_bytes=peak_memory_bytes(),
        curves=curves,
    )
    store.write_result(
        result,
        job.limits,
        label_names=list(dataset.label_names),
        image_shape=list(dataset.image_shape),
        data_source=dataset.source,
    )
    return result


def failed_result(job: Job, status: Status, reason: str) -> Result:
    """Return the result of a job that did not end well.

    Parameters
    ----------
    job : Job
        The job.
    status : {"timeout", "out_of_memory", "error", "interrupted"}
        How it ended.
    reason : str
        Why, for people.
    """
    parameters = describe_parameters(MODELS[job.model].build(job.random_state, job.overrides))
    return Result(**_identity(job), status=status, reason=reason, parameters=parameters)


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


def training_curves(model: Any) -> dict[str, list[float]]:
    """Return what a fitted model noted at each iteration, by name; empty where it noted nothing."""
    names = {
        "training_loss": "loss_curve_",
        "training_accuracy": "training_scores_",
        "validation_loss": "validation_loss_",
        "validation_accuracy": "validation_scores_",
        "training_score": "train_score_",
    }
    curves = {}
    for name, attribute in names.items():
        values = getattr(model, attribute, None)
        # A fit that diverged notes what JSON does not know.
        if values is not None and len(values) and np.all(np.isfinite(values)):
            curves[name] = [float(value) for value in values]
    return curves


def _fit(job: Job, X: NDArray, y: NDArray) -> tuple[ClassifierMixin, float]:
    """Return a fresh, fitted estimator and the seconds its fit took."""
    model = MODELS[job.model].build(job.random_state, job.overrides)
    # None means what `joblib.parallel_config` says, so that no model takes more than its share,
    # and a saved model takes one thread.
    threads = {name: None for name in model.get_params() if name.rpartition("__")[2] == "n_jobs"}
    model.set_params(**threads)
    started = time.perf_counter()
    model.fit(X, y)
    return model, time.perf_counter() - started


def _timed_predict(model: ClassifierMixin, X: NDArray) -> tuple[NDArray, float]:
    """Return predictions and the seconds of a warm prediction of all rows."""
    started = time.perf_counter()
    y_pred = np.asarray(model.predict(X))
    seconds = time.perf_counter() - started
    if seconds < _WARM_LIMIT_SECONDS:
        started = time.perf_counter()
        model.predict(X)
        seconds = time.perf_counter() - started
    return y_pred, seconds


def _latencies(pipeline: Pipeline, X: NDArray[np.uint8]) -> list[float]:
    """Return the milliseconds from one raw image to its label, on one thread, row by row."""
    milliseconds: list[float] = []
    with threadpool_limits(1), joblib.parallel_config(n_jobs=1):
        pipeline.predict(np.asarray(X[:1]))
        begun = time.perf_counter()
        for i in range(_LATENCY_ROWS):
            row = np.array(X[i % len(X)][None, :])
            started = time.perf_counter()
            pipeline.predict(row)
            ended = time.perf_counter()
            milliseconds.append(1000 * (ended - started))
            if ended - begun > _LATENCY_SECONDS:
                break
    return milliseconds


def _labels(y: NDArray) -> NDArray[np.uint8]:
    return np.asarray(y, dtype=np.uint8)


def _identity(job: Job) -> dict[str, Any]:
    """Return the fields of a Result that a job has however it ends."""
    return {
        "key": job.key,
        "dataset": job.dataset,
        "features": job.features,
        "model": job.model,
        "random_state": job.random_state,
        "n_train": job.n_train,
        "n_validation": job.n_validation,
        "n_test": job.n_test,
        "n_threads": job.limits.n_threads,
        "data_fingerprint": job.fingerprint,
        "versions": dict(library_versions()),
        "hardware": dict(describe_hardware()),
        "finished_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
