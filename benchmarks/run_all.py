"""Compare models on handwritten digits and write the report: the main job.

Run: ``python -m benchmarks.run_all``, the same as ``digitrec compare``.
"""

from __future__ import annotations

import typer

from digitrec.commands.compare_command import compare_models
from digitrec.commands.entry import run_command

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command(name="run_all")(compare_models)


def main() -> None:
    """Run the command."""
    run_command(app)


if __name__ == "__main__":
    main()
