"""Import optional packages, with an error that names the extra to install."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType

from digitrec.errors import MissingExtraError


def is_installed(package: str) -> bool:
    """Return whether a top-level package can be imported, without importing it."""
    return importlib.util.find_spec(package) is not None


def import_optional(module: str, *, extra: str) -> ModuleType:
    """Import a module that belongs to an optional extra.

    Parameters
    ----------
    module : str
        Dotted name of the module.
    extra : str
        Extra of digitrec that installs it.

    Returns
    -------
    module
        The imported module.

    Raises
    ------
    MissingExtraError
        If the package is not installed; the message has the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != module.split(".")[0]:
            raise
        raise MissingExtraError(
            f"{module!r} is not installed; run: pip install 'digitrec[{extra}]'"
        ) from error
