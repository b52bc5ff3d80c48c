"""What a comparison tells while it runs."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from digitrec.evaluation.runner import Event

__all__ = ["show_progress"]

_LOGGER = logging.getLogger("digitrec")

Report = Callable[[str], None]
OnEvent = Callable[["Event"], None]


@contextlib.contextmanager
def show_progress(progress: bool | OnEvent) -> Iterator[tuple[Report, OnEvent]]:
    """Yield the functions that get lines and those that get events.

    Lines always go to the logger ``digitrec`` too, at the level INFO.

    Parameters
    ----------
    progress : bool or callable
        True shows a live view on standard error; a function is called with each event.
    """
    if progress is True:
        from rich.console import Console

        from digitrec.evaluation.progress import ProgressView

        view = ProgressView(Console(stderr=True))

        def report(line: str) -> None:
            _LOGGER.info("%s", line)
            view.line(line)

        with view.live():
            yield report, view
        return

    def log(line: str) -> None:
        _LOGGER.info("%s", line)

    yield log, progress if callable(progress) else (lambda event: None)
