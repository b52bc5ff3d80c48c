"""Which pieces of ink make up one digit, and how tall digits are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from digitrec.inference.parameters import PAGE
from digitrec.inference.pieces import Pieces, union_box
from digitrec.inference.prediction import Box


def digit_height(pieces: Pieces) -> float | None:
    """Return the typical height of a digit: the median over ink of pieces of sane shape."""
    page_height, page_width = pieces.labels.shape
    heights, widths = pieces.heights, pieces.widths
    sane = (heights >= 6) & (widths < 6 * heights) & (heights < 12 * widths)
    sane &= (heights < 0.98 * page_height) | (widths < 0.9 * page_width)
    sane &= pieces.borders_touched < 2
    if not sane.any():
        sane = heights >= 6
    if not sane.any():
        return None
    order = np.argsort(heights[sane])
    # The root tempers the weight of one large blot against many digits.
    weights = np.sqrt(pieces.areas[sane].astype(float))[order]
    middle = np.searchsorted(np.cumsum(weights), weights.sum() / 2)
    return float(heights[sane][order][middle])


def join_pieces(pieces: Pieces, height: float) -> tuple[list[list[int]], int]:
    """Return groups of pieces, each group one digit (or several that touch).

    Of more than `PAGE.max_page_pieces` the largest are taken; the number of the others is returned
    too. Of more than `PAGE.max_digit_sized` of the height of digits none is taken.
    """
    boxes = pieces.boxes
    least = max(2.0, 0.10 * height)
    size = np.maximum(pieces.heights, pieces.widths)
    usable = np.flatnonzero(
        (size >= least) & (pieces.heights < 3.2 * height) & ~_hugs_border(pieces)
    )
    if np.count_nonzero(pieces.heights[usable] >= 0.25 * height) > PAGE.max_digit_sized:
        return [], len(usable)
    n_left_out = max(0, len(usable) - PAGE.max_page_pieces)
    if n_left_out:
        usable = usable[np.argsort(-pieces.areas[usable])[: PAGE.max_page_pieces]]
    groups = [[int(i)] for i in usable]
    spans = boxes[usable]
    while len(groups) > 1:
        pairs = np.argwhere(np.triu(_belong(spans, height), 1))
        if not len(pairs):
            break
        # All pairs of a round that have no piece in common are joined at once.
        taken: set[int] = set()
        gone = []
        for i, j in pairs.tolist():
            if i in taken or j in taken:
                continue
            taken |= {i, j}
            groups[i] += groups[j]
            spans[i] = union_box(spans[[i, j]])
            gone.append(j)
        groups = [group for index, group in enumerate(groups) if index not in set(gone)]
        spans = np.delete(spans, gone, axis=0)
    return [g for g in groups if _digit_sized(union_box(boxes[g]), height)], n_left_out


def _hugs_border(pieces: Pieces) -> NDArray[np.bool_]:
    """Tell which pieces are dark borders of the page: thin and along a border."""
    height, width = pieces.labels.shape
    if min(height, width) < 100:
        return np.zeros(len(pieces), bool)
    boxes, border = pieces.boxes, 0.015 * max(height, width)
    ends = (boxes[:, 2] <= border) | (boxes[:, 0] >= width - border)
    return ends | (boxes[:, 3] <= border) | (boxes[:, 1] >= height - border)


def _belong(spans: NDArray[np.int64], height: float) -> NDArray[np.bool_]:
    """Tell which pairs of pieces look like parts of one digit; shape (n, n)."""
    x0, y0, x1, y1 = (spans[:, k] for k in range(4))
    gap_x = np.maximum(x0[:, None], x0) - np.minimum(x1[:, None], x1)
    gap_y = np.maximum(y0[:, None], y0) - np.minimum(y1[:, None], y1)
    union_height = np.maximum(y1[:, None], y1) - np.minimum(y0[:, None], y0)
    union_width = np.maximum(x1[:, None], x1) - np.minimum(x0[:, None], x0)
    shorter = np.minimum((y1 - y0)[:, None], y1 - y0)
    narrower = np.minimum((x1 - x0)[:, None], x1 - x0)
    # Two strokes of one four overlap; two slanted digits do so less.
    both_tall = (gap_y < 0) & (-gap_x > 0.7 * narrower)
    stacked = (-gap_x >= 0.4 * narrower) & (gap_y <= 0.25 * height)
    close = (gap_x <= 0.08 * height) & (gap_y <= 0.08 * height)
    near = np.where(-gap_x >= 0.4 * narrower, stacked, close)
    small = (union_height <= 1.45 * height) & (union_width <= 1.3 * height)
    return small & np.where(shorter > 0.6 * height, both_tall, near)


def _digit_sized(box: Box, height: float) -> bool:
    tall = box[3] - box[1]
    wide = box[2] - box[0]
    return 0.4 * height <= max(tall, 0.6 * wide) and tall <= 2.4 * height
