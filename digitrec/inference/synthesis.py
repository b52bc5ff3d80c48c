"""Generated training material: varied digits, printed digits, and things that are no digits."""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage as ndi

from digitrec.inference.normalise import normalise_digit
from digitrec.inference.printed import (
    centre_ink,
    draw_sign,
    frame_ink,
    framed_sign,
    text_fonts,
    trim_ink,
)
from digitrec.inference.strokes import (
    DIGIT_STROKES,
    SIGN_STROKES,
    draw_strokes,
    random_scribbles,
)

FloatImages = NDArray[np.float32]

_SIDE = 28
_LETTERS = 'ACEFGHJKLMNPQRTUVWXYacdefhjkmnprtuvwxy@#&%+=?!<>*√Σπ∞∂≠→{[:;$€§£¥~^"'
"""Signs that are unlike any digit in most fonts; O, I, l, Z, S, B, b, g and q are left out."""
_OTHER_LETTERS = "ΓΔΛΞΠΣΦΨΩαγεηκλμνπτυφχψωДЖИЛФЦШЩЪЫЮЯджлфцшщъыюя"
"""Greek and Cyrillic letters that are unlike any digit, of the fonts that have them."""
_OTHER_SCRIPTS = (
    "ԱԲԵԷԸԹԻԽՃՄՆՊՌՍՓՔՖաբէըթիխհղմնպռստրփքֆև"
    "אהחםמעץצשת"
    "بتثخسشصضفك"
    "დთლოჟფღშცჯჶႥႧႪႫႬႰႲႴႵႹႻႼႾႿჀ"
    "ߍߎߏߓߘߙߚߜߝߡߢߥߦ"
    "ກຄຍດຕຖທນບປຜຝພຟມຢສຫ"
    "ᐁᐃᐅᐊᐥᐦᐯᐱⴲⴳⴹⴼⴽⵄⵅⵇⵉⵋⵌⵍⵎⵐⵘⵛⵜⵞⵟⵣⵥ"
)
"""Letters unlike any digit: Armenian, Hebrew, Arabic, Georgian, N'Ko, Lao, syllabics, Tifinagh."""
_PICTURES = "".join(
    map(chr, (*range(0x2190, 0x2460), *range(0x2580, 0x2776), *range(0x2794, 0x27C0)))
)
"""Arrows, operators, technical signs, chess pieces, stars and other drawings of one font."""
_NOT_PICTURES = "∅⌀⊘∣∤❘❙❚⎮⎪⏐│┃╎╏║┆┇┊┋╵╷╹╻╽╿▏▎▍▌▐○◯◦●◌◍◎❍⚪⚫⚬⭘⭕∘∙⋅⎜⎟⎢⎥⎸⎹⏌⎾⌈⌊⌉⌋☐□◻▢⌷⎕∠↿⇂↾⇃∫⌠⌡∂∂⌐"
"""Those among them that are circles, bars or hooks, which digits are too."""
_MIN_DOT_GAP = 2
"""Rows without ink, of the 20 of a stroke's height, that part a dot from it."""
_LOGO_SIDE = 80
_MIN_LOGO_INK = 50
"""Least mean grey level, 0-255, of the middle 10x10 pixels of an outline with a sign in it."""


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


def marked_digits(
    images: FloatImages, labels: NDArray[np.integer], rng: np.random.Generator
) -> FloatImages:
    """Return digits with what other ink leaves on them, one kind each.

    Remnants of a removed line where it crossed strokes, a thin line through the digit or beside
    it, grain, or a piece of a neighbour that touches it. Digits that such a mark would turn into
    another one, or into a letter, as a bar a three, stay without it.

    Parameters
    ----------
    images : ndarray of float32, shape (n, 28, 28)
        Ink, 0-1.
    labels : ndarray of int, shape (n,)
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of float32, shape (n, 28, 28)
    """
    out = np.empty_like(images)
    kinds = rng.integers(4, size=len(images))
    for kind, mark in enumerate((_line_remnants, _thin_lines, _grain, _touching_pieces)):
        chosen = kinds == kind
        out[chosen] = np.maximum(images[chosen], mark(images[chosen], labels[chosen], rng))
    return distort(out, rng, strength=0.6)


