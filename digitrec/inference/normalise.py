"""From a crop of ink to the 28x28 image that MNIST would have made of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage as ndi

from digitrec.inference.levels import median, otsu_threshold

__all__ = ["normalise_and_measure", "normalise_digit", "stroke_ratio"]

STROKE_RATIO = (0.09, 0.20)
"""Stroke width over the digit's longer side that MNIST's digits lie in."""
DIGIT_SIDE = 20
IMAGE_SIDE = 28
CENTRE = 14.0
_WORK_SIDE = 80
_MARGIN = 6
"""Room around the ink at the working size: a stroke grows by at most 0.09 / 2 of that size."""


def normalise_digit(
    strength: NDArray[np.generic], *, stroke_range: tuple[float, float] = STROKE_RATIO
) -> NDArray[np.uint8]:
    """Return a digit as MNIST has them.

    The digit is scaled, aspect kept, to 20 pixels at its longer side; its stroke is thinned or
    thickened into MNIST's range; and its centre of mass is put at pixel 14 of 28.

    Parameters
    ----------
    strength : ndarray, shape (height, width)
        Ink strength, 0 for paper, any scale; ink of other things already removed.
    stroke_range : tuple of float
        Least and greatest stroke width, as shares of the longer side.

    Returns
    -------
    ndarray of uint8, shape (28, 28)
        All zero where there is no ink.
    """
    return normalise_and_measure(strength, stroke_range)[0]


def normalise_and_measure(
    strength: NDArray[np.generic], stroke_range: tuple[float, float] = STROKE_RATIO
) -> tuple[NDArray[np.uint8], float]:
    """Return what `normalise_digit` does, and the greatest over the typical stroke width."""
    distance, side = _signed_distance(strength)
    if distance is None:
        return np.zeros((IMAGE_SIDE, IMAGE_SIDE), np.uint8), 1.0
    width = _stroke_width(distance)
    unevenness = 2 * float(-distance.min()) / width
    low, high = stroke_range
    # Growing the stroke grows the digit too, so the goal is met in two steps.
    delta = 0.0
    for _ in range(2):
        goal = np.clip(width, low * (side + 2 * delta), high * (side + 2 * delta))
        delta = (goal - width) / 2
    if delta < 0:
        # A blob has no stroke to thin; what is left must not fall apart.
        delta = max(delta, -0.6 * float(-distance.min()))
    soft = np.clip(0.5 - (distance - delta), 0, 1).astype(np.float32)
    return _place(soft), unevenness


def stroke_ratio(strength: NDArray[np.generic]) -> float:
    """Return stroke width over the longer side of the ink; 0 where there is none."""
    distance, side = _signed_distance(strength)
    return 0.0 if distance is None else _stroke_width(distance) / side


def _signed_distance(strength: NDArray[np.generic]) -> tuple[NDArray[np.floating] | None, float]:
    """Return the signed distance to the outline (negative inside) at the working size."""
    values = np.asarray(strength, dtype=np.float32)
    top = float(values.max(initial=0))
    if top <= 0:
        return None, 0.0
    inked = values > 0.25 * top
    rows, columns = np.flatnonzero(inked.any(axis=1)), np.flatnonzero(inked.any(axis=0))
    crop = values[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    crop = np.pad(crop, 1)
    factor = _WORK_SIDE / max(crop.shape)
    size = (max(1, round(crop.shape[1] * factor)), max(1, round(crop.shape[0] * factor)))
    way = Image.Resampling.BICUBIC if factor > 1 else Image.Resampling.BOX
    crop = np.asarray(Image.fromarray(crop).resize(size, way))
    level = otsu_threshold(crop / top * 255) * (top / 255)
    mask = crop > 0.9 * level
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return None, 0.0
    mask = np.pad(mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], _MARGIN)
    distance = ndi.distance_transform_edt(~mask)
    # Depth within the ink is found without the margin, of which one pixel is enough.
    inner = slice(_MARGIN - 1, 1 - _MARGIN)
    distance[inner, inner] -= ndi.distance_transform_edt(mask[inner, inner])
    distance += np.where(mask, 0.5, -0.5)
    return distance, float(max(np.ptp(rows), np.ptp(columns)) + 1)


def _stroke_width(distance: NDArray[np.floating]) -> float:
    """Return the typical stroke width: ink area over half its outline's length."""
    inside = distance < 0
    area = float(np.count_nonzero(inside))
    ridge = inside & (distance <= ndi.minimum_filter(distance, 3))
    typical = -2 * median(distance[ridge]) if ridge.any() else 1.0
    return min(typical + 0.5, area)


def _place(soft: NDArray[np.float32]) -> NDArray[np.uint8]:
    inked = soft > 0.1
    rows, columns = np.flatnonzero(inked.any(axis=1)), np.flatnonzero(inked.any(axis=0))
    crop = soft[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    factor = DIGIT_SIDE / max(crop.shape)
    size = (max(1, round(crop.shape[1] * factor)), max(1, round(crop.shape[0] * factor)))
    small = np.asarray(Image.fromarray(crop).resize(size, Image.Resampling.BILINEAR))
    small = np.maximum(small, 0)
    mass = float(small.sum())
    y = float(small.sum(axis=1) @ np.arange(size[1])) / mass
    x = float(small.sum(axis=0) @ np.arange(size[0])) / mass
    top = min(max(round(CENTRE - y), 0), IMAGE_SIDE - size[1])
    left = min(max(round(CENTRE - x), 0), IMAGE_SIDE - size[0])
    image = np.zeros((IMAGE_SIDE, IMAGE_SIDE), np.float32)
    image[top : top + size[1], left : left + size[0]] = small
    return np.rint(image * (255 / image.max())).clip(0, 255).astype(np.uint8)
