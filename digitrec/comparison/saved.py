"""Load the data of a saved run, and rebuild the jobs that fit its models."""

from __future__ import annotations

import dataclasses
import json
import logging
from typing import TYPE_CHECKING, Any

from digitrec._files import cache_dir, writable_cache_dir
from digitrec.errors import DigitrecError
from digitrec.evaluation.job import Job, describe_parameters, make_job
from digitrec.evaluation.job_store import JobStore
from digitrec.evaluation.result import Result, Run

if TYPE_CHECKING:
    from digitrec.datasets import Dataset

_log = logging.getLogger(__name__)


def find_dataset(run: Run) -> Dataset | None:
    """Return the data of a run where they are in digitrec's cache, else None."""
    from digitrec.evaluation.shared import SharedData

    data = run.dataset
    found = SharedData(cache_dir("shared")).get(data.name, data.fingerprint)
    return None if found is None else _as_named(found, run)


def load_dataset_of(run: Run) -> Dataset:
    """Return the data of a run: from digitrec's cache, else loaded again from where they came.

    Raises
    ------
    DigitrecError
        If they cannot be loaded, or are other data now.
    """
    from digitrec.datasets import DATASETS, load_dataset

    found = find_dataset(run)
    if found is not None:
        return found
    name = run.dataset.name
    location = run.dataset.location or (name if name in DATASETS else "")
    if not location:
        raise DigitrecError(
            f"the data of this comparison ({name}) were given in memory, which cannot be loaded "
            "again; call digitrec.compare with them, which takes what is stored"
        )
    seed = run.config.get("random_state", 0)
    found = load_dataset(location, max_train=run.config.get("max_train"), random_state=seed)
    if found.fingerprint != run.dataset.fingerprint:
        raise DigitrecError(
            f"{location} has changed since this comparison (fingerprint "
            f"{found.fingerprint}, then {run.dataset.fingerprint}); run the comparison again"
        )
    return _as_named(found, run)


def _as_named(dataset: Dataset, run: Run) -> Dataset:
    return dataclasses.replace(
        dataset,
        name=run.dataset.name,
        label_names=run.dataset.label_names,
        label_values=run.dataset.label_values,
    )


def jobs_of(run: Run, dataset: Dataset, store: JobStore) -> tuple[dict[str, Job], dict[str, str]]:
    """Return the jobs of the results of a run, rebuilt from its record.

    Models and features of the registries are built with the parameters that the results name.

    Returns
    -------
    jobs : dict of str to Job
        By `Result.key`.
    reasons : dict of str to str
        Why there is none, likewise.
    """
    jobs: dict[str, Job] = {}
    reasons: dict[str, str] = {}
    for result in run.results:
        if result.ok:
            try:
                jobs[result.key] = _job_of(result, run, dataset, store)
            except DigitrecError as error:
                reasons[result.key] = str(error)
    if any(job.key != key for key, job in jobs.items()):
        _log.warning(
            "models are fitted again with code or libraries that are not those of the saved run"
        )
    return jobs, reasons


def _job_of(result: Result, run: Run, dataset: Dataset, store: JobStore) -> Job:
    from digitrec.models import MODELS
    from digitrec.preprocessing import FEATURES

    for what, name, known in (
        ("model", result.model, MODELS),
        ("features", result.features, FEATURES),
    ):
        if name not in known:
            raise DigitrecError(
                f"{what} {name!r}: not one of digitrec, and a saved comparison does not keep "
                "what the caller made; call digitrec.compare with the same arguments, which takes "
                "what is stored"
            )
    spec, seed = MODELS[result.model], result.random_state
    if not spec.is_available:
        raise DigitrecError(f"{result.model!r} needs: pip install 'digitrec[{spec.extra}]'")
    usual = _as_stored(describe_parameters(spec.build(seed, features=result.features)))
    changed = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in result.parameters.items()
        if name in usual and usual[name] != value
    }
    made = spec.build(seed, changed, result.features)
    if _as_stored(describe_parameters(made)) != result.parameters:
        raise DigitrecError(
            f"the parameters of {result.model!r} cannot be set from its record (the model has "
            "changed, or they are objects); call digitrec.compare with the same arguments"
        )
    config = run.config
    return make_job(
        dataset,
        source=run.dataset.location,
        features=FEATURES[result.features],
        model=spec,
        random_state=seed,
        overrides=changed,
        augment=config.get("augment", 0),
        max_train=config.get("max_train"),
        load_seed=config.get("random_state", 0),
        cache=writable_cache_dir("shared").resolve(),
        folder=store.folder.resolve(),
    )


def _as_stored(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return parameters as they are read from a file: JSON has no tuples."""
    return json.loads(json.dumps(parameters))
