"""Pixels of many images moved at once: smoothing, interpolation, thicker and thinner strokes."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray


@functools.lru_cache(maxsize=16)
def gaussian(length: int, sigma: float) -> NDArray[np.float32]:
    """Return the matrix that blurs an axis; symmetric, zeros beyond the ends."""
    reach = np.arange(-4 * length, 4 * length + 1)
    total = np.exp(-0.5 * (reach / sigma) ** 2).sum()
    distance = np.subtract.outer(np.arange(length), np.arange(length))
    return (np.exp(-0.5 * (distance / sigma) ** 2) / total).astype(np.float32)


def sample(
    images: NDArray[np.float32], rows: NDArray[np.float32], columns: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Interpolate images bilinearly at fractional positions, with zeros outside."""
    n, height, width = images.shape
    # One frame of zeros before, two after: every clipped position has its four neighbours.
    framed = np.zeros((n, height + 3, width + 3), dtype=np.float32)
    framed[:, 1:-2, 1:-2] = images
    flat = framed.reshape(-1)
    pitch = width + 3
    rows = np.clip(rows, -1, height, out=rows)
    columns = np.clip(columns, -1, width, out=columns)
    top, left = np.floor(rows), np.floor(columns)
    down, right = rows - top, columns - left
    starts = np.arange(n, dtype=np.intp) * ((height + 3) * pitch) + (pitch + 1)
    index = (top * np.float32(pitch) + left).astype(np.intp)
    index += starts[:, None, None]
    # The neighbours are the same index in the array seen from one step on.
    upper = flat.take(index)
    upper += right * (flat[1:].take(index, mode="clip") - upper)
    lower = flat[pitch:].take(index, mode="clip")
    lower += right * (flat[pitch + 1 :].take(index, mode="clip") - lower)
    upper += down * (lower - upper)
    return upper


def thicken(images: NDArray[np.float32], steps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Dilate (positive) or erode (negative) each image by a number of steps, parts blended."""
    result = images.copy()
    for sign, extreme in ((1, np.maximum), (-1, np.minimum)):
        left: NDArray[np.float32] = np.maximum(np.float32(sign) * steps, np.float32(0))
        while (chosen := np.flatnonzero(left > 0)).size:
            part = result[chosen]
            part += np.minimum(left[chosen], 1)[:, None, None] * (_cross(part, extreme) - part)
            result[chosen] = part
            left[chosen] -= np.float32(1)
    return result


def _cross(images: NDArray[np.float32], extreme: np.ufunc) -> NDArray[np.float32]:
    """Return the extreme of each pixel and its four neighbours inside the image."""
    result = images.copy()
    for axis in (1, 2):
        ahead = [slice(None)] * 3
        behind = [slice(None)] * 3
        ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
        a, b = tuple(ahead), tuple(behind)
        extreme(result[a], images[b], out=result[a])
        extreme(result[b], images[a], out=result[b])
    return result
