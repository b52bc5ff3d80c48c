"""Generated crops: one digit, or none, with pieces of its neighbours, full stops and lines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from digitrec.inference.normalise import CROP_SIDE

FloatImages = NDArray[np.float32]
FloatArray = NDArray[np.float32]

_BLOCK = 1000
_RIGHT, _LEFT, _BELOW, _ABOVE = range(4)
_CHANCES = (0.55, 0.65, 0.1, 0.1)
"""Chances of a neighbour to the right, to the left, below and above."""


@dataclass(frozen=True, eq=False)
class Sources:
    """Pictures to compose crops from, and where their ink is.

    Parameters
    ----------
    images : ndarray of float32, shape (n, 28, 28)
        Ink, 0-1, one thing each, framed as MNIST frames digits.
    labels : ndarray of int, shape (n,)
        0-9, or 10 for what is no digit.
    """

    images: FloatImages
    labels: NDArray[np.int64]

    def boxes(self, chosen: NDArray[np.int64]) -> FloatArray:
        """Return top, left, bottom, right of the ink of some images, in pixels; shape (n, 4)."""
        inked = self.images[chosen]
        ends = []
        for axis in (2, 1):
            lines = inked.max(axis=axis) > 0.3
            ends.append(lines.argmax(axis=1))
            ends.append(lines.shape[1] - lines[:, ::-1].argmax(axis=1))
        top, bottom, left, right = ends
        return np.stack([top, left, bottom, right], axis=1).astype(np.float32)


def make_crops(
    sources: Sources, centres: NDArray[np.int64], rng: np.random.Generator
) -> FloatImages:
    """Compose crops as segmenters of tables and registers cut them.

    Each crop shows one picture near its middle, whole or nearly so; often pieces of pictures
    beside, above and below it, which the crop's border cuts; often a full stop, a ruled line or
    the border of a cell. Pen, slant, blur and the texture of the paper vary.

    Parameters
    ----------
    sources : Sources
    centres : ndarray of int, shape (n,)
        Which picture each crop is of.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of float32, shape (n, CROP_SIDE, CROP_SIDE)
        Ink, 0-1; 0 outside the crop.
    """
    blocks = [
        _compose(sources, centres[start : start + _BLOCK], rng)
        for start in range(0, len(centres), _BLOCK)
    ]
    return np.concatenate(blocks) if blocks else np.zeros((0, CROP_SIDE, CROP_SIDE), np.float32)


def _compose(sources: Sources, centres: NDArray[np.int64], rng: np.random.Generator) -> FloatImages:
    n = len(centres)
    box = sources.boxes(centres)
    height, width = box[:, 2] - box[:, 0], box[:, 3] - box[:, 1]
    slant = np.where(rng.random(n) < 0.5, rng.normal(-0.35, 0.25, n), rng.normal(0, 0.12, n))
    slant = np.clip(slant, -0.9, 0.4).astype(np.float32)
    # Units are pixels of the sources: digits are 20 high. The crop's ends count from the middle
    # of the central picture.
    reach = width / 2 + np.abs(slant) * height / 2
    room = 1 + rng.gamma(1.6, 2.6, (n, 4)).astype(np.float32) * rng.choice([0.4, 1, 1.8], (n, 1))
    room -= rng.choice([0, 2.5], (n, 4), p=[0.88, 0.12])
    top, bottom = -height / 2 - room[:, 0] * 0.7, height / 2 + room[:, 1] * 0.7
    left, right = -reach - room[:, 2], reach + room[:, 3]
    zoom = CROP_SIDE / np.maximum(bottom - top, right - left)
    grid = np.arange(CROP_SIDE, dtype=np.float32) - (CROP_SIDE - 1) / 2
    y = grid[None, :, None] / zoom[:, None, None] + ((top + bottom) / 2)[:, None, None]
    x = grid[None, None, :] / zoom[:, None, None] + ((left + right) / 2)[:, None, None]
    inside = (y >= top[:, None, None]) & (y <= bottom[:, None, None])
    inside = inside & (x >= left[:, None, None]) & (x <= right[:, None, None])
    turn = rng.normal(0, 0.05, (n, 1, 1)).astype(np.float32)
    along, down = x + turn * y - slant[:, None, None] * y, y - turn * x
    ink = _sample(sources.images[centres], box, along, down, np.ones(n, np.float32))
    alone = rng.random(n) < 0.2
    for side, chance in enumerate(_CHANCES):
        has = np.flatnonzero((rng.random(n) < chance) & ~alone)
        chosen = _neighbours(sources, centres[has], rng)
        other = sources.boxes(chosen)
        scale = np.exp(rng.normal(0, 0.1, len(has))).astype(np.float32)
        tall, wide = scale * (other[:, 2] - other[:, 0]), scale * (other[:, 3] - other[:, 1])
        shift = rng.normal(0, 1.6, len(has)).astype(np.float32)
        gap = rng.gamma(1.3, 3.0, len(has)).astype(np.float32) - 1.2
        beside = width[has] / 2 + gap + wide / 2, shift
        stacked = 3 * shift, height[has] / 2 + gap + 1 + tall / 2
        at_x, at_y = beside if side in (_RIGHT, _LEFT) else stacked
        at_x, at_y = (-at_x if side == _LEFT else at_x), (-at_y if side == _ABOVE else at_y)
        moved = along[has] - at_x[:, None, None], down[has] - at_y[:, None, None]
        piece = _sample(sources.images[chosen], other, *moved, scale)
        ink[has] = np.maximum(ink[has], piece)
    _shade(ink, rng)
    _add_stops(ink, along, down, height, width, rng)
    _add_lines(ink, x, y, (top, bottom, left, right), rng)
    _add_bands(ink, x, y, (top, bottom, left, right), rng)
    return _print(ink * inside, inside, rng)


def _neighbours(
    sources: Sources, centres: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Choose neighbours: mostly digits beside digits, and other things beside other things."""
    digit = np.flatnonzero(sources.labels < 10)
    other = np.flatnonzero(sources.labels == 10)
    chance = np.where(sources.labels[centres] < 10, 0.12, 0.85)
    take_other = (rng.random(len(centres)) < chance) & (len(other) > 0)
    picked = digit[rng.integers(len(digit), size=len(centres))]
    if len(other):
        picked = np.where(take_other, other[rng.integers(len(other), size=len(centres))], picked)
    return picked


