"""Shared by the analyses of pairs of models: tests of all pairs, and a matrix figure."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from digitrec.rendering.style import WIDTH, annotate_cells, name_cells, new_figure, styled
from digitrec.statistics import ALPHA
from digitrec.statistics.paired import holm

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Models up to which numbers fit into the cells at full size, and up to which they can be read.
_FULL_SIZE, _MAX_ANNOTATED = 12, 16


@dataclass(frozen=True, kw_only=True)
class ModelPair:
    """Two models; a subclass adds the fields of the test that compares them.

    Attributes
    ----------
    first, second : str
        Their names.
    p_adjusted : float
        p-value by Holm's method over all pairs.
    significant : bool
        Whether that is below `ALPHA`.
    """

    first: str
    second: str
    p_adjusted: float
    significant: bool


_Pair = TypeVar("_Pair", bound=ModelPair)


def compare_pairs(
    kind: type[_Pair],
    values: Mapping[str, NDArray[Any]],
    test: Callable[[NDArray[Any], NDArray[Any]], Any],
) -> list[_Pair]:
    """Return what `test` finds for each pair of models, as records of a kind."""
    names = list(itertools.combinations(values, 2))
    tests = [asdict(test(values[first], values[second])) for first, second in names]
    adjusted = holm([found["p_value"] for found in tests]).tolist()
    return [
        kind(first=first, second=second, p_adjusted=p, significant=p < ALPHA, **found)
        for (first, second), p, found in zip(names, adjusted, tests, strict=True)
    ]


def pairs_of(pairs: Sequence[_Pair], name: str) -> list[_Pair]:
    """Return the pairs with a model, turned so that it is the first of each."""
    return [
        pair if pair.first == name else _turned(pair)
        for pair in pairs
        if name in (pair.first, pair.second)
    ]


def _turned(pair: _Pair) -> _Pair:
    """Return a pair with its two models exchanged."""
    other, fields = {"first": "second", "second": "first"}, vars(pair)
    turned = {re.sub("first|second", lambda m: other[m[0]], key): fields[key] for key in fields}
    for key in ("difference", "effect_size"):
        if turned.get(key) is not None:
            turned[key] = -turned[key]
    return type(pair)(**{**turned, "low": -fields["high"], "high": -fields["low"]})


def pair_cells(
    pairs: Sequence[_Pair], names: Sequence[str], cell: Callable[[_Pair], Any]
) -> list[list[Any]]:
    """Return a table of what `cell` gives for the pair of its row and column; None elsewhere."""
    found = {(one.first, one.second): cell(one) for p in pairs for one in (p, _turned(p))}
    return [[found.get((row, column)) for column in names] for row in names]


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
        annotate_cells(axes, texts, on_dark, size=8.5 * min(1, _FULL_SIZE / len(labels)))
    axes.set_xlabel(axis_label)
    axes.set_title(title)
    return figure
