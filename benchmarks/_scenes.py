"""Generated photos, scans and drawings of digits, with labels, for tests and benchmarks."""

from __future__ import annotations

import functools
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage as ndi

FloatImage = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Scene:
    """A made-up image of digits.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (height, width, 3)
    text : str
        The digits; rows are separated by line breaks.
    traits : tuple of str
        What makes it hard, such as ``"ruled"`` or ``"shadow"``.
    """

    pixels: NDArray[np.uint8]
    text: str
    traits: tuple[str, ...]


def make_scene(
    rows: list[tuple[FloatImage, str]],
    rng: np.random.Generator,
    *,
    traits: tuple[str, ...] | None = None,
) -> Scene:
    """Put digits on a page and take a picture of it.

    Parameters
    ----------
    rows : list of (images, text)
        For each row the digits, shape (n, 28, 28), ink 0–1, and what they say.
    rng : numpy.random.Generator
    traits : tuple of str, optional
        Of "light-on-dark", "coloured", "pale", "gradient", "shadow", "ruled", "squared",
        "noise", "blur", "jpeg", "turned", "tight", "touching", "framed", "barred"; random where
        None.
    """
    if traits is None:
        traits = _random_traits(rng, single=len(rows) == 1 and len(rows[0][1]) == 1)
    ink, size = _lay_rows([images for images, _ in rows], rng, traits)
    lines = _rulings(ink.shape, size, rng, traits)
    if "turned" in traits:
        angle = float(rng.uniform(-8, 8))
        turn = functools.partial(ndi.rotate, angle=angle, reshape=True, order=1, prefilter=False)
        ink, lines = turn(ink), turn(lines)
    pixels = _develop(np.clip(ink, 0, 1), np.clip(lines, 0, 1), rng, traits)
    return Scene(pixels, "\n".join(text for _, text in rows), traits)


def _random_traits(rng: np.random.Generator, *, single: bool) -> tuple[str, ...]:
    chances = {
        "light-on-dark": 0.2,
        "coloured": 0.4,
        "pale": 0.2,
        "gradient": 0.4,
        "shadow": 0.2,
        "ruled": 0.12,
        "squared": 0.1,
        "noise": 0.5,
        "blur": 0.4,
        "jpeg": 0.5,
        "turned": 0.3,
        "tight": 0.25,
        "touching": 0.0 if single else 0.25,
        "framed": 0.08,
        "barred": 0.08,
    }
    chosen = [name for name, chance in chances.items() if rng.random() < chance]
    if "light-on-dark" in chosen:
        chosen = [name for name in chosen if name not in ("shadow", "ruled", "squared")]
    if "ruled" in chosen:
        chosen = [name for name in chosen if name not in ("squared", "tight")]
    return tuple(chosen)


def _lay_rows(
    rows: list[FloatImage], rng: np.random.Generator, traits: tuple[str, ...]
) -> tuple[FloatImage, float]:
    """Return the ink of all rows on one canvas, 0–1, and the height of a digit."""
    size = float(rng.uniform(24, 90) if len(rows[0]) > 1 or len(rows) > 1 else rng.uniform(24, 260))
    drawn = [_lay_row(images, size, rng, "touching" in traits) for images in rows]
    gap = round(size * rng.uniform(0.5, 1.0))
    margin = round(size * (rng.uniform(0.12, 0.25) if "tight" in traits else rng.uniform(0.4, 1.6)))
    width = max(row.shape[1] for row in drawn) + 2 * margin
    height = sum(row.shape[0] for row in drawn) + gap * (len(drawn) - 1) + 2 * margin
    canvas = np.zeros((height, width), np.float32)
    top = margin
    for row in drawn:
        left = margin + int(rng.uniform(0, 1) * (width - 2 * margin - row.shape[1]) * 0.5)
        canvas[top : top + row.shape[0], left : left + row.shape[1]] = row
        top += row.shape[0] + gap
    return canvas, size


def _lay_row(
    images: FloatImage, size: float, rng: np.random.Generator, touching: bool
) -> FloatImage:
    crops = [enlarge_digit(image, size * float(np.exp(rng.normal(0, 0.07)))) for image in images]
    jitter = [int(rng.uniform(0, 0.15) * size) for _ in crops]
    height = max(crop.shape[0] + drop for crop, drop in zip(crops, jitter, strict=True))
    width = sum(crop.shape[1] for crop in crops) + round(size * len(crops))
    canvas = np.zeros((height, width), np.float32)
    x = end = 0
    for crop, drop in zip(crops, jitter, strict=True):
        view = canvas[drop : drop + crop.shape[0], x : x + crop.shape[1]]
        np.maximum(view, crop, out=view)
        end = max(end, x + crop.shape[1])
        gap = rng.uniform(-0.06, 0.02) if touching else rng.uniform(0.18, 0.7)
        x = max(0, x + crop.shape[1] + round(size * gap))
    return canvas[:, :end]


