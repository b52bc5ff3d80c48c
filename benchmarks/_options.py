"""How the commands of the benchmarks run."""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer

from digitrec._console import replace_unknown_characters
from digitrec.errors import DigitrecError

__all__ = ["run_app"]


def run_app(command: typer.Typer | Callable[..., None]) -> None:
    """Run a command, as `typer.run` does; bad input ends it with a line and exit code 2."""
    replace_unknown_characters()
    if isinstance(command, typer.Typer):
        app = command
    else:
        app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        app.command()(command)
    try:
        app()
    except (DigitrecError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
