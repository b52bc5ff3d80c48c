"""Shared by the analyses of pairs of models: names and a matrix figure."""

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

    `values`, shape (n, n), are coloured as ``Axes.imshow`` does with the options `colors`; `texts`
    are the numbers in the cells, white where `on_dark` is true.
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
