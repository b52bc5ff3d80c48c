"""Signs of fonts, and digits as displays, dot matrices, stencils and stamps show them."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFont
from scipy import ndimage as ndi

from digitrec.inference.normalise import IMAGE_SIDE, normalise_digit

FloatImages = NDArray[np.float32]

_DRAWN = 80
"""Pixels of the height at which digits are drawn before they are framed."""
_BLOCK = 100
_BARS = np.array(
    [
        [(0, 0), (1, 0)],
        [(1, 0), (1, 1)],
        [(1, 1), (1, 2)],
        [(0, 2), (1, 2)],
        [(0, 1), (0, 2)],
        [(0, 0), (0, 1)],
        [(0, 1), (1, 1)],
    ],
    np.float32,
)
"""Ends of the seven bars, x and y, in a box of width 1 and height 2: clockwise, then the middle."""
_LIT = [
    *((0, "012345"), (1, "12"), (2, "01346"), (3, "01236"), (4, "1256"), (5, "02356")),
    *((6, "023456"), (7, "012"), (8, "0123456"), (9, "012356")),
    # Other makes: a six without its top, a nine without its foot.
    *((6, "23456"), (9, "01256")),
]
_DOTS = [
    "3E5149453E 00427F4000 4261514946 2141454B31 1814127F10",
    "2745454539 3C4A494930 0171090503 3649494936 064949291E",
]
"""Columns of 5x7 dots of each digit in hexadecimal, the top dot in the lowest bit."""


@functools.cache
def text_fonts() -> tuple[Path, ...]:
    """Return the files of Matplotlib's text fonts; those of symbols are left out."""
    import matplotlib

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    names = ("DejaVu", "STIXGeneral", "cmr10", "cmb10", "cmss10", "cmtt10", "cmmi10")
    return tuple(p for p in sorted(folder.glob("*.ttf")) if p.stem.startswith(names))


def draw_sign(font: Path, sign: str) -> FloatImages | None:
    """Draw a sign, or several, with a font, ink 0-1; None where the font lacks it."""
    face = _face(font)
    mask = face.getmask(sign, mode="L")
    if 0 in mask.size or bytes(mask) == bytes(face.getmask("\uffff", mode="L")):
        return None
    pixels = np.asarray(mask, dtype=np.uint8).reshape(mask.size[1], mask.size[0])
    ink = pixels.astype(np.float32) / np.float32(255)
    return ink if ink.max() > 0.5 else None


def framed_sign(font: Path, sign: str) -> FloatImages | None:
    """Return a sign of a font in the middle of 28x28 pixels; None where the font lacks it."""
    ink = draw_sign(font, sign)
    return None if ink is None else frame_ink(ink)


@functools.lru_cache(maxsize=64)
def _face(font: Path) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(font), 60)


