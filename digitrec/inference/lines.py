"""Rows of a page: its slope, which pieces share a row, and their order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from digitrec.inference.parameters import PAGE

FloatArray = NDArray[np.float64]


def page_slope(boxes: FloatArray, height: float) -> float:
    """Return the slope of the rows: pixels down per pixel to the right; 0 where unclear.

    Each digit and its nearest neighbour to the right give one estimate; their median, weighted
    by distance, counts where most of them agree.

    Parameters
    ----------
    boxes : ndarray, shape (n, 4)
        Left, top, right, bottom of digit-sized pieces.
    height : float
        Typical height of a digit.
    """
    if len(boxes) < 3:
        return 0.0
    x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    dx, dy = x[None] - x[:, None], y[None] - y[:, None]
    right = (dx > 0.3 * height) & (np.abs(dy) < PAGE.max_slope * dx)
    # Along a slope the nearest neighbour is in the same row; dy counts double against others.
    cost = np.where(right, dx + 2 * np.abs(dy), np.inf)
    nearest = cost.argmin(axis=1)
    rows = np.flatnonzero(np.isfinite(cost.min(axis=1)) & (cost.min(axis=1) < 5 * height))
    if len(rows) < 2:
        return 0.0
    slopes = dy[rows, nearest[rows]] / dx[rows, nearest[rows]]
    slope = float(np.median(slopes))
    agree = np.abs(slopes - slope) < 0.12
    if agree.mean() < 0.6:
        return 0.0
    return float(np.average(slopes[agree], weights=dx[rows, nearest[rows]][agree]))


def group_lines(boxes: FloatArray, height: float, slope: float = 0.0) -> list[list[int]]:
    """Return indices of boxes in rows, top to bottom, each from left to right.

    Parameters
    ----------
    boxes : ndarray, shape (n, 4)
        Left, top, right, bottom.
    height : float
        Typical height of a digit.
    slope : float
        As `page_slope` gives it.
    """
    if not len(boxes):
        return []
    x = (boxes[:, 0] + boxes[:, 2]) / 2
    y = (boxes[:, 1] + boxes[:, 3]) / 2 - slope * x
    lines: list[list[int]] = []
    # The row's height at its end is that of its last few members: rows may bend. As Python's
    # numbers, for pages of specks have hundreds of rows.
    heights = y.tolist()
    ends: list[tuple[float, float]] = []
    for index in np.argsort(x).tolist():
        best, least = None, 0.58 * max(height, 0.6 * float(boxes[index, 3] - boxes[index, 1]))
        own = heights[index]
        for number, (last, mean) in enumerate(ends):
            away = min(abs(last - own), abs(mean - own))
            if away < least:
                best, least = number, away
        if best is None:
            lines.append([index])
            ends.append((own, own))
        else:
            lines[best].append(index)
            recent = [heights[member] for member in lines[best][-3:]]
            ends[best] = own, sum(recent) / len(recent)
    everything = sorted(range(len(boxes)), key=lambda i: float(x[i]))
    level = boxes - np.outer(slope * x, [0, 1, 0, 1])
    if len(lines) > 1 and _is_row(level[everything], height):
        return [everything]
    lines.sort(key=lambda line: float(np.mean(y[line])))
    return lines


def _is_row(boxes: FloatArray, height: float) -> bool:
    """Return whether boxes, from left to right, are one row of digits at different heights."""
    gaps = boxes[1:, 0] - boxes[:-1, 2]
    if (gaps < -PAGE.max_overlap * height).any() or (gaps > PAGE.max_gap * height).any():
        return False
    shared = np.minimum(boxes[1:, 3], boxes[:-1, 3]) - np.maximum(boxes[1:, 1], boxes[:-1, 1])
    return bool((shared > PAGE.min_shared_height * height).all())