def _sample(
    images: FloatImages, box: FloatArray, along: FloatArray, down: FloatArray, scale: FloatArray
) -> FloatImages:
    """Draw images with the middle of their ink at the origin; zero outside of them."""
    n, side = images.shape[:2]
    if not n:
        return np.zeros(along.shape, np.float32)
    middle_y, middle_x = (box[:, 0] + box[:, 2] - 1) / 2, (box[:, 1] + box[:, 3] - 1) / 2
    rows = down / scale[:, None, None] + middle_y[:, None, None]
    columns = along / scale[:, None, None] + middle_x[:, None, None]
    # One tall picture with empty rows between: two dimensions cost half of three.
    tall = np.pad(images, ((0, 0), (1, 1), (0, 0))).reshape(-1, side)
    offset = np.arange(n, dtype=np.float32)[:, None, None] * (side + 2) + 1
    at = [np.clip(rows, -1, side) + offset, columns]
    return ndi.map_coordinates(tall, at, order=1, output=np.float32)


def _shade(ink: FloatImages, rng: np.random.Generator) -> None:
    """Draw upright strokes thicker or level ones paler in some crops, as a pointed pen does."""
    has = np.flatnonzero(rng.random(len(ink)) < 0.35)
    some = ink[has]
    level = ndi.minimum_filter(some, size=(1, 1, 5))
    # What survives an erosion along the row is a level stroke or a thick one.
    pale = rng.uniform(0, 0.6, (len(has), 1, 1)).astype(np.float32)
    thick = rng.uniform(0, 1, (len(has), 1, 1)).astype(np.float32)
    wide = np.maximum(some, thick * ndi.maximum_filter(some, size=(1, 1, 2)))
    ink[has] = np.where(rng.random((len(has), 1, 1)) < 0.5, wide, some - pale * level)


def _add_bands(
    ink: FloatImages,
    x: FloatArray,
    y: FloatArray,
    ends: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    rng: np.random.Generator,
) -> None:
    """Add dark bands along the crop's borders: the page's edge, a shadow, a thick border."""
    n = len(ink)
    for side, (across, end) in enumerate(zip((y, y, x, x), ends, strict=True)):
        has = np.flatnonzero(rng.random(n) < 0.04)
        depth = rng.gamma(2.0, 1.2, (len(has), 1, 1)).astype(np.float32)
        from_end = np.abs(across[has] - end[has][:, None, None])
        other = (x if side < 2 else y)[has]
        slope = rng.normal(0, 0.05, (len(has), 1, 1))
        level = rng.uniform(0.5, 1.0, (len(has), 1, 1))
        band = np.clip(depth + slope * other - from_end + 0.5, 0, 1) * level
        ink[has] = np.maximum(ink[has], band.astype(np.float32))


