"""Histograms of gradient directions on coarse grids."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin

from digitrec.errors import ConfigurationError
from digitrec.preprocessing._images import ImageTransformer, RowFunction

__all__ = [
    "OrientedGradients",
    "compressed_gradient",
    "direction_maps",
    "normalise_cells",
    "pool_cells",
    "pool_maps",
]


class OrientedGradients(ClassNamePrefixFeaturesOutMixin, ImageTransformer):
    """Pool maps of gradient directions on coarse grids, normalised by their surroundings.

    With the central differences ``(gx, gy)`` of an image, each direction ``t`` has the map
    ``max(0, gx * cos(t) + gy * sin(t))**2 / sqrt(gx**2 + gy**2)``: the gradient's magnitude,
    shared softly among the directions near its own. Every map is pooled with triangular
    windows on each grid, and each cell is divided by the norm of all directions in the
    cells around it, so that thick and thin, dark and pale strokes give like features. Columns
    are ordered by grid, then direction, row and column of the cell.

    Parameters
    ----------
    image_shape : tuple of int, optional
        ``(height, width)``. None infers a square (one line of pixels where the number of
        columns is not a square number).
    n_directions : int, default=8
        Directions over the full circle; even.
    grids : sequence of int, default=(7, 4)
        Cells per side of each grid.
    floor : float, default=0.1
        Added to the squared norm of a neighbourhood; damps cells with little in them.
    power : float, default=0.5
        Exponent applied to the normalised cells; below 1, it makes their distribution
        less skewed.
    n_jobs : int, optional
        Threads; None means one.

    Attributes
    ----------
    n_features_in_ : int
        Pixels per image.

    Notes
    -----
    Gradient-direction features with blurring and a square root: C.-L. Liu, K. Nakashima,
    H. Sako and H. Fujisawa, "Handwritten digit recognition: benchmarking of state-of-the-art
    techniques", Pattern Recognition 36(10), 2003. Normalisation by blocks: N. Dalal and
    B. Triggs, "Histograms of oriented gradients for human detection", CVPR 2005.
    """

    def __init__(
        self,
        image_shape: tuple[int, int] | None = None,
        *,
        n_directions: int = 8,
        grids: Sequence[int] = (7, 4),
        floor: float = 0.1,
        power: float = 0.5,
        n_jobs: int | None = None,
    ) -> None:
        self.image_shape = image_shape
        self.n_directions = n_directions
        self.grids = grids
        self.floor = floor
        self.power = power
        self.n_jobs = n_jobs

    @property
    def _n_features_out(self) -> int:
        return self.n_directions * sum(g * g for g in self.grids)

    def _check_parameters(self) -> None:
        if self.n_directions < 2 or self.n_directions % 2:
            raise ConfigurationError(
                f"n_directions must be an even number of at least 2, not {self.n_directions!r}"
            )

    def _row_function(self, shape: tuple[int, int]) -> RowFunction:
        return functools.partial(
            _oriented_gradients,
            shape=shape,
            n_directions=self.n_directions,
            grids=tuple(self.grids),
            floor=float(self.floor),
            power=float(self.power),
        )


def _oriented_gradients(
    X: NDArray[np.float32],
    shape: tuple[int, int],
    n_directions: int,
    grids: tuple[int, ...],
    floor: float,
    power: float,
) -> NDArray[np.float32]:
    height, width = shape
    maps = direction_maps(X.reshape(-1, height, width), n_directions)
    return pool_maps(maps, grids, floor, power)


def pool_maps(
    maps: NDArray[np.float32], grids: tuple[int, ...], floor: float, power: float
) -> NDArray[np.float32]:
    """Pool maps of images on grids and normalise the cells by those around them.

    Parameters
    ----------
    maps : ndarray of float32, shape (n_maps, n_images, height, width)
        Not negative.
    grids, floor, power
        See `OrientedGradients`.

    Returns
    -------
    ndarray of float32, shape (n_images, n_maps * sum(g * g for g in grids))
        Ordered by grid, then map, row and column of the cell.
    """
    pooled = pool_cells(maps, grids)
    features, start = [], 0
    for size in grids:
        cells = pooled[:, :, start : start + size, start : start + size]
        features.append(normalise_cells(cells, floor, power).reshape(len(pooled), -1))
        start += size
    return features[0] if len(features) == 1 else np.concatenate(features, axis=1)


def pool_cells(maps: NDArray[np.float32], grids: tuple[int, ...]) -> NDArray[np.float32]:
    """Pool maps of images with triangular windows on grids.

    Parameters
    ----------
    maps : ndarray of float32, shape (n_maps, n_images, height, width)
        Any values.
    grids : tuple of int
        Cells per side of each grid.

    Returns
    -------
    ndarray of float32, shape (n_images, n_maps, sum(grids), sum(grids))
        The cells of each grid are a square on the diagonal.
    """
    n_maps, n_images, height, width = maps.shape
    down = np.concatenate([pooling_windows(height, g) for g in grids])
    across = np.concatenate([pooling_windows(width, g) for g in grids])
    # Columns first: that product runs over all maps at once, and leaves less for the next.
    pooled = np.matmul(down, (maps.reshape(-1, width) @ across.T).reshape(-1, height, len(across)))
    return pooled.reshape(n_maps, n_images, len(down), len(across)).transpose(1, 0, 2, 3)


def compressed_gradient(
    images: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the gradient of images, its length replaced by the root of its length.

    Parameters
    ----------
    images : ndarray of float32, shape (..., height, width)
        Framed by zeros for the differences at the border.

    Returns
    -------
    gx, gy : ndarray of float32, shape (..., height, width)
        Central differences, divided by the root of their magnitude.
    """
    *outer, height, width = images.shape
    framed = np.zeros((*outer, height + 2, width + 2), dtype=np.float32)
    framed[..., 1:-1, 1:-1] = images
    gx = framed[..., 1:-1, 2:] - framed[..., 1:-1, :-2]
    gy = framed[..., 2:, 1:-1] - framed[..., :-2, 1:-1]
    root = gx * gx
    root += gy * gy
    np.maximum(root, np.float32(1e-12), out=root)
    np.sqrt(np.sqrt(root, out=root), out=root)
    gx /= root
    gy /= root
    return gx, gy


