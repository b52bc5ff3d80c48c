"""The record that describes one model of the registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from digitrec._optional import is_installed
from digitrec.errors import ConfigurationError

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin

__all__ = ["ModelSpec"]


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
    factory : callable
        ``factory(random_state) -> estimator``; a fresh, unfitted estimator each time.
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
    problem : str
        Why the model cannot be run, such as an estimator that cannot be pickled; else empty.
    """

    name: str
    title: str
    summary: str
    factory: Callable[[int], ClassifierMixin]
    seconds: float
    extra: str = ""
    package: str = ""
    features: tuple[str, ...] = field(default=())
    search: Mapping[str, Any] = field(default_factory=dict, compare=False)
    problem: str = ""

    @property
    def is_available(self) -> bool:
        """Whether the packages that the model needs are installed."""
        return not self.package or is_installed(self.package)

    def build(
        self, random_state: int = 0, parameters: Mapping[str, Any] | None = None
    ) -> ClassifierMixin:
        """Return a fresh estimator.

        Parameters
        ----------
        random_state : int
            Seed.
        parameters : mapping, optional
            Parameters that override the registry's, as `set_params` takes them.

        Raises
        ------
        ConfigurationError
            If the estimator has no such parameter; the message lists those it has.
        """
        estimator = self.factory(random_state)
        known = estimator.get_params()
        for name in parameters or {}:
            if name not in known:
                raise ConfigurationError(
                    f"model {self.name!r} has no parameter {name!r}; "
                    f"it has: {', '.join(sorted(known))}"
                )
        return estimator.set_params(**(parameters or {}))
