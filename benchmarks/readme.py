"""Put the results of the saved MNIST run into the README.

Run: ``python -m benchmarks.readme``, after ``python -m benchmarks.run_all``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from digitrec._files import write_text
from digitrec.errors import DigitrecError
from digitrec.evaluation.result import Run, read_run
from digitrec.reporting.context import ReportContext
from digitrec.reporting.markdown import code, percent, seconds, table

__all__ = ["insert_results", "main", "render_results"]

_START = "<!-- results: written by python -m benchmarks.readme -->"
_END = "<!-- /results -->"


def render_results(run: Run, folder: str) -> str:
    """Return the README's table, figure and the line that says how they were measured.

    Parameters
    ----------
    run : Run
        The run to show.
    folder : str
        Folder of its report, as the README links to it.
    """
    rows = [
        [
            f"**{row.title}** ★" if row.is_winner else row.title,
            percent(row.mean("validation_accuracy")),
            percent(row.mean("test_error")),
            f"{percent(1 - (row.mean('test_accuracy_high') or 0))}–"
            f"{percent(1 - (row.mean('test_accuracy_low') or 0))}",
            seconds(row.mean("fit_seconds")),
            seconds(row.mean("latency_p50_ms")),
        ]
        for row in ReportContext(run=run).ok_rows
    ]
    headers = ["model", "validation accuracy, %", "test error, %", "95 % interval", "fit, s"]
    headers += ["one image, ms"]
    best = run.winning_result
    if best is None:
        raise DigitrecError(f"the run in {folder} has no winner; run the benchmark again")
    facts = best.hardware
    return "\n\n".join(
        [
            f"{run.dataset['n_train']:,} training and {run.dataset['n_test']:,} test images of "
            f"MNIST, {best.features} features (computed once for all models in "
            f"{seconds(best.feature_seconds)} s):",
            table(headers, rows, "lrrrrr"),
            f"![Test error of each model]({folder}/figures/error.png)",
            f"★ chosen on validation images. Measured with {code(run.command)} on "
            f"{facts['processor']}, {facts['cores']} cores, {facts['memory_gib']} GiB, "
            f"scikit-learn {best.versions['scikit-learn']}. The whole report: "
            f"[{folder}/report.md]({folder}/report.md).",
        ]
    )


def insert_results(readme: str, results: str) -> str:
    """Return the README with the part between its two markers replaced.

    Raises
    ------
    DigitrecError
        If the markers are missing.
    """
    pattern = re.compile(f"{re.escape(_START)}.*?{re.escape(_END)}", re.DOTALL)
    if not pattern.search(readme):
        raise DigitrecError(f"the README has no part between {_START!r} and {_END!r}")
    return pattern.sub(lambda _: f"{_START}\n\n{results}\n\n{_END}", readme)


def main(
    report_dir: Annotated[Path, typer.Option(help="Folder of the run.")] = Path("reports/mnist"),
    readme: Annotated[Path, typer.Option(help="File to rewrite.")] = Path("README.md"),
) -> None:
    """Put the results of a saved run into the README."""
    try:
        results = render_results(read_run(report_dir / "results.json"), report_dir.as_posix())
        write_text(readme, insert_results(readme.read_text(encoding="utf-8"), results))
    except (DigitrecError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    typer.echo(f"{readme} shows the results of {report_dir}")


if __name__ == "__main__":
    typer.run(main)
