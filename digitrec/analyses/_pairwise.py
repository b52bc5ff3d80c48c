"""What the analyses of pairs of models share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from digitrec.rendering.style import WIDTH, annotate_cells, name_cells, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# With more models the numbers in the cells are unreadable.
_MAX_ANNOTATED = 12


def ends(pair: dict[str, Any]) -> tuple[str, str]:
    """Return the two models of a pair."""
    return pair["first"], pair["second"]


@styled
def matrix_figure(
    labels: Sequence[str],
    values: NDArray[np.floating],
    texts: Sequence[Sequence[str]],
    on_dark: NDArray[np.bool_],
    *,
    title: str,
    axis_label: str,
    **colors: Any,
) -> Figure:
    """Draw a value for each pair of models, one row and one column a model.

    Parameters
    ----------
    labels : sequence of str, length n
        Names of the models.
    values : ndarray of float, shape (n, n)
        Colours of the cells, as ``Axes.imshow`` maps them with the options `colors`.
    texts : n sequences of n str
        Numbers in the cells.
    on_dark : ndarray of bool, shape (n, n)
        Cells whose number is white.
    title, axis_label : str
        Heading, and text below the columns.
    """
    figure = new_figure(min(1.6 + 0.5 * len(labels), WIDTH))
    axes = figure.add_subplot()
    name_cells(axes, labels, labels, line="#E4E7EB")
    axes.imshow(values, **colors)
    if len(labels) <= _MAX_ANNOTATED:
        annotate_cells(axes, texts, on_dark)
    axes.set_xlabel(axis_label)
    axes.set_title(title)
    return figure
