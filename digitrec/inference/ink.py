"""From pixels to ink: which way round, how much ink at each pixel, and where there is any.

The paper under the ink is estimated by a grey closing, which fills every dark stroke narrower
than its kernel and follows shadows and gradients that are wider. Done on each colour channel,
it finds pens of any colour.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage as ndi

from digitrec.inference.parameters import INK
from digitrec.inference.thresholds import median, otsu_threshold, quantile

FloatImage = NDArray[np.float32]
BoolImage = NDArray[np.bool_]

_GREY_WEIGHTS = np.array([0.299, 0.587, 0.114])
"""Shares of red, green and blue in the brightness that the polarity is found by."""


@dataclass(frozen=True, eq=False)
class Ink:
    """Where the ink is.

    Attributes
    ----------
    strength : ndarray of float32, shape (height, width)
        Difference between paper and pixel, 0–255, the largest of the channels.
    mask : ndarray of bool, shape (height, width)
        Pixels taken for ink; all false where the contrast is too low.
    threshold : float
        Strength that separates ink from paper, 0–255.
    dark_on_light : bool
        Polarity found.
    noise : float
        Standard deviation of the paper's texture, 0–255.
    """

    strength: FloatImage
    mask: BoolImage
    threshold: float
    dark_on_light: bool
    noise: float


def is_dark_on_light(pixels: NDArray[np.uint8]) -> bool:
    """Return whether ink is darker than paper.

    Ink is the minority that departs far from its surroundings: the skewness of the departures
    from a blurred copy has its sign, whatever the share of light and dark. Three widths of the
    blur serve strokes and digits of all sizes.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (height, width, 3)
    """
    image = Image.fromarray(pixels).convert("L")
    factor = min(1.0, INK.polarity_side / max(image.size))
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    grey = np.asarray(image.resize(size, Image.Resampling.BOX), dtype=np.float32)
    border = max(1, round(INK.polarity_border * min(size)))
    if min(size) > 4 * border:
        grey = grey[border:-border, border:-border]
    skewness = 0.0
    for share in INK.polarity_windows:
        # Repeating the last pixel would make a dark border's surroundings dark, and paper light.
        blurred = ndi.uniform_filter(grey, int(share * max(size)) | 1, mode="reflect")
        departure = (grey - blurred).reshape(-1)
        squares = departure * departure
        spread = float(squares.mean()) + 1.0
        skewness += float(squares @ departure) / departure.size / spread**1.5
    return skewness <= 0


def extract_ink(
    pixels: NDArray[np.uint8],
    *,
    kernel: float = 0.3,
    dark_on_light: bool | None = None,
    page: bool = False,
) -> Ink:
    """Separate ink from paper.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (height, width, 3)
    kernel : float
        Side of the closing's window as a share of the shorter side of the image; strokes must
        be narrower, shadows wider.
    dark_on_light : bool, optional
        Polarity; found by `is_dark_on_light` where not given.
    page : bool
        Whether the ink may be a small part of the image: small digits on a large sheet.
    """
    if dark_on_light is None:
        dark_on_light = is_dark_on_light(pixels)
    window = max(5, round(kernel * min(pixels.shape[:2])))
    channels = _channels(pixels, dark_on_light)
    noise = max(_noise(channel) for channel in channels)
    departures = (_departure(c, window, lit=dark_on_light) for c in channels)
    strength = functools.reduce(np.maximum, departures)
    threshold = _threshold(strength, noise, page)
    if min(strength.shape) >= 60 and noise > INK.min_grain * threshold:
        strength = ndi.gaussian_filter(
            strength, 1.0 if noise < 2 * INK.min_grain * threshold else 1.6
        )
        # In grain the estimate of the paper rides on the lightest specks: lower it.
        usual = median(strength)
        spread = 1.4826 * median(np.abs(strength - usual))
        strength = np.maximum(strength - usual, 0)
        noise = max(0.3 * noise, spread)
        threshold = max(_threshold(strength, noise, page), 4 * noise)
    above = strength[strength >= threshold] if threshold > 0 else strength[:0]
    peak = quantile(above, 0.75) if above.size else 0.0
    if peak < max(INK.min_contrast, INK.min_signal_to_noise * noise):
        mask = np.zeros(strength.shape, bool)
    else:
        mask = _hysteresis(strength, 0.55 * threshold, 1.05 * threshold)
    return Ink(strength, mask, threshold, dark_on_light, noise)


def _channels(pixels: NDArray[np.uint8], dark_on_light: bool) -> list[NDArray[np.uint8]]:
    """Return what ink of any colour darkens: the darkest channel, or all on coloured paper.

    Light ink on dark is turned into dark ink on light.
    """
    # One channel against the other: a minimum along the short last axis takes ten times as long.
    combine = np.minimum if dark_on_light else np.maximum
    darkest = combine(combine(pixels[..., 0], pixels[..., 1]), pixels[..., 2])
    if not dark_on_light:
        darkest = 255 - darkest
    if median(darkest[::4, ::4]) >= INK.min_paper:
        return [darkest]
    each = [pixels[..., index] for index in range(3)]
    # A channel in which the ink is lighter than the paper shows the holes in strokes as ink.
    some = pixels[::4, ::4].reshape(-1, 3).astype(np.float64)
    some -= some.mean(axis=0)
    alike = (some * (some @ _GREY_WEIGHTS)[:, None]).sum(axis=0) >= 0
    each = [channel for channel, is_alike in zip(each, alike, strict=True) if is_alike] or each
    return each if dark_on_light else [255 - channel for channel in each]


def _threshold(strength: FloatImage, noise: float, page: bool) -> float:
    return _sparse_threshold(strength, noise) if page else otsu_threshold(strength)


def _sparse_threshold(strength: FloatImage, noise: float) -> float:
    """Return Otsu's threshold, of the upper part alone as long as that is most of the image.

    With little ink Otsu's threshold splits the texture of the paper; what lies above it is
    split again, until the lower class is no longer a crowd of its own.
    """
    threshold = otsu_threshold(strength)
    for _ in range(2):
        above: FloatImage = strength[strength > threshold]
        if above.size < 50 or above.size < 0.002 * strength.size:
            break
        split = otsu_threshold(above)
        low, high = above[above <= split], above[above > split]
        # Ink of one pen spreads little against its distance from the paper.
        if (
            not (low.size and high.size)
            or low.mean() > 0.35 * high.mean()
            or low.size < 0.7 * above.size
        ):
            break
        threshold = split
    return max(threshold, 3 * noise)


def _departure(channel: NDArray[np.uint8], window: int, *, lit: bool) -> FloatImage:
    """Return paper minus pixel, the paper by a grey closing at a reduced size.

    Where the paper is lit, the difference is scaled to what it would be in the best light.
    """
    step = max(1, round(window / 16))
    height, width = channel.shape
    small = _block_means(channel, step)
    size = max(3, window // step)
    # Along a gradient a closing errs at the borders of the image; on what a smooth light leaves
    # it errs at the edges of shadows. The darker of the two is right in both places.
    light = _smooth_light(small)
    paper = np.minimum(_close(small, size), _close(small - light, size) + light)
    best = quantile(paper, 0.95)
    if step > 1:
        image = Image.fromarray(paper).resize((width, height), Image.Resampling.BILINEAR)
        paper = np.asarray(image)
    difference = np.subtract(paper, channel, dtype=np.float32)
    np.maximum(difference, 0, out=difference)
    if lit:
        gain = np.maximum(paper, 1)
        np.divide(np.float32(best), gain, out=gain)
        difference *= np.clip(gain, 1, INK.max_gain, out=gain)
    return difference


def _block_means(channel: NDArray[np.uint8], step: int) -> FloatImage:
    """Return the means of square blocks; what is left over at the right and below is cut off."""
    height, width = (length // step * step for length in channel.shape)
    rows = channel[:height:step, :width].astype(np.float32)
    for offset in range(1, step):
        rows += channel[offset:height:step, :width]
    blocks = rows[:, ::step].copy()
    for offset in range(1, step):
        blocks += rows[:, offset::step]
    blocks *= np.float32(1 / step**2)
    return blocks


def _close(values: FloatImage, size: int) -> FloatImage:
    closed = ndi.grey_closing(values, size=(size, size), mode="nearest")
    # Smoothing must not lighten the dark side of an edge.
    return np.minimum(closed, ndi.uniform_filter(closed, max(1, size // 3), mode="nearest"))


def _smooth_light(values: FloatImage) -> FloatImage:
    """Return a quadratic surface through the paper, ink given little weight."""
    some, rows, y, x = _surface_basis(*values.shape)
    goal = values.reshape(-1)[some].astype(np.float64)
    weighted = rows.T
    for attempt in range(4):
        surface = np.linalg.solve(weighted @ rows + _RIDGE, weighted @ goal)
        if attempt == 3:
            break
        away = rows @ surface - goal
        away /= 1.4826 * median(np.abs(away)) + 2.0
        # What is darker than the paper may be ink, and counts ten times less than what is lighter.
        weighted = rows.T * (1 / (1 + away * away * (1 / 9 + (away > 0))))
    one, a, b, aa, ab, bb = surface
    level = (one + b * y + bb * y**2).astype(np.float32)[:, None]
    tilt = (a + ab * y).astype(np.float32)[:, None]
    return level + tilt * x.astype(np.float32) + (aa * x**2).astype(np.float32)


_RIDGE = 1e-3 * np.eye(6)
"""Keeps the fit solvable where an image is too narrow for a surface."""


@functools.lru_cache(maxsize=8)
def _surface_basis(
    height: int, width: int
) -> tuple[slice, NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return which pixels to fit, their rows 1, x, y, xx, xy, yy, and both axes from -1 to 1."""
    y, x = np.linspace(-1, 1, height), np.linspace(-1, 1, width)
    some = slice(None, None, max(1, height * width // 800))
    at = np.arange(height * width)[some]
    at_y, at_x = y[at // width], x[at % width]
    columns = (np.ones(len(at)), at_x, at_y, at_x**2, at_x * at_y, at_y**2)
    return some, np.stack(columns, axis=1), y, x


def _noise(channel: NDArray[np.uint8]) -> float:
    """Return the standard deviation of fine texture, robust to the strokes."""
    if min(channel.shape) < 3:
        return 0.0
    part = channel[:, : max(3, channel.shape[1] // 3)] if channel.size > 30_000 else channel
    grey = part.astype(np.int16)
    detail = 4 * grey[1:-1, 1:-1]
    for neighbour in (grey[:-2, 1:-1], grey[2:, 1:-1], grey[1:-1, :-2], grey[1:-1, 2:]):
        detail -= neighbour
    return 1.4826 / 4 * median(np.abs(detail)) / float(np.sqrt(1.25))


def _hysteresis(strength: FloatImage, low: float, high: float) -> BoolImage:
    labels, count = ndi.label(strength > low, structure=np.ones((3, 3)))
    keep = np.zeros(count + 1, bool)
    keep[labels[strength > high]] = True
    keep[0] = False
    return keep[labels]
