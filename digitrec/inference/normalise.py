"""From a crop of ink to the 28x28 image that MNIST would have made of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage as ndi

from digitrec.inference.thresholds import median, otsu_threshold, quantile

STROKE_RATIO = (0.09, 0.20)
"""Stroke width over the digit's longer side that MNIST's digits lie in."""
DIGIT_SIDE = 20
IMAGE_SIDE = 28
CROP_SIDE = 36
"""Pixels of the side of the frame that a crop is scaled into, aspect kept."""
CENTRE = 14.0
MIN_GREY = 0.2
"""Strength over the greatest one from which a pixel of a small image is ink."""
_WORK_SIDE = 80
_MARGIN = 6
"""Room around the ink at the working size: a stroke grows by at most 0.09 / 2 of that size."""


def normalise_digit(strength: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Return a digit as MNIST has them.

    The digit is scaled, aspect kept, to 20 pixels at its longer side; its stroke is thinned or
    thickened into MNIST's range; and its centre of mass is put at pixel 14 of 28.

    Parameters
    ----------
    strength : ndarray, shape (height, width)
        Ink strength, 0 for paper, any scale; ink of other things already removed.

    Returns
    -------
    ndarray of uint8, shape (28, 28)
        All zero where there is no ink.
    """
    return normalise_and_measure(strength)[0]