def trim_ink(image: FloatImages) -> FloatImages:
    """Return the part of an image that holds its ink."""
    rows, columns = (np.flatnonzero((image > 0.2).any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return image[:1, :1]
    return image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def scale_ink(ink: FloatImages, side: int) -> FloatImages:
    """Return an image whose longer side has this many pixels."""
    factor = side / max(ink.shape)
    size = (max(1, round(ink.shape[1] * factor)), max(1, round(ink.shape[0] * factor)))
    return np.asarray(
        Image.fromarray(np.ascontiguousarray(ink)).resize(size, Image.Resampling.BILINEAR)
    )


def centre_ink(image: FloatImages, ink_side: int, side: int) -> FloatImages:
    """Scale ink to `ink_side` pixels at its longer side, in the middle of a square image."""
    small = scale_ink(trim_ink(image), ink_side)
    out = np.zeros((side, side), np.float32)
    top, left = ((side - length) // 2 for length in small.shape)
    out[top : top + small.shape[0], left : left + small.shape[1]] = small
    return out


def frame_ink(image: FloatImages) -> FloatImages:
    """Scale ink into the middle 20 pixels of 28x28."""
    return centre_ink(image, 20, IMAGE_SIDE)


def printed_digits(fonts: Sequence[Path] = ()) -> tuple[FloatImages, NDArray[np.int64]]:
    """Return the digits of the fonts that Matplotlib ships, and of further font files."""
    all_fonts = (*text_fonts(), *fonts)
    images = [(framed_sign(font, str(digit)), digit) for font in all_fonts for digit in range(10)]
    found = [(image, digit) for image, digit in images if image is not None]
    return np.stack([image for image, _ in found]), np.array([digit for _, digit in found])


def constructed_digits(
    n: int, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return digits of seven bars, of dots, of stencils and of worn stamps.

    Parameters
    ----------
    n : int
        Images.
    rng : numpy.random.Generator

    Returns
    -------
    images : ndarray of uint8, shape (n, 28, 28)
        Framed as the recogniser frames what it cuts out of an image.
    labels : ndarray of int64, shape (n,)
    """
    bars = [_lit_bars(min(_BLOCK, n // 2 - start), rng) for start in range(0, n // 2, _BLOCK)]
    makers = (_dotted, _stencilled, _worn)
    others = [makers[index % 3](rng) for index in range(n - n // 2)]
    drawn = [(ink, int(label)) for block in bars for ink, label in zip(*block, strict=True)]
    drawn += others
    images = np.stack([normalise_digit(ink * 255) for ink, _ in drawn])
    return images, np.array([label for _, label in drawn], np.int64)


def _lit_bars(n: int, rng: np.random.Generator) -> tuple[FloatImages, NDArray[np.int64]]:
    """Return digits of seven bars, slanted or upright, their ends pointed, round or square."""
    chosen = rng.integers(len(_LIT), size=n)
    width, height = _DRAWN * rng.uniform(0.38, 0.65, n), float(_DRAWN)
    thick = _DRAWN * rng.uniform(0.07, 0.15, n)
    slant = np.where(rng.random(n) < 0.5, rng.uniform(-0.05, 0.25, n), 0)
    # How the distance from a bar's end and from its axis add up decides the form of its ends.
    power = rng.choice([1.0, 2.0, 12.0], n)
    gap = thick * (rng.uniform(0.0, 0.3, n) + np.where(power > 2, 0.1, 0))
    fade = rng.uniform(0.5, 2.5, n)
    margin = 28
    y, x = np.indices((_DRAWN + 2 * margin, 2 * _DRAWN), dtype=np.float32)
    ink = np.zeros((n, *y.shape), np.float32)
    for index, which in enumerate(chosen):
        down = y - margin
        across = x - _DRAWN + width[index] / 2 - slant[index] * (height / 2 - down)
        for bar in _LIT[which][1]:
            (x0, y0), (x1, y1) = _BARS[int(bar)] * (width[index], height / 2)
            length, upright = max(x1 - x0, y1 - y0), x0 == x1
            along = (down - y0) if upright else (across - x0)
            off = np.abs((across - x0) if upright else (down - y0))
            inset = gap[index] + thick[index] / 2
            beyond = np.maximum(np.abs(along - length / 2) - (length / 2 - inset), 0)
            distance = (beyond ** power[index] + off ** power[index]) ** (1 / power[index])
            lit = np.clip((thick[index] / 2 - distance) / fade[index] + 0.5, 0, 1)
            np.maximum(ink[index], lit, out=ink[index])
    return ink, np.array([_LIT[which][0] for which in chosen], np.int64)


def _dotted(rng: np.random.Generator) -> tuple[FloatImages, int]:
    """Return a digit of 5x7 dots that touch or nearly do."""
    digit = int(rng.integers(10))
    columns = bytes.fromhex(" ".join(_DOTS).split()[digit])
    on = np.array([[column >> row & 1 for column in columns] for row in range(7)], bool)
    pitch, width = 11, rng.uniform(0.75, 1.1)
    size = rng.uniform(0.44, 0.7) * pitch
    y, x = np.indices((9 * pitch, round(7 * pitch * width)), dtype=np.float32)
    ink = np.zeros(y.shape, np.float32)
    for row, column in zip(*np.nonzero(on), strict=True):
        away = np.hypot(y - (row + 1.5) * pitch, x - (column + 1.5) * pitch * width)
        np.maximum(ink, np.clip(size - away + 0.5, 0, 1), out=ink)
    return ink, digit


@functools.cache
def _large_digits() -> list[tuple[FloatImages, int]]:
    drawn = [(draw_sign(font, str(digit)), digit) for font in text_fonts() for digit in range(10)]
    return [
        (np.pad(scale_ink(trim_ink(ink), _DRAWN), 6), digit)
        for ink, digit in drawn
        if ink is not None
    ]


def _stencilled(rng: np.random.Generator) -> tuple[FloatImages, int]:
    """Return a digit that a bridge parts, an upright or a level one."""
    ink, digit = _large_digits()[int(rng.integers(len(_large_digits())))]
    # A one has no room for an upright bridge.
    upright = digit != 1 and rng.random() < 0.7
    length = ink.shape[1] if upright else ink.shape[0]
    half, place = _DRAWN * rng.uniform(0.015, 0.035), length * rng.uniform(0.38, 0.62)
    kept = np.clip(np.abs(np.arange(length, dtype=np.float32) - place) - half + 0.5, 0, 1)
    return ink * (kept[None, :] if upright else kept[:, None]).astype(np.float32), digit


def _worn(rng: np.random.Generator) -> tuple[FloatImages, int]:
    """Return a stamped digit whose ink is missing in places, turned a little."""
    ink, digit = _large_digits()[int(rng.integers(len(_large_digits())))]
    noise = ndi.gaussian_filter(rng.normal(size=ink.shape), rng.uniform(0.8, 4.0))
    missing = np.quantile(noise[ink > 0.5], rng.uniform(0.05, 0.35))
    soft = np.clip((noise - missing) / noise.std() * rng.uniform(1, 8) + 0.5, 0, 1)
    turned = ndi.rotate(ink * soft, rng.normal(0, 5), order=1)
    return np.clip(turned, 0, 1).astype(np.float32), digit
