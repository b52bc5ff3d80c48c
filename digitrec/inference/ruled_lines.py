"""Ruled lines, the borders of cells and other straight lines among the ink."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from digitrec.inference.parameters import RULED_LINE
from digitrec.inference.pieces import Pieces

BoolImage = NDArray[np.bool_]


def remove_lines(mask: BoolImage, least_lengths: tuple[float, float]) -> BoolImage:
    """Return a mask without straight, nearly level or upright lines, such as those of cells.

    A pixel belongs to a line where an unbroken run of at least that length passes through it
    and the ink across the run is no thicker than the line. Strokes that cross a line are kept
    whole. Slanted lines, and those a little shorter, must be thin.

    Parameters
    ----------
    mask : ndarray of bool, shape (height, width)
        Ink.
    least_lengths : tuple of float
        Lengths in pixels from which a level and an upright run are lines.
    """
    lines = np.zeros_like(mask)
    for axis, least in zip((1, 0), least_lengths, strict=True):
        # An odd window is centred, so that opening it leaves no end of a run behind.
        length = max(8, int(least)) | 1
        work, found = (mask, lines) if axis == 1 else (mask.T, lines.T)
        found |= _runs(work, length)
        length = int(RULED_LINE.min_thin_length * length) | 1
        for _ in range(RULED_LINE.max_slopes):
            rest = work & ~found
            slope = _steepest_crowd(rest, length)
            if slope is None:
                break
            rise = np.rint(slope * np.arange(rest.shape[1])).astype(np.int64)
            down = rise.max() - rise
            level = _shear(rest, down, len(rest) + int(down.max()))
            slanted = _runs(level, length, max(3.0, RULED_LINE.max_thickness * length))
            if not slanted.any():
                break
            found |= _shear(slanted, -down, len(rest))
    return mask & ~lines if lines.any() else mask


def remove_broken_lines(mask: BoolImage, boxes: NDArray[np.int64]) -> BoolImage:
    """Return a mask without pale, broken or dotted lines across the page.

    Such a line is found by its parts: thin pieces in one nearly level or upright band whose
    lengths add up to most of the page's. Strokes that cross it are kept where they are thicker.

    Parameters
    ----------
    mask : ndarray of bool, shape (height, width)
        Ink.
    boxes : ndarray, shape (n, 4)
        Left, top, right, bottom of each of its pieces.
    """
    lines = np.zeros_like(mask)
    for axis in (1, 0):
        # As if the lines were level: `along` runs with them, `across` does not.
        work, found = (mask, lines) if axis == 1 else (mask.T, lines.T)
        along, across = boxes[:, 1 - axis :: 2], boxes[:, axis::2]
        courses = _find_courses(along, across, work.shape[1])
        if not courses:
            continue
        at = np.flatnonzero(work)
        rows, columns = np.divmod(at, work.shape[1])
        near = np.zeros(len(at), bool)
        for slope, place, reach in courses:
            near |= np.abs(rows - slope * columns - place) <= reach
        at = at[near]
        thickness = _thickness(work, at)
        at = at[thickness <= 1.6 * float(np.median(thickness)) + 1] if len(at) else at
        found[np.divmod(at, work.shape[1])] = True
    return mask & ~lines if lines.any() else mask


def find_pale_lines(pieces: Pieces, strength: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return which pieces are fragments of ruled lines: straight, thin, many and pale.

    Paler than the other ink, that is, which the ones of a row of digits are not.

    Parameters
    ----------
    pieces : Pieces
    strength : ndarray of float32, shape (height, width)
        Ink strength.
    """
    long = np.maximum(pieces.heights, pieces.widths)
    thick = np.minimum(pieces.heights, pieces.widths)
    straight = (long >= RULED_LINE.min_pale_aspect * thick) & (long >= 8)
    others = ~straight & (thick >= 6)
    if np.count_nonzero(straight) < RULED_LINE.min_pale_pieces or not others.any():
        return np.zeros(0, np.int64)
    usual = pieces.weights(strength) / np.maximum(pieces.areas, 1)
    reference = float(np.average(usual[others], weights=pieces.areas[others]))
    return np.flatnonzero(straight & (usual < RULED_LINE.max_pale_strength * reference))


