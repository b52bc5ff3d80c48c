"""Generated training material: varied digits, printed digits, and things that are no digits."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage as ndi

from digitrec.inference.strokes import (
    DIGIT_STROKES,
    SIGN_STROKES,
    draw_strokes,
    random_scribbles,
)

FloatImages = NDArray[np.float32]

_SIDE = 28
_LETTERS = "ACEFGHJKLMNPQRTUVWXYacdefhjkmnprtuvwxy@#&%+=?!<>*√Σπ∞∂≠→"
"""Signs that are unlike any digit in most fonts; O, I, l, Z, S, B, b, g and q are left out."""
_OTHER_LETTERS = "ΓΔΛΞΠΣΦΨΩαγεηκλμνπτυφχψωДЖИЛФЦШЩЪЫЮЯджлфцшщъыюя"
"""Greek and Cyrillic letters that are unlike any digit, of the fonts that have them."""
_PICTURES = "".join(
    map(chr, (*range(0x2190, 0x2460), *range(0x2580, 0x2776), *range(0x2794, 0x27C0)))
)
"""Arrows, operators, technical signs, chess pieces, stars and other drawings of one font."""
_NOT_PICTURES = "∅⌀⊘∣∤❘❙❚⎮⎪⏐│┃╎╏║┆┇┊┋╵╷╹╻╽╿▏▎▍▌▐○◯◦●◌◍◎❍⚪⚫⚬⭘⭕∘∙⋅⎜⎟⎢⎥⎸⎹⏌⎾⌈⌊⌉⌋☐□◻▢⌷⎕∠↿⇂↾⇃∫⌠⌡∂∂⌐"
"""Those among them that are circles, bars or hooks, which digits are too."""


def distort(images: FloatImages, rng: np.random.Generator, *, strength: float = 1.0) -> FloatImages:
    """Return each image under a random affine and elastic map and with another pen.

    The result is framed as MNIST frames digits: 20 pixels at the longer side, centre of mass in
    the middle.

    Parameters
    ----------
    images : ndarray of float32, shape (n, 28, 28)
        Ink, 0–1.
    rng : numpy.random.Generator
    strength : float
        Scale of all random parameters.

    Returns
    -------
    ndarray of float32, shape (n, 28, 28)
    """
    out = np.empty_like(images)
    for start in range(0, len(images), 500):
        block = images[start : start + 500]
        out[start : start + 500] = _pen(_warp(block, rng, strength), rng, strength)
    return out


def _warp(images: FloatImages, rng: np.random.Generator, strength: float) -> FloatImages:
    n = len(images)
    angle = rng.normal(0, 0.11 * strength, n)
    shear = rng.normal(0, 0.16 * strength, n)
    aspect = np.exp(rng.normal(0, 0.16 * strength, n))
    cos, sin = np.cos(angle), np.sin(angle)
    # Rows act on (y, x): shear first, then aspect, then rotation.
    forward = np.empty((n, 2, 2), np.float32)
    forward[:, 0, 0], forward[:, 0, 1] = cos + sin * shear * aspect, sin * aspect
    forward[:, 1, 0], forward[:, 1, 1] = -sin + cos * shear * aspect, cos * aspect
    grid = np.indices((_SIDE, _SIDE)).reshape(2, -1).astype(np.float32)
    flat = images.reshape(n, -1)
    mass = np.maximum(flat.sum(axis=1), 1e-3)
    centre = flat @ grid.T / mass[:, None]
    moved = forward @ (grid[None] - centre[:, :, None])
    inked = (flat > 0.3)[:, None]
    high = np.where(inked, moved, np.float32(-99)).max(axis=2)
    low = np.where(inked, moved, np.float32(99)).min(axis=2)
    extent = np.maximum((high - low).max(axis=1), 2)
    scale = np.where(inked.any(axis=(1, 2)), 19 / extent, 1).astype(np.float32)
    inverse = np.linalg.inv(forward * scale[:, None, None])
    source = inverse @ (grid - 14) + centre[:, :, None] + _waves(n, rng, 0.7 * strength)
    return _sample(images, source)


def _sample(images: FloatImages, source: NDArray[np.float32]) -> FloatImages:
    """Interpolate each image at its own positions (n, 2, 784); zero outside."""
    n = len(images)
    # One tall picture with empty rows between: two dimensions cost half of three.
    tall = np.pad(images, ((0, 0), (1, 1), (0, 0))).reshape(-1, _SIDE)
    offset = np.arange(n, dtype=np.float32)[:, None] * (_SIDE + 2) + 1
    rows = np.clip(source[:, 0], -1, _SIDE) + offset
    values = ndi.map_coordinates(tall, [rows, source[:, 1]], order=1, output=np.float32)
    return values.reshape(n, _SIDE, _SIDE)


def _waves(n: int, rng: np.random.Generator, strength: float) -> NDArray[np.float32]:
    """Return smooth random displacement fields of shape (n, 2, 784), in pixels."""
    knots = 5
    positions = np.linspace(0, knots - 1, _SIDE)
    basis = np.clip(1 - np.abs(positions[:, None] - np.arange(knots)), 0, None)
    field = rng.normal(0, strength, (n, 2, knots, knots)).astype(np.float32)
    field = basis.astype(np.float32) @ field @ basis.T.astype(np.float32)
    return field.reshape(n, 2, -1)


def _pen(images: FloatImages, rng: np.random.Generator, strength: float) -> FloatImages:
    """Thicken, thin, blur, sharpen and dirty strokes, each by a random amount."""
    n = len(images)
    amount = rng.normal(0, 0.45 * strength, (n, 1, 1)).astype(np.float32)
    cross = ndi.generate_binary_structure(2, 1)[None]
    thick = ndi.maximum_filter(images, footprint=cross)
    thin = ndi.minimum_filter(images, footprint=cross)
    grow, shrink = np.clip(amount, 0, 1), np.clip(-amount, 0, 0.6)
    images = images * (1 - grow - shrink) + thick * grow + thin * shrink
    blur = rng.uniform(0, 0.9 * strength, (n, 1, 1)).astype(np.float32) ** 2
    images = images * (1 - blur) + ndi.gaussian_filter(images, (0, 1, 1)) * blur
    peak = np.maximum(images.max(axis=(1, 2), keepdims=True), 0.05)
    gain = np.exp(rng.uniform(-0.1, 0.9, (n, 1, 1))).astype(np.float32)
    images = np.clip((images / peak - 0.5) * gain + 0.5, 0, 1)
    images[images < 0.06] = 0
    noisy = rng.random(n) < 0.1 * strength
    noise = rng.normal(0, 0.12, (int(noisy.sum()), _SIDE, _SIDE)).astype(np.float32)
    images[noisy] = np.clip(images[noisy] + noise * (images[noisy] > 0), 0, 1)
    return images.astype(np.float32)


def make_digits(n: int, rng: np.random.Generator) -> tuple[FloatImages, NDArray[np.int64]]:
    """Draw about `n` digits from stroke templates; returns images and labels."""
    each = max(1, n // len(DIGIT_STROKES))
    images = np.concatenate([draw_strokes(t, each, rng) for _, t in DIGIT_STROKES])
    labels = np.repeat([digit for digit, _ in DIGIT_STROKES], each).astype(np.int64)
    return distort(images, rng, strength=0.7), labels


def printed_digits(fonts: Sequence[Path] = ()) -> tuple[FloatImages, NDArray[np.int64]]:
    """Return the digits of the fonts that Matplotlib ships, and of further font files."""
    all_fonts = (*text_fonts(), *fonts)
    images = [(_glyph(font, str(digit)), digit) for font in all_fonts for digit in range(10)]
    found = [(image, digit) for image, digit in images if image is not None]
    return np.stack([image for image, _ in found]), np.array([digit for _, digit in found])


def make_non_digits(
    n: int,
    digits: FloatImages,
    labels: NDArray[np.integer],
    rng: np.random.Generator,
    fonts: Sequence[Path] = (),
) -> FloatImages:
    """Make about `n` pictures that are not one digit.

    Letters and signs from fonts and from strokes, drawings of a symbol font, words, paragraphs,
    scribbles, turned digits, two digits at once, blobs, outlines and noise. What came out as a
    plain upright bar is left out: that is a one.

    Parameters
    ----------
    n : int
        Pictures.
    digits : ndarray of float32, shape (m, 28, 28)
        Digits to turn and to put together, ink 0–1.
    labels : ndarray of int, shape (m,)
        Their labels.
    rng : numpy.random.Generator
    fonts : sequence of Path
        Files of further fonts to take letters and signs from.
    """
    every_font = (*text_fonts(), *fonts)
    makers: tuple[tuple[int, Callable[[int], FloatImages]], ...] = (
        (27, lambda n: _drawn_signs(n, rng)),
        (24, lambda n: _printed_signs(n, rng, every_font)),
        (5, lambda n: _pictures(n, rng)),
        (8, lambda n: _words(n, rng, every_font)),
        (3, lambda n: _paragraphs(n, rng, every_font)),
        (10, lambda n: random_scribbles(n, rng)),
        (14, lambda n: _pairs(n, digits, rng)),
        (4, lambda n: _turned(n, digits, labels, rng)),
        (13, lambda n: _blobs(n, rng)),
    )
    total = sum(share for share, _ in makers)
    parts = [make(round(share / total * n)) for share, make in makers]
    images = distort(np.concatenate(parts), rng, strength=0.8)
    return images[~_is_bar(images)]


def _is_bar(images: FloatImages) -> NDArray[np.bool_]:
    """Tell which images are one thin upright or slanted stroke, by their second moments."""
    y, x = (axis.ravel() - 14.0 for axis in np.indices((_SIDE, _SIDE)))
    flat = images.reshape(len(images), -1)
    mass = np.maximum(flat.sum(axis=1), 1e-6)
    yy, xx, xy = (flat @ moment / mass for moment in (y * y, x * x, x * y))
    spread = np.hypot((yy - xx) / 2, xy)
    least = (yy + xx) / 2 - spread
    return (least < 0.09 * (yy + xx)) & (yy > 0.4 * xx)


def _drawn_signs(n: int, rng: np.random.Generator) -> FloatImages:
    each = max(1, n // len(SIGN_STROKES))
    return np.concatenate([draw_strokes(t, each, rng) for t in SIGN_STROKES])


def _printed_signs(n: int, rng: np.random.Generator, fonts: Sequence[Path]) -> FloatImages:
    glyphs = [_glyph(font, sign) for font in fonts for sign in _LETTERS + _OTHER_LETTERS]
    found = np.stack([glyph for glyph in glyphs if glyph is not None])
    return found[rng.integers(len(found), size=n)]


def _pictures(n: int, rng: np.random.Generator) -> FloatImages:
    """Return arrows, chess pieces and other drawings of Matplotlib's largest font."""
    font = next(font for font in text_fonts() if font.stem == "DejaVuSans")
    glyphs = [_glyph(font, sign) for sign in _PICTURES if sign not in _NOT_PICTURES]
    found = np.stack([glyph for glyph in glyphs if glyph is not None])
    return found[rng.integers(len(found), size=n)]


