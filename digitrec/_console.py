"""Standard output and standard error of the commands, on any console."""

from __future__ import annotations

import io
import sys

__all__ = ["replace_unknown_characters"]


def replace_unknown_characters() -> None:
    """Let the console show ``?`` for a character that its encoding has not, instead of failing.

    Called once where a command starts; the encoding itself stays the console's.
    """
    for stream in (sys.stdout, sys.stderr):
        # Something else stands there in notebooks and tests, which takes any character.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
