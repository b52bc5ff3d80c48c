"""Give all characters the same width."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import validate_data

from digitrec._validation import check_rows
from digitrec.errors import ConfigurationError
from digitrec.preprocessing._images import map_rows, resolve_image_shape
from digitrec.preprocessing._warping import sample
from digitrec.preprocessing.deskew import moment_weights

__all__ = ["NormalizeWidth"]

_TINY = 1e-6


class NormalizeWidth(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Stretch or squeeze each image so that its ink spreads equally far to both sides.

    The width of a character is the standard deviation of its ink's columns. Each image is scaled
    horizontally about the centre of its ink, which comes to the middle, until its width is the
    one asked for, or as near to it as `max_stretch` allows. Blank images stay as they are.

    Parameters
    ----------
    image_shape : tuple of int, optional
        ``(height, width)``. None infers a square (one line of pixels where the number of
        columns is not a square number).
    spread : float, default=1/6
        Standard deviation of the ink's columns, in widths of the image. The median of MNIST's
        deskewed digits is 0.13: most
        of them are stretched, and more cells of a grid meet their ink.
    max_stretch : float, default=1.6
        Largest factor of stretching and of squeezing, at least 1: a "1" should stay narrow.
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

    def __init__(
        self,
        image_shape: tuple[int, int] | None = None,
        *,
        spread: float = 1 / 6,
        max_stretch: float = 1.6,
        n_jobs: int | None = None,
    ) -> None:
        self.image_shape = image_shape
        self.spread = spread
        self.max_stretch = max_stretch
        self.n_jobs = n_jobs

    def fit(self, X: ArrayLike, y: object = None) -> NormalizeWidth:
        """Check the parameters and the shape of the images; nothing is learned.

        Parameters
        ----------
        X : array-like, shape (n_samples, height * width)
            Images.
        y : ignored

        Raises
        ------
        ConfigurationError
            If a parameter is out of range, or the rows are not of the image shape.
        """
        if self.spread <= 0 or self.max_stretch < 1:
            raise ConfigurationError(
                "spread must be above 0 and max_stretch at least 1, "
                f"not {self.spread!r} and {self.max_stretch!r}"
            )
        images: NDArray = validate_data(self, X, dtype="numeric")
        resolve_image_shape(self.image_shape, images.shape[1])
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return the images with one width of ink.

        Parameters
        ----------
        X : array-like, shape (n_samples, height * width)
            Images, any numeric type; ink is high, background is 0. Deskewed ones work best: a
            slant makes a character wide.

        Returns
        -------
        ndarray of float32, shape (n_samples, height * width)
            Same range of values as `X`.
        """
        images: NDArray = check_rows(self, X)
        shape = resolve_image_shape(self.image_shape, images.shape[1])
        function = functools.partial(
            _normalize, shape=shape, spread=self.spread, max_stretch=self.max_stretch
        )
        return map_rows(function, images, images.shape[1], self.n_jobs)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def _normalize(
    X: NDArray[np.float32], shape: tuple[int, int], spread: float, max_stretch: float
) -> NDArray[np.float32]:
    height, width = shape
    mass, _, x, _, _ = (np.maximum(X, 0) @ moment_weights(shape)).T
    # The moments for the deskew lack that of the columns alone.
    columns = np.arange(width, dtype=np.float32) - np.float32((width - 1) / 2)
    squares = np.maximum(X, 0).reshape(-1, height, width).sum(axis=1) @ columns**2
    blank = mass < _TINY
    mass = np.where(blank, 1, mass)
    x = x / mass
    deviation = np.sqrt(np.maximum(squares / mass - x * x, 0))
    # Pixels of the original per pixel of the result.
    step = np.clip(deviation / (spread * width), 1 / max_stretch, max_stretch)
    step, x = np.where(blank, 1, step)[:, None], np.where(blank, 0, x)[:, None]
    sources = np.float32((width - 1) / 2) + x + step * columns
    full = (len(X), height, width)
    at_rows = np.broadcast_to(np.arange(height, dtype=np.float32)[:, None], full).copy()
    at_columns = np.broadcast_to(sources[:, None, :], full).astype(np.float32)
    return sample(X.reshape(full), at_rows, at_columns).reshape(len(X), -1)
