"""Turn models and features as a caller gives them into records like those of the registries."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import itertools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import cloudpickle
from sklearn.base import clone, is_regressor

from digitrec._files import file_safe
from digitrec.datasets import DATASETS, Dataset
from digitrec.errors import ConfigurationError, check_choice
from digitrec.models import DEFAULT_MODELS, MODELS, ModelSpec, seed_estimator
from digitrec.preprocessing import DEFAULT_FEATURES, FEATURES, FeatureSpec

# Fit time on 60,000 rows of a model that nothing is known of.
_UNKNOWN_SECONDS = 30.0


@dataclass(frozen=True, eq=False)
class _OwnSteps:
    """Builds fresh copies of a caller's transformer; the fitted steps of its `FeatureSpec`."""

    transformer: Any

    def __call__(self) -> list[tuple[str, Any]]:
        return [("features", clone(self.transformer))]


def _no_steps(image_shape: Any, n_jobs: int | None) -> list[tuple[str, Any]]:
    return []


def resolve_models(models: Any) -> dict[str, ModelSpec]:
    """Return the models that a caller asks for, by name.

    Parameters
    ----------
    models : object
        None for the default four; a registry name; ``"all"``; an estimator, Pipeline or class
        with ``fit`` and ``predict``; a list of these; or a mapping from name to one of these.

    Returns
    -------
    dict of str to ModelSpec
        In the order given. A model that cannot be cloned, pickled or seeded has the reason in
        `ModelSpec.problem`.

    Raises
    ------
    ConfigurationError
        If a name is unknown, two names are alike, or something is not a classifier.
    """
    if models is None:
        models = DEFAULT_MODELS
    if isinstance(models, str) and models == "all":
        models = [name for name, spec in MODELS.items() if spec.is_available]
    return _resolve(models, "model", _model_spec)


def default_features(dataset: Dataset, model: ModelSpec | None = None) -> str:
    """Return the feature set for a dataset, and a model, where none is named."""
    if dataset.image_shape is None:
        return "raw"
    spec = DATASETS.get(dataset.name)
    suited = (spec and spec.features) or (DEFAULT_FEATURES, "deskewed")
    possible = (model and model.features) or suited
    return next((name for name in suited if name in possible), possible[0])


def resolve_features(features: Any, dataset: Dataset) -> dict[str, FeatureSpec]:
    """Return the feature sets that a caller asks for, by name.

    Parameters
    ----------
    features : object
        None for `default_features`; a registry name; ``"all"``; a transformer or class with
        ``fit`` and ``transform``, which gets the rows as they are; a list or mapping of these.
    dataset : Dataset
        The data; tables take ``"raw"`` and own transformers only.

    Raises
    ------
    ConfigurationError
        If a name is unknown, two names are alike, something is not a transformer, or a feature set
        needs images where there are none.
    """
    images = dataset.image_shape is not None
    if features is None:
        features = default_features(dataset)
    if isinstance(features, str) and features == "all":
        features = list(FEATURES) if images else ["raw"]
    specs = _resolve(features, "feature set", _feature_spec)
    for spec in specs.values():
        if not images and spec.name in FEATURES and spec.name != "raw":
            raise ConfigurationError(
                f"the features {spec.name!r} are computed from images, and these data have no "
                'image shape; use features="raw" or a transformer of your own, or pass '
                "image_shape=(height, width)"
            )
    return specs


def pack_specs(model: ModelSpec, features: FeatureSpec) -> bytes:
    """Return the specs of a job that are not in the registries, pickled; empty where both are."""
    own: dict[str, Any] = {}
    if MODELS.get(model.name) is not model:
        own["model"] = model
    if FEATURES.get(features.name) is not features:
        own["features"] = features
    return cloudpickle.dumps(own) if own else b""


@functools.lru_cache(maxsize=64)
def unpack_specs(own: bytes) -> Mapping[str, Any]:
    """Return what `pack_specs` packed."""
    return cloudpickle.loads(own) if own else {}


def _resolve(given: Any, what: str, make: Any) -> dict[str, Any]:
    pairs: list[tuple[str | None, Any]]
    if isinstance(given, Mapping):
        pairs = [(str(name), value) for name, value in given.items()]
    elif isinstance(given, (list, tuple, set, frozenset)):
        pairs = [(None, value) for value in given]
    else:
        pairs = [(None, given)]
    if not pairs:
        raise ConfigurationError(f"no {what} was given")
    found: dict[str, Any] = {}
    for name, value in pairs:
        spec = make(name, value)
        if name is None and not isinstance(value, (str, ModelSpec, FeatureSpec)):
            spec = _with_free_name(spec, value, found)
        if spec.name in found:
            if found[spec.name] is spec:
                continue
            raise ConfigurationError(f"two of the {what}s are called {spec.name!r}; rename one")
        found[spec.name] = spec
    stems: dict[str, str] = {}
    for name in found:
        other = stems.setdefault(file_safe(name).lower(), name)
        if other != name:
            raise ConfigurationError(
                f"the {what} names {other!r} and {name!r} give the same file name; rename one"
            )
    return found


