"""The figure of `benchmarks.optimizers`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from digitrec.rendering.style import PALETTE, new_figure, plain_log_ticks, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["curves_figure"]

_COSTS = {
    "passes": "passes over the training images",
    "cpu_seconds": "CPU time of fitting, s",
}


@styled
def curves_figure(outcomes: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw training loss and validation error of optimisers against two measures of cost.

    Parameters
    ----------
    outcomes : sequence of mappings
        As `benchmarks.optimizers.compare` returns them.
    """
    figure = new_figure(5.6)
    grid = figure.subplots(2, 2, sharex="col", sharey="row")
    for column, (cost, label) in enumerate(_COSTS.items()):
        for index, outcome in enumerate(outcomes):
            points = outcome["points"]
            x = [point[cost] for point in points]
            losses = [point["training_loss"] for point in points]
            errors = [100 * (1 - point["validation_accuracy"]) for point in points]
            color = PALETTE[index]
            # L-BFGS is seen at few places, which the markers show.
            for axes, y in zip(grid[:, column], (losses, errors), strict=True):
                axes.plot(x, y, color=color, marker="o", markersize=3, label=outcome["title"])
            error = 100 * (1 - outcome["validation_accuracy"])
            grid[1, column].plot(
                outcome[cost], error, "o", color=color, markersize=9, fillstyle="none"
            )
        grid[1, column].set_xlabel(label)
    for axes in grid.flat:
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.grid(axis="both")
    for axes in grid[0]:
        plain_log_ticks(axes.yaxis)
    for axes in grid[1]:
        plain_log_ticks(axes.xaxis)
        plain_log_ticks(axes.yaxis)
    grid[0, 0].set_ylabel("training loss")
    grid[1, 0].set_ylabel("validation error, %")
    grid[0, 0].legend(frameon=False, fontsize=8.5)
    figure.suptitle(
        "Training loss and validation error (circle: chosen)",
        x=0.005, ha="left", fontsize=11, fontweight="bold",
    )  # fmt: skip
    return figure
