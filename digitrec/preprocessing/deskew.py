"""Straighten slanted characters by their image moments."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray
from sklearn.base import OneToOneFeatureMixin

from digitrec.preprocessing._images import ImageTransformer, RowFunction

# Weight of ink below which an image counts as blank; keeps the divisions finite.
_TINY = np.float32(1e-6)
# Largest slant undone, in columns per row. Flat strokes have no slant to speak of, and their
# moments give arbitrary ones.
MAX_SLANT = 1.0


class Deskew(OneToOneFeatureMixin, ImageTransformer):
    """Centre each image on its centre of mass and undo its slant.

    With the moments of the ink, the slant is ``a = mu_xy / mu_yy`` and the output is
    ``out(y, x) = in(y + dy, x + dx + a * (y - c))`` with bilinear interpolation and zeros
    outside the image. ``(dy, dx)`` is the centre of mass minus the image's centre, and ``c``
    is the middle row. Blank images stay as they are.

    Parameters
    ----------
    image_shape : tuple of int, optional
        ``(height, width)``. None infers a square (one line of pixels where the number of
        columns is not a square number).
    n_jobs : int, optional
        Threads; None means one.

    Attributes
    ----------
    n_features_in_ : int
        Pixels per image.

    Notes
    -----
    Negative pixels count as no ink in the moments. Deskewing by moments goes back to the
    preprocessing in Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, "Gradient-based learning
    applied to document recognition", Proceedings of the IEEE 86(11), 1998.
    """

    def _row_function(self, shape: tuple[int, int]) -> RowFunction:
        return functools.partial(_deskew, shape=shape)


def _deskew(X: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    height, width = shape
    dy, dx, slant = _moments(X, shape)
    # Bilinear sampling is separable here: rows move by one distance per image, and then
    # pixels along a row by one distance per row.
    moved = _shift(X, dy, height, width)
    rows = np.arange(height, dtype=np.float32) - np.float32((height - 1) / 2)
    distances = dx[:, None] + slant[:, None] * rows
    straight = _shift(moved.reshape(-1, width), distances.reshape(-1), width, 1)
    return straight.reshape(X.shape)


def _moments(
    X: NDArray[np.float32], shape: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Return the centre of mass relative to the image's centre (dy, dx), and the slant."""
    sums = np.maximum(X, 0) @ moment_weights(shape)
    mass = sums[:, 0]
    blank = mass < _TINY
    mean = sums[:, 1:] / np.where(blank, np.float32(1), mass)[:, None]
    y, x, yy, xy = np.where(blank[:, None], np.float32(0), mean).T
    slant = (xy - x * y) / np.maximum(yy - y * y, _TINY)
    return y, x, np.clip(slant, -MAX_SLANT, MAX_SLANT, dtype=np.float32)


@functools.lru_cache(maxsize=16)
def moment_weights(shape: tuple[int, int]) -> NDArray[np.float32]:
    """Weights ``(height * width, 5)`` that sum pixels to mass, y, x, yy and xy."""
    y, x = (axis - (size - 1) / 2 for axis, size in zip(np.indices(shape), shape, strict=True))
    columns = (np.ones(shape), y, x, y * y, x * y)
    return np.stack([c.ravel() for c in columns], axis=1).astype(np.float32)


def _shift(
    X: NDArray[np.float32], distances: NDArray[np.float32], length: int, stride: int
) -> NDArray[np.float32]:
    """Move each row of `X` by its own fractional distance, in items of `stride` values.

    ``out[k] = X[k + distance]``, linearly interpolated between items, zero outside.
    """
    gap = length + 1
    distances = np.clip(distances, -gap, length)
    whole = np.floor(distances)
    fraction = (distances - whole)[:, None]
    # Rows are in one line with gaps of zeros between them, so that every move is one
    # contiguous piece and stays within a row and the gaps on its sides.
    n_rows = len(X)
    line = np.zeros((n_rows + 1, (length + gap) * stride), dtype=np.float32)
    line[:n_rows, gap * stride :] = X
    # The last piece may reach into the gap after the last row: one more row gives it.
    starts = (np.arange(n_rows) * (length + gap) + gap + whole.astype(np.intp)) * stride
    # A view of every piece; NumPy's sliding_window_view takes a tenth of the time of one image.
    n_pieces = line.size - gap * stride + 1
    pieces = np.ndarray((n_pieces, gap * stride), np.float32, line, strides=(4, 4))[starts]
    left, right = pieces[:, :-stride], pieces[:, stride:]
    return left + fraction * (right - left)