def enlarge_digit(image: FloatImage, height: float, level: float = 0.45) -> FloatImage:
    """Return a digit at a height, with the smooth sharp edges of a pen.

    The higher the level at which the grey edges of the small image are cut, 0-1, the thinner.
    """
    rows, columns = (np.flatnonzero((image > 0.2).any(axis=axis)) for axis in (1, 0))
    crop = np.pad(image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], 1)
    # A one is as tall as its neighbours, whatever frame it came in.
    factor = height / crop.shape[0]
    size = (max(2, round(crop.shape[1] * factor)), max(2, round(height)))
    large = np.asarray(Image.fromarray(crop).resize(size, Image.Resampling.BICUBIC))
    soft = max(1.0, 0.35 * factor)
    return np.clip((large - level) * soft + 0.5, 0, 1).astype(np.float32)


def _rulings(
    shape: tuple[int, ...], size: float, rng: np.random.Generator, traits: tuple[str, ...]
) -> FloatImage:
    lines = np.zeros(shape, np.float32)
    thickness = max(1, round(size * 0.02))
    step = round(size * rng.uniform(1.15, 1.5))
    if "ruled" in traits:
        for y in range(int(rng.uniform(0, step)), shape[0], step):
            lines[y : y + thickness] = 1
    if "squared" in traits:
        inset = max(2, round(size * 0.06))
        for y in (inset, shape[0] - inset - thickness):
            lines[y : y + thickness, inset:-inset] = 1
        for x in (inset, shape[1] - inset - thickness):
            lines[inset:-inset, x : x + thickness] = 1
    return lines


def _develop(
    ink: FloatImage, lines: FloatImage, rng: np.random.Generator, traits: tuple[str, ...]
) -> NDArray[np.uint8]:
    height, width = ink.shape
    paper = rng.uniform(190, 255) + rng.uniform(-12, 12, 3) * ("coloured" in traits)
    depth = rng.uniform(45, 80) if "pale" in traits else rng.uniform(120, 190)
    tint = rng.uniform(0.25, 1.0, 3) if "coloured" in traits else np.ones(3)
    tint[int(rng.integers(3))] = 1.0
    pen = paper - depth * tint
    light = np.ones((height, width), np.float32)
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j].astype(np.float32)
    if "gradient" in traits:
        angle = rng.uniform(0, 2 * np.pi)
        slope = (x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle)
        light *= (1 + rng.uniform(0.2, 0.6) * slope).astype(np.float32)
    if "shadow" in traits:
        angle = rng.uniform(0, 2 * np.pi)
        side = (x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle) + rng.uniform(-0.3, 0.3)
        edge = 1 / (1 + np.exp(-side * rng.uniform(8, 60)))
        light *= (1 - rng.uniform(0.15, 0.5) * edge).astype(np.float32)
    marks = np.maximum(ink, 0.5 * lines)[..., None]
    page = (paper * (1 - marks) + np.clip(pen, 0, 255) * marks) * light[..., None]
    if "blur" in traits:
        page = ndi.gaussian_filter(page, (s := rng.uniform(0.5, 1.5), s, 0))
    if "noise" in traits:
        page = page + rng.normal(0, rng.uniform(1, 9), page.shape)
    page = np.clip(page, 0, 255)
    if "light-on-dark" in traits:
        page = 255 - page
    pixels = _surround(page.astype(np.uint8), rng, traits)
    if "jpeg" in traits:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=int(rng.integers(30, 90)))
        pixels = np.asarray(Image.open(file))
    return pixels


def _surround(
    pixels: NDArray[np.uint8], rng: np.random.Generator, traits: tuple[str, ...]
) -> NDArray[np.uint8]:
    """Put a frame around a picture, or bars at two opposite sides, in black or white."""
    across = int(rng.integers(2))
    for trait, sides, shares in (
        ("framed", (0, 1), (0.01, 0.04)),
        ("barred", (across,), (0.05, 0.2)),
    ):
        if trait in traits:
            depth = max(1, round(rng.uniform(*shares) * max(pixels.shape)))
            margins = [(depth, depth) if axis in sides else (0, 0) for axis in range(3)]
            pixels = np.pad(pixels, margins, constant_values=255 * int(rng.integers(2)))
    return pixels