def _paragraphs(n: int, rng: np.random.Generator, fonts: Sequence[Path]) -> FloatImages:
    """Return two to five rows of words, squeezed into one frame."""
    words = [_trim(word) for word in _words(n, rng, fonts)]
    images = []
    for _ in range(n):
        rows = [words[index] for index in rng.integers(len(words), size=rng.integers(2, 6))]
        width = max(row.shape[1] for row in rows)
        gap = int(rng.integers(1, 4))
        padded = [np.pad(row, ((0, gap), (0, width - row.shape[1]))) for row in rows]
        images.append(_frame(np.concatenate(padded)))
    return np.stack(images) if images else np.zeros((0, _SIDE, _SIDE), np.float32)


def _words(n: int, rng: np.random.Generator, fonts: Sequence[Path]) -> FloatImages:
    """Return two to five letters side by side, squeezed into one frame."""
    letters = np.array([letter for letter in _LETTERS if letter.isalpha()])
    images: list[FloatImages] = []
    while len(images) < n:
        chosen = rng.choice(letters, int(rng.integers(2, 6)))
        glyph = _glyph(fonts[int(rng.integers(len(fonts)))], "".join(chosen))
        if glyph is not None:
            images.append(glyph)
    return np.stack(images) if images else np.zeros((0, _SIDE, _SIDE), np.float32)


