"""The 15 corruptions of MNIST-C, for images of any shape and many images at a time.

Kinds and strengths are those of Mu, N. and Gilmer, J. (2019), "MNIST-C: a robustness benchmark
for computer vision", arXiv:1906.02337. Strengths given in pixels are for MNIST's 28 by 28 images
and grow with the side. The images differ from the published arrays, whose random draws cannot be
repeated; `digitrec.analyses.robustness.load_mnist_c` reads those.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import correlate1d, gaussian_filter, label

from digitrec.errors import check_choice
from digitrec.preprocessing._warping import sample

Images = NDArray[np.float32]
_CHUNK = 2000
_SIDE = 28
# Width of drawn lines, in pixels of MNIST, whose grid they are laid out on.
_THICKNESS = 2.3
# Side of the maps of fog, a power of two, and how much smaller their displacements get at each
# halving of the step, squared: a small value gives rough clouds.
_CLOUD_SIDE = 256
_CLOUD_DECAY = 1.4


@dataclass(frozen=True)
class Corruption:
    """One kind of corruption.

    Attributes
    ----------
    name : str
        Registry key, the name of the kind in MNIST-C.
    summary : str
        What it does, with its parameters.
    apply : callable
        ``apply(images, rng) -> images`` on float32 of shape (n, height, width), values 0–1; the
        result need not stay within 0–1.
    """

    name: str
    summary: str
    apply: Callable[[Images, np.random.Generator], Images]


def corrupt_images(
    X: ArrayLike, image_shape: tuple[int, int], kind: str, *, random_state: int = 0
) -> NDArray[np.uint8]:
    """Return corrupted copies of images.

    Parameters
    ----------
    X : array-like, shape (n_samples, height * width)
        Pixels, 0 (background) to 255 (ink).
    image_shape : tuple of int
        ``(height, width)``, each at least 8.
    kind : str
        Key of `CORRUPTIONS`.
    random_state : int
        Seed; the same seed, kind and images give the same result.

    Returns
    -------
    ndarray of uint8, shape (n_samples, height * width)
        The corrupted images.

    Raises
    ------
    ConfigurationError
        If the kind is not known.
    """
    corruption = CORRUPTIONS[check_choice("corruption", kind, CORRUPTIONS)]
    X = np.asarray(X)
    corrupted = np.empty(X.shape, dtype=np.uint8)
    for number, start in enumerate(range(0, len(X), _CHUNK)):
        # One generator per chunk: memory stays bounded and the draws do not depend on it.
        rng = np.random.default_rng([random_state, list(CORRUPTIONS).index(kind), number])
        rows = slice(start, start + _CHUNK)
        images = X[rows].astype(np.float32).reshape(-1, *image_shape) / np.float32(255)
        changed = np.clip(corruption.apply(images, rng), 0, 1)
        corrupted[rows] = np.rint(255 * changed).reshape(len(images), -1)
    return corrupted


def _shot_noise(images: Images, rng: np.random.Generator) -> Images:
    return (rng.poisson(images * 3) / np.float32(3)).astype(np.float32)


def _impulse_noise(images: Images, rng: np.random.Generator) -> Images:
    hit, white = rng.random(images.shape) <= 0.17, rng.random(images.shape) <= 0.5
    return np.where(hit, white, images).astype(np.float32)


def _glass_blur(images: Images, rng: np.random.Generator) -> Images:
    blurred = _gaussian(images, 0.7)
    n, height, width = images.shape
    every = np.arange(n)
    for _ in range(2):
        for row in range(height - 1, 1, -1):
            for column in range(width - 1, 1, -1):
                # Half of the pixels swap places with one up to a pixel above or left of them.
                moves = rng.integers(0, 8, size=n)
                moved = moves < 4
                rows, columns = row - (moves & 1) * moved, column - (moves >> 1 & 1) * moved
                here = blurred[:, row, column].copy()
                blurred[:, row, column] = blurred[every, rows, columns]
                blurred[every, rows, columns] = here
    return _gaussian(blurred, 0.7)


def _motion_blur(images: Images, rng: np.random.Generator) -> Images:
    n, height, width = images.shape
    sigma, radius = 3 * _scale_of(images), round(10 * _scale_of(images))
    angle = np.radians(rng.uniform(-45, 45, size=n))
    weights = np.exp(-(np.arange(radius + 1) ** 2) / (2 * sigma**2)).astype(np.float32)
    weights /= weights.sum()
    every = np.arange(n)[:, None, None]
    rows, columns = np.arange(height)[None, :, None], np.arange(width)[None, None, :]
    blurred = np.zeros_like(images)
    for distance, weight in enumerate(weights):
        down = np.rint(distance * np.sin(angle)).astype(int)[:, None, None]
        right = np.rint(distance * np.cos(angle)).astype(int)[:, None, None]
        from_rows = np.clip(rows + down, 0, height - 1)
        from_columns = np.clip(columns + right, 0, width - 1)
        blurred += weight * images[every, from_rows, from_columns]
    return blurred


def _shear(images: Images, rng: np.random.Generator) -> Images:
    sine, cosine = np.sin(0.4), np.cos(0.4)
    matrices = [[[1, -sign * sine], [0, cosine]] for sign in (-1, 1)]
    return _warp_at_random(images, [(m, (0.0, 0.0)) for m in matrices], rng)


def _scale(images: Images, rng: np.random.Generator) -> Images:
    return _warp_at_random(images, [([[1 / 0.7, 0], [0, 1 / 0.7]], (0.0, 0.0))], rng)


def _rotate(images: Images, rng: np.random.Generator) -> Images:
    sine, cosine = np.sin(0.4), np.cos(0.4)
    matrices = [[[cosine, -sign * sine], [sign * sine, cosine]] for sign in (-1, 1)]
    return _warp_at_random(images, [(m, (0.0, 0.0)) for m in matrices], rng)


def _translate(images: Images, rng: np.random.Generator) -> Images:
    step = 3 * _scale_of(images)
    shifts = [(x * step, y * step) for x in (-1, 1) for y in (-1, 1)]
    return _warp_at_random(images, [([[1, 0], [0, 1]], shift) for shift in shifts], rng)


def _brightness(images: Images, rng: np.random.Generator) -> Images:
    return images + np.float32(0.5)


def _stripe(images: Images, rng: np.random.Generator) -> Images:
    quarter = images.shape[2] // 4
    striped = images.copy()
    striped[:, :, :quarter] = 1 - images[:, :, :quarter]
    striped[:, :, -quarter:] = 1 - images[:, :, -quarter:]
    return striped


def _fog(images: Images, rng: np.random.Generator) -> Images:
    n, height, width = images.shape
    maps = _plasma(16, rng)
    size = maps.shape[1]
    top, left = rng.integers(0, size, size=(2, n, 1))
    rows = (top + np.arange(height)) % size
    columns = (left + np.arange(width)) % size
    number = rng.integers(0, len(maps), size=(n, 1, 1))
    clouds = maps[number, rows[:, :, None], columns[:, None, :]]
    brightest = images.max(axis=(1, 2), keepdims=True)
    return (images + 3 * clouds) * brightest / (brightest + 3)


def _spatter(images: Images, rng: np.random.Generator) -> Images:
    noise = rng.normal(0.65, 0.3, size=images.shape).astype(np.float32)
    drops = _gaussian((_gaussian(noise, 1) > 0.65).astype(np.float32), 1.5)
    drops[drops < 0.8] = 0
    return images * (1 - drops) + 63 / 255 * drops


def _dotted_line(images: Images, rng: np.random.Generator) -> Images:
    return images + _dotted_lines(len(images), images.shape[1:], rng)


def _zigzag(images: Images, rng: np.random.Generator) -> Images:
    return images + _zigzags(len(images), images.shape[1:], rng)


def _canny_edges(images: Images, rng: np.random.Generator) -> Images:
    # J. Canny, "A computational approach to edge detection", IEEE TPAMI 8(6), 1986, with
    # thresholds of 0.1 and 0.2; pixels beyond the border count as unknown.
    sigma = (0.0, *(_scale_of(images),) * 2)
    known = gaussian_filter(np.ones_like(images[:1]), sigma, mode="constant")
    smooth = gaussian_filter(images, sigma, mode="constant") / known
    down, right = (
        correlate1d(correlate1d(smooth, (-1, 0, 1), along), (1, 2, 1), 3 - along)
        for along in (1, 2)
    )
    size = np.sqrt(down * down + right * right)
    # One step along the gradient, to the frame of the eight neighbours.
    step = np.maximum(np.maximum(np.abs(down), np.abs(right)), np.float32(1e-12))
    down, right = down / step, right / step
    rows, columns = np.indices(images.shape[1:], dtype=np.float32)
    crest = size >= 0.1
    crest &= sample(size, rows + down, columns + right) <= size
    crest &= sample(size, rows - down, columns - right) <= size
    crest[:, [0, -1]] = crest[:, :, [0, -1]] = False
    within_an_image = np.zeros((3, 3, 3), dtype=bool)
    within_an_image[1] = True
    labels, n_labels = label(crest, within_an_image)
    strong = np.zeros(n_labels + 1, dtype=bool)
    strong[labels[crest & (size >= 0.2)]] = True
    return strong[labels].astype(np.float32)


def _gaussian(images: Images, sigma: float) -> Images:
    sigma *= _scale_of(images)
    return gaussian_filter(images, (0, sigma, sigma), mode="nearest")


def _scale_of(images: Images) -> float:
    """Return the longer side in units of MNIST's 28 pixels."""
    return max(images.shape[1:]) / _SIDE


