"""Maps of images (edges, directions, filters), pooled on coarse grids and normalised.

Maps are arrays ``(n_maps, height, width, n_images)``. With the images last, every step works on
long runs of numbers, and pooling is a matter of a few large matrix products: half of the time that
the same takes with the images first, and fewer calls, which threads have to wait for each other at.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin

from digitrec.preprocessing._images import ImageTransformer, RowFunction

Maps = NDArray[np.float32]

# Images worked on at once: their maps stay in the processor's cache. On one core of an AMD EPYC,
# 16, 32 and 64 images take about the same time each, 128 twice as long.
_BLOCK = 32

# Added to the squared norm of a neighbourhood; damps cells with little in them.
FLOOR = 0.1
N_DIRECTIONS = 8
"""Directions of the gradient and of the fixed filters, over the full circle."""

# Added to sums of squares under a root that is divided by: far below one grey level of 255.
_TINY = np.float32(1e-24)


class MapFeatures(ClassNamePrefixFeaturesOutMixin, ImageTransformer):
    """Base of transformers that pool maps on grids and normalise the cells.

    Each cell is divided by the norm of all maps in the cells around it, and its square root taken,
    which makes the distribution less skewed. A subclass says in `_pooled` what is pooled.
    """

    def _pooled(self, images: Maps) -> Iterator[tuple[Maps, Sequence[int]]]:
        """Yield maps of images ``(height, width, n_images)``, pooled on grids, and the grids."""
        raise NotImplementedError

    def _row_function(self, shape: tuple[int, int]) -> RowFunction:
        def describe(rows: NDArray[np.float32]) -> NDArray[np.float32]:
            result = np.empty((len(rows), self._n_features_out), dtype=np.float32)
            for start in range(0, len(rows), _BLOCK):
                block = slice(start, start + _BLOCK)
                images = np.ascontiguousarray(rows[block].T).reshape(*shape, -1)
                column = 0
                for pooled, grids in self._pooled(images):
                    corner = 0
                    for size in grids:
                        square = slice(corner, corner + size)
                        cells = _normalise(pooled[:, square, square])
                        result[block, column : column + len(cells)] = cells.T
                        corner, column = corner + size, column + len(cells)
            return result

        return describe


def filter_maps(
    images: Maps, filters: NDArray[np.float32], threshold: float, *, opposites: bool = False
) -> Maps:
    """Return how far the patch around each pixel is like each filter, times its contrast.

    Parameters
    ----------
    images : ndarray of float32, shape (height, width, n_images)
        Values 0–1.
    filters : ndarray of float32, shape (n_filters, side * side)
        Of mean 0 and norm 1.
    threshold : float
        Least cosine that counts.
    opposites : bool
        Whether the maps of the filters with the other sign follow.

    Returns
    -------
    ndarray of float32, shape (n_maps, height, width, n_images)
        ``max(0, answer - threshold * contrast)``: not negative.
    """
    area = filters.shape[1]
    patches = patches_around_pixels(images, int(np.sqrt(area)))
    answers = np.concatenate([filters, contrasts(area, threshold)]) @ patches.reshape(area, -1)
    answers, basis = answers[: len(filters)], answers[len(filters) :]
    limits = np.sqrt(np.einsum("ij,ij->j", basis, basis))
    maps = np.empty((len(filters) * (2 if opposites else 1), len(limits)), dtype=np.float32)
    # Not np.maximum(…, 0): NumPy compares with arrays three times as fast as with a number.
    towards = np.maximum(answers, limits, out=maps[: len(filters)])
    towards -= limits
    if opposites:
        limits *= -1
        away = np.minimum(answers, limits, out=maps[len(filters) :])
        np.subtract(limits, away, out=away)
    return maps.reshape(-1, *images.shape)


@functools.lru_cache(maxsize=16)
def contrasts(area: int, threshold: float) -> NDArray[np.float32]:
    """Return an orthonormal basis of patches of mean 0, times `threshold`, (area - 1, area).

    Its products with a patch have the patch's contrast, times `threshold`, as norm.
    """
    return threshold * scipy.linalg.helmert(area).astype(np.float32)


def patches_around_pixels(images: Maps, side: int) -> Maps:
    """Return the pixels of the square around each pixel, shape (side * side, *images.shape)."""
    height, width, n_images = images.shape
    framed = _frame(images, side // 2, side - 1 - side // 2)
    patches = np.empty((side * side, height, width, n_images), dtype=np.float32)
    for place in range(side * side):
        i, j = divmod(place, side)
        patches[place] = framed[i : i + height, j : j + width]
    return patches


def gradient(images: Maps) -> tuple[Maps, Maps]:
    """Return central differences along rows and columns; images are framed by zeros.

    Parameters
    ----------
    images : ndarray of float32, shape (..., height, width, n_images)

    Returns
    -------
    gx, gy : ndarray of float32, shape of `images`
    """
    framed = _frame(images, 1, 1)
    gx = framed[..., 1:-1, 2:, :] - framed[..., 1:-1, :-2, :]
    return gx, framed[..., 2:, 1:-1, :] - framed[..., :-2, 1:-1, :]


def direction_maps(images: Maps) -> Maps:
    """Return ``max(0, g)**2 / |gradient|`` for the part g of the gradient in each direction.

    Parameters
    ----------
    images : ndarray of float32, shape (height, width, n_images)

    Returns
    -------
    ndarray of float32, shape (N_DIRECTIONS, height, width, n_images)
    """
    gx, gy = gradient(images)
    # The square of a projection of the compressed gradient is a square by the magnitude.
    root = np.sqrt(np.sqrt(gx * gx + gy * gy + _TINY))
    gx /= root
    gy /= root
    maps = np.empty((N_DIRECTIONS, *images.shape), dtype=np.float32)
    zeros, half = np.zeros_like(gx), N_DIRECTIONS // 2
    for k in range(half):
        angle = np.pi * k / half
        projection = gx * np.float32(np.cos(angle))
        projection += gy * np.float32(np.sin(angle))
        np.maximum(projection, zeros, out=maps[k])
        np.minimum(projection, zeros, out=maps[half + k])
    maps *= maps
    return maps


def pool_on_grids(maps: Maps, grids: Sequence[int]) -> Maps:
    """Pool maps with triangular windows on grids.

    Parameters
    ----------
    maps : ndarray of float32, shape (n_maps, height, width, n_images)
    grids : sequence of int
        Cells per side of each grid.

    Returns
    -------
    ndarray of float32, shape (n_maps, sum(grids), sum(grids), n_images)
        The cells of each grid are a square on the diagonal.
    """
    down, across = (
        np.concatenate([pooling_windows(length, size) for size in grids])
        for length in maps.shape[1:3]
    )
    return pool(maps, down, across)


def pool(maps: Maps, down: NDArray[np.float32], across: NDArray[np.float32]) -> Maps:
    """Return the sums of maps weighted by windows along the rows and along the columns."""
    n_maps, height, width, n_images = maps.shape
    pooled = np.matmul(down, maps.reshape(n_maps, height, width * n_images))
    return np.matmul(across, pooled.reshape(n_maps, len(down), width, n_images))


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
    """Return weights ``(cells, cells)`` of the cells around each cell: 1 for it, 0.5 next to it."""
    distance = np.abs(np.subtract.outer(np.arange(cells), np.arange(cells)))
    return np.maximum(1 - distance / 2, 0).astype(np.float32)


def _frame(images: Maps, before: int, after: int) -> Maps:
    *outer, height, width, n_images = images.shape
    more = before + after
    framed = np.zeros((*outer, height + more, width + more, n_images), dtype=np.float32)
    framed[..., before : before + height, before : before + width, :] = images
    return framed


def _normalise(cells: Maps) -> NDArray[np.float32]:
    """Divide cells by the norm of all maps in the cells around; one row a map and cell."""
    n_maps, size, _, n_images = cells.shape
    around = neighbourhood(size)
    energy = np.einsum("mijn,mijn->ijn", cells, cells)
    local = np.matmul(around, (around @ energy.reshape(size, -1)).reshape(energy.shape))
    normalised = cells / np.sqrt(local + np.float32(FLOOR))
    np.sqrt(normalised, out=normalised)
    return normalised.reshape(n_maps * size * size, n_images)
