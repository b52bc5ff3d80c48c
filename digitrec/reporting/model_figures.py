"""Figures about one model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from digitrec.reporting.style import (
    INK,
    ORANGE,
    PALETTE,
    WIDTH,
    new_figure,
    plain_log_ticks,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["confusion_figure", "curves_figure", "images_figure"]

_MOST_ANNOTATED = 20


@styled
def confusion_figure(confusion: ArrayLike, classes: Sequence[str], *, title: str) -> Figure:
    """Draw a confusion matrix with counts and row percentages.

    Hits and misses have colours of their own. The colour of a miss follows the square root of
    its share of the row, so that it is seen at 99 % accuracy too.

    Parameters
    ----------
    confusion : array of int, shape (n_classes, n_classes)
        Counts; rows are true classes.
    classes : sequence of str
        Names of the classes.
    title : str
        Heading.
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
    warm = LinearSegmentedColormap.from_list("misses", ["#FFF1E0", "#F6B26B", "#D55E00"])
    cool = LinearSegmentedColormap.from_list("hits", ["#FFFFFF", "#CFE3F2"])
    worst = float(misses.max()) if misses.count() else 1.0
    axes.imshow(hits, cmap=cool, vmin=0, vmax=100)
    axes.imshow(misses, cmap=warm, norm=PowerNorm(0.5, 0, max(worst, 1.0)))
    if n <= _MOST_ANNOTATED:
        for row, column in zip(*np.nonzero(counts), strict=True):
            on_diagonal = row == column
            percentage = share[row, column]
            digits = 1 if percentage >= 0.1 or on_diagonal else 2
            axes.text(
                column,
                row - 0.13,
                f"{counts[row, column]:,}",
                ha="center",
                va="center",
                fontsize=9 if n <= 10 else 6,
                fontweight="bold" if on_diagonal else "normal",
            )
            axes.text(
                column,
                row + 0.22,
                f"{percentage:.{digits}f} %",
                ha="center",
                va="center",
                fontsize=6.8 if n <= 10 else 4.5,
                color=INK,
                alpha=0.85,
            )
    turn = max(map(len, classes)) > 4
    axes.set_xticks(
        range(n),
        classes,
        rotation=35 if turn else 0,
        ha="right" if turn else "center",
        rotation_mode="anchor" if turn else "default",
    )
    axes.set_yticks(range(n), classes)
    axes.set_xticks(np.arange(-0.5, n), minor=True)
    axes.set_yticks(np.arange(-0.5, n), minor=True)
    axes.grid(which="minor", color="#E9ECEF", linewidth=0.8)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(title)
    return figure


@styled
def images_figure(
    images: NDArray[np.uint8],
    captions: Sequence[str],
    *,
    title: str,
    wrong: Sequence[bool] | None = None,
    columns: int = 10,
) -> Figure:
    """Draw images in a grid, each with a caption of up to two lines.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, height, width)
        Pixel values, 0 (background) to 255 (ink); drawn dark on light.
    captions : sequence of str, length n
        Text under each image.
    title : str
        Heading.
    wrong : sequence of bool, optional
        Images that get a frame in the colour of mistakes.
    columns : int
        Images per row.
    """
    rows = -(-len(images) // columns)
    cell = WIDTH / columns
    lines = max((caption.count("\n") + 1 for caption in captions), default=1)
    figure = new_figure(rows * (cell * 0.86 + 0.17 * lines) + 0.42)
    axes = figure.subplots(rows, columns, squeeze=False)
    for index, spot in enumerate(axes.flat):
        if index >= len(images):
            spot.set_axis_off()
            continue
        spot.imshow(255 - images[index], cmap="gray", vmin=0, vmax=255)
        spot.set_xticks([])
        spot.set_yticks([])
        marked = wrong is not None and wrong[index]
        spot.spines[:].set_visible(True)
        spot.spines[:].set_color(ORANGE if marked else "#D0D7DE")
        spot.spines[:].set_linewidth(1.6 if marked else 0.8)
        spot.set_xlabel(captions[index], fontsize=8 if columns >= 8 else 9, labelpad=3)
    figure.suptitle(title, x=0.005, ha="left", fontsize=11, fontweight="bold")
    return figure


@styled
def curves_figure(curves: Mapping[str, Sequence[float]], *, title: str) -> Figure:
    """Draw per-iteration values: losses on a log axis beside accuracies as error.

    Parameters
    ----------
    curves : mapping of str to sequence of float
        Values by name, such as ``training_loss`` and ``validation_accuracy``. A name that ends
        in ``accuracy`` or ``score`` is a fraction and is drawn as error in per cent.
    title : str
        Heading.
    """
    curves = {name: values for name, values in curves.items() if len(values)}
    rates = {name: values for name, values in curves.items() if _is_rate(name)}
    losses = {name: values for name, values in curves.items() if name not in rates}
    panels = [panel for panel in (losses, rates) if panel]
    figure = new_figure(2.9)
    for spot, panel in zip(np.ravel(figure.subplots(1, len(panels))), panels, strict=True):
        for index, (name, values) in enumerate(panel.items()):
            y = np.asarray(values, dtype=float)
            label = name.replace("_", " ")
            if panel is rates:
                y, label = 100 * (1 - y), label.rsplit(" ", 1)[0] + " error"
            _curve(spot, y, label, PALETTE[index % len(PALETTE)])
        values = np.concatenate([line.get_ydata() for line in spot.lines])
        if values.min() > 0 and values.max() / values.min() > 5:
            spot.set_yscale("log")
            plain_log_ticks(spot.yaxis)
        spot.set_xlabel("iteration")
        spot.set_ylabel("error, %" if panel is rates else "loss")
        spot.grid(axis="y")
        spot.legend(frameon=False, fontsize=8.5)
    figure.suptitle(title, x=0.005, ha="left", fontsize=11, fontweight="bold")
    return figure


def _curve(axes: Axes, values: NDArray[np.floating], label: str, color: str) -> None:
    """Draw one line over iterations that count from 1."""
    axes.plot(np.arange(1, len(values) + 1), values, color=color, label=label)


def _is_rate(name: str) -> bool:
    """Tell whether a curve holds fractions of right answers."""
    return name.endswith(("accuracy", "score", "scores"))