def direction_maps(images: NDArray[np.float32], n_directions: int) -> NDArray[np.float32]:
    """Return maps ``(n_directions, n, height, width)`` of the gradient towards each direction."""
    # The square of a projection of the compressed gradient is a square by the magnitude.
    gx, gy = compressed_gradient(images)
    root, scratch = np.empty_like(gx), np.empty_like(gx)
    maps = np.empty((n_directions, *images.shape), dtype=np.float32)
    half = n_directions // 2
    for k in range(half):
        angle = np.pi * k / half
        projection = np.multiply(gx, np.float32(np.cos(angle)), out=root)
        projection += np.multiply(gy, np.float32(np.sin(angle)), out=scratch)
        towards = np.maximum(projection, 0, out=maps[k])
        away = np.subtract(towards, projection, out=maps[half + k])
        towards *= towards
        away *= away
    return maps


def normalise_cells(cells: NDArray[np.float32], floor: float, power: float) -> NDArray[np.float32]:
    """Divide cells ``(n, directions, rows, columns)`` by the norm of the cells around them."""
    energy = np.einsum("ndij,ndij->nij", cells, cells)
    around = neighbourhood(cells.shape[-1])
    local = np.matmul(around, energy) @ around
    normalised = cells / np.sqrt(local + np.float32(floor))[:, None]
    if power == 0.5:
        return np.sqrt(normalised)
    return normalised if power == 1 else np.power(normalised, np.float32(power))


@functools.lru_cache(maxsize=64)
def pooling_windows(length: int, cells: int) -> NDArray[np.float32]:
    """Return triangular windows ``(cells, length)``, each summing to one.

    Cell centres are spread evenly over the axis; a window reaches zero at the centres of
    the next cells.
    """
    pitch = length / cells
    centres = (np.arange(cells) + 0.5) * pitch - 0.5
    distance = np.abs(np.arange(length) - centres[:, None]) / max(pitch, 1.0)
    windows = np.maximum(1 - distance, 0)
    return (windows / windows.sum(axis=1, keepdims=True)).astype(np.float32)


@functools.lru_cache(maxsize=64)
def neighbourhood(cells: int) -> NDArray[np.float32]:
    """Return weights ``(cells, cells)`` of the cells around each cell: 1 for it, 0.5 beside it."""
    distance = np.abs(np.subtract.outer(np.arange(cells), np.arange(cells)))
    return np.maximum(1 - distance / 2, 0).astype(np.float32)
