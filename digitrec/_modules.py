"""Registries whose records stand in the modules of a package, one each."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TypeVar

__all__ = ["ModuleRegistry"]

T = TypeVar("T")


class ModuleRegistry(Mapping[str, T]):
    """Records by name: each public module of a package holds one, and names it.

    The names are known without importing a module, because the command line offers them at each
    start; a module is imported when its record is asked for.

    Parameters
    ----------
    package : str
        Name of the package.
    folder : pathlib.Path
        Its folder.
    attribute : str
        Name of the record in each module.
    """

    def __init__(self, package: str, folder: Path, attribute: str) -> None:
        self._package, self._folder, self._attribute = package, folder, attribute

    @cached_property
    def _names(self) -> tuple[str, ...]:
        names = (module.name for module in pkgutil.iter_modules([str(self._folder)]))
        return tuple(sorted(name for name in names if not name.startswith("_")))

    def __getitem__(self, name: str) -> T:
        if name not in self._names:
            raise KeyError(name)
        module = importlib.import_module(f"{self._package}.{name}")
        record: T = getattr(module, self._attribute)
        return record

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
