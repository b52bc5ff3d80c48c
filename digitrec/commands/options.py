"""Parse option values of the command line into arguments of the library, and list the choices."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from digitrec.errors import ConfigurationError, check_choice


def split_names(text: str) -> list[str]:
    """Return the parts of a comma-separated list; a path that exists stays whole.

    Raises
    ------
    ConfigurationError
        If the list is empty.
    """
    if text and Path(text).expanduser().exists():
        return [text]
    names = [part.strip() for part in text.split(",") if part.strip()]
    if not names:
        raise ConfigurationError(f"no name in {text!r}; write names separated by commas")
    return list(dict.fromkeys(names))


def choose(what: str, text: str | None, allowed: Iterable[str]) -> Any:
    """Return what an option of names asks for, as `digitrec.compare` takes it.

    Parameters
    ----------
    what : str
        What the names stand for, such as ``"model"``.
    text : str or None
        Names separated by commas, ``"all"``, or None for the default. ``package.module:name``
        and ``file.py:name`` are objects of the user's own code.
    allowed : iterable of str
        Names there are.

    Returns
    -------
    dict, str or None
        By name; None and ``"all"`` as they are.

    Raises
    ------
    ConfigurationError
        If a name is not allowed, or an object cannot be loaded.
    """
    if text is None or text.strip() == "all":
        return None if text is None else "all"
    chosen: dict[str, Any] = {}
    for name in split_names(text):
        if ":" not in name:
            chosen[name] = check_choice(what, name, allowed)
            continue
        found = load_object(name)
        if isinstance(found, Mapping):
            chosen.update({str(key): value for key, value in found.items()})
        else:
            chosen[name.rpartition(":")[2]] = found
    return chosen


def load_object(reference: str) -> Any:
    """Return what ``package.module:name`` or ``file.py:name`` names.

    A function that is neither class nor estimator is called without arguments: a factory.

    Raises
    ------
    ConfigurationError
        If the module or the name is missing, or the module cannot be run.
    """
    where, _, name = reference.rpartition(":")
    try:
        module = _load_file(Path(where)) if where.endswith(".py") else _import(where)
    except Exception as error:  # Whatever the user's code raises.
        first = (str(error).splitlines() or [""])[0]
        raise ConfigurationError(
            f"cannot load {where!r} for {reference!r}: {type(error).__name__}: {first}"
        ) from error
    found = module
    for part in name.split("."):
        if not hasattr(found, part):
            names = [n for n, v in vars(module).items() if hasattr(v, "fit") and n[0] != "_"]
            listed = f"; it has: {', '.join(names)}" if names else ""
            raise ConfigurationError(f"{where!r} has no {name!r}{listed}")
        found = getattr(found, part)
    if inspect.isfunction(found):
        return found()
    return found


def parse_settings(settings: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Read settings such as ``"svm.C=5"``.

    Parameters
    ----------
    settings : iterable of str
        Each ``model.parameter=value``; the value is a Python literal, else a string.

    Returns
    -------
    dict of str to dict
        Parameters by model.

    Raises
    ------
    ConfigurationError
        If a setting is malformed, or sets the number of threads.

    Examples
    --------
    >>> parse_settings(["svm.C=5", "mlp.hidden_layer_sizes=(64, 32)"])
    {'svm': {'C': 5}, 'mlp': {'hidden_layer_sizes': (64, 32)}}
    """
    found: dict[str, dict[str, Any]] = {}
    for setting in settings:
        target, equals, text = setting.partition("=")
        model, dot, parameter = target.strip().partition(".")
        if not (equals and dot and parameter):
            raise ConfigurationError(
                f"cannot read the setting {setting!r}; write model.parameter=value, such as svm.C=5"
            )
        if parameter.rpartition("__")[2] == "n_jobs":
            raise ConfigurationError(
                f"--set {model}.{parameter} has no effect: --jobs and the cores decide on threads"
            )
        try:
            value = ast.literal_eval(text.strip())
        except (ValueError, SyntaxError):
            value = text.strip()
        found.setdefault(model, {})[parameter] = value
    return found


