"""Connected pieces of ink, and which of them are lines, frames and specks."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from digitrec.inference.prediction import Box

__all__ = ["Pieces", "find_pieces", "is_frame", "remove_lines", "union_box"]

_NEIGHBOURS = np.ones((3, 3))
_EVERYWHERE = (slice(None), slice(None))


@dataclass(frozen=True, eq=False)
class Pieces:
    """Connected pieces of a mask; entry 0 of each array is the first piece.

    Attributes
    ----------
    labels : ndarray of int32, shape (height, width)
        0 for paper, i + 1 for piece i.
    boxes : ndarray of int64, shape (n, 4)
        Left, top, right, bottom; right and bottom exclusive.
    """

    labels: NDArray[np.int32]
    boxes: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.boxes)

    @functools.cached_property
    def areas(self) -> NDArray[np.int64]:
        """Pixels of ink of each piece."""
        return self._labels_of_ink_counted()

    def weights(self, strength: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the sum of some strength over each piece; shape (n,)."""
        return self._labels_of_ink_counted(strength)

    def _labels_of_ink_counted(self, weights: NDArray[np.float32] | None = None) -> NDArray:
        # Most pixels are paper, which need not be counted.
        inked = np.flatnonzero(self.labels)
        labels = self.labels.reshape(-1)[inked]
        chosen = None if weights is None else weights.reshape(-1)[inked]
        return np.bincount(labels, weights=chosen, minlength=len(self) + 1)[1:]

    @property
    def widths(self) -> NDArray[np.int64]:
        """Width of each box."""
        return self.boxes[:, 2] - self.boxes[:, 0]

    @property
    def heights(self) -> NDArray[np.int64]:
        """Height of each box."""
        return self.boxes[:, 3] - self.boxes[:, 1]

    @property
    def borders_touched(self) -> NDArray[np.int64]:
        """How many of the image's four borders each piece touches."""
        height, width = self.labels.shape
        ends = np.array([0, 0, width, height])
        return (self.boxes == ends).sum(axis=1)

    def mask(
        self, indices: NDArray[np.int64] | list[int], window: tuple[slice, slice] = _EVERYWHERE
    ) -> NDArray[np.bool_]:
        """Return the pixels of some of the pieces, within a window."""
        keep = np.zeros(len(self) + 1, bool)
        keep[np.asarray(indices, dtype=np.int64) + 1] = True
        return keep[self.labels[window]]


def find_pieces(mask: NDArray[np.bool_]) -> Pieces:
    """Return the 8-connected pieces of a mask."""
    labels, count = ndi.label(mask, structure=_NEIGHBOURS)
    slices = ndi.find_objects(labels)
    boxes = np.array(
        [(s[1].start, s[0].start, s[1].stop, s[0].stop) for s in slices], dtype=np.int64
    ).reshape(count, 4)
    return Pieces(labels, boxes)


def union_box(boxes: NDArray[np.int64]) -> Box:
    """Return the smallest box around some boxes."""
    left, top = boxes[:, :2].min(axis=0)
    right, bottom = boxes[:, 2:].max(axis=0)
    return int(left), int(top), int(right), int(bottom)


def is_frame(pieces: Pieces, index: int) -> bool:
    """Tell whether a piece runs along its box and surrounds something of some size."""
    left, top, right, bottom = pieces.boxes[index]
    own = pieces.labels[top:bottom, left:right] == index + 1
    rim = max(2, round(0.12 * min(own.shape)))
    inner = np.zeros_like(own)
    inner[rim:-rim, rim:-rim] = True
    if (own & inner).sum() > 0.15 * own.sum():
        return False
    boxes = pieces.boxes
    within = (boxes[:, 0] > left) & (boxes[:, 1] > top)
    within &= (boxes[:, 2] < right) & (boxes[:, 3] < bottom)
    return bool((within & (pieces.heights > 0.2 * (bottom - top))).any())


def remove_lines(mask: NDArray[np.bool_], least_lengths: tuple[float, float]) -> NDArray[np.bool_]:
    """Return a mask without straight level or upright lines, such as rulings and cell borders.

    A pixel belongs to a line where an unbroken run of at least that length passes through it
    and the ink across the run is thin. Strokes that cross a line are kept whole.

    Parameters
    ----------
    mask : ndarray of bool, shape (height, width)
        Ink.
    least_lengths : tuple of float
        Lengths in pixels from which a level and an upright run are lines.
    """
    lines = np.zeros_like(mask)
    for axis, length in zip((1, 0), least_lengths, strict=True):
        # An odd window is centred, so that opening it leaves no end of a run behind.
        lines |= _runs(mask, axis, max(8, int(length)) | 1)
    return mask & ~lines if lines.any() else mask


def _runs(mask: NDArray[np.bool_], axis: int, length: int) -> NDArray[np.bool_]:
    """Return thin runs along an axis, found by opening with a line, gaps of 2 % bridged."""
    line = np.zeros_like(mask)
    work, found = (mask, line) if axis == 1 else (mask.T, line.T)
    inked = np.flatnonzero(work.any(axis=0))
    if not inked.size or inked[-1] - inked[0] + 1 < length:
        return line
    # A ruling is seldom level to the pixel, so each row is looked at along with its neighbours;
    # where these have less ink than a run needs, it holds no line.
    counts = np.convolve(np.count_nonzero(work, axis=1), np.ones(3, np.int64))[1:-1]
    rows = np.flatnonzero(counts >= 0.9 * length)
    if not rows.size:
        return line
    padded = np.pad(work, ((1, 1), (0, 0)))
    grown = padded[rows] | padded[rows + 1] | padded[rows + 2]
    gap = np.ones((1, max(3, length // 50 | 1)))
    grown |= ndi.binary_closing(grown, structure=gap)
    opened = ndi.minimum_filter(grown, size=(1, length), mode="constant", cval=0)
    opened = ndi.maximum_filter(opened, size=(1, length), mode="constant", cval=0)
    found[rows] = opened & work[rows]
    if not line.any():
        return line
    # Where the ink across is thicker than the line's own thickness, a stroke crosses.
    thickness = _run_lengths(mask, 1 - axis)
    usual = float(np.median(thickness[line]))
    return line & (thickness <= 1.6 * usual + 1)


def _run_lengths(mask: NDArray[np.bool_], axis: int) -> NDArray[np.int64]:
    """Return for each pixel of a mask the length of its run along an axis."""
    work = mask if axis == 1 else mask.T
    padded = np.pad(work, ((0, 0), (1, 1))).astype(np.int8)
    change = np.diff(padded, axis=1)
    lengths = np.zeros(work.shape, np.int64)
    rows, starts = np.nonzero(change == 1)
    _, stops = np.nonzero(change == -1)
    sizes = stops - starts
    # Each run is written by repetition; rows and starts come in the same order as stops.
    columns = np.repeat(starts - np.concatenate([[0], np.cumsum(sizes)[:-1]]), sizes)
    columns = columns + np.arange(sizes.sum())
    lengths[np.repeat(rows, sizes), columns] = np.repeat(sizes, sizes)
    return lengths if axis == 1 else lengths.T