def _add_stops(
    ink: FloatImages,
    along: FloatArray,
    down: FloatArray,
    height: FloatArray,
    width: FloatArray,
    rng: np.random.Generator,
) -> None:
    """Add full stops at the foot of the line and specks anywhere."""
    n = len(ink)
    for chance, anywhere in ((0.25, False), (0.1, False), (0.08, True)):
        has = np.flatnonzero(rng.random(n) < chance)
        size = rng.uniform(0.7, 2.4, len(has)).astype(np.float32)
        at_x = width[has] / 2 + rng.uniform(0.5, 6, len(has))
        at_y = height[has] / 2 - rng.uniform(-1, 4, len(has))
        if anywhere:
            at_x, at_y = (rng.uniform(-14, 14, (2, len(has)))).astype(np.float32)
        away = np.hypot(along[has] - at_x[:, None, None], down[has] - at_y[:, None, None])
        ink[has] = np.maximum(ink[has], np.clip(size[:, None, None] - away + 0.5, 0, 1))


def _add_lines(
    ink: FloatImages,
    x: FloatArray,
    y: FloatArray,
    ends: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    rng: np.random.Generator,
) -> None:
    """Add ruled lines and borders of cells, mostly near the crop's own borders; some dotted."""
    n = len(ink)
    for upright in (False, True, False, True):
        has = np.flatnonzero(rng.random(n) < (0.22 if upright else 0.16))
        across, run = (x[has], y[has]) if upright else (y[has], x[has])
        low, high = (ends[2][has], ends[3][has]) if upright else (ends[0][has], ends[1][has])
        share = rng.beta(0.35, 0.35, len(has))
        place = (low + share * (high - low))[:, None, None]
        slope = rng.normal(0, 0.06, (len(has), 1, 1))
        half = rng.uniform(0.2, 1.3, (len(has), 1, 1))
        level = rng.uniform(0.3, 1.1, (len(has), 1, 1))
        line = np.clip(half + 0.5 - np.abs(across - place - slope * run), 0, 1) * level
        period = rng.uniform(2.0, 5.0, (len(has), 1, 1))
        dotted = (rng.random((len(has), 1, 1)) < 0.25) & (run % period < period * 0.45)
        line = np.where(dotted, 0, line).astype(np.float32)
        ink[has] = np.maximum(ink[has], np.minimum(line, 1))


def _print(ink: FloatImages, inside: NDArray[np.bool_], rng: np.random.Generator) -> FloatImages:
    """Blur, fade and dirty crops, as cameras and old paper do, then stretch the ink to 0-1."""
    n = len(ink)
    for width in (0.5, 0.8, 1.2):
        has = np.flatnonzero(rng.random(n) < 0.2)
        ink[has] = ndi.gaussian_filter(ink[has], (0, width, width))
    grain = rng.normal(0, 1, ink.shape).astype(np.float32)
    cloud = ndi.gaussian_filter(rng.normal(0, 1, ink.shape), (0, 3, 3)).astype(np.float32)
    level = rng.gamma(0.8, 0.035, (n, 1, 1)).astype(np.float32)
    cloudy = rng.gamma(0.8, 0.5, (n, 1, 1)).astype(np.float32) * (rng.random((n, 1, 1)) < 0.4)
    fine = ndi.gaussian_filter(grain, (0, 1, 1)) * (rng.random((n, 1, 1)) < 0.4)
    dirty = ink + level * grain + 0.3 * cloudy.astype(np.float32) * cloud
    dirty += (1.5 * rng.gamma(1.0, 0.1, (n, 1, 1)) * fine).astype(np.float32)
    peak = np.quantile(dirty.reshape(n, -1), 0.95, axis=1)[:, None, None]
    gain = rng.uniform(0.85, 1.3, (n, 1, 1)) / np.maximum(peak, 0.35)
    printed: FloatImages = np.clip(dirty * gain, 0, 1).astype(np.float32)
    return printed * inside
