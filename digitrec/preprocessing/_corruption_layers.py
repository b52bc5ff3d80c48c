"""What corruptions draw over an image: fog, lines and zigzags, many images at a time."""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray

# Lines are laid out on MNIST's 28 by 28 grid and stretched to the image's shape.
_SIDE = 28
_THICKNESS = 2.3


def plasma(
    n_maps: int, rng: np.random.Generator, *, size: int = 256, decay: float = 1.4
) -> NDArray[np.float32]:
    """Return random cloud-like maps by the diamond-square algorithm.

    Parameters
    ----------
    n_maps : int
        How many.
    rng : numpy.random.Generator
        Where the displacements come from.
    size : int
        Side of a map, a power of two. Maps continue on their opposite side.
    decay : float
        How much smaller displacements get at each halving of the step, squared; a small value
        gives rough clouds.

    Returns
    -------
    ndarray of float32, shape (n_maps, size, size)
        Values 0–1; each map reaches both.
    """
    maps = np.zeros((n_maps, size, size), dtype=np.float32)
    step, wobble = size, 1.0
    while step >= 2:
        half = step // 2
        corners = maps[:, ::step, ::step]
        squares = _neighbours(corners, (0, -1), (0, -1))
        maps[:, half::step, half::step] = _displace(squares, wobble, rng)
        middles = maps[:, half::step, half::step]
        tops = corners + np.roll(corners, -1, axis=2) + middles + np.roll(middles, 1, axis=1)
        maps[:, ::step, half::step] = _displace(tops, wobble, rng)
        lefts = corners + np.roll(corners, -1, axis=1) + middles + np.roll(middles, 1, axis=2)
        maps[:, half::step, ::step] = _displace(lefts, wobble, rng)
        step, wobble = half, wobble / decay**2
    maps -= maps.min(axis=(1, 2), keepdims=True)
    maps /= maps.max(axis=(1, 2), keepdims=True)
    return maps


def dotted_lines(
    n_images: int, image_shape: tuple[int, int], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return one dotted line from side to side per image, shape (n_images, h, w), 0–1."""
    left, right = rng.integers(0, _SIDE - 1, size=(2, n_images)).astype(np.float32)
    start = np.zeros(n_images, dtype=np.float32)
    lines = _lines(start, left, start + _SIDE - 1, right, image_shape)
    columns = np.linspace(0, _SIDE - 1, image_shape[1])
    lines[:, :, (columns // 2) % 2 == 0] = 0
    return lines


def zigzags(
    n_images: int, image_shape: tuple[int, int], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return one zigzag of 2 pixels' amplitude across each image, shape (n_images, h, w), 0–1."""
    amplitude, first, last = 2.0, 2.0, 25.0
    start = rng.integers(0, _SIDE - 1, size=n_images).astype(np.float32)
    end = start + rng.integers(-5, 5, size=n_images)
    slope = np.arctan((end - start) / (last - first))
    length = (last - first) / np.cos(slope)
    # Along the line: turns at odd multiples of the amplitude, alternately above and below.
    n_turns = math.floor((last - first - amplitude) / (2 * amplitude)) + 1
    along = [np.zeros_like(length)]
    along += [np.full_like(length, (2 * turn + 1) * amplitude) for turn in range(n_turns)]
    across = [0.0] + [amplitude * (-1) ** turn for turn in range(n_turns)]
    along.append(length)
    across.append(0.0)
    cosine, sine = np.cos(slope), np.sin(slope)
    points = [
        (first + a * cosine - b * sine, start + a * sine + b * cosine)
        for a, b in zip(along, across, strict=True)
    ]
    drawn = np.zeros((n_images, *image_shape), dtype=np.float32)
    for (column, row), (next_column, next_row) in itertools.pairwise(points):
        drawn += _lines(column, row, next_column, next_row, image_shape)
    return np.minimum(drawn, 1)


def _neighbours(
    array: NDArray[np.float32], row_shifts: tuple[int, int], column_shifts: tuple[int, int]
) -> NDArray[np.float32]:
    shifted = [
        np.roll(array, (rows, columns), axis=(1, 2))
        for rows in row_shifts
        for columns in column_shifts
    ]
    return np.sum(shifted, axis=0)


def _displace(
    sums: NDArray[np.float32], wobble: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    return sums / 4 + wobble * (2 * rng.random(sums.shape, dtype=np.float32) - 1)


def _lines(
    c0: NDArray[np.floating],
    r0: NDArray[np.floating],
    c1: NDArray[np.floating],
    r1: NDArray[np.floating],
    image_shape: tuple[int, int],
) -> NDArray[np.float32]:
    """Draw one soft line per image between points of the 28 by 28 grid, each shape (n,)."""
    rows = np.linspace(0, _SIDE - 1, image_shape[0], dtype=np.float32)[None, :, None]
    columns = np.linspace(0, _SIDE - 1, image_shape[1], dtype=np.float32)[None, None, :]
    c0, r0, c1, r1 = (v.astype(np.float32)[:, None, None] for v in (c0, r0, c1, r1))
    distance = np.abs(rows - (r0 + (r1 - r0) / (c1 - c0) * (columns - c0)))
    # An MNIST pixel is the unit; coarser grids would miss the line between two rows.
    distance /= max(1.0, _SIDE / image_shape[0] / 2)
    ink = 1 + np.log1p(-np.minimum(distance, _THICKNESS - 1e-3) / _THICKNESS)
    inside = (columns >= np.floor(c0)) & (columns < np.ceil(c1))
    return np.where(inside, np.maximum(ink, 0), 0).astype(np.float32)
