"""Messages to the user, through the logger ``digitrec``.

Modules log with ``logging.getLogger(__name__)``: INFO is what a user wants to read while work is
going on. Nothing is shown unless a command, ``progress=True`` or the caller's own handler does.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator


class _Handler(logging.Handler):
    def __init__(self, show: Callable[[str], object]) -> None:
        super().__init__(logging.INFO)
        self.show = show

    def emit(self, record: logging.LogRecord) -> None:
        self.show(record.getMessage())


@contextlib.contextmanager
def messages_to(show: Callable[[str], object], name: str = "digitrec") -> Iterator[None]:
    """Hand messages of the level INFO and above to a function while the block runs.

    Parameters
    ----------
    show : callable
        ``show(line)``.
    name : str
        The logger to listen to, those below it included.

    Examples
    --------
    >>> import logging
    >>> with messages_to(print):
    ...     logging.getLogger("digitrec.datasets").info("%d images", 70_000)
    70000 images
    """
    logger = logging.getLogger(name)
    level, handler = logger.level, _Handler(show)
    logger.addHandler(handler)
    if not logger.isEnabledFor(logging.INFO):
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
