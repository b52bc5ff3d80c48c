"""`compare`: the function that compares models."""

from __future__ import annotations

import dataclasses
import inspect
import os
import time
from collections.abc import Callable, Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any

from digitrec._code import cache_key
from digitrec._files import file_safe, writable_cache_dir
from digitrec.analyses import check_options
from digitrec.comparison.comparison import Comparison
from digitrec.comparison.execution import make_jobs, run_experiment
from digitrec.comparison.experiment import Experiment
from digitrec.comparison.progress_view import show_progress
from digitrec.datasets import DATASETS, Dataset, load_dataset, load_default_dataset
from digitrec.datasets.stratified import subsample_training_rows
from digitrec.errors import ConfigurationError
from digitrec.evaluation.progress import Event
from digitrec.evaluation.ranking import metric_name

# Parameters of `compare` that are not about what is compared on the data.
_OF_THE_DATA = ("data", "label", "image_shape", "name", "output_dir", "progress")


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
    timeout: float | str | Mapping[str | None, float | str] | None = None,
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
        Names of feature sets or transformers, likewise. None means ``"edges"`` for images,
        ``"edges_no_deskew"`` for Fashion-MNIST, and ``"raw"`` for tables. An own transformer gets
        the rows as they are.
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
        rows; the chosen one is a further row, next to the default parameters; see
        `Comparison.tuning`.
    search : mapping, optional
        Search spaces by model, own ones included: for each parameter a list of values,
        ``("log", low, high)``, or a distribution of `scipy.stats`.
    timeout : float, str or mapping, optional
        Seconds, or a text such as ``"5m"``, after which a model's process is killed; by model
        where it is a mapping, in which None stands for all other models.
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
    if options:
        check_options(options)
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
        experiment = Experiment(folder=folder, **own, command=_call(config), config=config)
        if output_dir is None:
            experiment = _in_cache(experiment, dataset, source)
        return run_experiment(experiment, dataset, source, started_at=started_at)


def _config(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of `compare` that are not its defaults as options of the command.

    What has no name, such as an estimator or an array, is left to the caller's code and is None.
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
            value = [
                str(item) if key is None else f"{key}={item}"
                for key, item in value.items()
                if name == "timeout"
            ]
        elif isinstance(value, (list, tuple)) and name in ("models", "features", "analyses"):
            value = [*value] if all(isinstance(item, str) for item in value) else None
        elif isinstance(value, os.PathLike):
            value = os.fspath(value)
        has_name = isinstance(value, (str, int, float, list)) and value != []
        config[names.get(name, name)] = value if has_name else None
    return config


def _call(config: Mapping[str, Any]) -> str:
    """Return the call of `compare` for the report; what has no name is an ellipsis."""
    names = {"dataset": "data", "jobs": "n_jobs"}
    shown = {names.get(name, name): value for name, value in config.items()}
    settings = shown.pop("set", None)
    text = {name: "…" if value is None else repr(value) for name, value in shown.items()}
    parts = [text.pop("data")] if "data" in text else []
    parts += [f"{name}={value}" for name, value in text.items()]
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
    if experiment.tune is not None:
        spaces = {model: sorted(space) for model, space in experiment.search.items()}
        facts["tune"] = [experiment.tune, spaces]
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