def _find_courses(
    along: NDArray[np.int64], across: NDArray[np.int64], side: int
) -> list[tuple[float, float, float]]:
    """Return slope, place at the page's left end, and half the height of bands of thin pieces."""
    length, thickness = along[:, 1] - along[:, 0], across[:, 1] - across[:, 0]
    limit = np.maximum(
        RULED_LINE.max_broken_thickness * side, RULED_LINE.max_broken_aspect * length
    )
    thin = np.flatnonzero((thickness <= limit) & (length >= thickness))
    thin = thin[np.argsort(-length[thin], kind="stable")][: RULED_LINE.max_sample]
    if len(thin) < 2 or length[thin].sum() < RULED_LINE.min_covered * side:
        return []
    size, middle, place = length[thin], along[thin].mean(axis=1), across[thin].mean(axis=1)
    band = max(3.0, RULED_LINE.broken_band * side)
    candidates = []
    for slope in np.arange(-RULED_LINE.max_slope, RULED_LINE.max_slope + band / side, band / side):
        offset = place - slope * middle
        row = np.rint((offset - offset.min()) / band).astype(np.int64)
        covered = np.bincount(row, weights=size)
        for full in np.flatnonzero(covered >= RULED_LINE.min_covered * side):
            members = np.flatnonzero(row == full)
            candidates.append((float(covered[full]), float(slope), members))
    candidates.sort(key=lambda item: -item[0])
    free = np.ones(len(thin), bool)
    courses = []
    for _, slope, members in candidates[: RULED_LINE.max_candidates]:
        if size[members][free[members]].sum() < RULED_LINE.min_covered * side:
            continue
        free[members] = False
        at = float(np.average(place[members] - slope * middle[members], weights=size[members]))
        courses.append((slope, at, band))
    return courses


def _steepest_crowd(mask: BoolImage, length: int) -> float | None:
    """Return the slope of the slanted row with the most ink, where that is enough for a line."""
    width = mask.shape[1]
    inked = np.flatnonzero(mask)
    if len(inked) < length:
        return None
    some = inked[:: -(-len(inked) // RULED_LINE.max_sample)]
    y, x = np.divmod(some, width)
    share = len(some) / len(inked)

    def crowds(slopes: NDArray[np.float64], rows: float) -> NDArray[np.int64]:
        """Count the ink of the fullest band, some rows high, at each slope."""
        band = ((y - slopes[:, None] * x + RULED_LINE.max_slope * 2 * width) / rows).astype(
            np.int64
        )
        bands = int(band.max()) + 2
        band += np.arange(len(slopes))[:, None] * bands
        counts = np.bincount(band.reshape(-1), minlength=len(slopes) * bands)
        counts = counts.reshape(len(slopes), bands)
        return (counts[:, :-1] + counts[:, 1:]).max(axis=1)

    step = 3 / width
    slopes = np.arange(-RULED_LINE.max_slope, RULED_LINE.max_slope + step, step)
    counts = crowds(slopes, 3)
    best = int(counts.argmax())
    if counts[best] < 0.8 * length * share:
        return None
    finer = slopes[best] + np.linspace(-step, step, 9)
    return float(finer[crowds(finer, 1).argmax()])


def _shear(mask: BoolImage, down: NDArray[np.int64], height: int) -> BoolImage:
    """Move each column down by its number of rows, in a frame of some height."""
    # Twice as fast as the places of a table's true values.
    rows, columns = np.divmod(np.flatnonzero(mask), mask.shape[1])
    out = np.zeros((height, mask.shape[1]), bool)
    out[rows + down[columns], columns] = True
    return out


def _runs(mask: BoolImage, length: int, most_thickness: float = np.inf) -> BoolImage:
    """Return thin level runs, found by opening with a line, gaps of 2 % bridged."""
    line = np.zeros(mask.shape, bool)
    inked = np.flatnonzero(mask.any(axis=0))
    if not inked.size or inked[-1] - inked[0] + 1 < length:
        return line
    # A ruled line is seldom level to the pixel: each row is looked at along with its neighbours;
    # where these have less ink than a run needs, it holds no line.
    counts = np.convolve(np.count_nonzero(mask, axis=1), np.ones(3, np.int64))[1:-1]
    rows = np.flatnonzero(counts >= 0.9 * length)
    if not rows.size:
        return line
    padded = np.pad(mask, ((1, 1), (0, 0)))
    grown = padded[rows] | padded[rows + 1] | padded[rows + 2]
    gap = max(3, length // 50 | 1)
    closed = ndi.maximum_filter1d(grown.view(np.uint8), gap, mode="constant", cval=0)
    closed = ndi.minimum_filter1d(closed, gap, output=closed, mode="constant", cval=0)
    grown |= closed.view(bool)
    opened = ndi.minimum_filter(grown, size=(1, length), mode="constant", cval=0)
    opened = ndi.maximum_filter(opened, size=(1, length), mode="constant", cval=0)
    line[rows] = opened & mask[rows]
    if not line.any():
        return line
    # Where the ink across is thicker than the line's own thickness, a stroke crosses.
    at = np.flatnonzero(line)
    thickness = _thickness(mask, at)
    usual = float(np.median(thickness))
    if usual > most_thickness:
        return np.zeros_like(mask)
    line.reshape(-1)[at[thickness > 1.6 * usual + 1]] = False
    return line


def _thickness(mask: BoolImage, at: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the length of the upright run that each of some pixels of a mask is in."""
    height, width = mask.shape
    # Column after column, with paper between the columns and at both ends.
    columns = np.zeros((width, height + 1), np.int8)
    columns[:, 1:] = mask.T
    changes = np.flatnonzero(np.diff(columns.reshape(-1), append=np.int8(0))) + 1
    starts, lengths = changes[::2], changes[1::2] - changes[::2]
    rows, across = np.divmod(at, width)
    places = across * (height + 1) + rows + 1
    return lengths[np.searchsorted(starts, places, side="right") - 1]
