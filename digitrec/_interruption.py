"""Ctrl-C in the middle of a fit."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator

_SWALLOWED = "Training interrupted by user"


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C end this block also where scikit-learn takes it as the end of training.

    `sklearn.neural_network.MLPClassifier` catches the interruption, warns, and goes on with what
    it has learned so far; a half-trained model would then be scored and saved as if it were whole.

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