def parse_timeouts(settings: Iterable[str]) -> dict[str | None, float]:
    """Return time limits in seconds by model; under None that of all other models.

    Parameters
    ----------
    settings : iterable of str
        Each ``TIME`` or ``MODEL=TIME``, such as ``600``, ``10m`` or ``svm=1h``.

    Raises
    ------
    ConfigurationError
        If a setting cannot be read.
    """
    from digitrec.comparison.experiment import parse_seconds

    limits: dict[str | None, float] = {}
    for setting in settings:
        model, equals, text = str(setting).rpartition("=")
        try:
            seconds = parse_seconds(text)
        except ConfigurationError:
            raise ConfigurationError(
                f"cannot read the time limit {setting!r}; write a time, such as 600, 10m or svm=600"
            ) from None
        limits[model.strip() if equals else None] = seconds
    return limits


def read_config(path: Path, allowed: Mapping[str, bool]) -> dict[str, Any]:
    """Return the options that a TOML file sets, by parameter name.

    Parameters
    ----------
    path : pathlib.Path
        The file: names as those of the options, with dashes or underscores.
    allowed : mapping of str to bool
        Names of parameters, and whether each may be given several times.

    Raises
    ------
    ConfigurationError
        If the file is not valid TOML or sets something that is not an option.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not valid TOML: {error}") from error
    options = {}
    for key, value in content.items():
        name = key.replace("-", "_")
        check_choice(f"option in {path}", name, allowed)
        if name == "set" and isinstance(value, Mapping):
            value = [f"{m}.{p}={v!r}" for m, values in value.items() for p, v in values.items()]
        elif allowed[name]:
            value = [str(item) for item in (value if isinstance(value, list) else [value])]
        elif isinstance(value, list):
            value = ",".join(map(str, value))
        options[name] = value
    return options


def _import(name: str) -> Any:
    if not name:
        raise ModuleNotFoundError("no module is named before the colon")
    # As `python -m` does: modules of the folder the command is run in.
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    return importlib.import_module(name)


def _load_file(path: Path) -> Any:
    """Run a file as a module; what it defines travels to other processes by value."""
    import cloudpickle

    path = path.expanduser().resolve()
    if not path.is_file():
        raise FileNotFoundError(f"no file {path.name} in {path.parent.name}")
    name = f"own_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None, "a .py file can be loaded"
    assert spec.loader is not None, "a .py file has a loader"
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    spec.loader.exec_module(module)
    cloudpickle.register_pickle_by_value(module)
    return module


def choices_table() -> Any:
    """Return a table of the names that the options take, with a line on each."""
    from rich.markup import escape
    from rich.table import Table

    from digitrec.analyses import ANALYSES, EVERY_RUN
    from digitrec.analyses.checks import CHECKS
    from digitrec.datasets import DATASETS
    from digitrec.models import DEFAULT_MODELS, MODELS
    from digitrec.preprocessing import DEFAULT_FEATURES, FEATURES

    table = Table("option", "name", "what it is")
    for dataset in DATASETS.values():
        table.add_row("--dataset", dataset.name, escape(dataset.title))
    table.add_section()
    for features in FEATURES.values():
        note = " (default)" if features.name == DEFAULT_FEATURES else ""
        table.add_row("--features", features.name, escape(features.summary) + note)
    table.add_section()
    for model in MODELS.values():
        note = " (default)" if model.name in DEFAULT_MODELS else ""
        if not model.is_available:
            note = escape(f" (needs: pip install 'digitrec[{model.extra}]')")
        table.add_row("--models", model.name, escape(model.summary) + note)
    table.add_section()
    for analysis in ANALYSES.values():
        profiles = [name for name in ("fast", "full") if getattr(analysis, f"in_{name}")]
        note = f" (in profile {', '.join(profiles)})" if profiles else ""
        note = " (in every run)" if analysis.name in EVERY_RUN else note
        table.add_row("--analyses", analysis.name, escape(analysis.title) + note)
    table.add_section()
    for check in CHECKS.values():
        table.add_row("--ignore", check.name, escape(check.title))
    return table