def _with_free_name(spec: Any, value: Any, taken: Iterable[str]) -> Any:
    """Return a spec under a name that no other has; a registry model keeps its own for itself."""
    base = _class_name(value) if spec.name in MODELS else spec.name
    numbered = (f"{base}_{number}" for number in itertools.count(2))
    name = next(name for name in itertools.chain([base], numbered) if name not in taken)
    return spec if name == spec.name else dataclasses.replace(spec, name=name, title=name)


def _model_spec(name: str | None, value: Any) -> ModelSpec:
    if isinstance(value, ModelSpec):
        return value
    if isinstance(value, str):
        spec = MODELS[check_choice("model", value, MODELS)]
        if name in (None, value):
            return spec
        return dataclasses.replace(spec, name=str(name), title=str(name))
    estimator = _instance(value, "model")
    if not (callable(getattr(estimator, "fit", None)) and hasattr(estimator, "predict")):
        raise ConfigurationError(
            f"{_shown(value)} is not a model: it has no fit and predict; give a registry name, a "
            "scikit-learn classifier, a Pipeline or a class"
        )
    name = name or _own_name(estimator)
    text = ""
    problem = _why_not_portable(estimator)
    if not problem:
        text = " ".join(repr(estimator).split())
        if is_regressor(estimator):
            problem = f"{type(estimator).__name__} predicts numbers, not classes: it is a regressor"
    return ModelSpec(
        name=name,
        title=name,
        summary=text[:300] or type(estimator).__name__,
        estimator=None if problem else clone(estimator),
        seconds=_UNKNOWN_SECONDS,
        problem=problem,
    )


def _feature_spec(name: str | None, value: Any) -> FeatureSpec:
    if isinstance(value, FeatureSpec):
        return value
    if isinstance(value, str):
        return FEATURES[check_choice("feature set", value, FEATURES)]
    transformer = _instance(value, "feature set")
    if not (hasattr(transformer, "fit") and hasattr(transformer, "transform")):
        raise ConfigurationError(
            f"{_shown(value)} is not a feature set: it has no fit and transform; give a registry "
            "name or a scikit-learn transformer"
        )
    problem = _why_not_portable(transformer)
    if problem:
        raise ConfigurationError(f"the features {_shown(value)} {problem}")
    name = name or _own_name(transformer)
    if name in FEATURES:
        raise ConfigurationError(f"{name!r} is the name of a feature set of digitrec; rename yours")
    return FeatureSpec(
        name=name,
        title=name,
        summary=" ".join(repr(transformer).split())[:300],
        fixed_steps=_no_steps,
        fitted_steps=_OwnSteps(clone(transformer)),
    )


def _instance(value: Any, what: str) -> Any:
    if not inspect.isclass(value):
        return value
    try:
        return value()
    except TypeError as error:
        raise ConfigurationError(
            f"the {what} {value.__name__} cannot be made without arguments ({error}); give an "
            "instance"
        ) from error


def _why_not_portable(estimator: Any) -> str:
    """Return why an estimator cannot be cloned, pickled and seeded; empty where it can."""
    try:
        copy = clone(estimator)
    except Exception as error:  # A user's constructor may raise anything.
        return f"cannot be cloned by sklearn.base.clone: {_first_line(error)}"
    try:
        cloudpickle.dumps(copy)
    except Exception as error:
        return f"cannot be pickled: {_first_line(error)}"
    try:
        seed_estimator(copy, 0)
    except Exception as error:
        return f"cannot be seeded: {_first_line(error)}"
    return ""


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"


def _class_name(value: Any) -> str:
    """Return the name of a class or of an object's class; that of the last step of a Pipeline."""
    steps = getattr(value, "steps", None)
    if steps and len(steps[-1]) == 2 and steps[-1][1] not in (None, "passthrough"):
        return _class_name(steps[-1][1])
    return value.__name__ if inspect.isclass(value) else type(value).__name__


def _own_name(estimator: Any) -> str:
    """Return a class name in lower_snake."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", _class_name(estimator))
    return words.lower().strip("_")


def _shown(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:77]}…"
