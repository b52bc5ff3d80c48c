"""The plain border of an image: bars at its ends, a frame along its edges, a margin around it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from digitrec.inference.parameters import BORDER
from digitrec.inference.prediction import Box


def content_box(pixels: NDArray[np.uint8]) -> Box:
    """Return the box of what lies inside an image's border: of all of it where there is none.

    A border has one colour along a whole side, ends at once, and is found on other sides too: a
    digit cut out with no margin may end in a straight stroke, but hardly at two sides with
    something else in between. A margin around a frame comes off with the frame.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (height, width, 3)

    Returns
    -------
    tuple of int
        Left, top, right, bottom; right and bottom exclusive.
    """
    left, top, right, bottom = 0, 0, pixels.shape[1], pixels.shape[0]
    for _ in range(BORDER.max_borders):
        inner = _inside(pixels[top:bottom, left:right])
        if inner is None:
            break
        left, top, right, bottom = left + inner[0], top + inner[1], left + inner[2], top + inner[3]
    return left, top, right, bottom


def _inside(pixels: NDArray[np.uint8]) -> Box | None:
    height, width = pixels.shape[:2]
    if min(height, width) < BORDER.min_side:
        return None
    turned = pixels.swapaxes(0, 1)
    sides = turned, pixels, turned[::-1], pixels[::-1]
    depths = [_depth(side) for side in sides]
    if not all(depths):
        # Paper beside a line or a digit is no border: there is more of it inside.
        within = _cut(pixels, depths)
        depths = [
            0 if depth and _share(within, side[0]).mean() > BORDER.max_inside else depth
            for depth, side in zip(depths, sides, strict=True)
        ]
    if sum(depth > 0 for depth in depths) < 2:
        return None
    within = _cut(pixels, depths)[..., 1]
    if int(within.max()) - int(within.min()) < BORDER.min_content:
        return None
    return depths[0], depths[1], width - depths[2], height - depths[3]


def _cut(pixels: NDArray[np.uint8], depths: list[int]) -> NDArray[np.uint8]:
    left, top, right, bottom = depths
    return pixels[top : len(pixels) - bottom, left : pixels.shape[1] - right]


def _depth(pixels: NDArray[np.uint8]) -> int:
    """Return how many rows from the top on are border; 0 where there is none."""
    side = len(pixels)
    if _share(pixels[:1], pixels[0])[0] < BORDER.min_plain:
        return 0
    shares = _share(pixels[: max(3, int(BORDER.max_depth * side))], pixels[0])
    other = np.flatnonzero(shares < BORDER.min_plain)
    if not other.size:
        return 0
    # Between a border and the rest may lie a row or two of both, blurred.
    start = int(other[0])
    ended = np.flatnonzero(shares[start : start + 2 + side // 100] < BORDER.max_ended)
    if not ended.size:
        return 0
    last, next_ = (np.median(pixels[row], axis=0) for row in (start - 1, start + int(ended[0])))
    if np.abs(next_ - last).max() < BORDER.min_step:
        return 0
    return start + int(ended[0]) + (side >= 60)


def _share(rows: NDArray[np.uint8], border: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the share of each row's pixels that have the usual colour of a border."""
    colour = np.median(border, axis=0).astype(np.int16)
    close = np.abs(rows.astype(np.int16) - colour) <= BORDER.tolerance
    return (close[..., 0] & close[..., 1] & close[..., 2]).mean(axis=1)
