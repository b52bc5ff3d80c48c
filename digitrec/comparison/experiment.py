"""What to compare, and how: the arguments of `digitrec.compare`, checked in one place."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from digitrec._environment import available_cores
from digitrec._files import writable_cache_dir
from digitrec.analyses import ANALYSES, selected_analyses
from digitrec.analyses._registry import Analysis
from digitrec.errors import ConfigurationError, check_choice
from digitrec.evaluation.candidates import resolve_models
from digitrec.evaluation.job_store import JobStore
from digitrec.evaluation.ranking import check_metric
from digitrec.evaluation.tuning import check_space

PROFILES = ("fast", "full")
_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_UNITS |= {f"{unit}i": 1024**i for i, unit in enumerate("kmgt", start=1)}


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """The arguments of `digitrec.compare`, see there, and where results go.

    Arguments are checked when it is made. Texts such as ``"5m"`` and ``"4GB"`` become numbers, and
    `models` a mapping from name to `ModelSpec`.

    Attributes
    ----------
    timeout : mapping of (str or None) to float
        Seconds by model; those under None are for all other models.
    folder : pathlib.Path
        Folder of the dataset's report, such as ``reports/mnist``.
    jobs_folder : pathlib.Path or None
        Folder of finished jobs, which several runs may share; None means ``jobs`` in `folder`.
    cache : pathlib.Path or None
        Folder of what jobs share; None means digitrec's cache.
    command, config : str, mapping
        What made the run, and the options that repeat it; JSON-safe.

    Raises
    ------
    ConfigurationError
        If an argument is not allowed, or has no effect with the others.
    """

    models: Any = None
    features: Any = None
    parameters: Any = None
    seeds: int = 1
    cv: int | None = None
    repeats: int = 1
    analyses: Any = None
    metric: str | Callable[..., float] = "accuracy"
    tune: int | str | None = None
    search: Any = None
    timeout: Any = None
    max_memory: Any = None
    budget: Any = None
    n_jobs: int | None = None
    executor: str = "local"
    scheduler: str | None = None
    random_state: int = 0
    augment: int = 0
    max_train: int | None = None
    force: bool = False
    only_failed: bool = False
    options: Any = None
    folder: Path
    jobs_folder: Path | None = None
    cache: Path | None = None
    command: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        from digitrec.evaluation.executors import EXECUTORS

        check_choice("executor", self.executor, EXECUTORS)
        check_metric(self.metric)
        for name, least in (("seeds", 1), ("augment", 0), ("repeats", 1)):
            _check_number(name, getattr(self, name), least)
        for name, least in (("cv", 2), ("n_jobs", 1), ("max_train", 1)):
            if getattr(self, name) is not None:
                _check_number(name, getattr(self, name), least)
        if self.repeats != 1 and self.cv is None:
            raise ConfigurationError("repeats= repeats the cross-validation: give cv= too")
        if self.scheduler is not None and self.executor != "dask":
            raise ConfigurationError("scheduler= is for executor='dask'")
        models = resolve_models(self.models)
        for name in ("parameters", "search", "options"):
            object.__setattr__(self, name, dict(getattr(self, name) or {}))
        checked = {
            "models": models,
            "analyses": _analysis_names(self.analyses, self.cv),
            "tune": _search_size(self.tune, self.search),
            "timeout": _time_limits(self.timeout),
            "max_memory": None if self.max_memory is None else parse_size(self.max_memory),
            "budget": None if self.budget is None else parse_seconds(self.budget, "budget"),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        for what, given in (("parameters", self.parameters), ("time limit", self.timeout)):
            for model, setting in given.items():
                if model is not None and model not in models:
                    raise ConfigurationError(
                        f"the {what} {setting!r} is for {model!r}, which is not a model of this "
                        f"comparison; those are: {', '.join(models)}"
                    )
        for model, values in self.parameters.items():
            if not models[model].problem:
                models[model].build(self.random_state, values)
        for model, space in self.search.items():
            check_choice("model of this comparison", model, models)
            check_space(model, space)
        if self.tune is not None and not any(
            self.search.get(m) or models[m].search for m in models
        ):
            raise ConfigurationError(
                f"tune= has nothing to search: no search space is known of {', '.join(models)}; "
                'give one, such as search={"' + next(iter(models)) + '": {"C": ("log", 0.01, 100)}}'
            )

    def time_limit(self, model: str) -> float | None:
        """Return the seconds after which the process of a model is killed."""
        limit: float | None = self.timeout.get(model, self.timeout.get(None))
        return limit

    def selected_analyses(self) -> list[Analysis]:
        """Return the analyses to run, in report order."""
        profile = next((name for name in ("full", "fast") if name in self.analyses), None)
        return selected_analyses(profile, [name for name in self.analyses if name not in PROFILES])

    @property
    def analysis_options(self) -> dict[str, Any]:
        """Settings of the analyses, by name."""
        own = {"augment": self.augment, "cv": self.cv, "repeats": self.repeats}
        return {"mnist_c": None, "rope": 0.001, "cv_groups": None, **own, **self.options}

    @property
    def n_workers(self) -> int:
        """Jobs at a time on this machine: never more than it has cores."""
        return min(self.n_jobs or available_cores(), available_cores())

    def n_threads(self, n_jobs: int) -> int:
        """Threads of each of so many jobs, so that threads that run never exceed the cores."""
        if self.executor != "local":
            return 1
        return max(1, available_cores() // max(1, min(self.n_workers, n_jobs)))

    @property
    def store(self) -> JobStore:
        """The finished jobs."""
        folder = self.jobs_folder if self.jobs_folder is not None else self.folder / "jobs"
        return JobStore(folder.resolve())

    @property
    def cache_folder(self) -> Path:
        """Folder of what jobs share."""
        return self.cache if self.cache is not None else writable_cache_dir("shared")


def _search_size(tune: int | str | None, search: Mapping[str, Any]) -> int | str | None:
    """Check what `tune` asks for: a number of candidates, or a time as text."""
    if tune is None:
        if search:
            raise ConfigurationError("search= is for tune=: give the candidates, such as tune=30")
        return None
    if isinstance(tune, str) and not tune.strip().isdigit():
        parse_seconds(tune, "time of tune=")
        return tune
    number: int = int(tune) if isinstance(tune, str) else tune
    _check_number("tune", number, 1)
    return number


def parse_seconds(value: float | str, what: str = "time limit") -> float:
    """Return a time such as ``300``, ``"300"``, ``"5m"``, ``"90s"`` or ``"1h"`` in seconds.

    Raises
    ------
    ConfigurationError
        If it cannot be read or is not positive.

    Examples
    --------
    >>> parse_seconds("5m"), parse_seconds(12)
    (300.0, 12.0)
    """
    match = re.fullmatch(r"([\d.]+(?:e[+-]?\d+)?)\s*([a-z]*)", str(value).strip().lower())
    try:
        if match and match[2] in _SECONDS and (found := float(match[1]) * _SECONDS[match[2]]) > 0:
            return found
    except ValueError:
        pass
    raise ConfigurationError(
        f"cannot read the {what} {value!r}; write seconds, or a time such as 90s, 5m or 1h"
    )


def parse_size(value: int | str) -> int:
    """Return a size such as ``4GB``, ``512MiB`` or ``1e9`` in bytes; a number as it is.

    Raises
    ------
    ConfigurationError
        If it cannot be read.
    """
    if isinstance(value, int):
        return value
    match = re.fullmatch(r"([\d.]+(?:e\d+)?)\s*([kmgt]?i?)b?", value.strip().lower())
    try:
        if match and match[2] in _UNITS and (size := int(float(match[1]) * _UNITS[match[2]])) > 0:
            return size
    except ValueError:
        pass
    raise ConfigurationError(f"cannot read the size {value!r}; write a size such as 4GB or 512MiB")


def _check_number(name: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigurationError(
            f"{name} must be a whole number of at least {least}, not {value!r}"
        )


def _analysis_names(analyses: str | Iterable[str] | None, cv: int | None) -> tuple[str, ...]:
    """Return the analyses and bundles that are asked for, each once."""
    asked = [analyses] if isinstance(analyses, str) else list(analyses or ())
    if "all" in asked:
        asked = [*(name for name in asked if name != "all"), *ANALYSES]
    if cv is not None:
        asked.append("cross_validation")
    known = [*ANALYSES, *PROFILES]
    return tuple(dict.fromkeys(check_choice("analysis", name, known) for name in asked))


def _time_limits(timeout: Any) -> dict[str | None, float]:
    """Return seconds by model; under None those of all other models."""
    if timeout is None:
        return {}
    given = timeout if isinstance(timeout, Mapping) else {None: timeout}
    return {model: parse_seconds(value) for model, value in given.items()}
