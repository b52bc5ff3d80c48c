"""Give all characters the same width."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray
from sklearn.base import OneToOneFeatureMixin

from digitrec.preprocessing._images import ImageTransformer, RowFunction
from digitrec.preprocessing._warping import sample
from digitrec.preprocessing.deskew import moment_weights

_TINY = 1e-6
# Standard deviation of the ink's columns, in widths of the image. The median of MNIST's deskewed
# digits is 0.13: most of them are stretched, and more cells of a grid meet their ink.
_SPREAD = 1 / 6
# Largest factor of stretching and of squeezing: a "1" should stay narrow.
_MAX_STRETCH = 1.6


class NormalizeWidth(OneToOneFeatureMixin, ImageTransformer):
    """Stretch or squeeze each image so that its ink spreads equally far to both sides.

    The width of a character is the standard deviation of its ink's columns. Each image is scaled
    horizontally about the centre of its ink, which comes to the middle, until its width is a
    sixth of the image's, or as near to it as a factor of 1.6 allows. Blank images stay as they are.

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
    Networks on digits of several widths, averaged: D. Ciresan, U. Meier and J. Schmidhuber,
    "Multi-column deep neural networks for image classification", CVPR 2012. Width by moments:
    C.-L. Liu, K. Nakashima, H. Sako and H. Fujisawa, "Handwritten digit recognition:
    investigation of normalization and feature extraction techniques", Pattern Recognition 37(2),
    2004.

    Examples
    --------
    >>> import numpy as np
    >>> narrow = np.zeros((1, 28, 28), dtype=np.float32)
    >>> narrow[0, 4:24, 12:16] = 1
    >>> wide = NormalizeWidth().fit_transform(narrow.reshape(1, -1)).reshape(28, 28)
    >>> int(np.sum(wide.sum(axis=0) > 1))
    6
    """

    def _row_function(self, shape: tuple[int, int]) -> RowFunction:
        return functools.partial(_normalize, shape=shape)


def _normalize(X: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    height, width = shape
    ink = np.maximum(X, 0)
    mass, _, x, _, _ = (ink @ moment_weights(shape)).T
    # The moments for the deskew lack that of the columns alone.
    columns = np.arange(width, dtype=np.float32) - np.float32((width - 1) / 2)
    squares = ink.reshape(-1, height, width).sum(axis=1) @ columns**2
    blank = mass < _TINY
    mass = np.where(blank, 1, mass)
    x = x / mass
    deviation = np.sqrt(np.maximum(squares / mass - x * x, 0))
    # Pixels of the original per pixel of the result.
    step = np.clip(deviation / (_SPREAD * width), 1 / _MAX_STRETCH, _MAX_STRETCH)
    step, x = np.where(blank, 1, step)[:, None], np.where(blank, 0, x)[:, None]
    sources = np.float32((width - 1) / 2) + x + step * columns
    full = (len(X), height, width)
    at_rows = np.broadcast_to(np.arange(height, dtype=np.float32)[:, None], full).copy()
    at_columns = np.broadcast_to(sources[:, None, :], full).astype(np.float32)
    return sample(X.reshape(full), at_rows, at_columns).reshape(len(X), -1)
