"""Values of the command line -> what the library takes."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import typer

from digitrec._console import replace_unknown_characters
from digitrec.errors import ConfigurationError, DigitrecError, check_choice

__all__ = ["choose", "parse_size", "parse_timeouts", "run_app", "split_names"]

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_UNITS |= {f"{unit}i": 1024**i for i, unit in enumerate("kmgt", start=1)}


def split_names(text: str) -> list[str]:
    """Return the parts of a comma-separated list; a path that exists stays whole.

    Raises
    ------
    ConfigurationError
        If the list is empty.
    """
    if Path(text).expanduser().exists():
        return [text]
    names = [part.strip() for part in text.split(",") if part.strip()]
    if not names:
        raise ConfigurationError(f"no name in {text!r}; write names separated by commas")
    return list(dict.fromkeys(names))


def choose(
    what: str, text: str | None, allowed: Iterable[str], default: Sequence[str]
) -> tuple[str, ...]:
    """Return the names that an option asks for.

    Parameters
    ----------
    what : str
        What the names stand for, such as ``"model"``.
    text : str or None
        Names separated by commas, ``"all"``, or None for `default`.
    allowed : iterable of str
        Names there are.
    default : sequence of str
        Names without the option.

    Raises
    ------
    ConfigurationError
        If a name is not allowed.
    """
    allowed = list(allowed)
    if text is None:
        return tuple(default)
    if text.strip() == "all":
        return tuple(allowed)
    return tuple(check_choice(what, name, allowed) for name in split_names(text))


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


def parse_timeouts(
    settings: Iterable[str], models: Iterable[str]
) -> tuple[float | None, dict[str, float]]:
    """Return the time limit of all models and those of single models, in seconds.

    Parameters
    ----------
    settings : iterable of str
        Each ``SECONDS`` or ``MODEL=SECONDS``.
    models : iterable of str
        Names of models.

    Raises
    ------
    ConfigurationError
        If a setting cannot be read or names no model.
    """
    general: float | None = None
    single: dict[str, float] = {}
    for setting in settings:
        model, equals, text = setting.rpartition("=")
        try:
            seconds = float(text)
        except ValueError:
            seconds = 0.0
        if not 0 < seconds < float("inf"):
            raise ConfigurationError(
                f"cannot read the time limit {setting!r}; write seconds, such as 600 or svm=600"
            )
        if equals:
            single[check_choice("model", model.strip(), models)] = seconds
        else:
            general = seconds
    return general, single


def run_app(command: typer.Typer | Callable[..., None]) -> None:
    """Run a command, as `typer.run` does; bad input ends it with a line and exit code 2."""
    replace_unknown_characters()
    if isinstance(command, typer.Typer):
        app = command
    else:
        app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        app.command()(command)
    try:
        app()
    except (DigitrecError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
