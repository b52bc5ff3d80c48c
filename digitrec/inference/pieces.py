"""Connected pieces of ink, and which of them are frames."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from digitrec.inference.parameters import FRAME
from digitrec.inference.prediction import Box

_NEIGHBOURS = np.ones((3, 3))
_MANY_PIECES = 1000
"""Pieces from which their boxes are found together: 100,000 take 20 ms instead of 700."""
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

    @functools.cached_property
    def widths(self) -> NDArray[np.int64]:
        """Width of each box."""
        return self.boxes[:, 2] - self.boxes[:, 0]

    @functools.cached_property
    def heights(self) -> NDArray[np.int64]:
        """Height of each box."""
        return self.boxes[:, 3] - self.boxes[:, 1]

    @functools.cached_property
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
    if count > _MANY_PIECES:
        return Pieces(labels, _boxes_of_many(labels, count))
    slices = ndi.find_objects(labels)
    boxes = np.array(
        [(s[1].start, s[0].start, s[1].stop, s[0].stop) for s in slices], dtype=np.int64
    ).reshape(count, 4)
    return Pieces(labels, boxes)


def _boxes_of_many(labels: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    """Return the boxes of thousands of pieces, for which a Python object each takes too long."""
    boxes = np.empty((count + 1, 4), np.int64)
    for axis, first, last in ((0, 1, 3), (1, 0, 2)):
        ordered = labels if axis == 0 else labels.T
        inked = np.flatnonzero(ordered)
        piece, place = ordered.reshape(-1)[inked], inked // ordered.shape[1]
        # Of several values for one piece the last is kept: the first place, written backwards.
        boxes[piece[::-1], first] = place[::-1]
        boxes[piece, last] = place + 1
    return boxes[1:]


def union_box(boxes: NDArray[np.int64]) -> Box:
    """Return the smallest box around some boxes."""
    left, top = boxes[:, :2].min(axis=0)
    right, bottom = boxes[:, 2:].max(axis=0)
    return int(left), int(top), int(right), int(bottom)


def find_frames(pieces: Pieces, least_content: float = FRAME.min_content) -> list[int]:
    """Return which pieces are frames around others: cells of forms, boxes, circles, page edges.

    A frame surrounds something of some size, which a digit seldom does. It is nearly as large as
    the image and runs along its box, it has straight sides, level or not, or it is an ellipse.

    Parameters
    ----------
    pieces : Pieces
    least_content : float
        Least height of what it surrounds over its own, where it is longer than half the image.
    """
    height, width = pieces.labels.shape
    boxes = pieces.boxes
    large = (pieces.widths > 0.75 * width) & (pieces.heights > 0.75 * height)
    large |= pieces.borders_touched >= 3
    half = np.maximum(pieces.widths, pieces.heights) > 0.5 * max(height, width)
    least = np.where(half, least_content, FRAME.min_content) * pieces.heights
    frames = []
    for index in np.flatnonzero((pieces.widths > 8) & (pieces.heights > 8)):
        left, top, right, bottom = boxes[index]
        within = (boxes[:, 0] > left) & (boxes[:, 1] > top)
        within &= (boxes[:, 2] < right) & (boxes[:, 3] < bottom)
        content = pieces.heights[within].max(initial=0)
        if content <= least[index]:
            continue
        round_too = content > FRAME.min_round_content * pieces.heights[index]
        most = FRAME.max_ellipse if round_too else FRAME.max_parallelogram
        own = pieces.labels[top:bottom, left:right] == index + 1
        if (large[index] and _runs_along_its_box(own)) or _surrounds(own, most):
            frames.append(int(index))
    return frames


def _runs_along_its_box(own: NDArray[np.bool_]) -> bool:
    border = max(2, round(0.12 * min(own.shape)))
    return bool(own[border:-border, border:-border].sum() <= 0.15 * own.sum())


def _surrounds(own: NDArray[np.bool_], most: float) -> bool:
    """Return whether a piece surrounds a plain area that takes most of its box.

    The area over the root of the determinant of its pixels' covariance is 12 for every
    parallelogram, level or not, and 4 pi for every ellipse; it must be below `most`.
    """
    areas, count = ndi.label(~np.pad(own, 1))
    if count < 2:
        return False
    # The first label is the outside, which starts at the corner.
    sizes = np.bincount(areas.reshape(-1), minlength=count + 1)[2:]
    if sizes.max() < 0.4 * own.size:
        return False
    y, x = np.nonzero(areas == 2 + int(sizes.argmax()))
    spread = float(np.linalg.det(np.cov(x, y)))
    return len(x) < most * np.sqrt(spread)