def _pairs(n: int, digits: FloatImages, rng: np.random.Generator) -> FloatImages:
    """Return two digits side by side, touching or nearly so, squeezed into one frame."""
    left, right = digits[rng.integers(len(digits), size=(2, n))]
    out = np.zeros((n, _SIDE, 2 * _SIDE), np.float32)
    for index, (a, b) in enumerate(zip(left, right, strict=True)):
        a, b = _trim(a), _trim(b)
        start = max(0, a.shape[1] - int(rng.integers(0, 4)))
        out[index, : a.shape[0], : a.shape[1]] = a
        drop = int(rng.integers(0, _SIDE - b.shape[0] + 1) * 0.4)
        view = out[index, drop : drop + b.shape[0], start : start + b.shape[1]]
        np.maximum(view, b, out=view)
    return np.stack([_frame(image) for image in out])


def _turned(
    n: int, digits: FloatImages, labels: NDArray[np.integer], rng: np.random.Generator
) -> FloatImages:
    """Return digits turned by a quarter: those that then look like no other digit."""
    usable = digits[np.isin(labels, (2, 3, 4, 5))]
    chosen = usable[rng.integers(len(usable), size=n)]
    return np.rot90(chosen, k=1, axes=(1, 2)).copy()


def _blobs(n: int, rng: np.random.Generator) -> FloatImages:
    """Return thresholded smooth noise, filled shapes and speckle."""
    images = np.empty((n, _SIDE, _SIDE), np.float32)
    for index in range(n):
        kind = index % 4
        if kind < 2:
            field = ndi.gaussian_filter(rng.normal(size=(_SIDE, _SIDE)), rng.uniform(1.0, 4.0))
            field[[0, 1, -1, -2]] = field[:, [0, 1, -1, -2]] = field.min()
            images[index] = field > np.quantile(field, rng.uniform(0.5, 0.85))
        elif kind == 2:
            images[index] = _filled_shape(rng)
        else:
            images[index] = rng.random((_SIDE, _SIDE)) < rng.uniform(0.02, 0.5)
    return np.stack([_frame(image) for image in images])