def _ink_ends(images: FloatImages, axis: int) -> tuple[FloatImages, FloatImages]:
    """Return the first and the last row (axis 1) or column (2) of ink, shape (n, 1, 1)."""
    inked = images.max(axis=3 - axis) > 0.3
    first, last = inked.argmax(axis=1), _SIDE - 1 - inked[:, ::-1].argmax(axis=1)
    return tuple(ends.astype(np.float32)[:, None, None] for ends in (first, last))


def _lines(images: FloatImages, rng: np.random.Generator) -> FloatImages:
    """Return a level line through each digit, or a short upright one through it or beside it."""
    n = len(images)
    y, x = np.indices((_SIDE, _SIDE), np.float32)
    level = rng.random((n, 1, 1)) < 0.5
    across, along = np.where(level, y, x), np.where(level, x, y)
    (top, bottom), (left, right) = (_ink_ends(images, axis) for axis in (1, 2))
    # Digits are taller than wide: a level line is longer than the digit, and an upright one, as
    # removed rulings leave them, shorter.
    low, high = np.where(level, top, left), np.where(level, bottom, right)
    start, stop = np.where(level, left, top), np.where(level, right, bottom)
    place = low - 1 + rng.beta(0.6, 0.6, (n, 1, 1)) * (high - low + 2)
    slope, half = rng.normal(0, 0.04, (n, 1, 1)), rng.uniform(0.1, 0.5, (n, 1, 1))
    line = np.clip(half + 0.5 - np.abs(across - place - slope * (along - 14)), 0, 1)
    line *= rng.uniform(0.5, 1, (n, 1, 1))
    reach = rng.uniform(0, 3, (n, 1, 1))
    return (line * ((along > start - reach) & (along < stop + reach))).astype(np.float32)


def _line_remnants(
    images: FloatImages, labels: NDArray[np.integer], rng: np.random.Generator
) -> FloatImages:
    near = ndi.maximum_filter(images, size=(1, 5, 5)) > 0.5
    return _lines(images, rng) * near


def _thin_lines(
    images: FloatImages, labels: NDArray[np.integer], rng: np.random.Generator
) -> FloatImages:
    return _lines(images, rng) * np.isin(labels, (2, 4, 5, 6, 8, 9))[:, None, None]


def _grain(
    images: FloatImages, labels: NDArray[np.integer], rng: np.random.Generator
) -> FloatImages:
    n = len(images)
    y, x = np.indices((_SIDE, _SIDE), np.float32)
    (top, bottom), (left, right) = (_ink_ends(images, axis) for axis in (1, 2))
    # Above an upright stroke a speck would be the dot of an i.
    inner = np.where(labels == 1, 0.25, 0)[:, None, None]
    marks = np.zeros_like(images)
    for chance in (1.0, 0.6, 0.4, 0.3):
        share = inner + (1 - 2 * inner) * rng.random((n, 1, 1))
        at_y = top + share * (bottom - top)
        at_x = left - 3 + rng.random((n, 1, 1)) * (right - left + 6)
        size = rng.uniform(0.2, 1.0, (n, 1, 1)) * (rng.random((n, 1, 1)) < chance)
        speck = np.clip(size + 0.5 - np.hypot(y - at_y, x - at_x), 0, 1) * (size > 0)
        np.maximum(marks, speck.astype(np.float32), out=marks)
    return marks


def _touching_pieces(
    images: FloatImages, labels: NDArray[np.integer], rng: np.random.Generator
) -> FloatImages:
    n = len(images)
    others = images[rng.permutation(n)]
    y, x = np.indices((_SIDE, _SIDE), np.float32)
    (_, right), (left, _) = _ink_ends(images, 2), _ink_ends(others, 2)
    # The first columns of the other digit, beside the last one of the digit.
    depth, overlap = rng.uniform(1.5, 3.5, (n, 1, 1)), rng.uniform(0, 1.5, (n, 1, 1))
    column = x - right + overlap + left
    shown = (column < left + depth) & (x >= right - 1)
    shown &= np.abs(y - rng.uniform(6, 22, (n, 1, 1))) < rng.uniform(1.5, 3.5, (n, 1, 1))
    nearest = np.clip(np.rint(column), 0, _SIDE - 1).astype(np.int64)
    piece = np.where(shown, np.take_along_axis(others, nearest, axis=2), 0)
    return piece * ~np.isin(labels, (0, 1))[:, None, None]


