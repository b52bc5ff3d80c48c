"""The preprocessing transformers as ONNX nodes.

Each function takes the graph, the fitted transformer and the name of its input, float32
``(rows, columns)``, and returns the name of its output.
"""

from __future__ import annotations

import numpy as np
from sklearn.kernel_approximation import Nystroem

from digitrec.errors import ConfigurationError
from digitrec.persistence.onnx_graph.graph import Graph
from digitrec.preprocessing import (
    Deskew,
    GlobalScaler,
    OrientedGradients,
    PixelScaler,
    PrincipalComponents,
)
from digitrec.preprocessing._images import resolve_image_shape
from digitrec.preprocessing.deskew import moment_weights
from digitrec.preprocessing.gradients import neighbourhood, pooling_windows

__all__ = ["TRANSFORMERS", "rbf_kernel"]

_TINY = 1e-6


def _scale_pixels(g: Graph, scaler: PixelScaler, x: str) -> str:
    return g("Mul", x, 1 / scaler.maximum)


def _scale_all(g: Graph, scaler: GlobalScaler, x: str) -> str:
    return g("Mul", x, 1 / scaler.scale_)


def _project(g: Graph, components: PrincipalComponents, x: str) -> str:
    offset = -components.components_ @ components.mean_
    return g("Gemm", x, components.components_, offset, transB=1)


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
    slant = g("Clip", g("Div", covariance, variance), -deskew.max_slant, deskew.max_slant)
    # GridSample wants, for each output pixel, where to look in the input: (x, y) in units of
    # half the image from its middle. That is linear in dy, dx and the slant.
    y, x_ = (axis - (size - 1) / 2 for axis, size in zip(
        np.indices((height, width)), (height, width), strict=True
    ))  # fmt: skip
    zero, one = np.zeros((height, width)), np.ones((height, width))
    unit = np.array([2 / width, 2 / height])
    still = np.stack([x_, y], axis=2) * unit
    moved = np.stack([np.stack(m, axis=2) * unit for m in ((zero, one), (one, zero), (y, zero))])
    grid = g("Gemm", g("Concat", dy, dx, slant, axis=1), moved.reshape(3, -1), still.reshape(-1))
    straight = g(
        "GridSample",
        g("Reshape", x, np.array([-1, 1, height, width])),
        g("Reshape", grid, np.array([-1, height, width, 2])),
        mode="bilinear",
        padding_mode="zeros",
        align_corners=0,
    )
    return g("Reshape", straight, np.array([-1, height * width]))


def _orient(g: Graph, gradients: OrientedGradients, x: str) -> str:
    height, width = resolve_image_shape(gradients.image_shape, gradients.n_features_in_)
    n_directions = gradients.n_directions
    # Central differences of an image framed by zeros, as one small product each.
    across, down = (np.eye(n, k=-1) - np.eye(n, k=1) for n in (width, height))
    images = g("Reshape", x, np.array([-1, height, width]))
    gx, gy = g("MatMul", images, across), g("MatMul", down.T, images)
    squared = g("Max", g("Add", g("Mul", gx, gx), g("Mul", gy, gy)), 1e-12)
    root = g("Sqrt", g("Sqrt", squared))
    pair = g(
        "Concat",
        *(
            g("Reshape", g("Div", d, root), np.array([-1, 1, height * width]))
            for d in (gx, gy)
        ),
        axis=1,
    )  # fmt: skip
    angles = 2 * np.pi * np.arange(n_directions // 2) / n_directions
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    towards = g("Relu", g("MatMul", np.concatenate([directions, -directions]), pair))
    maps = g("Reshape", g("Mul", towards, towards), np.array([-1, n_directions, height, width]))
    cells = [
        _normalised_cells(g, gradients, maps, size, (height, width)) for size in gradients.grids
    ]
    return cells[0] if len(cells) == 1 else g("Concat", *cells, axis=1)


def _normalised_cells(
    g: Graph, gradients: OrientedGradients, maps: str, size: int, shape: tuple[int, int]
) -> str:
    n_directions, n_cells = gradients.n_directions, size * size
    down, across = pooling_windows(shape[0], size), pooling_windows(shape[1], size)
    pooled = g("MatMul", down, g("MatMul", maps, across.T))
    cells = g("Reshape", pooled, np.array([-1, n_directions, n_cells]))
    energy = g("ReduceSumSquare", cells, np.array([1]), keepdims=0)
    around = neighbourhood(size)
    local = g("Gemm", energy, np.kron(around, around), np.full(n_cells, gradients.floor))
    norm = g("Reshape", g("Sqrt", local), np.array([-1, 1, n_cells]))
    normalised = g("Div", cells, norm)
    if gradients.power == 0.5:
        normalised = g("Sqrt", normalised)
    elif gradients.power != 1:
        normalised = g("Pow", normalised, gradients.power)
    return g("Reshape", normalised, np.array([-1, n_directions * n_cells]))


def rbf_kernel(g: Graph, x: str, vectors: np.ndarray, gamma: float) -> str:
    """Return ``exp(-gamma * |x - v|**2)``, shape (rows, vectors).

    The squared distance is one product of ``[x, |x|**2]`` with the vectors and their norms.
    """
    vectors = np.asarray(vectors, dtype=np.float64)
    weights = np.concatenate([2 * gamma * vectors, np.full((len(vectors), 1), -gamma)], axis=1).T
    offset = -gamma * np.einsum("ij,ij->i", vectors, vectors)
    norm = g("ReduceSumSquare", x, np.array([1]), keepdims=1)
    exponent = g("Gemm", g("Concat", x, norm, axis=1), weights, offset)
    return g("Exp", exponent)


def _nystroem(g: Graph, nystroem: Nystroem, x: str) -> str:
    if nystroem.kernel != "rbf" or nystroem.gamma is None:
        raise ConfigurationError(
            f"Nystroem(kernel={nystroem.kernel!r}, gamma={nystroem.gamma!r}) has no ONNX form; "
            "only an RBF kernel with a number as gamma has"
        )
    kernel = rbf_kernel(g, x, nystroem.components_, nystroem.gamma)
    return g("MatMul", kernel, nystroem.normalization_.T)


TRANSFORMERS = {
    PixelScaler: _scale_pixels,
    GlobalScaler: _scale_all,
    PrincipalComponents: _project,
    Deskew: _deskew,
    OrientedGradients: _orient,
    Nystroem: _nystroem,
}
"""How each transformer becomes nodes."""
