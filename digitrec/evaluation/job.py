"""The record of one job and what identifies it."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from digitrec._environment import library_versions

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

    from digitrec.datasets import Dataset

__all__ = ["Job", "Limits", "describe_parameters", "make_job"]

# How many threads a model uses changes neither its predictions nor what it is.
_NOT_PARAMETERS = ("n_jobs", "verbose")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a job may use; no part of what identifies it.

    Attributes
    ----------
    timeout : float or None
        Wall time in seconds after which the job is killed.
    max_memory : int or None
        Resident memory in bytes beyond which the job ends.
    n_threads : int
        Threads.
    """

    timeout: float | None = None
    max_memory: int | None = None
    n_threads: int = 1


@dataclass(frozen=True, kw_only=True)
class Job:
    """One model on one feature set of one dataset with one seed.

    Holds names and paths, never data, so that it is small wherever it is sent.

    Attributes
    ----------
    key : str
        16 hexadecimal digits of a sha256 over all that determines the result.
    dataset : str
        Name of the dataset.
    source : str
        What `digitrec.datasets.load_dataset` takes to find the data again.
    max_train : int or None
        Training rows to keep of `source`.
    load_seed : int
        Seed with which the training rows were drawn.
    fingerprint : str
        Fingerprint of the data after that.
    n_train, n_validation, n_test : int
        Rows.
    features, model : str
        Registry keys.
    overrides : dict
        Parameters that replace the registry's.
    random_state : int
        Seed of the validation split, the features and the model.
    augment : int
        Random copies of each training image to add.
    cache : pathlib.Path
        Folder of what jobs share: arrays and features.
    folder : pathlib.Path
        Folder the job's files are written to.
    limits : Limits
        What the job may use.
    """

    key: str
    dataset: str
    source: str
    max_train: int | None
    load_seed: int
    fingerprint: str
    n_train: int
    n_validation: int
    n_test: int
    features: str
    model: str
    overrides: dict[str, Any] = field(default_factory=dict)
    random_state: int = 0
    augment: int = 0
    cache: Path
    folder: Path
    limits: Limits = field(default_factory=Limits)

    @property
    def stem(self) -> str:
        """Name of the job's files without their suffix."""
        return f"{self.features}-{self.model}-seed{self.random_state}-{self.key}"

    @property
    def title(self) -> str:
        """Name of the job for people."""
        return f"{self.model} ({self.features}, seed {self.random_state})"

    def path(self, suffix: str) -> Path:
        """Return the path of one of the job's files, such as ``".json"``."""
        return self.folder / f"{self.stem}{suffix}"


def make_job(
    dataset: Dataset,
    *,
    source: str,
    features: str,
    model: str,
    random_state: int,
    cache: Path,
    folder: Path,
    overrides: Mapping[str, Any] | None = None,
    augment: int = 0,
    max_train: int | None = None,
    load_seed: int = 0,
    limits: Limits | None = None,
) -> Job:
    """Describe one job; see `Job` for the parameters.

    Raises
    ------
    ConfigurationError
        If the model has no parameter that `overrides` names.
    """
    from digitrec.evaluation.splits import VALIDATION_FRACTION
    from digitrec.models import MODELS
    from digitrec.preprocessing import build_features

    estimator = MODELS[model].build(random_state, overrides)
    transformer = build_features(features, dataset.image_shape)
    versions = library_versions()
    identity = {
        "data": dataset.fingerprint,
        "features": features,
        "model": model,
        "parameters": describe_parameters(estimator),
        "random_state": random_state,
        "augment": augment,
        "versions": {name: versions[name] for name in ("digitrec", "scikit-learn")},
        "transformer": describe_parameters(transformer),
        "code": [_code_digest(transformer), _code_digest(estimator)],
    }
    text = json.dumps(identity, sort_keys=True)
    n_rows = len(dataset.y_train)
    n_validation = math.ceil(n_rows * VALIDATION_FRACTION)
    return Job(
        key=hashlib.sha256(text.encode()).hexdigest()[:16],
        dataset=dataset.name,
        source=source,
        max_train=max_train,
        load_seed=load_seed,
        fingerprint=dataset.fingerprint,
        n_train=n_rows - n_validation,
        n_validation=n_validation,
        n_test=len(dataset.y_test),
        features=features,
        model=model,
        overrides=dict(overrides or {}),
        random_state=random_state,
        augment=augment,
        cache=cache,
        folder=folder,
        limits=limits or Limits(),
    )


def describe_parameters(estimator: BaseEstimator) -> dict[str, Any]:
    """Return the parameters of an estimator, nested ones included, as JSON-safe values."""
    return {
        name: _json_safe(value)
        for name, value in sorted(estimator.get_params(deep=True).items())
        if name.rpartition("__")[2] not in _NOT_PARAMETERS
    }


def _code_digest(estimator: BaseEstimator) -> str:
    """Hash the modules of digitrec whose classes an estimator is made of.

    Code changes between releases, too. Other models and feature sets do not count, so that one
    that is added costs no stored result.
    """
    parts = [estimator, *estimator.get_params(deep=True).values()]
    modules = {
        ancestor.__module__
        for part in parts
        if hasattr(part, "get_params")
        for ancestor in type(part).__mro__
        if ancestor.__module__.startswith("digitrec.")
    }
    digest = hashlib.sha256()
    for module in sorted(modules):
        digest.update(Path(inspect.getfile(importlib.import_module(module))).read_bytes())
    return digest.hexdigest()


def _json_safe(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        return _json_safe(value.item())
    if isinstance(value, (list, tuple)):
        return [_json_safe(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _json_safe(item) for key, item in value.items()}
    if hasattr(value, "get_params"):
        return type(value).__name__
    return repr(value)
