"""Boxes of forms: rows of cells that each hold one digit, apart or joined to a comb."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from digitrec.inference.parameters import CELL
from digitrec.inference.sheet import fill_rows_and_columns

BoolImage = NDArray[np.bool_]
Window = tuple[slice, slice]

# Enclosed areas of a page that are looked at, the largest; bounds the time on pages of noise.
_MAX_CANDIDATES = 400
# Cells whose content is looked at; a checkerboard has thousands, in rows that overlap.
_MAX_CELLS = 1_000


def find_cell_digits(mask: BoolImage) -> list[list[tuple[Window, BoolImage]]]:
    """Return what is written in each cell of each row of boxes.

    Parameters
    ----------
    mask : ndarray of bool, shape (height, width)
        Ink, that of the boxes included.

    Returns
    -------
    list of list of (window, mask)
        Rows from top to bottom; where each digit is, and its ink in that window. Empty where
        the page has no row of boxes that are written in.
    """
    grown = ndi.maximum_filter(mask.view(np.uint8), size=3) > 0
    boxes = _find_cells(grown)
    rows = []
    n_cells = 0
    for row in _rows(boxes):
        cells, slope = _repaired(boxes[row], grown)
        n_cells += len(cells)
        if n_cells > _MAX_CELLS:
            break
        if len(cells) < CELL.min_cells:
            continue
        written = [_content(mask, box, slope) for box in cells]
        found = [content for content in written if content is not None]
        if len(found) >= max(2, CELL.min_written * len(cells)):
            rows.append(found)
    rows.sort(key=lambda row: np.mean([window[0].start for window, _ in row]))
    return rows


def _find_cells(grown: BoolImage) -> NDArray[np.int64]:
    """Return the boxes, shape (n, 4), of four-sided areas that ink encloses."""
    p = CELL
    boxes: list[tuple[int, int, int, int]] = []
    labels, count = ndi.label(~grown)
    areas = np.bincount(labels.reshape(-1), minlength=count + 1)
    largest = p.max_side * max(grown.shape)
    usable = np.flatnonzero((areas >= 0.3 * p.min_side**2) & (areas <= largest**2))
    usable = usable[usable > 0]
    usable = usable[np.argsort(-areas[usable], kind="stable")][:_MAX_CANDIDATES]
    if len(usable) >= 2:
        slices = ndi.find_objects(labels)
        for label in usable.tolist():
            rows, columns = slices[label - 1]
            short, long = sorted((rows.stop - rows.start, columns.stop - columns.start))
            if short < p.min_side or long > min(largest, p.max_aspect * short):
                continue
            box = (columns.start, rows.start, columns.stop, rows.stop)
            filled = fill_rows_and_columns(labels[rows, columns] == label).mean()
            # The loop of a six is round: it fills less of its box, and touches it in few places.
            if filled >= p.min_filled and _is_drawn(grown, box):
                boxes.append(box)
    return np.array(boxes, np.int64).reshape(-1, 4)


def _rows(boxes: NDArray[np.int64]) -> list[list[int]]:
    """Return chains of like cells side by side, each from left to right."""
    p = CELL
    x0, y0, x1, y1 = boxes.T.astype(float)
    width, height, middle = x1 - x0, y1 - y0, (y0 + y1) / 2
    rows: list[list[int]] = []
    for index in np.argsort(x0, kind="stable").tolist():
        best, least = None, np.inf
        for row in rows:
            last = row[-1]
            gap = x0[index] - x1[last]
            unlike = max(
                0.5 * abs(width[index] - width[last]),
                abs(height[index] - height[last]),
                abs(middle[index] - middle[last]),
            )
            like = unlike <= p.max_unlike * max(height[last], height[index])
            if like and -0.1 * width[last] <= gap <= p.max_gap * width[last] and gap < least:
                best, least = row, gap
        if best is None:
            rows.append([index])
        else:
            best.append(index)
    return [row for row in rows if len(row) >= 2]


def _repaired(boxes: NDArray[np.int64], grown: BoolImage) -> tuple[NDArray[np.int64], float]:
    """Return a row of cells, and its slope, with those mended that ink cuts short or in two.

    All cells of a row have one size and stand one step apart: what is narrower or lower than
    the others, and what is missing between two or drawn at an end, is given that size and place.
    """
    width, height = np.median(boxes[:, 2:] - boxes[:, :2], axis=0)
    whole = (boxes[:, 2:] - boxes[:, :2] >= CELL.min_whole * np.array([width, height])).all(1)
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    if whole.sum() < 2:
        return boxes, 0.0
    # Where a cell is missing between two the step is a multiple of the others.
    step = float(np.diff(middles[whole, 0]).min())
    places = np.rint((middles[:, 0] - middles[np.argmax(whole), 0]) / step)
    x_line, y_line = (np.polyfit(places[whole], middles[whole, axis], 1) for axis in (0, 1))
    known = dict(zip(places[whole].tolist(), boxes[whole], strict=True))

    def cell(place: float) -> NDArray[np.int64]:
        x, y = np.polyval(x_line, place), np.polyval(y_line, place)
        ends = [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
        return known.get(place, np.rint(ends).astype(np.int64))

    first, last = float(places.min()), float(places.max())
    while _is_drawn(grown, cell(first - 1)):
        first -= 1
    while _is_drawn(grown, cell(last + 1)):
        last += 1
    most = (*grown.shape[::-1], *grown.shape[::-1])
    row = [np.clip(cell(place), 0, most) for place in np.arange(first, last + 1).tolist()]
    return np.array(row), float(y_line[0] / x_line[0])


def _is_drawn(grown: BoolImage, box: Sequence[int] | NDArray[np.int64]) -> bool:
    """Tell whether there are lines along all sides of a box."""
    left, top, right, bottom = map(int, box)
    reach = CELL.line_reach
    height, width = grown.shape
    if min(left, top) < reach or right + reach > width or bottom + reach > height:
        return False
    sides = (
        grown[top:bottom, left - reach : left + reach].any(axis=1),
        grown[top:bottom, right - reach : right + reach].any(axis=1),
        grown[top - reach : top + reach, left:right].any(axis=0),
        grown[bottom - reach : bottom + reach, left:right].any(axis=0),
    )
    return bool(min(side.mean() for side in sides) >= CELL.min_drawn)


def _content(
    mask: BoolImage, box: NDArray[np.int64], slope: float
) -> tuple[Window, BoolImage] | None:
    """Return what is written in a cell; None where it is empty."""
    left, top, right, bottom = box.tolist()
    height = bottom - top
    window = slice(top, bottom), slice(left, right)
    # The box around a cell that is turned holds some of its sides.
    y, x = np.ogrid[: bottom - top, : right - left]
    y, x = y - (bottom - top - 1) / 2, x - (right - left - 1) / 2
    reach_x = (right - left - abs(slope) * (bottom - top)) / 2
    reach_y = (bottom - top - abs(slope) * (right - left)) / 2
    inside = (np.abs(x + slope * y) <= reach_x) & (np.abs(y - slope * x) <= reach_y)
    ink = mask[window] & inside
    labels, _ = ndi.label(ink, structure=np.ones((3, 3)))
    for index, (rows, columns) in enumerate(ndi.find_objects(labels), 1):
        tall, wide = rows.stop - rows.start, columns.stop - columns.start
        along_side = columns.stop <= 0.1 * (right - left) or columns.start >= 0.9 * (right - left)
        along_end = rows.stop <= 0.1 * height or rows.start >= 0.9 * height
        if max(tall, wide) < CELL.min_speck * height or along_side or along_end:
            ink &= labels != index
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if not rows.size or np.ptp(rows) + 1 < CELL.min_height * height:
        return None
    own = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    shifted = (
        slice(int(top + rows[0]), int(top + rows[-1] + 1)),
        slice(int(left + columns[0]), int(left + columns[-1] + 1)),
    )
    return shifted, ink[own]
