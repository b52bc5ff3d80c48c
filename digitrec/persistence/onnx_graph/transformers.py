"""The preprocessing transformers as ONNX nodes.

Each function takes the graph, the fitted transformer and the name of its input, float32
``(rows, columns)``, and returns the name of its output.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.kernel_approximation import Nystroem
from sklearn.pipeline import Pipeline

from digitrec.errors import ConfigurationError
from digitrec.persistence.onnx_graph.graph import Graph
from digitrec.pixels import MIN_CONTRAST, UNIT_TOLERANCE
from digitrec.preprocessing import (
    ConvolutionFilters,
    Deskew,
    EdgeMaps,
    GlobalScaler,
    OrientedGradients,
    PixelScaler,
    PrincipalComponents,
)
from digitrec.preprocessing._images import resolve_image_shape
from digitrec.preprocessing._maps import (
    FLOOR,
    N_DIRECTIONS,
    contrasts,
    neighbourhood,
    pooling_windows,
)
from digitrec.preprocessing.deskew import MAX_SLANT, moment_weights
from digitrec.preprocessing.edges import (
    THRESHOLD,
    edge_filters,
    fold_directions,
    half_windows,
)
from digitrec.preprocessing.scaling import INVERTED_LIGHT

_TINY = 1e-6
# Added to sums of squares under a root that is divided by.
_TINIEST = 1e-24

_FLOAT, _INT64 = 1, 7


def add_steps(g: Graph, steps: Pipeline, x: str) -> str:
    """Add the transformers of a fitted Pipeline and return the name of their output."""
    for _, step in steps.steps:
        if type(step) is Pipeline:
            x = add_steps(g, step, x)
        elif step != "passthrough":
            x = form_of(TRANSFORMERS, step)(g, step, x)
    return x


def form_of(forms: dict[Any, Any], part: Any) -> Any:
    """Return the function that turns a part of a model into nodes.

    Raises
    ------
    ConfigurationError
        If there is none.
    """
    try:
        return forms[type(part)]
    except KeyError:
        known = ", ".join(sorted(kind.__name__ for kind in forms))
        raise ConfigurationError(
            f"{type(part).__name__} has no ONNX form; these have: {known}"
        ) from None


def _scale_pixels(g: Graph, scaler: PixelScaler, x: str) -> str:
    if not getattr(scaler, "checks_scale_", True):
        return g("Mul", x, 1 / 255)
    largest = g("ReduceMax", x, np.array([1]), keepdims=1)
    is_unit = g("LessOrEqual", largest, 1 + UNIT_TOLERANCE)
    scaled = g("Mul", x, g("Where", is_unit, 1.0, 1 / 255))
    span = getattr(scaler, "pixel_range", None)
    if span is not None:
        low, high = span
        margin = UNIT_TOLERANCE * (high - low)
        inside = g("LessOrEqual", largest, high + margin)
        least = g("ReduceMin", x, np.array([1]), keepdims=1)
        inside = g("And", inside, g("GreaterOrEqual", least, low - margin))
        if high > 1:
            inside = g("And", inside, g("Not", is_unit))
        levels = g("Round", g("Mul", g("Sub", x, low), 255 / (high - low)))
        own = g("Mul", g("Clip", levels, 0.0, 255.0), 1 / 255)
        scaled = g("Where", inside, own, scaled)
    background = getattr(scaler, "background_", ())
    if not len(background):
        return scaled
    extremes = [g(f, scaled, np.array([1]), keepdims=1) for f in ("ReduceMin", "ReduceMax")]
    contrast = g("Sub", extremes[1], extremes[0])
    middle = g("Mul", g("Add", *extremes), 0.5)
    light = g("Greater", g("Gather", scaled, np.asarray(background), axis=1), middle)
    share = g("ReduceMean", g("Cast", light, to=_FLOAT), np.array([1]), keepdims=1)
    is_inverted = g(
        "And",
        g("GreaterOrEqual", share, INVERTED_LIGHT - 1e-6),
        g("Greater", contrast, (MIN_CONTRAST - 0.5) / 255),
    )
    inverted = g("Mul", g("Sub", 255.0, g("Round", g("Mul", scaled, 255.0))), 1 / 255)
    return g("Where", is_inverted, inverted, scaled)


def _scale_all(g: Graph, scaler: GlobalScaler, x: str) -> str:
    scaled = g("Mul", x, 1 / scaler.scale_)
    if scaler.max_norm_ == np.inf:
        return scaled
    norm = g("ReduceL2", scaled, np.array([1]), keepdims=1)
    return g("Mul", scaled, g("Div", scaler.max_norm_, g("Max", norm, scaler.max_norm_)))


def _project(g: Graph, components: PrincipalComponents, x: str) -> str:
    return g("Gemm", x, components.projection_, -components.offset_, transB=1)


def _deskew(g: Graph, deskew: Deskew, x: str) -> str:
    height, width = resolve_image_shape(deskew.image_shape, deskew.n_features_in_)
    sums = g("MatMul", g("Relu", x), moment_weights((height, width)))
    mass = g("Slice", sums, np.array([0]), np.array([1]), np.array([1]))
    others = g("Slice", sums, np.array([1]), np.array([5]), np.array([1]))
    blank = g("Less", mass, _TINY)
    mean = g("Where", blank, 0.0, g("Div", others, g("Where", blank, 1.0, mass)))
    dy, dx, yy, xy = g.split(
        "Split", mean, np.array([1, 1, 1, 1]), outputs=(None,) * 4, axis=1
    )  # fmt: skip
    covariance = g("Sub", xy, g("Mul", dx, dy))
    variance = g("Max", g("Sub", yy, g("Mul", dy, dy)), _TINY)
    slant = g("Clip", g("Div", covariance, variance), -MAX_SLANT, MAX_SLANT)
    # Bilinear sampling is separable: rows move by one distance per image, and then the pixels
    # of each row by one distance per row.
    images = g("Reshape", x, np.array([-1, height, width]))
    whole, part = _whole_and_part(g, dy, height)
    first = g("Cast", _window(g, whole, height), to=_INT64)
    framed = g("Pad", images, np.array([0, 1, 0, 0, 1, 0]))
    taps = g("GatherND", framed, g("Unsqueeze", first, np.array([2])), batch_dims=1)
    moved = _blend(g, taps, g("Unsqueeze", part, np.array([2])), height, axis=1)
    rows = np.arange(height) - (height - 1) / 2
    distances = g("Unsqueeze", g("Add", dx, g("Mul", slant, rows[None, :])), np.array([2]))
    whole, part = _whole_and_part(g, distances, width)
    indices = g("Cast", _window(g, whole, width), to=_INT64)
    framed = g("Pad", moved, np.array([0, 0, 1, 0, 0, 1]))
    taps = g("GatherElements", framed, indices, axis=2)
    straight = _blend(g, taps, part, width, axis=2)
    return g("Reshape", straight, np.array([-1, height * width]))


def _whole_and_part(g: Graph, distance: str, length: int) -> tuple[str, str]:
    distance = g("Clip", distance, -(length + 1.0), float(length))
    whole = g("Floor", distance)
    return whole, g("Sub", distance, whole)


def _window(g: Graph, whole: str, length: int) -> str:
    """Return the items that ``length`` interpolated ones lie between, counted from the frame.

    Items beyond the frame of zeros are taken from it.
    """
    return g("Clip", g("Add", whole, np.arange(1.0, length + 2)), 0.0, length + 1.0)


def _blend(g: Graph, taps: str, part: str, length: int, axis: int) -> str:
    """Interpolate between each item and the next one."""
    axes, step = np.array([axis]), np.array([1])
    left = g("Slice", taps, np.array([0]), np.array([length]), axes, step)
    right = g("Slice", taps, np.array([1]), np.array([length + 1]), axes, step)
    return g("Add", left, g("Mul", part, g("Sub", right, left)))


def _orient(g: Graph, gradients: OrientedGradients, x: str) -> str:
    height, width = resolve_image_shape(gradients.image_shape, gradients.n_features_in_)
    images = g("Reshape", x, np.array([-1, height, width]))
    maps = _direction_maps(g, images, (height, width))
    return _pooled(g, maps, N_DIRECTIONS, (height, width), gradients.grids)


def _gradient(g: Graph, images: str, shape: tuple[int, int]) -> tuple[str, str]:
    """Return the central differences of images framed by zeros, as one small product each."""
    across, down = (np.eye(n, k=-1) - np.eye(n, k=1) for n in reversed(shape))
    return g("MatMul", images, across), g("MatMul", down.T, images)


def _direction_maps(g: Graph, images: str, shape: tuple[int, int]) -> str:
    """Return maps ``(rows, directions, height, width)`` of the gradient of images."""
    n_pixels = shape[0] * shape[1]
    gx, gy = _gradient(g, images, shape)
    squared = g("Add", g("Add", g("Mul", gx, gx), g("Mul", gy, gy)), _TINIEST)
    root = g("Sqrt", g("Sqrt", squared))
    pair = g(
        "Concat",
        *(g("Reshape", g("Div", d, root), np.array([-1, 1, n_pixels])) for d in (gx, gy)),
        axis=1,
    )
    angles = 2 * np.pi * np.arange(N_DIRECTIONS // 2) / N_DIRECTIONS
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    towards = g("Relu", g("MatMul", np.concatenate([directions, -directions]), pair))
    return g("Reshape", g("Mul", towards, towards), np.array([-1, N_DIRECTIONS, *shape]))


def _edge_maps(g: Graph, layer: EdgeMaps, x: str) -> str:
    shape = resolve_image_shape(layer.image_shape, layer.n_features_in_)
    # The second half of the filters is the first with the other sign, half a turn on.
    half_turn = N_DIRECTIONS // 2
    filters = edge_filters()[:N_DIRECTIONS]
    maps = _filter_maps(g, x, filters, 3, THRESHOLD, shape, order=(0, half_turn))
    first = _pooled(g, maps, 2 * N_DIRECTIONS, shape, layer.grids)
    if not layer.second_grids:
        return first
    images = g("Reshape", x, np.array([-1, *shape]))
    maps = _direction_maps(g, images, shape)
    down, across = (half_windows(length) for length in shape)
    half = len(down), len(across)
    halved = g("MatMul", down, g("MatMul", maps, across.T))
    gx, gy = _gradient(g, halved, half)
    squares = [g("Mul", a, b) for a, b in ((gx, gx), (gy, gy), (gx, gy))]
    magnitude = g("Sqrt", g("Add", g("Add", squares[0], squares[1]), _TINIEST))
    products = g(
        "Concat",
        *(
            g("Reshape", square, np.array([-1, 1, N_DIRECTIONS * half[0] * half[1]]))
            for square in (g("Div", square, magnitude) for square in squares)
        ),
        axis=1,
    )  # fmt: skip
    # Rounding may leave a square a little below zero.
    folded = g("Relu", g("MatMul", fold_directions(), products))
    n_maps = N_DIRECTIONS * len(fold_directions())
    folded = g("Reshape", folded, np.array([-1, n_maps, *half]))
    second = _pooled(g, folded, n_maps, half, layer.second_grids)
    return g("Concat", first, second, axis=1)


def _convolve(g: Graph, layer: ConvolutionFilters, x: str) -> str:
    height, width = resolve_image_shape(layer.image_shape, layer.n_features_in_)
    maps = _filter_maps(g, x, layer.filters_, layer.side, layer.threshold, (height, width))
    return _pooled(g, maps, len(layer.filters_), (height, width), layer.grids)


def _filter_maps(
    g: Graph,
    x: str,
    filters: np.ndarray,
    side: int,
    threshold: float,
    shape: tuple[int, int],
    order: tuple[int, ...] = (0,),
) -> str:
    """Return maps ``(rows, maps, height, width)`` of what is like a filter in images.

    With two starts in `order`, the maps of the filters with the other sign follow: those from
    the second start on, then those before.
    """
    # As in `digitrec.preprocessing._maps.filter_maps`.
    basis_filters = contrasts(side * side, threshold)
    kernels = np.concatenate([filters, basis_filters]).reshape(-1, 1, side, side)
    before, after = side // 2, side - 1 - side // 2
    images = g("Reshape", x, np.array([-1, 1, *shape]))
    answers = g("Conv", images, kernels, pads=[before, before, after, after])
    lengths = np.concatenate([np.diff([*order, len(filters)]), [len(basis_filters)]])
    *parts, basis = g.split("Split", answers, lengths, outputs=(None,) * len(lengths), axis=1)
    limit = g("Sqrt", g("ReduceSumSquare", basis, np.array([1]), keepdims=1))
    maps = [g("Relu", g("Sub", part, limit)) for part in parts]
    if len(order) > 1:
        limit = g("Neg", limit)
        maps += [g("Relu", g("Sub", limit, part)) for part in reversed(parts)]
    return maps[0] if len(maps) == 1 else g("Concat", *maps, axis=1)


def _pooled(g: Graph, maps: str, n_maps: int, shape: tuple[int, int], grids: Sequence[int]) -> str:
    """Pool maps ``(rows, maps, height, width)`` on the grids and normalise the cells."""
    down, across = (
        np.concatenate([pooling_windows(length, size) for size in grids]) for length in shape
    )
    pooled = g("MatMul", down, g("MatMul", maps, across.T))
    ends = np.cumsum(grids)
    parts = [
        _normalised_cells(g, n_maps, pooled, int(end) - size, size)
        for end, size in zip(ends, grids, strict=True)
    ]
    return parts[0] if len(parts) == 1 else g("Concat", *parts, axis=1)


def _normalised_cells(g: Graph, n_maps: int, pooled: str, start: int, size: int) -> str:
    """Normalise the cells of one grid, a square on the diagonal of the pooled maps."""
    n_cells = size * size
    corner, end, axes = np.full(2, start), np.full(2, start + size), np.array([2, 3])
    cells = g("Slice", pooled, corner, end, axes, np.ones(2, dtype=int))
    cells = g("Reshape", cells, np.array([-1, n_maps, n_cells]))
    energy = g("ReduceSumSquare", cells, np.array([1]), keepdims=0)
    around = neighbourhood(size)
    local = g("Gemm", energy, np.kron(around, around), np.full(n_cells, FLOOR))
    norm = g("Reshape", g("Sqrt", local), np.array([-1, 1, n_cells]))
    normalised = g("Sqrt", g("Div", cells, norm))
    return g("Reshape", normalised, np.array([-1, n_maps * n_cells]))


def rbf_kernel(g: Graph, x: str, vectors: np.ndarray, gamma: float) -> str:
    """Return ``exp(-gamma * |x - v|**2)``, shape (rows, vectors), of rows with their norms.

    The squared distance is one product of ``[x, |x|**2]`` with the vectors and their norms.

    Parameters
    ----------
    g : Graph
    x : str
        What `with_norms` returned.
    vectors : ndarray, shape (n_vectors, n_columns)
    gamma : float
        Positive.
    """
    vectors = np.asarray(vectors, dtype=np.float64)
    weights = np.concatenate([2 * gamma * vectors, np.full((len(vectors), 1), -gamma)], axis=1).T
    offset = -gamma * np.einsum("ij,ij->i", vectors, vectors)
    return g("Exp", g("Gemm", x, weights, offset))


def with_norms(g: Graph, x: str) -> str:
    """Append the squared norm of each row as one more column."""
    return g("Concat", x, g("ReduceSumSquare", x, np.array([1]), keepdims=1), axis=1)


def _nystroem(g: Graph, nystroem: Nystroem, x: str) -> str:
    if nystroem.kernel != "rbf" or nystroem.gamma is None:
        raise ConfigurationError(
            f"Nystroem(kernel={nystroem.kernel!r}, gamma={nystroem.gamma!r}) has no ONNX form; "
            "only an RBF kernel with a number as gamma has"
        )
    kernel = rbf_kernel(g, with_norms(g, x), nystroem.components_, nystroem.gamma)
    return g("MatMul", kernel, nystroem.normalization_.T)


TRANSFORMERS: dict[Any, Any] = {
    PixelScaler: _scale_pixels,
    GlobalScaler: _scale_all,
    PrincipalComponents: _project,
    Deskew: _deskew,
    OrientedGradients: _orient,
    ConvolutionFilters: _convolve,
    EdgeMaps: _edge_maps,
    Nystroem: _nystroem,
}
"""How each transformer becomes nodes."""
