"""Compare two runs: which models got better or worse.

Run: ``python -m benchmarks.compare A/results.json B/results.json``. Exit code 1 says that a model
of B is significantly less accurate than in A, or failed where it did not in A; 2 that the files
cannot be compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks._common import run_app
from digitrec.errors import DigitrecError
from digitrec.evaluation.result import read_run

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from digitrec.evaluation.compare_runs import ModelChange
    from digitrec.evaluation.result import Run

_STYLES = {"better": "green", "recovered": "green", "worse": "bold red", "failed": "bold red"}


def main(
    first: Annotated[Path, typer.Argument(metavar="A", help="results.json of the first run.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="results.json of the second run.")],
    alpha: Annotated[
        float, typer.Option(min=1e-6, max=0.5, help="Level of significance over all models.")
    ] = 0.05,
) -> None:
    """Compare run B with run A, model by model; exit with 1 on a significant loss."""
    from digitrec.evaluation.compare_runs import compare_runs

    runs = [read_run(_results_path(path)) for path in (first, second)]
    right, truths = zip(
        *(
            _right(run, _results_path(path).parent)
            for run, path in zip(runs, (first, second), strict=True)
        ),
        strict=True,
    )
    _check_same_test_set(runs, truths)
    changes = compare_runs(runs[0], runs[1], right[0], right[1], alpha=alpha)
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, 140)  # a log has no edge
    console.print(_table(changes))
    losses = [change for change in changes if change.is_loss]
    console.print(_summary(changes, losses, alpha))
    if losses:
        raise typer.Exit(1)


def _results_path(path: Path) -> Path:
    return path / "results.json" if path.is_dir() else path


def _right(run: Run, folder: Path) -> tuple[dict[str, NDArray[np.bool_]], NDArray | None]:
    """Return whether each model got each test row right, and the labels."""
    from digitrec.evaluation.job_store import read_predictions

    predictions = read_predictions(run, folder)
    truth = next((found.y_true for found in predictions.values()), None)
    return {key: found.y_true == found.y_pred for key, found in predictions.items()}, truth


def _check_same_test_set(runs: list[Run], truths: tuple[NDArray | None, ...]) -> None:
    import numpy as np

    names = [run.dataset.name for run in runs]
    first, second = truths
    if names[0] != names[1] or (
        first is not None and second is not None and not np.array_equal(first, second)
    ):
        raise DigitrecError(
            f"the runs are on different test images ({names[0]!r} and {names[1]!r}); compare "
            "runs of one dataset"
        )


def _table(changes: list[ModelChange]) -> Table:
    table = Table(title="B against A", title_justify="left")
    table.add_column("model", no_wrap=True)
    for column in ("accuracy, points", "95 % interval", "A only", "B only", "p, Holm"):
        table.add_column(column, justify="right")
    for column in ("fit", "predict", "latency"):
        table.add_column(f"{column} ×", justify="right")
    table.add_column("verdict")
    for change in changes:
        cells = ["–"] * 5
        if change.test is not None:
            test = change.test
            cells = [
                f"{100 * test.difference:+.2f}",
                f"{100 * test.low:+.2f} to {100 * test.high:+.2f}",
                str(test.only_second),
                str(test.only_first),
                f"{change.p_adjusted:.3g}",
            ]
        table.add_row(
            change.stem, *cells, *_ratios(change.ratios), change.verdict,
            style=_STYLES.get(change.verdict),
        )  # fmt: skip
    return table


def _ratios(ratios: Mapping[str, float]) -> list[str]:
    names = ("fit_seconds", "predict_seconds", "latency_p50_ms")
    return [f"{ratios[name]:.2f}" if name in ratios else "–" for name in names]


def _summary(changes: list[ModelChange], losses: list[ModelChange], alpha: float) -> str:
    compared = sum(change.test is not None for change in changes)
    better = sum(change.verdict == "better" for change in changes)
    text = f"{compared} compared, {better} significantly better, {len(losses)} worse or failed "
    return text + f"(exact McNemar test, Holm's correction, level {alpha:g})."


if __name__ == "__main__":
    run_app(main)
