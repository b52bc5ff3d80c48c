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
from digitrec.pixels import BYTE_TOLERANCE, UNCLEAR_SCALE, UNIT_TOLERANCE, to_uint8


class PixelScaler(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Bring pixel values from 0–255 to 0–1 as float32.

    Images of another scale are converted where that is clear, each by itself, and refused where it
    is not, as `digitrec.pixels.to_uint8` has it: rows of 0–1 get the answers of rows of 0–255.

    Parameters
    ----------
    maximum : float, default=255.0
        Pixel value that becomes 1. With another one than 255 no scale is looked at.

    Attributes
    ----------
    n_features_in_ : int
        Pixels per image.
    checks_scale_ : bool
        Whether the scale of images is looked at: not where those of the fit were no pixels.
    """

    def __init__(self, maximum: float = 255.0) -> None:
        self.maximum = maximum

    def fit(self, X: ArrayLike, y: object = None) -> PixelScaler:
        """Check the input; nothing is learned of its values but whether they may be pixels.

        Parameters
        ----------
        X : array-like, shape (n_samples, n_pixels)
            Images.
        y : ignored
        """
        rows: NDArray = validate_data(self, X, dtype="numeric")
        low, high = float(rows.min()), float(rows.max())
        self.checks_scale_ = bool(
            self.maximum == 255
            and low >= -UNIT_TOLERANCE
            and (high <= 1 + UNIT_TOLERANCE or UNCLEAR_SCALE < high <= 255 + BYTE_TOLERANCE)
        )
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

        Raises
        ------
        PixelError
            If the values have another scale than 0–255, and it is not clear which.

        Warns
        -----
        PixelWarning
            If images were converted from another scale.
        """
        rows: NDArray = check_rows(self, X)
        scaled = np.multiply(rows, np.float32(1 / self.maximum), dtype=np.float32, casting="unsafe")
        if self.maximum != 255 or not getattr(self, "checks_scale_", True):
            return scaled
        largest = rows.max(axis=1)
        odd = largest <= (1 if rows.dtype == np.uint8 else UNCLEAR_SCALE)
        if rows.dtype != np.uint8:
            odd |= (largest > 255 + BYTE_TOLERANCE) | (rows.min(axis=1) < 0)
        if not odd.any():
            return scaled
        odd &= rows.any(axis=1)  # blank images have no scale
        if (largest > 255 + BYTE_TOLERANCE).any():
            odd[:] = True  # all images have the depth of the largest
        pixels, note = to_uint8(rows[odd], what="rows", per_image=True)
        if note:
            warnings.warn(note, PixelWarning, stacklevel=2)
        scaled[odd] = pixels * np.float32(1 / 255)
        return scaled

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
