"""The one call that compares models."""

from __future__ import annotations

import dataclasses
import inspect
import os
import re
import time
from collections.abc import Callable, Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any

from digitrec._code import cache_key
from digitrec._files import file_safe, writable_cache_dir
from digitrec.analyses import ANALYSES
from digitrec.comparison.comparison import Comparison
from digitrec.comparison.experiment import Experiment, make_jobs, run_experiment
from digitrec.comparison.progress import show_progress
from digitrec.datasets import DATASETS, Dataset, load_dataset, load_default_dataset
from digitrec.datasets.splits import subsample_training_rows
from digitrec.errors import ConfigurationError, check_choice
from digitrec.evaluation.candidates import resolve_models
from digitrec.evaluation.progress import Event
from digitrec.evaluation.ranking import check_metric, metric_name
from digitrec.evaluation.tuning import check_space

_PROFILES = ("fast", "full")
# Parameters of `compare` that are not about what is compared on the data.
_OF_THE_DATA = ("data", "label", "image_shape", "name", "output_dir", "progress")
_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_UNITS |= {f"{unit}i": 1024**i for i, unit in enumerate("kmgt", start=1)}


def compare(
    data: Any = None,
    models: Any = None,
    *,
    features: Any = None,
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
    seeds: int = 1,
    cv: int | None = None,
    repeats: int = 1,
    analyses: str | Iterable[str] | None = None,
    metric: str | Callable[..., float] = "accuracy",
    tune: int | str | None = None,
    search: Mapping[str, Mapping[str, Any]] | None = None,
    timeout: float | str | Mapping[str, float | str] | None = None,
    max_memory: int | str | None = None,
    budget: float | str | None = None,
    n_jobs: int | None = None,
    executor: str = "local",
    scheduler: str | None = None,
    random_state: int = 0,
    augment: int = 0,
    max_train: int | None = None,
    label: Hashable | None = None,
    image_shape: tuple[int, int] | None = None,
    name: str | None = None,
    output_dir: str | os.PathLike[str] | None = None,
    force: bool = False,
    only_failed: bool = False,
    options: Mapping[str, Any] | None = None,
    progress: bool | Callable[[Event], None] = False,
) -> Comparison:
    """Fit models on the same rows, rank them on held-out rows, and score each on the test rows.

    Each model is fitted twice in a separate process: on the training rows without those held
    out, by which models are ranked, and on all of them, for the one score on the test rows. What
    was computed before is read from disk.

    Parameters
    ----------
    data : str, path, Dataset, tuple, DataFrame or Bunch, optional
        A name of `digitrec.datasets.DATASETS`; a path that `load_dataset` takes; a `Dataset`;
        ``(X, y)``, ``(X_train, X_test, y_train, y_test)`` or a DataFrame with a column of labels,
        see `digitrec.datasets.memory.dataset_from_memory`. None means MNIST, or the 5,000 images
        that need no download where MNIST cannot be loaded.
    models : object, optional
        Registry names, scikit-learn estimators, Pipelines or classes: one, a list, or a mapping
        from name to one. None means logistic regression, SVM, random forest and MLP; ``"all"``
        all that are installed.
    features : object, optional
        Names of feature sets or transformers, likewise. None means ``"edges"`` for images
        and ``"raw"`` for tables. An own transformer gets the rows as they are.
    parameters : mapping, optional
        Parameters by model that replace the model's, as ``{"svm": {"C": 5}}``.
    seeds : int
        Seeds per model, counted up from `random_state`.
    cv : int, optional
        Folds of a cross-validation of the training rows, as the analysis ``cross_validation``.
    repeats : int
        Repetitions of it.
    analyses : str or iterable of str, optional
        Further analyses: names, or the bundles ``"fast"`` and ``"full"``. Each is also a method
        of the `Comparison`, which computes it when it is called.
    metric : str or callable
        What ranks the models, always on the validation rows: ``"accuracy"``,
        ``"balanced_accuracy"``, ``"macro_f1"``, ``"log_loss"``, or a scikit-learn scorer.
    tune : int or str, optional
        Search the parameters of each model that has a search space: candidates to draw, or a
        time for all searches such as ``"5m"``. Candidates are chosen by `metric` on the validation
        rows; the chosen is a further row, beside the model as it was; see `Comparison.tuning`.
    search : mapping, optional
        Search spaces by model, own ones included: for each parameter a list of values,
        ``("log", low, high)``, or a distribution of `scipy.stats`.
    timeout : float, str or mapping, optional
        Seconds, or a text such as ``"5m"``, after which a model's process is killed; by model
        where it is a mapping.
    max_memory : int or str, optional
        Bytes, or a text such as ``"4GB"``, that a model's process may take.
    budget : float or str, optional
        Seconds, or a text such as ``"5m"``, for the whole call. Quick models go first; what does
        not fit becomes a row with the status ``"not_run"``.
    n_jobs : int, optional
        Models at a time; None means one per core.
    executor : {"local", "dask"}
        Where models are fitted.
    scheduler : str, optional
        Address of the Dask scheduler.
    random_state : int
        First seed.
    augment : int
        Random copies of each training image to add.
    max_train : int, optional
        Training rows to keep, stratified.
    label, image_shape
        See `digitrec.datasets.memory.dataset_from_memory`.
    name : str, optional
        Name of data that are given in memory.
    output_dir : path-like, optional
        Folder for the results. None means digitrec's cache; nothing is written elsewhere.
    force, only_failed : bool
        Run again what is stored, all of it or what is stored as failed.
    options : mapping, optional
        Settings of analyses by name, such as ``{"rope": 0.01}``.
    progress : bool or callable
        True shows what is running; a function is called with each `Event`.

    Returns
    -------
    Comparison

    Raises
    ------
    ConfigurationError
        If a name or option is not allowed.
    DatasetError
        If the data cannot be read, or not be compared on.

    Examples
    --------
    >>> import digitrec
    >>> from sklearn.naive_bayes import GaussianNB
    >>> c = digitrec.compare("digits", ["lda", GaussianNB()], max_train=300)
    >>> c.best_name
    'lda'
    >>> c.leaderboard()["status"].to_list()
    ['ok', 'ok']
    """
    arguments = dict(locals())
    config = _config(arguments)
    started_at = time.monotonic()
    with show_progress(progress):
        dataset, source = as_dataset(
            data,
            label=label,
            image_shape=image_shape,
            name=name,
            max_train=max_train,
            random_state=random_state,
        )
        folder = (
            Path(output_dir)
            if output_dir is not None
            else writable_cache_dir(
                "comparisons", f"{file_safe(dataset.name)}-{dataset.fingerprint}"
            )
        )
        own = {name: value for name, value in arguments.items() if name not in _OF_THE_DATA}
        experiment = make_experiment(folder, **own, command=_call(config), config=config)
        if output_dir is None:
            experiment = _in_cache(experiment, dataset, source)
        return run_experiment(experiment, dataset, source, started_at=started_at)


