"""The record that describes one model of the registry."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from digitrec._optional import is_installed
from digitrec.errors import ConfigurationError


class Prototype:
    """An unfitted estimator that is made when it is called: its library is imported only then.

    Importing scikit-learn takes a second, and the command line lists the models at each start.

    Parameters
    ----------
    path : str
        Where the class is: ``"package.module.Class"``.
    **parameters : object
        Parameters of the estimator. Prototypes among them are made along with it, also those
        in a list of pairs of name and prototype.

    Examples
    --------
    >>> Prototype("sklearn.linear_model.LogisticRegression", C=0.1)()
    LogisticRegression(C=0.1)
    """

    def __init__(self, path: str, **parameters: Any) -> None:
        self.path = path
        self.parameters = parameters

    def __call__(self) -> Any:
        """Return a fresh estimator."""
        module, _, name = self.path.rpartition(".")
        made = {key: _made(value) for key, value in self.parameters.items()}
        return getattr(importlib.import_module(module), name)(**made)


def _made(value: Any) -> Any:
    if isinstance(value, list):
        return [(name, _made(part)) for name, part in value]
    return value() if isinstance(value, Prototype) else value


def seed_estimator(estimator: Any, random_state: int | None) -> Any:
    """Set all parameters called ``random_state`` that are None, those of nested estimators too."""
    seeds = {
        name: random_state
        for name, value in estimator.get_params(deep=True).items()
        if name.rpartition("__")[2] == "random_state" and value is None
    }
    return estimator.set_params(**seeds) if seeds else estimator


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """One entry of the registry of models.

    Attributes
    ----------
    name : str
        Registry key; doubles as a file stem.
    title : str
        Name for tables and figures.
    summary : str
        One sentence on what the model does.
    estimator : estimator or callable
        Unfitted estimator that is cloned, or a callable without arguments that returns a fresh
        one, such as a `Prototype`.
    seconds : float
        Rough fit time on 60,000 rows of the default features on one core; orders the jobs
        when no earlier time is known.
    extra, package : str
        Extra of digitrec and importable package the model needs; empty where none.
    features : tuple of str
        Feature sets the model can take; empty means all of them.
    search : mapping
        Search space for tuning: for each parameter a list of values, ``("log", low, high)`` or
        ``("uniform", low, high)``.
    feature_parameters : mapping
        For names of feature sets, the parameters that differ from the usual ones there.
    problem : str
        Why the model cannot be run, such as an estimator that cannot be pickled; else empty.
    """

    name: str
    title: str
    summary: str
    estimator: Any | Callable[[], Any]
    seconds: float
    extra: str = ""
    package: str = ""
    features: tuple[str, ...] = field(default=())
    search: Mapping[str, Any] = field(default_factory=dict, compare=False)
    feature_parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, compare=False)
    problem: str = ""

    @property
    def is_available(self) -> bool:
        """Whether the packages that the model needs are installed."""
        return not self.package or is_installed(self.package)

    def build(
        self,
        random_state: int | None = 0,
        parameters: Mapping[str, Any] | None = None,
        features: str = "",
    ) -> Any:
        """Return a fresh estimator.

        Parameters
        ----------
        random_state : int or None
            Seed, as `seed_estimator` sets it; None leaves the estimator without.
        parameters : mapping, optional
            Parameters that override the registry's, as `set_params` takes them.
        features : str
            Name of the feature set that the model gets, of `feature_parameters`.

        Raises
        ------
        ConfigurationError
            If the estimator has no such parameter; the message lists those it has.
        """
        from sklearn.base import clone

        made = hasattr(self.estimator, "get_params")
        estimator = clone(self.estimator) if made else self.estimator()
        if parameters := {**self.feature_parameters.get(features, {}), **(parameters or {})}:
            known = estimator.get_params()
            for name in parameters:
                if name not in known:
                    raise ConfigurationError(
                        f"model {self.name!r} has no parameter {name!r}; "
                        f"it has: {', '.join(sorted(known))}"
                    )
            estimator.set_params(**parameters)
        return seed_estimator(estimator, random_state)
