"""Figures of tests between models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from digitrec.reporting.style import BLUE, GREY, INK, ORANGE, WIDTH, name_cells, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["critical_difference_figure", "difference_figure", "probability_figure"]

# Beyond this many models the numbers in the cells would not be read.
_MOST_ANNOTATED = 12


@styled
def difference_figure(
    labels: Sequence[str], cells: Sequence[Sequence[tuple[float, bool] | None]]
) -> Figure:
    """Draw the difference in accuracy of every pair of models.

    Parameters
    ----------
    labels : sequence of str, length n
        Names of the models.
    cells : n sequences of n pairs or None
        Accuracy of the row minus that of the column, -1 to 1, and whether it is significant.
        Differences that are not stay white.
    """
    from matplotlib.colors import LinearSegmentedColormap, SymLogNorm

    n = len(labels)
    values = np.array([[cell[0] if cell else 0.0 for cell in row] for row in cells]) * 100
    significant = np.array([[bool(cell and cell[1]) for cell in row] for row in cells])
    largest = max(float(np.abs(values).max()), 0.1)
    colors = LinearSegmentedColormap.from_list("sides", [ORANGE, "#FFFFFF", BLUE])
    figure, axes = _square(labels)
    norm = SymLogNorm(0.1, vmin=-largest, vmax=largest)
    axes.imshow(np.where(significant, values, 0.0), cmap=colors, norm=norm)
    if n <= _MOST_ANNOTATED:
        for row in range(n):
            for column in range(n):
                if row != column:
                    dark = significant[row, column] and abs(norm(values[row, column]) - 0.5) > 0.33
                    _write(axes, row, column, f"{values[row, column]:+.2f}", dark)
    axes.set_xlabel("points of the row minus those of the column; white: not significant")
    axes.set_title("Difference in test accuracy")
    return figure


@styled
def probability_figure(labels: Sequence[str], cells: Sequence[Sequence[float | None]]) -> Figure:
    """Draw the probability that the model of the row is better than that of the column.

    Parameters
    ----------
    labels : sequence of str, length n
        Names of the models.
    cells : n sequences of n floats or None
        Probabilities, 0–1.
    """
    n = len(labels)
    values = np.array([[np.nan if cell is None else cell for cell in row] for row in cells])
    figure, axes = _square(labels)
    axes.imshow(values, cmap="Blues", vmin=0, vmax=1)
    if n <= _MOST_ANNOTATED:
        for row in range(n):
            for column in range(n):
                if row != column:
                    value = values[row, column]
                    _write(axes, row, column, f"{value:.2f}", value > 0.6)
    axes.set_xlabel("that the row is better than the column by more than does not matter")
    axes.set_title("Probability")
    return figure


@styled
def critical_difference_figure(
    labels: Sequence[str], mean_ranks: Sequence[float], critical_difference: float
) -> Figure:
    """Draw models on a line of mean ranks, joined where they cannot be told apart.

    Parameters
    ----------
    labels : sequence of str, length n
        Names of the models.
    mean_ranks : sequence of float, length n
        Mean rank of each, 1 is best.
    critical_difference : float
        Smallest significant difference of mean ranks (Demšar 2006).
    """
    n = len(labels)
    order = np.argsort(mean_ranks, kind="stable")
    ranks = np.asarray(mean_ranks, dtype=float)[order]
    groups = _groups(ranks, critical_difference)
    half = (n + 1) // 2
    figure = new_figure(1.2 + 0.28 * (half + 0.7 * len(groups)))
    axes = figure.add_subplot()
    axes.set_axis_off()
    span = max(n - 1.0, critical_difference)
    axes.set_xlim(1 - 0.42 * span, 1 + 1.42 * span)
    bars = 0.7 * len(groups)
    axes.set_ylim(half + bars + 0.8, -2.6)
    axes.hlines(0, 1, max(n, 2), colors=INK, linewidth=1)
    for rank in range(1, n + 1):
        axes.vlines(rank, -0.15, 0.15, colors=INK, linewidth=1)
        axes.text(rank, -0.35, str(rank), ha="center", va="bottom", fontsize=8.5)
    axes.hlines(-1.6, 1, 1 + critical_difference, colors=GREY, linewidth=3)
    axes.text(
        1 + critical_difference / 2,
        -1.75,
        f"critical difference {critical_difference:.2f}",
        ha="center",
        va="bottom",
        fontsize=8.5,
    )
    for place, (start, end) in enumerate(groups):
        y = 0.6 + 0.7 * place
        axes.hlines(y, ranks[start] - 0.03 * span, ranks[end] + 0.03 * span, INK, linewidth=4)
    for place, (index, rank) in enumerate(zip(order, ranks, strict=True)):
        left = place < half
        y = bars + 0.6 + (place if left else n - 1 - place)
        edge = 1 - 0.06 * span if left else 1 + 1.06 * span
        axes.plot([rank, rank, edge], [0, y, y], color=BLUE if left else GREY, linewidth=1)
        name = f"{labels[index]}  {rank:.2f}" if left else f"{rank:.2f}  {labels[index]}"
        gap = -0.02 * span if left else 0.02 * span
        axes.text(edge + gap, y, name, ha="right" if left else "left", va="center", fontsize=9)
    axes.set_title("Mean rank over the datasets (bars join what cannot be told apart)")
    return figure


def _groups(
    ranks: Sequence[float] | np.ndarray[Any, Any], critical: float
) -> list[tuple[int, int]]:
    """Return the longest runs of sorted ranks that span less than the critical difference."""
    groups: list[tuple[int, int]] = []
    for start in range(len(ranks)):
        end = max(i for i in range(start, len(ranks)) if ranks[i] - ranks[start] < critical)
        if end > start and (not groups or end > groups[-1][1]):
            groups.append((start, end))
    return groups


def _square(labels: Sequence[str]) -> tuple[Figure, Axes]:
    figure = new_figure(min(1.6 + 0.5 * len(labels), WIDTH))
    axes = figure.add_subplot()
    name_cells(axes, labels, labels, line="#E4E7EB")
    return figure, axes


def _write(axes: Axes, row: int, column: int, text: str, on_dark: bool) -> None:
    color = "white" if on_dark else INK
    axes.text(column, row, text, ha="center", va="center", fontsize=8.5, color=color)
