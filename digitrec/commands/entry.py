"""How commands end: errors of the user with one line and exit code 2."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import typer

from digitrec._files import describe_os_error
from digitrec._platform import replace_unknown_characters
from digitrec.errors import DigitrecError


def run_command(app: Callable[..., Any], arguments: list[str] | None = None) -> None:
    """Run a command line application."""
    replace_unknown_characters()
    try:
        app(arguments, standalone_mode=True)
    except BrokenPipeError:
        sys.exit(1)
    except (DigitrecError, OSError) as error:
        text = describe_os_error(error) if isinstance(error, OSError) else str(error)
        typer.echo(f"error: {text}", err=True)
        sys.exit(2)