def _filled_shape(rng: np.random.Generator) -> FloatImages:
    image = Image.new("L", (_SIDE * 4, _SIDE * 4))
    draw = ImageDraw.Draw(image)
    box = sorted(rng.integers(8, 104, 2)) + sorted(rng.integers(8, 104, 2))
    x0, x1, y0, y1 = (int(edge) for edge in box)
    x1, y1 = max(x1, x0 + 40), max(y1, y0 + 40)
    corners = int(rng.integers(3, 8))
    if corners == 7:
        draw.ellipse((x0, y0, x1, y1), fill=255)
    else:
        angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
        draw.polygon(
            [(56 + 50 * float(np.cos(a)), 56 + 50 * float(np.sin(a))) for a in angles], fill=255
        )
    small = np.asarray(image.resize((_SIDE, _SIDE), Image.Resampling.BOX))
    return _unit(small)


def _unit(values: NDArray[np.uint8]) -> FloatImages:
    return values.astype(np.float32) / np.float32(255)


def _trim(image: FloatImages) -> FloatImages:
    rows, columns = (np.flatnonzero((image > 0.2).any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return image[:1, :1]
    return image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _frame(image: FloatImages) -> FloatImages:
    """Scale ink into the middle 20 pixels."""
    crop = np.ascontiguousarray(_trim(image))
    factor = 20 / max(crop.shape)
    size = (max(1, round(crop.shape[1] * factor)), max(1, round(crop.shape[0] * factor)))
    small = np.asarray(Image.fromarray(crop).resize(size, Image.Resampling.BILINEAR))
    out = np.zeros((_SIDE, _SIDE), np.float32)
    top, left = (_SIDE - size[1]) // 2, (_SIDE - size[0]) // 2
    out[top : top + size[1], left : left + size[0]] = small
    return out


@functools.cache
def text_fonts() -> tuple[Path, ...]:
    """Return the files of Matplotlib's text fonts; those of symbols are left out."""
    import matplotlib

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    names = ("DejaVu", "STIXGeneral", "cmr10", "cmb10", "cmss10", "cmtt10", "cmmi10")
    return tuple(p for p in sorted(folder.glob("*.ttf")) if p.stem.startswith(names))


def _glyph(font: Path, sign: str) -> FloatImages | None:
    """Draw a sign with a font; None where the font lacks it."""
    face = _face(font)
    mask = face.getmask(sign, mode="L")
    if 0 in mask.size or bytes(mask) == bytes(face.getmask("\uffff", mode="L")):
        return None
    pixels = _unit(np.asarray(mask, dtype=np.uint8).reshape(mask.size[1], mask.size[0]))
    return _frame(pixels) if pixels.max() > 0.5 else None


@functools.lru_cache(maxsize=64)
def _face(font: Path) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(font), 60)