def grey_digit(strength: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Return a digit of few pixels as MNIST has them, with its grey levels and strokes as they are.

    Parameters
    ----------
    strength : ndarray, shape (height, width)
        Ink strength, 0 for paper, any scale, with some ink.

    Returns
    -------
    ndarray of uint8, shape (28, 28)
    """
    values = np.asarray(strength, dtype=np.float32)
    crop = _framed(values[_box(values > MIN_GREY * values.max())], 1)
    factor = DIGIT_SIDE / (max(crop.shape) - 2)
    size = (max(1, round(crop.shape[1] * factor)), max(1, round(crop.shape[0] * factor)))
    large = np.asarray(Image.fromarray(crop).resize(size, Image.Resampling.BICUBIC))
    # Of the frame, whose pixels take the ends of the strokes, only what has room in the image.
    cut = max(0, round(factor) - 2)
    return _centred(large[cut : size[1] - cut, cut : size[0] - cut])


def normalise_and_measure(
    strength: NDArray[np.generic],
) -> tuple[NDArray[np.uint8], float, float]:
    """Return what `normalise_digit` does, and the greatest stroke width.

    That over the typical stroke width, and over the digit's longer side.
    """
    mask = _silhouette(strength)
    if mask is None:
        return np.zeros((IMAGE_SIDE, IMAGE_SIDE), np.uint8), 1.0, 0.0
    depth = _depth(mask)
    width, deepest, side = _stroke_width(depth), float(depth.max()), max(mask.shape)
    low, high = STROKE_RATIO
    # Growing the stroke grows the digit too, so the goal is met in two steps.
    delta = 0.0
    for _ in range(2):
        goal = min(max(width, low * (side + 2 * delta)), high * (side + 2 * delta))
        delta = (goal - width) / 2
    # A blob has no stroke to thin; what is left must not fall apart.
    delta = max(delta, -0.6 * deepest)
    image = _place(_move_outline(mask, depth, delta))
    return image, 2 * deepest / width, 2 * deepest / side


def frame_crop(strength: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return a crop with all that is in it, scaled into a square frame.

    Parameters
    ----------
    strength : ndarray of float32, shape (height, width)
        Ink strength, 0 for paper.
    mask : ndarray of bool, shape (height, width)
        Where there is ink; its usual strength becomes 1.

    Returns
    -------
    ndarray of float32, shape (CROP_SIDE, CROP_SIDE)
        Ink, 0-1; 0 outside the crop.
    """
    inked = strength[mask]
    usual = quantile(inked, 0.75) if inked.size else 255.0
    ink = np.clip(strength / np.float32(max(usual, 1e-3)), 0, 1)
    factor = CROP_SIDE / max(ink.shape)
    width, height = (max(1, round(side * factor)) for side in ink.shape[::-1])
    way = Image.Resampling.BILINEAR if factor > 1 else Image.Resampling.BOX
    small = np.asarray(Image.fromarray(ink).resize((width, height), way))
    framed = np.zeros((CROP_SIDE, CROP_SIDE), np.float32)
    top, left = (CROP_SIDE - height) // 2, (CROP_SIDE - width) // 2
    framed[top : top + height, left : left + width] = small
    return framed


def stroke_ratio(strength: NDArray[np.generic]) -> float:
    """Return stroke width over the longer side of the ink; 0 where there is none."""
    mask = _silhouette(strength)
    return 0.0 if mask is None else _stroke_width(_depth(mask)) / max(mask.shape)


def _silhouette(strength: NDArray[np.generic]) -> NDArray[np.bool_] | None:
    """Return which pixels of the ink's own box are ink, at the working size."""
    values = np.asarray(strength, dtype=np.float32)
    top = float(values.max(initial=0))
    if top <= 0:
        return None
    crop = _framed(values[_box(values > 0.25 * top)], 1)
    factor = _WORK_SIDE / max(crop.shape)
    size = (max(1, round(crop.shape[1] * factor)), max(1, round(crop.shape[0] * factor)))
    way = Image.Resampling.BICUBIC if factor > 1 else Image.Resampling.BOX
    crop = np.asarray(Image.fromarray(crop).resize(size, way))
    level = otsu_threshold(crop * (255 / top)) * (top / 255)
    mask = crop > 0.9 * level
    return mask[_box(mask)] if mask.any() else None


def _box(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _framed(image: NDArray[Any], width: int) -> NDArray[Any]:
    """Return an image in a frame of zeros; `numpy.pad` takes longer than all else would."""
    framed = np.zeros((image.shape[0] + 2 * width, image.shape[1] + 2 * width), image.dtype)
    framed[width:-width, width:-width] = image
    return framed


def _depth(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return how deep within the ink each pixel's centre lies: 0.5 at the border, 0 outside.

    The result has a frame of one pixel around the mask.
    """
    depth = ndi.distance_transform_edt(_framed(mask, 1)).astype(np.float32)
    depth -= np.float32(0.5)
    return np.maximum(depth, 0, out=depth)


def _stroke_width(depth: NDArray[np.float32]) -> float:
    """Return the typical stroke width: twice the depth of the ink's ridges."""
    rows = np.maximum(np.maximum(depth[:-2], depth[2:]), depth[1:-1])
    around = np.maximum(np.maximum(rows[:, :-2], rows[:, 2:]), rows[:, 1:-1])
    inner = depth[1:-1, 1:-1]
    inside = inner > 0
    ridge = inner[inside & (inner >= around)]
    return min(2 * median(ridge) + 0.5, float(np.count_nonzero(inside)))


def _move_outline(
    mask: NDArray[np.bool_], depth: NDArray[np.float32], delta: float
) -> NDArray[np.float32]:
    """Return ink, 0–1, whose outline is moved outwards by some pixels, or inwards if negative."""
    if delta <= 0:
        own = depth[1:-1, 1:-1] + np.float32(0.5 + delta)
        return np.where(mask, np.clip(own, 0, 1), np.float32(0))
    # How far away the ink is matters only where strokes grow.
    away = ndi.distance_transform_edt(~_framed(mask, _MARGIN)).astype(np.float32)
    return np.clip(np.float32(1 + delta) - away, 0, 1)


def _place(soft: NDArray[np.float32]) -> NDArray[np.uint8]:
    crop = soft[_box(soft > 0.1)]
    factor = DIGIT_SIDE / max(crop.shape)
    size = (max(1, round(crop.shape[1] * factor)), max(1, round(crop.shape[0] * factor)))
    return _centred(np.asarray(Image.fromarray(crop).resize(size, Image.Resampling.BILINEAR)))


def _centred(small: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return ink of at most 28x28 pixels with its centre of mass in the middle of an image."""
    small = np.maximum(small, 0)
    height, width = small.shape
    mass = float(small.sum())
    y = float(small.sum(axis=1) @ np.arange(height)) / mass
    x = float(small.sum(axis=0) @ np.arange(width)) / mass
    top = min(max(round(CENTRE - y), 0), IMAGE_SIDE - height)
    left = min(max(round(CENTRE - x), 0), IMAGE_SIDE - width)
    image = np.zeros((IMAGE_SIDE, IMAGE_SIDE), np.float32)
    image[top : top + height, left : left + width] = small
    return np.rint(image * (255 / image.max())).clip(0, 255).astype(np.uint8)
