"""Changes of an image that keep its digits readable: light, paper, lines, frames, optics.

Each takes and returns pixels as float32, shape (height, width, 3), 0–255. Lengths are shares of
the image's longer side, so that small and large images are changed alike.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from scipy import ndimage as ndi

FloatImage = NDArray[np.float32]
Change = Callable[[FloatImage], FloatImage]


def apply_change(name: str, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return an image under one of `CHANGES`."""
    changed = CHANGES[name](pixels.astype(np.float32))
    return np.rint(changed).clip(0, 255).astype(np.uint8)


def _chain(*changes: Change) -> Change:
    def apply(pixels: FloatImage) -> FloatImage:
        for change in changes:
            pixels = np.clip(change(pixels), 0, 255).astype(np.float32)
        return pixels

    return apply


def _paper(pixels: FloatImage) -> FloatImage:
    """Return the usual colour along the image's border."""
    edges = (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1])
    return np.median(np.concatenate(edges), axis=0)


def _length(pixels: FloatImage, share: float) -> int:
    return max(1, round(share * max(pixels.shape[:2])))


def _noise(spread: float) -> Change:
    def apply(pixels: FloatImage) -> FloatImage:
        rng = np.random.default_rng(pixels.size)
        return pixels + rng.normal(0, spread, pixels.shape).astype(np.float32)

    return apply


def _turn(degrees: float) -> Change:
    return lambda pixels: ndi.rotate(
        pixels, degrees, axes=(0, 1), reshape=False, order=1, mode="nearest"
    )


def _resize(factor: float) -> Change:
    def apply(pixels: FloatImage) -> FloatImage:
        image = Image.fromarray(pixels.astype(np.uint8))
        size = max(12, round(factor * image.width)), max(12, round(factor * image.height))
        return np.asarray(image.resize(size, Image.Resampling.BICUBIC), dtype=np.float32)

    return apply


def _jpeg(pixels: FloatImage) -> FloatImage:
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(file, "JPEG", quality=15)
    return np.asarray(Image.open(file), dtype=np.float32)


def _blur(pixels: FloatImage) -> FloatImage:
    spread = 0.01 * min(pixels.shape[:2])
    return ndi.gaussian_filter(pixels, (spread, spread, 0))


def _light_from_one_side(pixels: FloatImage) -> FloatImage:
    return pixels * np.linspace(0.4, 1, pixels.shape[1], dtype=np.float32)[None, :, None]


def _shadow(pixels: FloatImage) -> FloatImage:
    y, x = np.mgrid[0 : 1 : pixels.shape[0] * 1j, 0 : 1 : pixels.shape[1] * 1j]
    dark = (x + 0.6 * y > 0.8).astype(np.float32)
    dark = ndi.gaussian_filter(dark, 0.01 * max(pixels.shape[:2]))
    return pixels * (1 - 0.45 * dark[..., None])


def _specks(pixels: FloatImage) -> FloatImage:
    rng, side = np.random.default_rng(pixels.size), _length(pixels, 0.006)
    changed = pixels.copy()
    for _ in range(25):
        y, x = (int(rng.integers(0, max(1, n - side + 1))) for n in pixels.shape[:2])
        changed[y : y + side, x : x + side] = rng.integers(20, 200)
    return changed


def _perspective(pixels: FloatImage) -> FloatImage:
    height, width = pixels.shape[:2]
    corners = (0.06 * width, 0.03 * height, 0, height, width, 0.97 * height, 0.96 * width, 0)
    image = Image.fromarray(pixels.astype(np.uint8))
    image = image.transform(
        image.size, Image.Transform.QUAD, corners, resample=Image.Resampling.BICUBIC
    )
    return np.asarray(image, dtype=np.float32)


def _rulings(step: float, colour: tuple[int, int, int], *, upright: bool) -> Change:
    """Draw lines on the paper; on less than 60 pixels they would be as thick as strokes."""

    def apply(pixels: FloatImage) -> FloatImage:
        if max(pixels.shape[:2]) < 60:
            return pixels
        changed, thickness = pixels.copy(), _length(pixels, 0.006)
        for share in np.arange(0.07, 1, step):
            at = _length(pixels, share)
            views = [changed[at : at + thickness]]
            views += [changed[:, at : at + thickness]] if upright else []
            for view in views:
                np.minimum(view, np.array(colour), out=view)
        return changed

    return apply


def _margin(share: float, colour: ArrayLike, *, sides: tuple[int, ...] = (0, 1)) -> Change:
    """Put a margin around an image, of a grey level or of a colour."""

    def apply(pixels: FloatImage) -> FloatImage:
        depth = _length(pixels, share)
        by = [depth if axis in sides else 0 for axis in (0, 1)]
        shape = pixels.shape[0] + 2 * by[0], pixels.shape[1] + 2 * by[1], 3
        changed = np.empty(shape, np.float32)
        changed[:] = colour
        changed[by[0] : by[0] + pixels.shape[0], by[1] : by[1] + pixels.shape[1]] = pixels
        return changed

    return apply


def _box(margin: float) -> Change:
    """Draw a box around an image, and paper around that."""

    def apply(pixels: FloatImage) -> FloatImage:
        paper = _paper(pixels)
        line = _margin(0.015, 40 if paper.mean() > 128 else 220)
        return _margin(margin, paper)(line(pixels))

    return apply


_LINES = _rulings(0.22, (150, 170, 210), upright=False)

CHANGES: dict[str, Change] = {
    "none": lambda pixels: pixels,
    "turned by 10 degrees": _turn(10),
    "half the size": _resize(0.5),
    "JPEG of quality 15": _jpeg,
    "noise": _noise(12),
    "blurred by 1 %": _blur,
    "light from one side": _light_from_one_side,
    "half in shadow": _shadow,
    "a quarter of the contrast": lambda pixels: (pixels - 128) * 0.25 + 120,
    "yellow light": lambda pixels: pixels * np.array([1, 0.95, 0.6], np.float32),
    "inverted": lambda pixels: 255 - pixels,
    "in perspective": _perspective,
    "specks": _specks,
    "ruled": _LINES,
    "ruled, turned by 4 degrees": _chain(_LINES, _turn(-4)),
    "squared": _rulings(0.11, (190, 205, 225), upright=True),
    "dark frame": _margin(0.015, 30),
    "thick dark frame": _margin(0.08, 10),
    "white frame": _margin(0.1, 255),
    "bars above and below": _margin(0.12, 0, sides=(0,)),
    "bars at the sides": _margin(0.12, 0, sides=(1,)),
    "in a box on paper": _box(0.25),
    "in a box, turned by 3 degrees": _chain(_box(0.15), _turn(3)),
}
"""By name; the first leaves the image as it is."""
