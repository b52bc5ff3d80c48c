"""Digits that touch: where a piece of ink may be cut, and the cuts that give the best digits."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from digitrec.inference.normalise import stroke_ratio
from digitrec.inference.parameters import CUT

FloatImage = NDArray[np.float32]
Scorer = Callable[[list[FloatImage]], NDArray[np.float64]]
"""From crops of ink to the confidence that each is one digit, 0–1."""


def cut_piece(
    strength: FloatImage, height: float, score: Scorer, *, parts: int | None = None
) -> list[FloatImage] | None:
    """Cut a piece of ink into digits.

    Parameters
    ----------
    strength : ndarray of float32, shape (height, width)
        Ink of the piece, 0 elsewhere.
    height : float
        Typical height of a digit on the page.
    score : callable
        Confidence that each of some crops is one digit.
    parts : int, optional
        Number of digits the piece is known to hold.

    Returns
    -------
    list of ndarray or None
        The parts from left to right, each of the piece's shape; None where the piece is
        better left whole.
    """
    seams = find_seams(strength, height)
    if not seams:
        return None
    columns = np.arange(strength.shape[1])[None]
    left_of = [columns < seam[:, None] for seam in seams]
    whole = np.ones(strength.shape, bool)
    bounds = [~whole, *left_of, whole]
    centres = [0.0, *(float(seam.mean()) for seam in seams), float(strength.shape[1])]
    # A part narrower than the pen is a slice of a stroke.
    pen = 1.1 * stroke_ratio(strength) * max(strength.shape) / height
    least = max(CUT.min_width, pen)
    spans, crops = [], []
    for i in range(len(bounds)):
        for j in range(i + 1, len(bounds)):
            width = (centres[j] - centres[i]) / height
            crop = np.where(bounds[j] & ~bounds[i], strength, 0)
            full = i == 0 and j == len(bounds) - 1
            if not full and not (least <= width <= CUT.max_width):
                continue
            if not full and _ink_height(crop) < 0.45 * _ink_height(strength):
                continue
            spans.append((i, j))
            crops.append(crop)
    logs = np.log(np.maximum(score(crops), 1e-4))
    path = _best_path(dict(zip(spans, logs, strict=True)), len(bounds), parts)
    if path is None or len(path) < 3:
        return None
    chosen = np.exp([logs[spans.index(span)] for span in pairwise(path)])
    if parts is None and (chosen > 0.5).mean() < CUT.min_good_share:
        return None
    return [
        np.where(bounds[j] & ~bounds[i], strength, 0).astype(np.float32) for i, j in pairwise(path)
    ]


def find_seams(strength: FloatImage, height: float) -> list[NDArray[np.float64]]:
    """Return candidate cuts: from the top to the bottom, through as little ink as can be.

    Each starts from a minimum of the ink per column and is the path of least ink within a
    band around it, one column sideways a row at most.

    Returns
    -------
    list of ndarray, shape (height,)
        Column of each cut in each row, cuts from left to right.
    """
    rows, width = strength.shape
    profile = ndi.gaussian_filter1d((strength > 0).sum(axis=0).astype(float), 0.03 * height + 0.5)
    margin = max(2, int(CUT.min_width * height))
    inner = np.arange(margin, width - margin)
    if not len(inner):
        return []
    minima = [
        int(c) for c in inner if profile[c] <= profile[c - 1] and profile[c] < profile[c + 1] + 1e-9
    ]
    # Even cuts join the minima, for digits that overlap along a slope.
    n_even = max(1, round(width / (0.7 * height)))
    minima += [int(width * k / (n_even + 1)) for k in range(1, n_even + 1)]
    order = sorted(minima, key=lambda c: profile[c])
    chosen: list[int] = []
    for column in order:
        if all(abs(column - other) >= 0.12 * height for other in chosen):
            chosen.append(column)
        if len(chosen) == CUT.max_seams:
            break
    peak = max(float(strength.max()), 1e-6)
    reach = max(2, round(0.2 * height))
    seams = [_seam(strength / peak, column, reach) for column in sorted(chosen)]
    return [seam.astype(np.float64) for seam in seams if len(seam) == rows]


def _seam(ink: FloatImage, column: int, reach: int) -> NDArray[np.int64]:
    """Return the path of least ink near a column, by dynamic programming."""
    start, stop = max(0, column - reach), min(ink.shape[1], column + reach + 1)
    away = np.abs(np.arange(start, stop) - column) / reach
    price = ink[:, start:stop] + 0.02 * away[None] + 0.01
    total = price.copy()
    # Reached from the left, straight, or from the right.
    before = np.full((len(price), price.shape[1] + 2), np.inf)
    aside = np.empty(price.shape[1])
    for row in range(1, len(price)):
        before[row, 1:-1] = total[row - 1]
        np.minimum(before[row, :-2], before[row, 2:], out=aside)
        aside += 0.01
        total[row] += np.minimum(aside, total[row - 1], out=aside)
    left, straight, right = before[:, :-2] + 0.01, before[:, 1:-1], before[:, 2:] + 0.01
    step = np.where(np.minimum(left, straight) <= right, 0, 1)
    step[(left <= straight) & (left <= right)] = -1
    path = np.empty(len(price), np.int64)
    path[-1] = int(total[-1].argmin())
    for row in range(len(price) - 1, 0, -1):
        path[row - 1] = path[row] + step[row, path[row]]
    return path + start


def _ink_height(strength: FloatImage) -> int:
    rows = np.flatnonzero((strength > 0).any(axis=1))
    return int(rows[-1] - rows[0] + 1) if len(rows) else 0


def _best_path(
    logs: dict[tuple[int, int], float], n_bounds: int, parts: int | None
) -> list[int] | None:
    """Return the bounds of the parts with the best sum of log-confidences less the cuts' price."""
    most = parts or n_bounds
    best: dict[tuple[int, int], tuple[float, list[int]]] = {(0, 0): (0.0, [0])}
    for (i, j), log in sorted(logs.items()):
        for count in range(most):
            if (i, count) not in best:
                continue
            value, path = best[i, count]
            value += float(log) - (CUT.cut_cost if count else 0.0)
            if (j, count + 1) not in best or value > best[j, count + 1][0]:
                best[j, count + 1] = (value, [*path, j])
    ends = {c: v for (end, c), v in best.items() if end == n_bounds - 1 and c}
    if parts is not None:
        ends = {c: v for c, v in ends.items() if c == parts}
    return max(ends.values(), key=lambda v: v[0])[1] if ends else None