def _config(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of `compare` that are not its defaults as options of the command.

    What has no name, such as an estimator or an array, is left to the caller's code.
    """
    defaults = {name: p.default for name, p in inspect.signature(compare).parameters.items()}
    names = {"data": "dataset", "n_jobs": "jobs", "parameters": "set"}
    config = {}
    for name, value in arguments.items():
        if name in ("progress", "force", "only_failed", "options") or value is defaults[name]:
            continue
        if name == "parameters":
            value = [f"{m}.{p}={v!r}" for m, values in value.items() for p, v in values.items()]
        elif isinstance(value, Mapping):
            value = [f"{key}={item}" for key, item in value.items() if name == "timeout"]
        elif isinstance(value, (list, tuple)) and name in ("models", "features", "analyses"):
            value = [item for item in value if isinstance(item, str)]
        elif isinstance(value, os.PathLike):
            value = os.fspath(value)
        if isinstance(value, (str, int, float, list)) and value != []:
            config[names.get(name, name)] = value
    return config


def _call(config: Mapping[str, Any]) -> str:
    """Return the call of `compare` for the report; what has no name is an ellipsis."""
    names = {"dataset": "data", "jobs": "n_jobs"}
    shown = {names.get(name, name): value for name, value in config.items()}
    first = shown.pop("data", None)
    settings = shown.pop("set", None)
    parts = ["…" if first is None else repr(first)]
    parts += [f"{name}={value!r}" for name, value in shown.items()]
    if settings:
        parts.append("parameters={…}")
    return f"digitrec.compare({', '.join(parts)})"


def _in_cache(experiment: Experiment, dataset: Dataset, source: str) -> Experiment:
    """Return the folder of a comparison in the cache; jobs are shared by all on these data."""
    jobs = make_jobs(experiment, dataset, source)
    facts: dict[str, Any] = {
        "jobs": [job.key for job in jobs],
        "metric": metric_name(experiment.metric),
    }
    if experiment.tune is not None or experiment.tune_seconds is not None:
        spaces = {model: sorted(space) for model, space in experiment.search.items()}
        facts["tune"] = [experiment.tune, experiment.tune_seconds, spaces]
    return dataclasses.replace(
        experiment,
        folder=experiment.folder / f"run-{cache_key(facts)}",
        jobs_folder=experiment.folder / "jobs",
    )


def as_dataset(
    data: Any,
    *,
    label: Hashable | None = None,
    image_shape: tuple[int, int] | None = None,
    name: str | None = None,
    max_train: int | None = None,
    random_state: int = 0,
) -> tuple[Dataset, str]:
    """Return data as a `Dataset`, and what loads them again; empty for data in memory.

    The parameters are those of `compare`.
    """
    how: dict[str, Any] = {
        "max_train": max_train,
        "random_state": random_state,
    }
    in_memory = not (data is None or isinstance(data, (str, os.PathLike, Dataset)))
    if not in_memory:
        for option, value in (("label", label), ("image_shape", image_shape)):
            if value is not None:
                raise ConfigurationError(f"{option}= is for arrays and tables, not for {data!r}")
    if data is None:
        dataset = load_default_dataset(**how)
        return dataset, dataset.name
    if isinstance(data, (str, os.PathLike)):
        text = os.fspath(data)
        dataset = load_dataset(text, **how)
        return dataset, text if text in DATASETS else str(Path(text).expanduser().resolve())
    if isinstance(data, Dataset):
        dataset = data
    else:
        from digitrec.datasets.memory import dataset_from_memory  # pandas is slow to import

        dataset = dataset_from_memory(
            data, label=label, image_shape=image_shape, name=name or "data"
        )
    if max_train is not None:
        dataset = subsample_training_rows(dataset, max_train, random_state)
    return dataset, ""


def make_experiment(
    folder: Path,
    *,
    models: Any = None,
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
    seeds: int = 1,
    cv: int | None = None,
    repeats: int = 1,
    analyses: str | Iterable[str] | None = None,
    metric: str | Callable[..., float] = "accuracy",
    tune: int | str | None = None,
    search: Mapping[str, Mapping[str, Any]] | None = None,
    timeout: float | str | Mapping[str, float | str] | None = None,
    max_memory: int | str | None = None,
    budget: float | str | None = None,
    n_jobs: int | None = None,
    executor: str = "local",
    scheduler: str | None = None,
    random_state: int = 0,
    augment: int = 0,
    max_train: int | None = None,
    options: Mapping[str, Any] | None = None,
    timeouts: Mapping[str, float] | None = None,
    **others: Any,
) -> Experiment:
    """Check the arguments of `compare` before anything runs; see there.

    `timeouts` are time limits of single models in seconds, `others` further fields of `Experiment`.

    Raises
    ------
    ConfigurationError
        If one of them is not allowed, or has no effect beside the others.
    """
    from digitrec.evaluation.executors import EXECUTORS

    check_choice("executor", executor, EXECUTORS)
    check_metric(metric)
    _check_number("seeds", seeds, 1)
    _check_number("augment", augment, 0)
    _check_number("repeats", repeats, 1)
    for number, value, least in (("cv", cv, 2), ("n_jobs", n_jobs, 1), ("max_train", max_train, 1)):
        if value is not None:
            _check_number(number, value, least)
    if repeats != 1 and cv is None:
        raise ConfigurationError("repeats= repeats the cross-validation: give cv= too")
    if scheduler is not None and executor != "dask":
        raise ConfigurationError("scheduler= is for executor='dask'")
    profile, names = _split_analyses(analyses)
    if cv is not None and "cross_validation" not in names:
        names = (*names, "cross_validation")
    general, single = _time_limits(timeout)
    single |= timeouts or {}
    specs = resolve_models(models)
    named: dict[str, Mapping[str, Any]] = {"parameters": parameters or {}, "time limit": single}
    for what, given in named.items():
        for model, setting in given.items():
            if model not in specs:
                raise ConfigurationError(
                    f"the {what} {setting!r} is for {model!r}, which is no model of this "
                    f"comparison; those are: {', '.join(specs)}"
                )
        if what == "parameters":
            for model, values in given.items():
                if not specs[model].problem:
                    specs[model].build(random_state, values)
    n_tuned, tune_seconds = _search_size(tune, search)
    for model, space in (search or {}).items():
        check_choice("model of this comparison", model, specs)
        check_space(model, space)
    return Experiment(
        tune=n_tuned,
        tune_seconds=tune_seconds,
        search=search or {},
        models=specs,
        folder=folder,
        random_state=random_state,
        n_seeds=seeds,
        overrides={model: dict(values) for model, values in (parameters or {}).items()},
        augment=augment,
        max_train=max_train,
        timeout=general,
        timeouts=single,
        max_memory=parse_size(max_memory) if isinstance(max_memory, str) else max_memory,
        jobs=n_jobs,
        executor=executor,
        scheduler=scheduler,
        profile=profile,
        analyses=names,
        options={
            "augment": augment,
            "mnist_c": None,
            "cv": cv,
            "repeats": repeats,
            "rope": 0.001,
            "cv_groups": None,
            **(options or {}),
        },
        metric=metric,
        budget=None if budget is None else parse_seconds(budget, "budget"),
        **others,
    )


def _search_size(tune: int | str | None, search: object) -> tuple[int | None, float | None]:
    """Return the candidates of each model and the time of all searches that are asked for."""
    if tune is None:
        if search:
            raise ConfigurationError("search= is for tune=: give the candidates, such as tune=30")
        return None, None
    if isinstance(tune, str) and not tune.strip().isdigit():
        return None, parse_seconds(tune, "time of tune=")
    number = int(tune)
    _check_number("tune", number, 1)
    return number, None


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


def parse_size(text: str) -> int:
    """Return a size such as ``4GB``, ``512MiB`` or ``1e9`` in bytes.

    Raises
    ------
    ConfigurationError
        If it cannot be read.
    """
    match = re.fullmatch(r"([\d.]+(?:e\d+)?)\s*([kmgt]?i?)b?", text.strip().lower())
    try:
        if match and match[2] in _UNITS and (size := int(float(match[1]) * _UNITS[match[2]])) > 0:
            return size
    except ValueError:
        pass
    raise ConfigurationError(f"cannot read the size {text!r}; write a size such as 4GB or 512MiB")


def _check_number(name: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigurationError(
            f"{name} must be a whole number of at least {least}, not {value!r}"
        )


def _split_analyses(analyses: str | Iterable[str] | None) -> tuple[str | None, tuple[str, ...]]:
    """Return the bundle and the single analyses that are asked for."""
    asked = [analyses] if isinstance(analyses, str) else list(analyses or ())
    profiles = [name for name in asked if name in _PROFILES]
    if "all" in asked:
        asked = [*asked, *ANALYSES]
    names = tuple(
        dict.fromkeys(
            check_choice("analysis", name, [*ANALYSES, *_PROFILES])
            for name in asked
            if name not in _PROFILES and name != "all"
        )
    )
    return ("full" if "full" in profiles else profiles[0] if profiles else None), names


def _time_limits(
    timeout: float | str | Mapping[str, float | str] | None,
) -> tuple[float | None, dict[str, float]]:
    if timeout is None:
        return None, {}
    if isinstance(timeout, Mapping):
        return None, {model: parse_seconds(value) for model, value in timeout.items()}
    return parse_seconds(timeout), {}
