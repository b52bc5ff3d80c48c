"""Figures that compare models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from digitrec.rendering.style import (
    BLUE,
    MAX_LABEL_LENGTH,
    ORANGE,
    annotate_cells,
    log_percent_axis,
    name_cells,
    new_figure,
    short_names,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@styled
def error_figure(
    labels: Sequence[str],
    error: Sequence[float],
    low: Sequence[float],
    high: Sequence[float],
    *,
    winner: int | None = None,
) -> Figure:
    """Draw the test error of each model with its 95 % interval, best first.

    `error`, `low` and `high`, of length n, are fractions; `winner` is the index of the model that
    was chosen on validation data.
    """
    order = np.argsort(error, kind="stable")
    values, starts, ends = (100 * np.asarray(side)[order] for side in (error, low, high))
    figure = new_figure(0.95 + 0.34 * len(labels))
    axes = figure.add_subplot()
    y = np.arange(len(labels))
    colors = [ORANGE if index == winner else BLUE for index in order]
    axes.hlines(y, starts, ends, colors=colors, linewidth=2.2, alpha=0.45)
    axes.scatter(values, y, c=colors, s=42, zorder=3)
    axes.set_yticks(y, short_names([labels[index] for index in order], MAX_LABEL_LENGTH))
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    if starts.min() > 0 and ends.max() / starts.min() > 12:
        log_percent_axis(axes, "x", starts.min(), ends.max())
    else:
        axes.set_xlim(0, ends.max() * 1.12)
        axes.margins(x=0)
    axes.grid(axis="x")
    for row, (value, end) in enumerate(zip(values, ends, strict=True)):
        axes.annotate(
            f"{value:.2f}",
            (end, row),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            fontsize=8.5,
            fontweight="bold" if order[row] == winner else "normal",
        )
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.set_xlabel("test error, % (bar: 95 % interval; orange: the winner)")
    axes.set_title("Test error")
    return figure


@styled
def per_class_figure(
    labels: Sequence[str], classes: Sequence[str], f1: NDArray[np.floating]
) -> Figure:
    """Draw F1 scores, shape (n_models, n_classes), 0–1, as a coloured table."""
    from matplotlib.colors import LogNorm

    figure = new_figure(1.15 + 0.36 * len(labels) + 0.05 * min(max(map(len, classes)), 24))
    axes = figure.add_subplot()
    # Good models differ in what they miss, so the colour follows the log of 1 - F1.
    missed = np.clip(1 - np.asarray(f1), 1e-3, 1)
    norm = LogNorm(max(missed.min(), 1e-3) * 0.9, max(missed.max() * 1.6, 0.01))
    image = axes.imshow(missed, cmap="Blues", norm=norm, aspect="auto")
    shade = norm(missed)
    if len(classes) <= 20:
        annotate_cells(
            axes, [[f"{100 * value:.1f}" for value in line] for line in f1], shade > 0.62
        )
    name_cells(axes, classes, labels)
    image.set_label("1 - F1")
    axes.set_title("F1 score by class, % (darker: more is missed)")
    return figure
