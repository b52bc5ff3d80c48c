"""Bring values to a common scale without changing their proportions."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import validate_data

from digitrec._validation import check_rows
from digitrec.errors import PixelWarning


class PixelScaler(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Bring pixel values from 0–255 to 0–1 as float32.

    Parameters
    ----------
    maximum : float, default=255.0
        Pixel value that becomes 1.

    Attributes
    ----------
    n_features_in_ : int
        Pixels per image.
    """

    def __init__(self, maximum: float = 255.0) -> None:
        self.maximum = maximum

    def fit(self, X: ArrayLike, y: object = None) -> PixelScaler:
        """Check the input; nothing is learned.

        Parameters
        ----------
        X : array-like, shape (n_samples, n_pixels)
            Images.
        y : ignored
        """
        validate_data(self, X, dtype="numeric")
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return ``X / maximum``.

        Parameters
        ----------
        X : array-like, shape (n_samples, n_pixels)
            Images, any numeric type.

        Returns
        -------
        ndarray of float32, shape (n_samples, n_pixels)

        Warns
        -----
        PixelWarning
            If the largest value of images that are not blank is at most 1: they seem to be
            scaled already.
        """
        rows: NDArray = check_rows(self, X)
        highest = float(rows.max())
        if self.maximum > 1 and 0 < highest <= 1:
            warnings.warn(
                f"the largest pixel value is {highest:g}: the images seem to be scaled to 0–1, and "
                f"the model expects 0–{self.maximum:g}; multiply them by {self.maximum:g}",
                PixelWarning,
                stacklevel=2,
            )
        return np.multiply(rows, np.float32(1 / self.maximum), dtype=np.float32, casting="unsafe")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


class GlobalScaler(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Divide all columns by one number, the root of their mean variance.

    After principal components, the columns keep their relative sizes, which distances and
    penalties should see; only the overall scale becomes that which solvers and default
    parameters (such as the ``gamma="scale"`` of an SVM) expect.

    Attributes
    ----------
    scale_ : float
        The divisor; 1 where the training rows do not vary.
    n_features_in_ : int
        Columns.
    """

    def fit(self, X: ArrayLike, y: object = None) -> GlobalScaler:
        """Learn the scale.

        Parameters
        ----------
        X : array-like, shape (n_samples, n_features)
            Training rows.
        y : ignored
        """
        rows: NDArray = validate_data(self, X, dtype=[np.float64, np.float32])
        scale = float(np.sqrt(rows.var(axis=0, dtype=np.float64).mean()))
        self.scale_ = scale if np.isfinite(scale) and scale > 0 else 1.0
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return ``X / scale_``.

        Parameters
        ----------
        X : array-like, shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of float32, shape (n_samples, n_features)
        """
        X = check_rows(self, X, dtype=[np.float64, np.float32], fitted="scale_")
        return np.multiply(X, np.float32(1 / self.scale_), dtype=np.float32, casting="unsafe")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
