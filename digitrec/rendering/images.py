"""Grids of images as figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from digitrec.rendering.style import (
    BLUE,
    ORANGE,
    WIDTH,
    new_figure,
    short_names,
    styled,
    title_lines,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FRAME = "#D0D7DE"
_CHARACTER = 0.072  # inches of a caption; wide letters take more, narrow ones less


def grid_columns(classes: Sequence[str]) -> int:
    """Return how many images stand side by side so that captions have room."""
    longest = max(map(len, classes))
    return 10 if longest <= 7 else 8 if longest <= 10 else 6


@styled
def images_figure(
    images: NDArray[np.uint8],
    captions: Sequence[str],
    *,
    title: str,
    wrong: Sequence[bool] | None = None,
    columns: int = 10,
) -> Figure:
    """Draw images in a grid, each with a caption below.

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
        Images per row; see `grid_columns`.
    """
    # One axes for all images, in units of an image's side: many axes take seconds to lay out.
    n_rows = -(-len(images) // columns)
    title = title_lines(title)
    captions = [_fitted(caption, int(WIDTH / columns / _CHARACTER)) for caption in captions]
    lines = max((caption.count("\n") + 1 for caption in captions), default=1)
    side = WIDTH / (1.12 * columns)
    step_y = 1.1 + 0.17 * lines / side
    figure = new_figure(n_rows * step_y * side + 0.33 + 0.18 * title.count("\n"))
    axes = figure.add_subplot()
    axes.set_axis_off()
    for index, (image, caption) in enumerate(zip(images, captions, strict=True)):
        row, column = divmod(index, columns)
        x, y = 1.12 * column, row * step_y
        marked = wrong is not None and wrong[index]
        color, width = (ORANGE, 1.8) if marked else (_FRAME, 0.8)
        draw_image(axes, ink_colors(image), x, y, color, width)
        text = axes.text(
            x + 0.5, y + 1.05, caption, ha="center", va="top", fontsize=8, linespacing=1.15
        )
        text.set_in_layout(False)
    axes.set_xlim(-0.02, 1.12 * columns - 0.1)
    axes.set_ylim(n_rows * step_y, -0.03)
    axes.set_title(title)
    return figure


def _fitted(caption: str, limit: int) -> str:
    """Return a caption no line of which is longer than a number of characters."""
    lines = [
        part
        for line in caption.split("\n")
        for part in (line.replace(" → ", "\n→ ").split("\n") if len(line) > limit else [line])
    ]
    return "\n".join(short_names([line], limit)[0] for line in lines)


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
        draw_image(axes, image, 1.06 * column, 1.06 * row, _FRAME, 0.6)
        if row == 0 and captions:
            axes.text(column * 1.06 + 0.5, -0.06, captions[column], ha="center", va="bottom")
    for row, label in enumerate(row_labels):
        axes.text(-0.12, 1.06 * row + 0.5, label, ha="right", va="center", fontsize=8.5)
    axes.set_xlim(-margin - 0.02, 1.06 * columns - 0.04)
    axes.set_ylim(1.06 * n_rows, -top)
    axes.set_title(title)
    return figure


def draw_image(
    axes: Axes, image: NDArray[np.floating], x: float, y: float, color: str, width: float
) -> None:
    """Draw an image with its frame, one unit wide and high."""
    from matplotlib.patches import Rectangle

    axes.imshow(image, extent=(x, x + 1, y + 1, y), interpolation="nearest")
    axes.add_patch(Rectangle((x, y), 1, 1, fill=False, edgecolor=color, linewidth=width))