def make_non_digits(
    n: int,
    digits: FloatImages,
    labels: NDArray[np.integer],
    rng: np.random.Generator,
    fonts: Sequence[Path] = (),
) -> FloatImages:
    """Make about `n` pictures that are not one digit.

    Letters and signs from fonts and from strokes, drawings of a symbol font, logos, words,
    paragraphs, scribbles, turned digits, two digits at once, blobs, outlines and noise. What came
    out as a plain upright bar is left out: that is a one.

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
        (30, lambda n: _printed_signs(n, rng, every_font)),
        (5, lambda n: _pictures(n, rng)),
        (8, lambda n: _logos(n, rng)),
        (11, lambda n: _words(n, rng, every_font)),
        (3, lambda n: _paragraphs(n, rng, every_font)),
        (14, lambda n: random_scribbles(n, rng)),
        (14, lambda n: _pairs(n, digits, rng)),
        (4, lambda n: _turned(n, digits, labels, rng)),
        (13, lambda n: _blobs(n, rng)),
    )
    total = sum(share for share, _ in makers)
    parts = [make(round(share / total * n)) for share, make in makers]
    images = distort(np.concatenate(parts), rng, strength=0.8)
    return images[~_is_bar(images)]


def _is_bar(images: FloatImages) -> NDArray[np.bool_]:
    """Tell which images are one thin upright or slanted stroke, by their second moments.

    A stroke with a dot is none: a colon, an exclamation mark, an i.
    """
    y, x = (axis.ravel() - 14.0 for axis in np.indices((_SIDE, _SIDE)))
    flat = images.reshape(len(images), -1)
    mass = np.maximum(flat.sum(axis=1), 1e-6)
    yy, xx, xy = (flat @ moment / mass for moment in (y * y, x * x, x * y))
    spread = np.hypot((yy - xx) / 2, xy)
    least = (yy + xx) / 2 - spread
    inked = images.max(axis=2) > 0.25
    above = np.maximum.accumulate(inked, axis=1)
    below = np.maximum.accumulate(inked[:, ::-1], axis=1)[:, ::-1]
    dotted = (above & below & ~inked).sum(axis=1) >= _MIN_DOT_GAP
    return (least < 0.09 * (yy + xx)) & (yy > 0.4 * xx) & ~dotted


def _drawn_signs(n: int, rng: np.random.Generator) -> FloatImages:
    each = max(1, n // len(SIGN_STROKES))
    return np.concatenate([draw_strokes(t, each, rng) for t in SIGN_STROKES])


def _printed_signs(n: int, rng: np.random.Generator, fonts: Sequence[Path]) -> FloatImages:
    return _drawn_of(_LETTERS + _OTHER_LETTERS + _OTHER_SCRIPTS, n, rng, fonts)


def _pictures(n: int, rng: np.random.Generator) -> FloatImages:
    """Return arrows, chess pieces and other drawings of Matplotlib's largest font."""
    font = next(font for font in text_fonts() if font.stem == "DejaVuSans")
    pictures = [sign for sign in _PICTURES if sign not in _NOT_PICTURES]
    return _drawn_of(pictures, n, rng, [font])


def _drawn_of(
    signs: Sequence[str], n: int, rng: np.random.Generator, fonts: Sequence[Path]
) -> FloatImages:
    """Return `n` of the signs that the fonts have, at random."""
    drawn = [framed_sign(font, sign) for font in fonts for sign in signs]
    found = np.stack([image for image in drawn if image is not None])
    return found[rng.integers(len(found), size=n)]


