"""What figures and tables of pairs of models share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from digitrec.rendering.style import WIDTH, name_cells, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["MAX_ANNOTATED", "ends", "square_axes"]

# Beyond this many models the numbers in the cells would not be read.
MAX_ANNOTATED = 12


def ends(pair: dict[str, Any]) -> tuple[str, str]:
    """Return the two models of a pair."""
    return pair["first"], pair["second"]


def square_axes(labels: Sequence[str]) -> tuple[Figure, Axes]:
    """Return axes with one row and one column for each model."""
    figure = new_figure(min(1.6 + 0.5 * len(labels), WIDTH))
    axes = figure.add_subplot()
    name_cells(axes, labels, labels, line="#E4E7EB")
    return figure, axes
