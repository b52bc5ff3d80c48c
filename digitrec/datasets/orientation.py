"""Detect whether images of digits are stored row by row or column by column."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digitrec.datasets.bundled import load_bundled_digits

CELLS = 8
"""Cells a side of the coarse mean images that are compared."""
MIN_IMAGES, MAX_IMAGES = 20, 5000
"""Fewest images from which the orientation is decided, and most that are looked at."""
MARGIN = 0.15
"""Least difference of the two correlations: it is 0.67 for MNIST, 0.60 for 200 images of it, 0.28
for scikit-learn's digits, 0.00 for Fashion-MNIST."""


def is_transposed(images: NDArray[Any], digits: NDArray[np.int64]) -> bool:
    """Return whether images of digits are stored column by column, as EMNIST's and MATLAB's are.

    The mean images of the classes are compared with those of MNIST, as they are and transposed.

    Parameters
    ----------
    images : ndarray, shape (n, height, width)
        Of any scale and polarity.
    digits : ndarray of int64, shape (n,)
        Digits 0 to 9; what are not digits do not look like MNIST either way.

    Returns
    -------
    bool
        False where there are too few images to tell.
    """
    # From all over the data, which may be sorted by class.
    step = -(-len(images) // MAX_IMAGES)
    images, digits = images[::step], digits[::step]
    known = np.unique(digits)
    if len(images) < MIN_IMAGES or images.shape[1] != images.shape[2] or len(known) < 2:
        return False
    means = np.stack([_coarse(images[digits == digit].mean(axis=0)) for digit in known])
    reference = _reference()[known]
    # What all classes share is not informative.
    means, reference = means - means.mean(axis=0), reference - reference.mean(axis=0)
    if not means.any():
        return False
    as_it_is, transposed = (
        abs(np.corrcoef(m.ravel(), reference.ravel())[0, 1])
        for m in (means, means.transpose(0, 2, 1))
    )
    return bool(transposed > as_it_is + MARGIN)


def _coarse(image: NDArray[Any]) -> NDArray[np.float64]:
    """Return the means of 8x8 cells of an image of any size."""
    cells = (np.arange(len(image)) * CELLS) // len(image)
    sums, counts = np.zeros((CELLS, CELLS)), np.zeros((CELLS, CELLS))
    np.add.at(sums, (cells[:, None], cells[None, :]), image)
    np.add.at(counts, (cells[:, None], cells[None, :]), 1)
    return sums / np.maximum(counts, 1)


@functools.cache
def _reference() -> NDArray[np.float64]:
    X, y = load_bundled_digits()
    images = X.reshape(-1, 28, 28)
    return np.stack([_coarse(images[y == digit].mean(axis=0)) for digit in range(10)])
