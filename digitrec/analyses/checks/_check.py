"""The record of a check and of what it found."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from digitrec.rendering.markdown import join_words

if TYPE_CHECKING:
    from digitrec.analyses import AnalysisContext

    _Run = Callable[[AnalysisContext], "Finding | None"]

Severity = Literal["warning", "note"]

# Of more models or classes than this, a sentence names the first ones.
listed = functools.partial(join_words, limit=8)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a check found.

    Attributes
    ----------
    sentence : str
        What is the matter, with the numbers that show it.
    advice : str
        What to do about it.
    numbers : dict
        The numbers by name, JSON-safe.
    pictures : list of tuple
        ``(part, row, caption)`` of images that show it; part is ``"train"`` or ``"test"``.
    """

    sentence: str
    advice: str
    numbers: dict[str, Any] = field(default_factory=dict)
    pictures: list[tuple[str, int, str]] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Check:
    """One check.

    Attributes
    ----------
    name : str
        Registry key.
    severity : {"warning", "note"}
        A warning puts a result in doubt; a note limits what may be concluded from it.
    title : str
        What is looked for.
    run : callable
        ``run(context) -> Finding or None``; None where all is well.
    """

    name: str
    severity: Severity
    title: str
    run: Callable[[AnalysisContext], Finding | None]


CHECKS: dict[str, Check] = {}
"""Checks by name; `check` adds one."""


def check(severity: Severity, title: str) -> Callable[[_Run], _Run]:
    """Register a function as the check of its name; see `Check`."""

    def register(run: _Run) -> _Run:
        CHECKS[run.__name__] = Check(name=run.__name__, severity=severity, title=title, run=run)
        return run

    return register


def proportion_gap(first: float, n_first: int, second: float, n_second: int) -> float:
    """Return by how many standard errors two independent proportions differ.

    Parameters
    ----------
    first, second : float
        Proportions, 0–1.
    n_first, n_second : int
        Trials of each.

    Returns
    -------
    float
        Positive where the first is larger; 0 where both are 0 or both are 1.
    """
    pooled = (first * n_first + second * n_second) / (n_first + n_second)
    variance = pooled * (1 - pooled) * (1 / n_first + 1 / n_second)
    return (first - second) / variance**0.5 if variance > 0 else 0.0
