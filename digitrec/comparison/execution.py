"""Run a comparison of models on one dataset: its jobs, its analyses, and the record of both."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import errno
import functools
import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from digitrec._files import DISK_FULL
from digitrec.analyses import AnalysisContext, run_analyses
from digitrec.comparison.comparison import Comparison
from digitrec.comparison.experiment import Experiment, parse_seconds
from digitrec.errors import ConfigurationError, DigitrecError
from digitrec.evaluation.job import Job, Limits, make_job
from digitrec.evaluation.job_store import JobStore, write_predictions
from digitrec.evaluation.progress import Event, Snapshot, publish
from digitrec.evaluation.ranking import metric_name, rank_results, save_winner, select_winner
from digitrec.evaluation.result import Result, Run, RunDataset, Tuning, keep_times, write_run
from digitrec.evaluation.runner import run_jobs, split_stored
from digitrec.evaluation.splits import validation_split

if TYPE_CHECKING:
    from digitrec.datasets import Dataset
    from digitrec.models import ModelSpec
    from digitrec.preprocessing import FeatureSpec


def make_jobs(experiment: Experiment, dataset: Dataset, source: str) -> list[Job]:
    """Return one job for every feature set, model and seed that go together.

    The parameters are those of `run_experiment`.

    Raises
    ------
    ConfigurationError
        If a name or a parameter is unknown.
    """
    from digitrec.evaluation.candidates import resolve_features

    given = resolve_features(experiment.features, dataset)
    first = experiment.random_state
    pairs = [
        (features, _with_problem(model, features, dataset))
        for features, model in _pairs(experiment.models, given, dataset)
    ]
    for seed in range(first, first + experiment.seeds):
        validation_split(dataset.y_train, seed)  # too few rows are an error before anything runs
    problems = [model.problem for _, model in pairs]
    if all(problems):
        raise ConfigurationError(f"no model can be run: {pairs[0][1].name} {problems[0]}")
    n_jobs = len(pairs) * experiment.seeds
    return [
        _make_one(experiment, dataset, source, features, model, seed, n_jobs)
        for features, model in pairs
        for seed in range(first, first + experiment.seeds)
    ]


def _make_one(
    experiment: Experiment,
    dataset: Dataset,
    source: str,
    features: FeatureSpec,
    model: ModelSpec,
    seed: int,
    n_jobs: int,
    parameters: Mapping[str, Any] | None = None,
) -> Job:
    """Return the job of one model, with `parameters` over those of the experiment."""
    return make_job(
        dataset,
        source=source,
        features=features,
        model=model,
        random_state=seed,
        overrides={**experiment.parameters.get(model.name, {}), **(parameters or {})},
        augment=experiment.augment,
        max_train=experiment.max_train,
        load_seed=experiment.random_state,
        cache=experiment.cache_folder.resolve(),
        folder=experiment.store.folder,
        limits=Limits(
            timeout=experiment.time_limit(model.name),
            max_memory=experiment.max_memory,
            n_threads=experiment.n_threads(n_jobs),
        ),
    )


def _tune(
    experiment: Experiment,
    dataset: Dataset,
    source: str,
    jobs: list[Job],
    deadline: float | None,
) -> tuple[list[Job], list[Tuning]]:
    """Search the parameters of the models; return the jobs of the chosen, and the records."""
    from digitrec.evaluation.tuning import MAX_CANDIDATES, tune_model

    if experiment.tune is None:
        return [], []
    seed = experiment.random_state
    parents = [job for job in jobs if job.random_state == seed and not job.problem]
    searched = [
        (job, space)
        for job in parents
        if (space := experiment.search.get(job.model, job.model_spec.search))
    ]
    started = time.monotonic()
    chosen: list[Job] = []
    records: list[Tuning] = []
    for place, (job, space) in enumerate(searched):
        features, model = job.feature_spec, job.model_spec
        ends = [deadline] if deadline is not None else []
        if isinstance(experiment.tune, str):
            ends.append(started + parse_seconds(experiment.tune))
        # What is left is shared equally among the models that are still to come.
        left = (min(ends) - time.monotonic()) / (len(searched) - place) if ends else None
        tuned, record = tune_model(
            job,
            functools.partial(
                _make_one, experiment, dataset, source, features, model, seed, len(jobs)
            ),
            space,
            dataset,
            n_candidates=experiment.tune if isinstance(experiment.tune, int) else MAX_CANDIDATES,
            n_workers=experiment.n_workers,
            metric=experiment.metric,
            seconds=left,
        )
        records.append(record)
        if tuned is not None:
            chosen += [
                _make_one(experiment, dataset, source, features, tuned, s, len(jobs))
                for s in range(seed, seed + experiment.seeds)
            ]
    return chosen, records


def _pairs(
    models: Mapping[str, ModelSpec], given: Mapping[str, FeatureSpec], dataset: Dataset
) -> list[tuple[FeatureSpec, ModelSpec]]:
    """Return the feature sets and models that go together, feature set by feature set."""
    from digitrec.evaluation.candidates import default_features
    from digitrec.preprocessing import FEATURES

    pairs: list[tuple[FeatureSpec, ModelSpec]] = []
    for model in models.values():
        # A model that names feature sets takes images, of which those sets are made.
        possible = model.features or tuple(given)
        wanted = [name for name in given if name in possible]
        if model.features and dataset.image_shape is None:
            wanted = [*given]
            reason = "takes images only, and these data have no image shape"
            model = dataclasses.replace(model, problem=reason)
        pairs += [(given[name], model) for name in wanted]
        if not wanted:
            pairs.append((FEATURES[default_features(dataset, model)], model))
    order = list(dict.fromkeys([*given, *(features.name for features, _ in pairs)]))
    return sorted(pairs, key=lambda pair: order.index(pair[0].name))


def _with_problem(model: ModelSpec, features: FeatureSpec, dataset: Dataset) -> ModelSpec:
    """Note where a model cannot take the missing values of a table."""
    from sklearn.utils import get_tags

    from digitrec.preprocessing import FEATURES

    rows = dataset.X_train
    if model.problem or rows.dtype.kind != "f" or features.name not in FEATURES:
        return model
    missing = int(np.isnan(rows).any(axis=1).sum() + np.isnan(dataset.X_test).any(axis=1).sum())
    try:
        first = model.build()
        while hasattr(first, "steps"):  # a Pipeline takes what its first step takes
            first = first.steps[0][1]
        takes_them = not missing or get_tags(first).input_tags.allow_nan
    except Exception:  # An own estimator without tags: it is tried.
        takes_them = True
    if takes_them:
        return model
    reason = (
        f"cannot take missing values (NaN), which {missing:,} rows hold; drop those rows, or put "
        "an imputer before the model"
    )
    return dataclasses.replace(model, problem=reason)


def run_experiment(
    experiment: Experiment,
    dataset: Dataset,
    source: str,
    *,
    started_at: float | None = None,
) -> Comparison:
    """Run what is not stored yet, choose the winner, run the analyses and write the run.

    Writes ``results.json``, ``predictions/<stem>.npz`` and ``best_model.joblib`` with its metadata
    into the experiment's folder.

    Parameters
    ----------
    experiment : Experiment
        What to compare.
    dataset : Dataset
        The data.
    source : str
        What `digitrec.datasets.load_dataset` takes to find the data again.
    started_at : float, optional
        ``time.monotonic()`` at the start of the command; None means now.

    Returns
    -------
    Comparison

    Raises
    ------
    ConfigurationError
        If a name, parameter or option is not allowed.
    DigitrecError
        If another run is writing to the same folder.
    OSError
        If the disk is full; what was written before stays, and jobs that are finished are kept.
    """
    from digitrec.evaluation.tuning import add_test_gain

    started_at = time.monotonic() if started_at is None else started_at
    deadline = None
    if experiment.budget is not None:
        # A part is kept for what follows the jobs: the record of the run and its table.
        deadline = started_at + 0.95 * experiment.budget
    jobs = make_jobs(experiment, dataset, source)
    store = experiment.store
    # Comparisons in the cache share their jobs: the second takes what the first has computed.
    with store.lock(wait=experiment.jobs_folder is not None):
        tuned, tuning = _tune(experiment, dataset, source, jobs, deadline)
        jobs += tuned
        reused, to_run = split_stored(
            jobs, store, force=experiment.force, only_failed=experiment.only_failed
        )
        found = dict(reused)
        for done, job in enumerate((job for job in jobs if job.key in reused), start=1):
            snapshot = Snapshot(done=done, total=len(jobs))
            publish(Event(kind="reused", snapshot=snapshot, job=job, result=reused[job.key]))
        interrupted = False
        if to_run:
            n_threads = experiment.n_threads(len(to_run))
            to_run = [job.limited(n_threads=n_threads) for job in to_run]
            ran, interrupted = _run(experiment, dataset, to_run, store, len(jobs), deadline)
            found |= ran
            if any(result.reason == DISK_FULL for result in ran.values()):
                # Finished jobs are stored; a report of the others would replace one before.
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(experiment.folder))
        results = rank_results(
            [dataclasses.replace(found[job.key], dataset=dataset.name) for job in jobs],
            experiment.metric,
            store,
            dataset,
        )
        winner = select_winner(results)
        tuning = [
            add_test_gain(found, results, store, experiment.metric, dataset) for found in tuning
        ]
        analyses: dict[str, Any] = {}
        failures: dict[str, str] = {}
        if not interrupted:
            analyses, failures, interrupted = _analyse(
                experiment, dataset, jobs, results, winner, store, deadline, tuning
            )
        run = Run(
            dataset=RunDataset.of(dataset, source),
            results=results,
            winner=winner,
            metric=metric_name(experiment.metric),
            analyses=analyses,
            tuning=tuning,
            failures=failures,
            config=dict(experiment.config),
            command=experiment.command,
            total_seconds=time.monotonic() - started_at,
            created_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        )
        if not to_run:
            run = keep_times(run, experiment.folder / "results.json")
        write_predictions(run, store, dataset, experiment.folder / "predictions")
        write_run(run, experiment.folder / "results.json")
        best = run.winning_result
        if best is not None:
            path = experiment.folder / "best_model.joblib"
            save_winner(run, store.pipeline_path(best), path)
    return Comparison(
        run,
        folder=experiment.folder,
        store=store,
        dataset=dataset,
        experiment=experiment,
        jobs=jobs,
        n_reused=len(reused),
        interrupted=interrupted,
    )


def _run(
    experiment: Experiment,
    dataset: Dataset,
    jobs: list[Job],
    store: JobStore,
    total: int,
    deadline: float | None,
) -> tuple[dict[str, Result], bool]:
    from digitrec.evaluation.executors import make_executor

    executor = make_executor(
        experiment.executor,
        max_workers=min(experiment.n_workers, len(jobs)),
        n_threads=experiment.n_threads(len(jobs)),
        scheduler=experiment.scheduler,
    )
    try:
        _prepare(dataset, jobs)
    except BaseException as error:
        executor.shutdown(cancel_futures=True)
        if isinstance(error, KeyboardInterrupt):
            reason = "the run was stopped before it started"
            return {job.key: job.failed("interrupted", reason) for job in jobs}, True
        raise
    return run_jobs(
        jobs,
        store,
        executor,
        n_workers=executor.max_workers,
        total=total,
        deadline=deadline,
    )


def _prepare(dataset: Dataset, jobs: list[Job]) -> None:
    """Compute what jobs share once, on all cores, before they start."""
    from digitrec.evaluation.shared import SharedData
    from digitrec.preprocessing import FEATURES

    shared = SharedData(jobs[0].cache)
    shared.put(dataset)
    ready = [job for job in jobs if not job.problem]
    for features, seed, augment in dict.fromkeys(
        (job.features, job.random_state, job.augment) for job in ready
    ):
        if features not in FEATURES:
            continue  # a caller's code runs in processes that can be ended, never here
        for validation_seed in (seed, None):
            # What fails here fails in its jobs, too, which say why.
            with contextlib.suppress(ValueError, DigitrecError):
                shared.features(
                    dataset,
                    features,
                    validation_seed=validation_seed,
                    n_copies=augment,
                    copies_seed=seed,
                )


def _analyse(
    experiment: Experiment,
    dataset: Dataset,
    jobs: list[Job],
    results: list[Result],
    winner: str | None,
    store: JobStore,
    deadline: float | None,
    tuning: list[Tuning],
) -> tuple[dict[str, Any], dict[str, str], bool]:
    """Return the output of the analyses, why some have none, and whether Ctrl-C ended them."""
    specs = experiment.selected_analyses()
    outputs: dict[str, Any] = {}
    failures: dict[str, str] = {}
    if not specs or winner is None:
        return outputs, failures, False
    context = analysis_context(
        experiment,
        dataset,
        {job.key: job for job in jobs},
        results,
        winner,
        store,
        tuning,
        deadline=deadline,
    )
    try:
        for spec in specs:
            folder = experiment.folder / "analyses"
            outcome = run_analyses([spec], context, folder, force=experiment.force)
            outputs |= outcome.outputs
            failures |= outcome.failures
    except KeyboardInterrupt:
        return outputs, failures, True
    return outputs, failures, False


def analysis_context(
    experiment: Experiment,
    dataset: Dataset,
    jobs: Mapping[str, Job],
    results: list[Result],
    winner: str | None,
    store: JobStore,
    tuning: list[Tuning],
    unknown_jobs: Mapping[str, str] | None = None,
    deadline: float | None = None,
) -> AnalysisContext:
    """Return what the analyses of a run get."""
    return AnalysisContext(
        dataset=dataset,
        results=tuple(result for result in results if result.ok),
        failed=tuple(result for result in results if not result.ok),
        winner=winner,
        store=store,
        random_state=experiment.random_state,
        n_jobs=experiment.n_workers,
        cache=experiment.cache_folder,
        options=experiment.analysis_options,
        overrides=experiment.parameters,
        tuning=tuple(tuning),
        jobs=jobs,
        unknown_jobs=unknown_jobs or {},
        deadline=deadline,
    )
