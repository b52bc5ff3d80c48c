"""Ctrl-C during a fit."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator

_SWALLOWED = "Training interrupted by user"


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C end this block even where scikit-learn catches it.

    `sklearn.neural_network.MLPClassifier` catches the interruption, warns and returns, so that a
    partly trained model would be scored and saved.

    Raises
    ------
    KeyboardInterrupt
        In place of that warning.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("error", _SWALLOWED, UserWarning)
        try:
            yield
        except UserWarning as warning:
            if _SWALLOWED in str(warning):
                raise KeyboardInterrupt from warning
            raise