def _warp_at_random(
    images: Images,
    warps: list[tuple[list[list[float]], tuple[float, float]]],
    rng: np.random.Generator,
) -> Images:
    """Sample each image through one of several affine maps, drawn at random.

    A map is a 2 by 2 matrix about the centre and a shift, in (column, row) order; it takes a
    pixel of the result to where its value comes from.
    """
    n, height, width = images.shape
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    chosen = rng.integers(0, len(warps), size=n)
    rows, columns = np.indices((height, width))
    places = np.stack([columns - centre[0], rows - centre[1]])
    sources = np.array(
        [
            np.tensordot(matrix, places, axes=1) + (centre + shift)[:, None, None]
            for matrix, shift in warps
        ],
        dtype=np.float32,
    )[chosen]
    return sample(images, sources[:, 1], sources[:, 0])


def _plasma(n_maps: int, rng: np.random.Generator) -> Images:
    """Return random cloud-like maps by the diamond-square algorithm.

    They have the shape (n_maps, 256, 256), continue on their opposite side, and reach 0 and 1.
    """
    maps = np.zeros((n_maps, _CLOUD_SIDE, _CLOUD_SIDE), dtype=np.float32)
    step, amplitude = _CLOUD_SIDE, 1.0
    while step >= 2:
        half = step // 2
        corners = maps[:, ::step, ::step]
        around = [np.roll(corners, (row, column), (1, 2)) for row in (0, -1) for column in (0, -1)]
        squares = np.sum(around, axis=0)
        maps[:, half::step, half::step] = _displace(squares, amplitude, rng)
        middles = maps[:, half::step, half::step]
        tops = corners + np.roll(corners, -1, axis=2) + middles + np.roll(middles, 1, axis=1)
        maps[:, ::step, half::step] = _displace(tops, amplitude, rng)
        lefts = corners + np.roll(corners, -1, axis=1) + middles + np.roll(middles, 1, axis=2)
        maps[:, half::step, ::step] = _displace(lefts, amplitude, rng)
        step, amplitude = half, amplitude / _CLOUD_DECAY**2
    maps -= maps.min(axis=(1, 2), keepdims=True)
    maps /= maps.max(axis=(1, 2), keepdims=True)
    return maps