def _logos(n: int, rng: np.random.Generator) -> FloatImages:
    """Return discs, rings and plates with a letter or a picture, or two letters, on them."""
    images: list[NDArray[np.uint8]] = []
    y, x = np.indices((_LOGO_SIDE, _LOGO_SIDE)) / (_LOGO_SIDE / 2) - 1
    capitals = [letter for letter in _LETTERS if letter.isupper()]
    while len(images) < n:
        font = text_fonts()[int(rng.integers(len(text_fonts())))]
        outline = rng.random() < 0.45
        letters = "".join(rng.choice(capitals, 1 if outline or rng.random() < 0.7 else 2))
        picture = str(rng.choice(list("♞♜♣♥★☀✈☎✿❄➤⚡")))
        mark = draw_sign(font, letters if rng.random() < 0.75 else picture)
        if mark is None:
            continue
        # A superellipse: a disc, a plate with round corners, a square.
        power, flat = rng.choice([2.0, 2.0, 2.0, 4.0, 20.0]), rng.uniform(0.75, 1.0)
        radius = (np.abs(x) ** power + np.abs(y / flat) ** power) ** (1 / power)
        inner = rng.uniform(0.7, 0.92)
        longest = flat * _LOGO_SIDE * rng.uniform(0.5, 0.75) * (inner if outline else 1)
        placed = centre_ink(mark, round(longest), _LOGO_SIDE)
        edge = _LOGO_SIDE / 2
        plate = np.clip((1 - radius) * edge, 0, 1)
        if outline:
            ink = np.maximum(plate * np.clip((radius - inner) * edge, 0, 1), placed)
        else:
            ink = plate * (1 - placed)
        framed = normalise_digit(ink * 255)
        # With next to nothing in it a ring is a zero.
        if not outline or framed[9:19, 9:19].mean() > _MIN_LOGO_INK:
            images.append(framed)
    return np.array(images, np.float32).reshape(-1, _SIDE, _SIDE) / np.float32(255)


def _paragraphs(n: int, rng: np.random.Generator, fonts: Sequence[Path]) -> FloatImages:
    """Return two to five rows of words, squeezed into one frame."""
    words = [trim_ink(word) for word in _words(n, rng, fonts)]
    images = []
    for _ in range(n):
        rows = [words[index] for index in rng.integers(len(words), size=rng.integers(2, 6))]
        width = max(row.shape[1] for row in rows)
        gap = int(rng.integers(1, 4))
        padded = [np.pad(row, ((0, gap), (0, width - row.shape[1]))) for row in rows]
        images.append(frame_ink(np.concatenate(padded)))
    return np.stack(images) if images else np.zeros((0, _SIDE, _SIDE), np.float32)


def _words(n: int, rng: np.random.Generator, fonts: Sequence[Path]) -> FloatImages:
    """Return two to five letters side by side, squeezed into one frame.

    Beside others, letters that look like digits are no digits either.
    """
    letters = np.array(list(string.ascii_letters))
    images: list[FloatImages] = []
    while len(images) < n:
        chosen = rng.choice(letters, int(rng.integers(2, 6)))
        glyph = framed_sign(fonts[int(rng.integers(len(fonts)))], "".join(chosen))
        if glyph is not None:
            images.append(glyph)
    return np.stack(images) if images else np.zeros((0, _SIDE, _SIDE), np.float32)


def _pairs(n: int, digits: FloatImages, rng: np.random.Generator) -> FloatImages:
    """Return two digits side by side, touching or nearly so, squeezed into one frame."""
    left, right = digits[rng.integers(len(digits), size=(2, n))]
    out = np.zeros((n, _SIDE, 2 * _SIDE), np.float32)
    for index, (a, b) in enumerate(zip(left, right, strict=True)):
        a, b = trim_ink(a), trim_ink(b)
        start = max(0, a.shape[1] - int(rng.integers(0, 4)))
        out[index, : a.shape[0], : a.shape[1]] = a
        drop = int(rng.integers(0, _SIDE - b.shape[0] + 1) * 0.4)
        view = out[index, drop : drop + b.shape[0], start : start + b.shape[1]]
        np.maximum(view, b, out=view)
    return np.stack([frame_ink(image) for image in out])


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
    return np.stack([frame_ink(image) for image in images])


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
    return small.astype(np.float32) / np.float32(255)
