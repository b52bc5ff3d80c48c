"""Where long fits tell how far they are, without knowing who listens."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar

__all__ = ["listen_to_fit", "report_fit"]

_LISTENER: ContextVar[Callable[[str], None] | None] = ContextVar("fit_listener", default=None)


@contextlib.contextmanager
def listen_to_fit(listener: Callable[[str], None]) -> Iterator[None]:
    """Have `listener` told, in a line each, how far the fits within this block are."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def report_fit(line: str) -> None:
    """Tell whoever listens how far a fit is."""
    listener = _LISTENER.get()
    if listener is not None:
        listener(line)
