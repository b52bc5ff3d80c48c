"""`Job`: what to fit and score, and the key that identifies it."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from digitrec._code import cache_key, describe_value
from digitrec._environment import describe_hardware, library_versions
from digitrec._files import file_safe
from digitrec.evaluation.result import Result, Status

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

    from digitrec.datasets import Dataset
    from digitrec.models import ModelSpec
    from digitrec.preprocessing import FeatureSpec

# How many threads a model uses changes neither its predictions nor what it is.
_NOT_PARAMETERS = ("n_jobs", "verbose")
# What makes a result of a fitted model, whichever model it is.
_FITTING = (
    "digitrec.evaluation.fitting",
    "digitrec.evaluation.splits",
)


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
class Part:
    """Which training rows a job is about, where that is not all of them.

    Attributes
    ----------
    kind : {"fold", "sample", "validation"}
        One fold of a cross-validation, scored on the rows held out; a sample of the rows, scored
        on the test rows; or the rows without those held out for the ranking, or a sample of
        them, scored on these.
    seed : int
        Seed of the folds or samples.
    n_folds : int
        Folds.
    sizes : tuple of int
        Rows of the nested samples, ascending.
    index : int
        Which fold or sample.
    groups : str
        File of the groups, shape (n_train,), that no fold may part; empty for none.
    """

    kind: Literal["fold", "sample", "validation"]
    seed: int = 0
    n_folds: int = 0
    sizes: tuple[int, ...] = ()
    index: int = 0
    groups: str = ""

    @property
    def title(self) -> str:
        """The part for people."""
        if self.kind == "fold":
            return f"fold {self.index + 1} of {self.n_folds}, seed {self.seed}"
        rows = f"{self.sizes[self.index]:,} rows" if self.sizes else "all rows"
        return rows if self.kind == "sample" else f"{rows}, scored on the validation rows"


@dataclass(frozen=True, kw_only=True)
class Job:
    """One model on one feature set of one dataset with one seed.

    Holds names, paths and estimators, never data, so that it is small wherever it is sent.

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
    test_fingerprint : str
        Fingerprint of the test rows alone.
    n_train, n_validation, n_test : int
        Rows.
    features, model : str
        Registry keys, or names of the caller's own.
    own : bytes
        The caller's own model and features as `candidates.pack_specs` packs them; empty where
        both are of the registries.
    problem : str
        Why the job cannot be run; else empty.
    overrides : dict
        Parameters that replace the model's.
    random_state : int
        Seed of the validation split, the features and the model.
    augment : int
        Random copies of each training image to add.
    part : Part or None
        Rows to fit and score on; None means the whole way of a model: fit, ranking, refit, test.
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
    test_fingerprint: str
    n_train: int
    n_validation: int
    n_test: int
    features: str
    model: str
    own: bytes = field(default=b"", repr=False)
    problem: str = ""
    overrides: dict[str, Any] = field(default_factory=dict)
    random_state: int = 0
    augment: int = 0
    part: Part | None = None
    cache: Path
    folder: Path
    limits: Limits = field(default_factory=Limits)

    @property
    def stem(self) -> str:
        """Name of the job's files without their suffix."""
        return f"{job_stem(self.features, self.model, self.random_state)}-{self.key}"

    @property
    def model_spec(self) -> ModelSpec:
        """The record of the model."""
        from digitrec.evaluation.candidates import unpack_specs
        from digitrec.models import MODELS

        spec: ModelSpec = unpack_specs(self.own).get("model") or MODELS[self.model]
        return spec

    def build_model(self) -> Any:
        """Return a fresh estimator, with the parameters of the job."""
        return self.model_spec.build(self.random_state, self.overrides, self.features)

    @property
    def feature_spec(self) -> FeatureSpec:
        """The record of the feature set."""
        from digitrec.evaluation.candidates import unpack_specs
        from digitrec.preprocessing import FEATURES

        return unpack_specs(self.own).get("features") or FEATURES[self.features]

    @property
    def title(self) -> str:
        """Name of the job for people."""
        name = f"{self.model} ({self.features}, seed {self.random_state})"
        return name if self.part is None else f"{name}, {self.part.title}"

    def limited(self, **limits: Any) -> Job:
        """Return the job with other `Limits`."""
        return dataclasses.replace(self, limits=dataclasses.replace(self.limits, **limits))

    def identity(self) -> dict[str, Any]:
        """Return the fields of a `Result` that the job has however it ends."""
        return {
            "key": self.key,
            "dataset": self.dataset,
            "features": self.features,
            "model": self.model,
            "title": self.model_spec.title if self.own else "",
            "random_state": self.random_state,
            "part": "" if self.part is None else self.part.title,
            "n_train": self.n_train,
            "n_validation": self.n_validation,
            "n_test": self.n_test,
            "n_threads": self.limits.n_threads,
            "data_fingerprint": self.fingerprint,
            "test_fingerprint": self.test_fingerprint,
            "versions": dict(library_versions()),
            "hardware": dict(describe_hardware()),
            "finished_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        }

    def failed(self, status: Status, reason: str) -> Result:
        """Return the result of the job where it failed, with the reason for people."""
        parameters = {}
        if not self.problem:
            parameters = describe_parameters(self.build_model())
        return Result(**self.identity(), status=status, reason=reason, parameters=parameters)

    def path(self, suffix: str) -> Path:
        """Return the path of one of the job's files, such as ``".json"``."""
        return self.folder / f"{self.stem}{suffix}"


def job_stem(features: str, model: str, random_state: int) -> str:
    """Return the name of a job's files without its key: safe on every file system."""
    return f"{file_safe(features)}-{file_safe(model)}-seed{random_state}"


def make_job(
    dataset: Dataset,
    *,
    source: str,
    features: FeatureSpec,
    model: ModelSpec,
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
    from digitrec.evaluation.candidates import pack_specs
    from digitrec.evaluation.splits import n_validation_rows
    from digitrec.preprocessing import join_pipelines

    facts: dict[str, Any] = {
        "data": dataset.fingerprint,
        "labels": list(dataset.label_names),
        "features": features.name,
        "model": model.name,
        "random_state": random_state,
        "augment": augment,
        "problem": model.problem,
    }
    roots: list[Any] = list(_FITTING)
    if augment:
        roots.append("digitrec.preprocessing.augmentation")
    if not model.problem:
        estimator = model.build(random_state, overrides, features.name)
        transformer = join_pipelines(
            features.build_fixed(dataset.image_shape), features.build_fitted()
        )
        facts["parameters"] = describe_parameters(estimator)
        facts["transformer"] = describe_parameters(transformer)
        roots += [estimator, transformer]
    n_rows = len(dataset.y_train)
    n_validation = n_validation_rows(n_rows)
    return Job(
        key=cache_key(facts, *roots),
        dataset=dataset.name,
        source=source,
        max_train=max_train,
        load_seed=load_seed,
        fingerprint=dataset.fingerprint,
        test_fingerprint=dataset.test_fingerprint,
        n_train=n_rows - n_validation,
        n_validation=n_validation,
        n_test=len(dataset.y_test),
        features=features.name,
        model=model.name,
        own=pack_specs(model, features),
        problem=model.problem,
        overrides=dict(overrides or {}),
        random_state=random_state,
        augment=augment,
        cache=cache,
        folder=folder,
        limits=limits or Limits(),
    )


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
        key=cache_key(facts, "digitrec.evaluation.splits"),
        part=part,
        folder=parent.folder.parent / "parts",
        **changes,
    ).limited(timeout=timeout)


def describe_parameters(estimator: BaseEstimator) -> dict[str, Any]:
    """Return the parameters of an estimator, nested ones included, as JSON-safe values."""
    return {
        name: describe_value(value)
        for name, value in sorted(estimator.get_params(deep=True).items())
        if name.rpartition("__")[2] not in _NOT_PARAMETERS
    }
