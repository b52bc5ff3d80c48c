"""Figures about one model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from digitrec.rendering.style import (
    PALETTE,
    WIDTH,
    name_cells,
    new_figure,
    plain_log_ticks,
    styled,
    title_lines,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_ANNOTATED = 20
_RATES = ("accuracy", "score", "scores")  # ends of the names of curves of fractions


@styled
def confusion_figure(confusion: ArrayLike, classes: Sequence[str], *, title: str) -> Figure:
    """Draw a confusion matrix, shape (n_classes, n_classes), with counts and row percentages.

    Rows are true classes. Hits and errors have separate colours; that of an error follows the
    square root of its share of the row, so that it is visible at 99 % accuracy too.
    """
    from matplotlib.colors import LinearSegmentedColormap, PowerNorm

    counts = np.asarray(confusion)
    totals = counts.sum(axis=1, keepdims=True)
    share = 100 * counts / np.maximum(totals, 1)
    n = len(classes)
    figure = new_figure(0.88 * WIDTH if n <= _MOST_ANNOTATED else WIDTH)
    axes = figure.add_subplot()
    misses = np.ma.masked_where(np.eye(n, dtype=bool) | (counts == 0), share)
    hits = np.ma.masked_where(~np.eye(n, dtype=bool), share)
    warm = LinearSegmentedColormap.from_list("misses", ["#FFF1E0", "#F9BE83", "#E8843A"])
    cool = LinearSegmentedColormap.from_list("hits", ["#FFFFFF", "#CFE3F2"])
    worst = float(misses.max()) if misses.count() else 1.0
    axes.imshow(hits, cmap=cool, vmin=0, vmax=100)
    axes.imshow(misses, cmap=warm, norm=PowerNorm(0.5, 0, max(worst, 3.0)))
    if n <= _MOST_ANNOTATED:
        size, small = (9, 6.8) if n <= 10 else (6, 4.5)
        for row, column in zip(*np.nonzero(counts), strict=True):
            on_diagonal = row == column
            percentage = share[row, column]
            digits = 1 if percentage >= 0.1 or on_diagonal else 2
            count = axes.text(
                column,
                row - 0.13,
                f"{counts[row, column]:,}",
                fontsize=size,
                fontweight="bold" if on_diagonal else "normal",
            )
            rate = axes.text(column, row + 0.22, f"{percentage:.{digits}f} %", fontsize=small)
            for text in (count, rate):
                text.set(ha="center", va="center", in_layout=False)
    name_cells(axes, classes, classes, line="#E9ECEF")
    axes.spines[:].set_visible(True)
    axes.spines[:].set_color("#E9ECEF")
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(title_lines(title))
    return figure


@styled
def curves_figure(curves: Mapping[str, Sequence[float]], *, title: str) -> Figure:
    """Draw per-iteration values by name: losses on a log axis, and accuracies as errors.

    A name that ends in ``accuracy`` or ``score`` is a fraction and is drawn as error in per cent.
    """
    curves = {name: values for name, values in curves.items() if len(values)}
    rates = {name: values for name, values in curves.items() if name.endswith(_RATES)}
    losses = {name: values for name, values in curves.items() if name not in rates}
    panels = [panel for panel in (losses, rates) if panel]
    figure = new_figure(2.9)
    for axes, panel in zip(np.ravel(figure.subplots(1, len(panels))), panels, strict=True):
        for index, (name, values) in enumerate(panel.items()):
            y = np.asarray(values, dtype=float)
            label = name.replace("_", " ")
            if panel is rates:
                y, label = 100 * (1 - y), label.rsplit(" ", 1)[0] + " error, %"
            axes.plot(np.arange(1, len(y) + 1), y, color=PALETTE[index % len(PALETTE)], label=label)
        shown = np.concatenate([np.asarray(line.get_ydata()) for line in axes.lines])
        if shown.min() > 0 and shown.max() / shown.min() > 5:
            axes.set_yscale("log")
            plain_log_ticks(axes.yaxis)
        axes.set_xlabel("iteration")
        axes.grid(axis="y")
        if len(panel) == 1:
            axes.set_ylabel(axes.lines[0].get_label())
        else:
            axes.set_ylabel("error, %" if panel is rates else "loss")
            axes.legend(frameon=False, fontsize=8.5)
    figure.suptitle(title_lines(title), x=0.005, ha="left", fontsize=11, fontweight="bold")
    return figure
