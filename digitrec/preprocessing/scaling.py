"""Bring values to a common scale without changing their proportions."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import OneToOneFeatureMixin
from sklearn.utils.validation import validate_data

from digitrec.errors import ConfigurationError, PixelWarning
from digitrec.pixels import (
    BYTE_TOLERANCE,
    MIN_CONTRAST,
    UNCLEAR_SCALE,
    UNIT_TOLERANCE,
    scale_linearly,
    to_uint8,
)
from digitrec.preprocessing._images import FloatTransformer

MIN_TRAINING_ROWS = 50
"""Fewest training rows that show which pixels are background."""
BACKGROUND_LIGHT = 0.01
"""Largest share of training rows in which a background pixel is light."""
MIN_BACKGROUND, MAX_BACKGROUND = 12, 64
"""Fewest background pixels that tell the polarity of a row, and most that are looked at."""
TRAINING_LIGHT, INVERTED_LIGHT = 0.5, 0.9
"""Largest share of light background pixels in any training row, and least in an inverted row.

Test rows have at most 0.06 (MNIST), 0.12 (scikit-learn's digits), 0.27 (USPS) and 0.62
(Fashion-MNIST, of 50 training rows); of the same rows inverted, 100, 99, 98 and 98 % are found."""
_CHUNK_ROWS = 10_000


class PixelScaler(OneToOneFeatureMixin, FloatTransformer):
    """Bring pixel values from 0–255 to 0–1 as float32.

    Images of another scale are converted where that is clear, each by itself, and refused where it
    is not, as `digitrec.pixels.to_uint8` has it: rows of 0–1 get the answers of rows of 0–255.
    Rows that are dark on light where the training rows are light on dark are inverted: those
    that are light nearly everywhere where no training row has ink.

    Parameters
    ----------
    pixel_range : tuple of float, optional
        Values of black and white in rows of another scale whose images do not show it, such as
        ``(0, 16)``: images that lie in this range are taken to have this scale, unless they
        are of 0–1.

    Attributes
    ----------
    n_features_in_ : int
        Pixels per image.
    checks_scale_ : bool
        Whether the scale of images is looked at: not where those of the fit were not pixels.
    background_ : ndarray of int64
        Pixels that are dark in nearly all training rows; empty where there are too few of them
        or of the rows to tell the polarity of a row.
    """

    def __init__(self, *, pixel_range: tuple[float, float] | None = None) -> None:
        self.pixel_range = pixel_range

    def fit(self, X: ArrayLike, y: object = None) -> PixelScaler:
        """Check the input, and learn whether its values are pixels and which are background.

        Parameters
        ----------
        X : array-like, shape (n_samples, n_pixels)
            Images.
        y : ignored
        """
        rows: NDArray = validate_data(self, X, dtype="numeric")
        low, high = _extremes(rows)
        least, most = float(low.min()), float(high.max())
        self.checks_scale_ = least >= -UNIT_TOLERANCE and (
            most <= 1 + UNIT_TOLERANCE or UNCLEAR_SCALE < most <= 255 + BYTE_TOLERANCE
        )
        self.background_ = _find_background(rows, low, high) if self.checks_scale_ else _NONE
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return ``X / 255``.

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
            If images were converted from another scale or polarity.
        """
        rows = self._check_rows(X)
        scaled = np.multiply(rows, np.float32(1 / 255), dtype=np.float32, casting="unsafe")
        if not getattr(self, "checks_scale_", True):
            return scaled
        largest = rows.max(axis=1)
        odd = largest <= (1 if rows.dtype == np.uint8 else UNCLEAR_SCALE)
        if rows.dtype != np.uint8:
            odd |= (largest > 255 + BYTE_TOLERANCE) | (rows.min(axis=1) < 0)
        span = getattr(self, "pixel_range", None)  # models of earlier versions have none
        if span is not None:
            odd &= ~_rescale(rows, largest, scaled, *span)
        if not odd.any():
            return self._invert_light(scaled)
        odd &= rows.any(axis=1)  # blank images have no scale
        if (largest > 255 + BYTE_TOLERANCE).any():
            odd[:] = True  # all images have the depth of the largest
        pixels, note = to_uint8(rows[odd], what="rows", per_image=True)
        if note:
            warnings.warn(note, PixelWarning, stacklevel=2)
        scaled[odd] = pixels * np.float32(1 / 255)
        return self._invert_light(scaled)

    def _invert_light(self, scaled: NDArray[np.float32]) -> NDArray[np.float32]:
        """Invert rows whose background is light, in place."""
        background = getattr(self, "background_", _NONE)  # models of earlier versions have none
        if not len(background):
            return scaled
        # What is not above half of the least contrast is not light: the common case.
        levels = scaled[:, background]
        odd = np.flatnonzero((levels > MIN_CONTRAST / 510).mean(axis=1) >= INVERTED_LIGHT)
        if len(odd):
            rows = scaled[odd]
            share = _light_share(rows[:, background], *_extremes(rows), factor=255)
            odd = odd[share >= INVERTED_LIGHT]
        if len(odd):
            scaled[odd] = (255 - np.rint(scaled[odd] * 255)) * np.float32(1 / 255)
            warnings.warn(
                f"{len(odd):,} of {len(scaled):,} rows are dark on light; they were inverted "
                "(ink is 255)",
                PixelWarning,
                stacklevel=3,
            )
        return scaled


_NONE: NDArray[np.intp] = np.zeros(0, np.intp)


def _extremes(rows: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lowest and the highest value of each row."""
    return rows.min(axis=1).astype(np.float64), rows.max(axis=1).astype(np.float64)


def _rescale(
    rows: NDArray, largest: NDArray, scaled: NDArray[np.float32], low: float, high: float
) -> NDArray[np.bool_]:
    """Scale the rows that span no more than `low` to `high` in place; return which these are."""
    margin = UNIT_TOLERANCE * (high - low)
    inside = (largest <= high + margin) & (rows.min(axis=1) >= low - margin)
    if high > 1:
        inside &= largest > 1 + UNIT_TOLERANCE
    if inside.any():
        pixels = scale_linearly(rows[inside], low, 255 / (high - low))
        scaled[inside] = pixels * np.float32(1 / 255)
    return inside


def _light_share(
    pixels: NDArray, low: NDArray[np.float64], high: NDArray[np.float64], *, factor: float
) -> NDArray[np.float64]:
    """Return the share of light pixels among some of each row; 0 without contrast.

    Light is what is above the middle of the row's extreme values, which `factor` brings to
    0–255.
    """
    light = (pixels > ((low + high) / 2)[:, None]).mean(axis=1)
    # Half a level less: contrasts are whole levels, which scaling rounds.
    return np.where((high - low) * factor > MIN_CONTRAST - 0.5, light, 0.0)


def _find_background(
    rows: NDArray, low: NDArray[np.float64], high: NDArray[np.float64]
) -> NDArray[np.intp]:
    """Return pixels that are dark in nearly all rows, spread over the image."""
    factor = 255.0 if high.max() <= 1 + UNIT_TOLERANCE else 1.0
    clear = np.flatnonzero((high - low) * factor >= MIN_CONTRAST)
    middle = ((low + high) / 2)[:, None]
    n_light = np.zeros(rows.shape[1])
    for start in range(0, len(clear), _CHUNK_ROWS):
        chunk = clear[start : start + _CHUNK_ROWS]
        n_light += (rows[chunk] > middle[chunk]).sum(axis=0)
    dark = np.flatnonzero(n_light <= BACKGROUND_LIGHT * len(clear))
    if len(clear) < MIN_TRAINING_ROWS or len(dark) < MIN_BACKGROUND:
        return _NONE
    dark = dark[np.linspace(0, len(dark) - 1, min(MAX_BACKGROUND, len(dark))).astype(np.intp)]
    lightest = _light_share(rows[:, dark], low, high, factor=factor).max()
    return dark if lightest <= TRAINING_LIGHT else _NONE


class GlobalScaler(OneToOneFeatureMixin, FloatTransformer):
    """Divide all columns by one number, so that their mean variance is a given one.

    After principal components, the columns keep their relative sizes, which distances and
    penalties should see; only the overall scale becomes that which solvers and default
    parameters (such as the ``C`` of a logistic regression) expect.

    Parameters
    ----------
    variance : float, default=1.0
        Mean variance of the scaled columns; positive.
    norm_quantile : float or None, default=None
        Rows that are longer than this share of the training rows, 0–1, are shortened to the
        length of that quantile; None keeps all lengths. Damaged images are far from all training
        rows, where the kernel of an SVM is 0 and says nothing; shortened, they keep their
        direction.

    Attributes
    ----------
    scale_ : float
        The divisor; 1 where the training rows do not vary.
    max_norm_ : float
        Largest Euclidean norm of a scaled row; infinite without a limit, and where that of the
        training rows is 0.
    n_features_in_ : int
        Columns.
    """

    _learned = "scale_"

    # What scalers that were saved before these existed do.
    variance = 1.0
    norm_quantile: float | None = None
    max_norm_ = np.inf

    def __init__(self, variance: float = 1.0, *, norm_quantile: float | None = None) -> None:
        self.variance = variance
        self.norm_quantile = norm_quantile

    def fit(self, X: ArrayLike, y: object = None) -> GlobalScaler:
        """Learn the scale.

        Parameters
        ----------
        X : array-like, shape (n_samples, n_features)
            Training rows.
        y : ignored
        """
        if not self.variance > 0:
            raise ConfigurationError(f"variance must be positive, not {self.variance!r}")
        share = self.norm_quantile
        if share is not None and not 0 < share <= 1:
            raise ConfigurationError(f"norm_quantile must be in (0, 1] or None, not {share!r}")
        rows: NDArray = validate_data(self, X, dtype=[np.float64, np.float32])
        scale = float(np.sqrt(rows.var(axis=0, dtype=np.float64).mean() / self.variance))
        self.scale_ = scale if np.isfinite(scale) and scale > 0 else 1.0
        self.max_norm_ = np.inf
        if share is not None and (longest := float(np.quantile(_norms(rows), share))) > 0:
            self.max_norm_ = longest / self.scale_
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return ``X / scale_``, long rows shortened.

        Parameters
        ----------
        X : array-like, shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of float32, shape (n_samples, n_features)
        """
        X = self._check_rows(X, [np.float64, np.float32])
        rows: NDArray[np.float32] = np.multiply(
            X, np.float32(1 / self.scale_), dtype=np.float32, casting="unsafe"
        )
        if self.max_norm_ < np.inf:
            norms = _norms(rows)
            is_long = norms > self.max_norm_
            if is_long.any():
                rows[is_long] *= (np.float32(self.max_norm_) / norms[is_long])[:, None]
        return rows


def _norms(rows: NDArray) -> NDArray:
    return np.sqrt(np.einsum("ij,ij->i", rows, rows))
