"""Remove uneven light, inverted bands and impulse noise from images."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, grey_opening, median_filter
from sklearn.base import OneToOneFeatureMixin

from digitrec.preprocessing._images import ImageTransformer, RowFunction

# All chosen on corruptions of 2,000 validation images of MNIST that are none of MNIST-C's fifteen
# (Gaussian noise, salt, inverted halves and bands, light ramps, low contrast, smooth clouds, coarse
# pixels, patches, defocus, frames; `benchmarks.robust_features` repeats it). Lengths are in pixels
# of a 28-pixel side and grow with the side. Mean error 40.0 % without the step.
_SIDE = 28
# Smaller images leave no margin around the ink, and their strokes are as wide as the window.
_LEAST_SIDE = 20
# Side of the window of the opening: 7 gives 5.8 %, 9 gives 5.2 %, 11 gives 5.4 %.
_WINDOW = 9
# Width of the margin of background, in MNIST's layout of 20 pixels within 28.
_MARGIN = 3
# A pixel is an impulse where it differs from at least 7 of its 8 neighbours by more than this share
# of full ink; an image with more than this share of impulses is smoothed. Clean digits have none.
_IMPULSE_STEP = 0.4
_IMPULSE_NEIGHBOURS = 7
_IMPULSE_SHARE = 0.015
# Noise floor: this quantile of the margin, times a gain, at most a share of the ink.
# Gains of 1.3 and 1.6: 5.3 and 5.2 %; quantiles of 0.8, 0.9, 0.95: 5.5, 5.2, 5.2 %.
_FLOOR_QUANTILE = 0.9
_FLOOR_GAIN = 1.6
_FLOOR_LIMIT = 0.5
# This quantile of an image is full ink; about a fifth of the pixels of a digit carry ink.
_INK_QUANTILE = 0.97
# An image whose ink is fainter than this counts as blank and is not stretched.
_LEAST_INK = 0.05
# Bands are inverted only where that darkens the margin by more than this.
_LEAST_GAIN = 0.02


class RemoveBackground(OneToOneFeatureMixin, ImageTransformer):
    """Leave the ink of each image on a black background, at full contrast.

    Four steps, each of which leaves a clean digit nearly as it is:

    1. A 3 by 3 median, in images with many isolated pixels that differ from their neighbours.
    2. Columns, or rows, whose margins are light are inverted: whole images and bands.
    3. The grey-level opening (the background that a window wider than a stroke fits into) is
       subtracted.
    4. What the margin shows to be noise is cut off, and the rest is stretched to 0–1.

    Images of fewer than 20 pixels a side pass unchanged: their ink reaches into the margin.

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
    The difference to the opening is the white top-hat transform; see P. Soille, "Morphological
    Image Analysis", 2nd edition, Springer 2004, chapter 4.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.full((1, 28 * 28), 0.5, dtype=np.float32)   # grey paper
    >>> image[0, 14 * 28 + 8 : 14 * 28 + 20] = 0.9             # a stroke
    >>> image[0, 15 * 28 + 8 : 15 * 28 + 20] = 0.9
    >>> cleaned = RemoveBackground().fit_transform(image)
    >>> float(cleaned.min()), float(cleaned.max())
    (0.0, 1.0)
    """

    def _row_function(self, shape: tuple[int, int]) -> RowFunction:
        return functools.partial(_remove_background, shape=shape)


def _remove_background(X: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    if min(shape) < _LEAST_SIDE:
        return X
    scale = max(shape) / _SIDE
    window = 2 * round(_WINDOW * scale / 2 - 0.5) + 1
    margin = _margin_mask(shape, max(1, round(_MARGIN * scale)))
    images = X.reshape(-1, *shape)
    noisy = _impulse_share(images) > _IMPULSE_SHARE
    if noisy.any():
        images = images.copy()
        images[noisy] = median_filter(images[noisy], (1, 3, 3), mode="nearest")
    images = _invert_light_bands(images, margin, max(1, round(_MARGIN * scale)))
    background = grey_opening(images, (1, window, window), mode="nearest")
    background = gaussian_filter(background, (0, scale, scale), mode="nearest")
    ink = np.maximum(images - background, 0).reshape(len(X), -1)
    full = np.maximum(np.quantile(ink, _INK_QUANTILE, axis=1), _LEAST_INK)
    noise = np.quantile(ink[:, margin.ravel()], _FLOOR_QUANTILE, axis=1)
    floor = np.minimum(_FLOOR_GAIN * noise, _FLOOR_LIMIT * full)
    ink -= floor[:, None].astype(np.float32)
    ink /= (full - floor)[:, None].astype(np.float32)
    return np.clip(ink, 0, 1, out=ink)


@functools.lru_cache(maxsize=16)
def _margin_mask(shape: tuple[int, int], width: int) -> NDArray[np.bool_]:
    mask = np.ones(shape, dtype=bool)
    mask[width:-width, width:-width] = False
    return mask


def _impulse_share(images: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the share of pixels of each image that differ from nearly all their neighbours."""
    height, width = images.shape[1:]
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)), mode="edge")
    differing = np.zeros(images.shape, dtype=np.uint8)
    for row in range(3):
        for column in range(3):
            neighbours = padded[:, row : row + height, column : column + width]
            differing += np.abs(neighbours - images) > _IMPULSE_STEP
    return (differing >= _IMPULSE_NEIGHBOURS).mean(axis=(1, 2))


def _invert_light_bands(
    images: NDArray[np.float32], margin: NDArray[np.bool_], width: int
) -> NDArray[np.float32]:
    """Invert the columns or the rows with light margins, whichever leaves the darker margin."""
    darkest, lightest = images.min(axis=(1, 2)), images.max(axis=(1, 2))
    middle = ((darkest + lightest) / 2)[:, None]
    ends = np.concatenate([images[:, :width], images[:, -width:]], axis=1)
    light_columns = np.median(ends, axis=1) > middle
    ends = np.concatenate([images[:, :, :width], images[:, :, -width:]], axis=2)
    light_rows = np.median(ends, axis=2) > middle
    inverted = (darkest + lightest)[:, None, None] - images
    by_columns = np.where(light_columns[:, None, :], inverted, images)
    by_rows = np.where(light_rows[:, :, None], inverted, images)
    light = [choice[:, margin].mean(axis=1) for choice in (images, by_columns, by_rows)]
    best = np.argmin([light[0] - _LEAST_GAIN, light[1], light[2]], axis=0)
    return np.where(
        (best == 0)[:, None, None],
        images,
        np.where((best == 1)[:, None, None], by_columns, by_rows),
    )