def _dotted_lines(
    n_images: int, image_shape: tuple[int, int], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return one dotted line from side to side per image, shape (n_images, h, w), 0–1."""
    left, right = rng.integers(0, _SIDE - 1, size=(2, n_images)).astype(np.float32)
    start = np.zeros(n_images, dtype=np.float32)
    lines = _lines(start, left, start + _SIDE - 1, right, image_shape)
    columns = np.linspace(0, _SIDE - 1, image_shape[1])
    lines[:, :, (columns // 2) % 2 == 0] = 0
    return lines


def _zigzags(
    n_images: int, image_shape: tuple[int, int], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return one zigzag of 2 pixels' amplitude across each image, shape (n_images, h, w), 0–1."""
    amplitude, first, last = 2.0, 2.0, 25.0
    start = rng.integers(0, _SIDE - 1, size=n_images).astype(np.float32)
    end = start + rng.integers(-5, 5, size=n_images)
    slope = np.arctan((end - start) / (last - first))
    length = (last - first) / np.cos(slope)
    # Along the line: turns at odd multiples of the amplitude, alternately above and below.
    n_turns = math.floor((last - first - amplitude) / (2 * amplitude)) + 1
    along = [np.zeros_like(length)]
    along += [np.full_like(length, (2 * turn + 1) * amplitude) for turn in range(n_turns)]
    across = [0.0] + [amplitude * (-1) ** turn for turn in range(n_turns)]
    along.append(length)
    across.append(0.0)
    cosine, sine = np.cos(slope), np.sin(slope)
    points = [
        (first + a * cosine - b * sine, start + a * sine + b * cosine)
        for a, b in zip(along, across, strict=True)
    ]
    drawn = np.zeros((n_images, *image_shape), dtype=np.float32)
    for (column, row), (next_column, next_row) in itertools.pairwise(points):
        drawn += _lines(column, row, next_column, next_row, image_shape)
    return np.minimum(drawn, 1)


def _displace(
    sums: NDArray[np.float32], amplitude: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    return sums / 4 + amplitude * (2 * rng.random(sums.shape, dtype=np.float32) - 1)


def _lines(
    c0: NDArray[np.floating],
    r0: NDArray[np.floating],
    c1: NDArray[np.floating],
    r1: NDArray[np.floating],
    image_shape: tuple[int, int],
) -> NDArray[np.float32]:
    """Draw one soft line per image between points of the 28 by 28 grid, each shape (n,)."""
    rows = np.linspace(0, _SIDE - 1, image_shape[0], dtype=np.float32)[None, :, None]
    columns = np.linspace(0, _SIDE - 1, image_shape[1], dtype=np.float32)[None, None, :]
    c0, r0, c1, r1 = (v.astype(np.float32)[:, None, None] for v in (c0, r0, c1, r1))
    distance = np.abs(rows - (r0 + (r1 - r0) / (c1 - c0) * (columns - c0)))
    # An MNIST pixel is the unit; coarser grids would miss the line between two rows.
    distance /= max(1.0, _SIDE / image_shape[0] / 2)
    ink = 1 + np.log1p(-np.minimum(distance, _THICKNESS - 1e-3) / _THICKNESS)
    inside = (columns >= np.floor(c0)) & (columns < np.ceil(c1))
    return np.where(inside, np.maximum(ink, 0), 0).astype(np.float32)


CORRUPTIONS: dict[str, Corruption] = {
    corruption.name: corruption
    for corruption in (
        Corruption("shot_noise", "Poisson noise of 3 photons at full brightness", _shot_noise),
        Corruption("impulse_noise", "17 % of the pixels black or white", _impulse_noise),
        Corruption(
            "glass_blur",
            "blur of sigma 0.7, two rounds of swaps with neighbours, blur again",
            _glass_blur,
        ),
        Corruption(
            "motion_blur",
            "one-sided blur of sigma 3 over 10 pixels, direction within 45° of the horizontal",
            _motion_blur,
        ),
        Corruption("shear", "shear by 0.4 rad to either side", _shear),
        Corruption("scale", "shrunk to 0.7 of its size", _scale),
        Corruption("rotate", "rotation by 0.4 rad (23°) to either side", _rotate),
        Corruption("brightness", "half of full brightness added", _brightness),
        Corruption("translate", "shift by 3 pixels along both axes", _translate),
        Corruption("stripe", "left and right quarter inverted", _stripe),
        Corruption("fog", "plasma fractal of roughness 1.4, 3 times the digit's weight", _fog),
        Corruption(
            "spatter", "grey drops: noise of 0.65 ± 0.3 blurred, cut at 0.65, blurred", _spatter
        ),
        Corruption("dotted_line", "a dotted line from side to side", _dotted_line),
        Corruption("zigzag", "a zigzag of 2 pixels' amplitude from side to side", _zigzag),
        Corruption("canny_edges", "edges by Canny's detector, sigma 1", _canny_edges),
    )
}
