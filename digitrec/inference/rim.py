"""The plain rim of an image: bars above and below, a frame along its edges, a margin around it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from digitrec.inference.prediction import Box

__all__ = ["without_rim"]

DEEPEST = 0.4
"""Most of the image's side that a rim takes at one end."""
_TOLERANCE = 16
"""Most by which a channel of a rim's pixel is off its usual value."""
_PLAIN = 0.97
"""Least share of a rim's row that has its colour."""
_STEP = 24
"""Least step in some channel where a rim ends; a gradient of the light has none."""
_ENDED = 0.5
"""Share of a row of its colour below which a rim has ended."""
_MOST_INSIDE = 0.3
"""Greatest share of the inside that has a rim's colour, unless the rim goes all around."""
_MOST_RIMS = 3
"""Rims within each other: paper, a frame on it, and its blurred edge."""
_LEAST_SIDE = 12
_CONTENT = 20
"""Least range of grey levels inside a rim; without it the rim may be all that there is to see."""


def without_rim(pixels: NDArray[np.uint8]) -> Box:
    """Return the box of what lies inside an image's rim: of all of it where there is none.

    A rim has one colour along a whole side, ends at once, and has fellows at other sides: a digit
    cut out with no margin may end in a straight stroke, but hardly at two sides with something
    else in between. A margin around a frame comes off with the frame.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (height, width, 3)

    Returns
    -------
    tuple of int
        Left, top, right, bottom; right and bottom exclusive.
    """
    left, top, right, bottom = 0, 0, pixels.shape[1], pixels.shape[0]
    for _ in range(_MOST_RIMS):
        inner = _inside(pixels[top:bottom, left:right])
        if inner is None:
            break
        left, top, right, bottom = left + inner[0], top + inner[1], left + inner[2], top + inner[3]
    return left, top, right, bottom


def _inside(pixels: NDArray[np.uint8]) -> Box | None:
    height, width = pixels.shape[:2]
    if min(height, width) < _LEAST_SIDE:
        return None
    turned = pixels.swapaxes(0, 1)
    sides = turned, pixels, turned[::-1], pixels[::-1]
    depths = [_depth(side) for side in sides]
    if not all(depths):
        # Paper beside a line or a digit is no rim: there is more of it inside.
        within = _cut(pixels, depths)
        depths = [
            0 if depth and _share(within, side[0]).mean() > _MOST_INSIDE else depth
            for depth, side in zip(depths, sides, strict=True)
        ]
    if sum(depth > 0 for depth in depths) < 2:
        return None
    within = _cut(pixels, depths)[..., 1]
    if int(within.max()) - int(within.min()) < _CONTENT:
        return None
    return depths[0], depths[1], width - depths[2], height - depths[3]


def _cut(pixels: NDArray[np.uint8], depths: list[int]) -> NDArray[np.uint8]:
    left, top, right, bottom = depths
    return pixels[top : len(pixels) - bottom, left : pixels.shape[1] - right]


def _depth(pixels: NDArray[np.uint8]) -> int:
    """Return how many rows from the top on are rim; 0 where there is none."""
    side = len(pixels)
    if _share(pixels[:1], pixels[0])[0] < _PLAIN:
        return 0
    shares = _share(pixels[: max(3, int(DEEPEST * side))], pixels[0])
    other = np.flatnonzero(shares < _PLAIN)
    if not other.size:
        return 0
    # Between a rim and the rest may lie a row or two of both, blurred.
    start = int(other[0])
    ended = np.flatnonzero(shares[start : start + 2 + side // 100] < _ENDED)
    if not ended.size:
        return 0
    last, next_ = (np.median(pixels[row], axis=0) for row in (start - 1, start + int(ended[0])))
    if np.abs(next_ - last).max() < _STEP:
        return 0
    return start + int(ended[0]) + (side >= 60)


def _share(rows: NDArray[np.uint8], border: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the share of each row's pixels that have the usual colour of a border."""
    colour = np.median(border, axis=0).astype(np.int16)
    close = np.abs(rows.astype(np.int16) - colour) <= _TOLERANCE
    return (close[..., 0] & close[..., 1] & close[..., 2]).mean(axis=1)
