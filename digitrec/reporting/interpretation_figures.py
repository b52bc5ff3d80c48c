"""Figures about what models have learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from digitrec.reporting.style import BLUE, GREY, ORANGE, WIDTH, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "Mistake",
    "ink_colors",
    "map_colors",
    "maps_figure",
    "mistakes_per_row",
    "neighbours_figure",
]

_FRAME = "#D0D7DE"


def ink_colors(images: NDArray[Any]) -> NDArray[np.float64]:
    """Return images, values 0 (background) to 255 (ink), as dark on light, ``(…, 3)`` in 0–1."""
    return np.repeat(1 - np.asarray(images, dtype=np.float64)[..., None] / 255, 3, axis=-1)


def map_colors(maps: NDArray[np.floating], *, shared: bool = False) -> NDArray[np.float64]:
    """Return maps as colours: orange above zero, blue below, the stronger the farther.

    Parameters
    ----------
    maps : ndarray of float, shape (n, height, width)
        Values of any scale.
    shared : bool
        Whether all maps have one scale; else each its own.

    Returns
    -------
    ndarray of float, shape (n, height, width, 3)
        Values 0–1.
    """
    from matplotlib.colors import LinearSegmentedColormap

    colors = LinearSegmentedColormap.from_list("signed", [BLUE, "#FFFFFF", ORANGE])
    largest = np.abs(maps).max(axis=None if shared else (1, 2), keepdims=True)
    return colors(0.5 + 0.5 * maps / np.where(largest > 0, largest, 1))[..., :3]


@styled
def maps_figure(
    images: NDArray[np.floating],
    *,
    title: str,
    columns: int,
    captions: Sequence[str] = (),
    row_labels: Sequence[str] = (),
) -> Figure:
    """Draw coloured images in a grid.

    Parameters
    ----------
    images : ndarray of float, shape (n, height, width, 3)
        Colours, 0–1; see `map_colors` and `ink_colors`.
    title : str
        Heading.
    columns : int
        Images per row.
    captions : sequence of str
        Text above each column of the first row.
    row_labels : sequence of str
        Text to the left of each row.
    """
    n_rows = -(-len(images) // columns)
    margin = 1.4 * columns / 10 if row_labels else 0.0  # in images, for the labels
    side = WIDTH / (1.06 * columns + margin)
    top = 0.22 / side if captions else 0.03
    figure = new_figure((1.06 * n_rows + top) * side + 0.33)
    axes = figure.add_subplot()
    axes.set_axis_off()
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        _draw(axes, image, 1.06 * column, 1.06 * row, _FRAME, 0.6)
        if row == 0 and captions:
            axes.text(column * 1.06 + 0.5, -0.06, captions[column], ha="center", va="bottom")
    for row, label in enumerate(row_labels):
        axes.text(-0.12, 1.06 * row + 0.5, label, ha="right", va="center", fontsize=8.5)
    axes.set_xlim(-margin - 0.02, 1.06 * columns - 0.04)
    axes.set_ylim(1.06 * n_rows, -top)
    axes.set_title(title)
    return figure


@dataclass(frozen=True, eq=False)
class Mistake:
    """A misread image and the training images nearest to it.

    Attributes
    ----------
    image : ndarray of uint8, shape (height, width)
        The misread image, 0 (background) to 255 (ink).
    truth, predicted : int
        Its class and the class read.
    neighbours : ndarray of uint8, shape (k, height, width)
        Training images, the nearest first.
    labels : sequence of int, length k
        Their classes.
    """

    image: NDArray[np.uint8]
    truth: int
    predicted: int
    neighbours: NDArray[np.uint8]
    labels: Sequence[int]


def mistakes_per_row(classes: Sequence[str]) -> int:
    """Return how many mistakes stand side by side in `neighbours_figure`."""
    return 3 if max(map(len, classes)) <= 3 else 2


@styled
def neighbours_figure(mistakes: Sequence[Mistake], classes: Sequence[str], *, title: str) -> Figure:
    """Draw misread images, each with its nearest training images.

    Neighbours of the true class have a blue frame, of the class read an orange one.

    Parameters
    ----------
    mistakes : sequence of Mistake
        What to draw.
    classes : sequence of str
        Names of the classes.
    title : str
        Heading.
    """
    blocks = mistakes_per_row(classes)
    short = blocks == 3
    count = 1 + max(len(mistake.labels) for mistake in mistakes)
    pitch = 1.06 * count + 0.55
    side = WIDTH / (blocks * pitch - 0.55)
    step = 1.08 + (0.17 if short else 0.32) / side
    n_rows = -(-len(mistakes) // blocks)
    figure = new_figure(n_rows * step * side + 0.33)
    axes = figure.add_subplot()
    axes.set_axis_off()
    arrow = " → " if short else "\n→ "
    size = 8 if short else 6.5
    for index, mistake in enumerate(mistakes):
        row, block = divmod(index, blocks)
        x, y = block * pitch, row * step
        _draw(axes, ink_colors(mistake.image), x, y, GREY, 1.6)
        captions = [classes[mistake.truth] + arrow + classes[mistake.predicted]]
        for place, (image, label) in enumerate(
            zip(mistake.neighbours, mistake.labels, strict=True), start=1
        ):
            color = {mistake.predicted: ORANGE, mistake.truth: BLUE}.get(label, _FRAME)
            _draw(axes, ink_colors(image), x + 1.06 * place + 0.12, y, color, 1.2)
            captions.append(classes[label])
        for place, caption in enumerate(captions):
            axes.text(
                x + 1.06 * place + (0.62 if place else 0.5), y + 1.05, caption,
                ha="center", va="top", fontsize=size, linespacing=1.1,
                fontweight="normal" if place else "bold",
            ).set_in_layout(False)  # fmt: skip
    axes.set_xlim(-0.03, blocks * pitch - 0.4)
    axes.set_ylim(n_rows * step, -0.04)
    axes.set_title(title)
    return figure


def _draw(
    axes: Axes, image: NDArray[np.floating], x: float, y: float, color: str, width: float
) -> None:
    """Draw an image with its frame, one unit wide and high."""
    from matplotlib.patches import Rectangle

    axes.imshow(image, extent=(x, x + 1, y + 1, y), interpolation="nearest")
    axes.add_patch(Rectangle((x, y), 1, 1, fill=False, edgecolor=color, linewidth=width))
