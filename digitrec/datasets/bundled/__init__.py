"""Bundled data: 5,000 images of MNIST, 500 per digit."""

from __future__ import annotations

import importlib.resources

import numpy as np
from numpy.typing import NDArray


def load_bundled_digits() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Load the first 500 training images of each digit of MNIST, sorted by digit.

    ``python -m benchmarks.make_mnist_5k`` makes the file from MNIST.

    Returns
    -------
    X : ndarray of uint8, shape (5000, 784)
        0 (background) to 255 (ink).
    y : ndarray of int64, shape (5000,)
        Digits 0 to 9.

    Examples
    --------
    >>> X, y = load_bundled_digits()
    >>> X.shape, np.bincount(y).tolist()
    ((5000, 784), [500, 500, 500, 500, 500, 500, 500, 500, 500, 500])
    """
    path = importlib.resources.files(__package__).joinpath("mnist_5k.npz")
    with importlib.resources.as_file(path) as file, np.load(file, allow_pickle=False) as arrays:
        return arrays["X"], arrays["y"].astype(np.int64)
