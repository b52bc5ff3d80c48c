"""Images of few pixels, and those that were enlarged from few."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digitrec.inference.image_io import LoadedImage
from digitrec.inference.normalise import MIN_GREY, grey_digit, normalise_digit
from digitrec.inference.prediction import Box
from digitrec.pixels import to_ink_on_black

MAX_SMALL_SIDE = 16
"""Pixels of the longer side up to which an image shows one digit and nothing else."""
MIN_CONTRAST = 24
"""Least strength of ink, 0–255, in such an image."""
MIN_INK_PIXELS = 5
"""Least pixels of the longer side of a digit; MNIST's digits have 6 in images of 8x8."""
MIN_SMALL_CONFIDENCE, MIN_TINY_CONFIDENCE = 0.6, 0.7
"""Least confidence for a digit of a small image, and for one of less than `MIN_CLEAR_PIXELS`.
Chosen on one half of 7,600 small images; of the others 0.1 % of scikit-learn's are wrong and 2.8 %
refused (at 0.5: 0.1 and 2.1), of MNIST's reduced to 8 and more pixels of ink 0.7 and 3.2 (0.8 and
2.6), to fewer 0.9 and 26.3 (1.4 and 18.6)."""
MIN_CLEAR_PIXELS = 8
"""Pixels of the longer side of a digit's ink."""
PIXELS_A_SIDE = (6, 32)
"""Fewest and most pixels of the longer side before an image was enlarged."""
COUNT_STEP = 0.25
"""Of an image that was cut since, the number of pixels is not whole."""
MIN_REPEATS = 2.0
MIN_EDGES = 4
"""Fewest edges along either axis; those of a bar lie on many grids."""
MIN_COHERENCE = 0.86
"""Share of an image's edges on a grid from which its pixels were repeated. At least 0.88 for
images of 8 to 16 pixels that were enlarged to 64 to 700, also as JPEG of quality 60; at most 0.82
in 613 photographs and scans."""
MAX_RESIDUAL = 0.1
"""Mean square of what repeating the pixels again leaves over, over the variance of the image. At
most 0.033 in those images; at least 0.19 in photographs whose edges lie on a grid by chance."""
MAX_DENSITY = 0.75
"""Share of places with an edge from which there is no grid, in smooth images."""
SMOOTH_CHECK_FACTOR = 4
MAX_SMOOTH_RESIDUAL = 0.05
"""Residual, at 4 times `MAX_SMALL_SIDE`, from which an image has more pixels than that: at most
0.042 in images enlarged from 8 to 16; only few photographs are as smooth."""
MAX_INTERPOLATED_RESIDUAL = 0.003
"""Mean square of what enlarging again leaves over, over the variance of the image. At most 0.0025
in images enlarged from 8 to 16 pixels to 48 to 1,024, also as JPEG of quality 75; at least 0.0046
in 175 photographs and scans, and 0.008 in images enlarged from 20 and 28."""
MAX_UNEVEN_PIXELS = 0.05
"""How far the number of pixels along the shorter side may be from a whole one."""
EDGE_FLOOR = 0.1
"""Strength of an edge over the strongest, below which it is noise."""


@dataclass(frozen=True, eq=False)
class SmallDigit:
    """The ink of a small image, taken for one digit.

    Attributes
    ----------
    views : ndarray of uint8, shape (2, 28, 28)
        The digit framed as in MNIST: by its grey levels, and by its outline.
    box : tuple of int
        Where it is in the upright original.
    n_pixels : int
        Pixels of the longer side of the ink.
    """

    views: NDArray[np.uint8]
    box: Box
    n_pixels: int

    @property
    def too_small(self) -> bool:
        """Whether the ink has too few pixels to show a digit."""
        return self.n_pixels < MIN_INK_PIXELS

    @property
    def min_confidence(self) -> float:
        """Least confidence that is believed, where the caller asks for no less."""
        return MIN_SMALL_CONFIDENCE if self.n_pixels >= MIN_CLEAR_PIXELS else MIN_TINY_CONFIDENCE


def is_small(image: LoadedImage) -> bool:
    """Tell whether an image has so few pixels that all ink in it is taken for one digit."""
    return max(image.pixels.shape[:2]) <= MAX_SMALL_SIDE


def find_small_digit(image: LoadedImage) -> SmallDigit | None:
    """Take all ink of a small image for one digit.

    In so few pixels a stroke is one or two wide, and its outline lies in the grey levels.

    Parameters
    ----------
    image : LoadedImage
        Of at most `MAX_SMALL_SIDE` pixels a side.

    Returns
    -------
    SmallDigit or None
        None where there is no ink.
    """
    grey = np.asarray(Image.fromarray(image.pixels).convert("L"))
    ink = to_ink_on_black(grey[None])[0][0].astype(np.float32)
    strength = ink - np.float32(ink.min())
    if strength.max() < MIN_CONTRAST:
        return None
    inked = strength > MIN_GREY * strength.max()
    rows, columns = (np.flatnonzero(inked.any(axis=axis)) for axis in (1, 0))
    ends = (columns[0], columns[-1] + 1), (rows[0], rows[-1] + 1)
    return SmallDigit(
        views=np.stack([grey_digit(strength), normalise_digit(strength)]),
        box=image.to_original(*map(np.array, ends)),
        n_pixels=int(max(end - start for start, end in ends)),
    )


def with_single_pixels(image: LoadedImage) -> LoadedImage:
    """Return an image that was enlarged from few pixels at the size it had before."""
    return _without_repeats(image) or _without_interpolation(image) or image


def _without_interpolation(image: LoadedImage) -> LoadedImage | None:
    """Return an image that was enlarged by bilinear or bicubic interpolation at its former size.

    The pixels that it had are those whose enlargement comes nearest to it, by least squares.
    """
    grey = np.asarray(Image.fromarray(image.pixels).convert("L"))
    side = MAX_SMALL_SIDE * SMOOTH_CHECK_FACTOR
    checked = np.asarray(Image.fromarray(grey).resize((side, side), Image.Resampling.BOX))
    if _fit(checked, (MAX_SMALL_SIDE,) * 2, _KERNELS[0])[1] > MAX_SMOOTH_RESIDUAL:
        return None
    height, width = grey.shape
    for n in range(PIXELS_A_SIDE[0], min(MAX_SMALL_SIDE, max(grey.shape) // 2) + 1):
        counts = n * height / max(grey.shape), n * width / max(grey.shape)
        whole = round(counts[0]), round(counts[1])
        uneven = max(abs(c - w) for c, w in zip(counts, whole, strict=True))
        if min(whole) < 1 or uneven > MAX_UNEVEN_PIXELS:
            continue
        fits = [_fit(grey, whole, kernel) for kernel in _KERNELS]
        fitted, residual = min(fits, key=lambda fit: fit[1])
        if residual <= MAX_INTERPOLATED_RESIDUAL:
            pixels = np.rint(fitted).clip(0, 255).astype(np.uint8)
            if image.pixels.ndim == 3:
                pixels = np.repeat(pixels[..., None], 3, axis=-1)
            scale = image.scale[0] * width / whole[1], image.scale[1] * height / whole[0]
            return replace(image, pixels=pixels, scale=scale, finer=None)
    return None


_KERNELS = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC)


def _fit(
    grey: NDArray[np.uint8], counts: tuple[int, int], kernel: Image.Resampling
) -> tuple[NDArray[np.float32], float]:
    """Return the pixels whose enlargement is nearest to an image, and what it leaves of it.

    Returns
    -------
    pixels : ndarray of float32, shape `counts`
    residual : float
        Mean square over the variance of the image.
    """
    (down, to_rows), (across, to_columns) = (
        _enlarging(length, n, kernel) for length, n in zip(grey.shape, counts, strict=True)
    )
    pixels = to_rows @ grey.astype(np.float32) @ to_columns.T
    left = down @ pixels @ across.T - grey
    return pixels, float((left**2).mean() / max(float(grey.var()), 1.0))


@functools.lru_cache(maxsize=64)
def _enlarging(
    length: int, n: int, kernel: Image.Resampling
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the matrix that enlarges a line of `n` pixels, and its pseudo-inverse."""
    single = Image.fromarray(np.eye(n, dtype=np.float32))
    matrix = np.asarray(single.resize((n, length), kernel, box=(0, 0, n, n)))
    return matrix, np.linalg.pinv(matrix)


def _without_repeats(image: LoadedImage) -> LoadedImage | None:
    """Return an image that was enlarged by repeating its pixels at the size it had before.

    The factor need not be whole, the image may have been cut since, and saved as JPEG: what
    counts is that nearly all edges lie on a grid.
    """
    pixels = image.pixels
    shape = np.array(pixels.shape[:2], dtype=np.float64)
    counts = np.arange(PIXELS_A_SIDE[0], PIXELS_A_SIDE[1] + COUNT_STEP, COUNT_STEP)
    # Pixels are square, or their image was stretched into another shape.
    sizes = np.stack([shape.max() / counts] * 2)
    if shape[0] != shape[1]:
        sizes = np.concatenate([sizes, shape[:, None] / counts], axis=1)
    sizes = sizes[:, sizes.min(axis=0) >= MIN_REPEATS]
    grey = np.asarray(Image.fromarray(pixels).convert("L"), dtype=np.float32)
    edges = [np.abs(np.diff(grey, axis=axis)).sum(axis=1 - axis) for axis in (0, 1)]
    if not sizes.size or min(map(np.count_nonzero, edges)) < MIN_EDGES:
        return None
    found = _likely_grid(edges, sizes) or _exact_grid(edges, sizes, shape)
    if found is None:
        return None
    size, starts = found
    cells = []
    for axis in (0, 1):
        # Of pixels at the ends those of which at least half is in sight.
        centres = np.arange(starts[axis], shape[axis], size[axis])
        pixels = _means(pixels, centres, size[axis] / 4, axis)
        places = (np.arange(shape[axis]) + 0.5 - centres[0]) / size[axis]
        cells.append(np.rint(places).astype(int).clip(0, len(centres) - 1))
    repeated = np.asarray(Image.fromarray(pixels).convert("L"), dtype=np.float32)[np.ix_(*cells)]
    if ((repeated - grey) ** 2).mean() > MAX_RESIDUAL * grey.var():
        return None
    (y, x), (height, width) = starts - size / 2, size
    origin = image.origin[0] + x * image.scale[0], image.origin[1] + y * image.scale[1]
    scale = image.scale[0] * width, image.scale[1] * height
    return replace(image, pixels=pixels, scale=scale, origin=origin, finer=None)


_Edges = list[NDArray[np.float32]]
_Grid = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Height and width of a repeated pixel, and the middle of the first one."""


def _exact_grid(
    edges: _Edges, sizes: NDArray[np.float64], shape: NDArray[np.float64]
) -> _Grid | None:
    """Return the grid of largest pixels that has all edges, each rounded to a whole number."""
    places = [np.flatnonzero(profile) + 1 for profile in edges]
    if min(int(np.diff(place).min()) for place in places) < MIN_REPEATS:
        return None
    for size in sizes.T:
        away = [place / side for place, side in zip(places, size, strict=True)]
        if np.abs(shape / size - np.rint(shape / size)).max() > 1e-6:
            continue
        # Libraries round the places of edges, or round them up.
        half = [np.abs(a - np.rint(a)) * s <= 0.5 for a, s in zip(away, size, strict=True)]
        up = [(a + 1e-9) % 1 * s < 1 for a, s in zip(away, size, strict=True)]
        if all(map(np.all, half)) or all(map(np.all, up)):
            return size, size / 2
    return None


def _likely_grid(edges: _Edges, sizes: NDArray[np.float64]) -> _Grid | None:
    """Return the grid of largest pixels that has nearly all edges."""
    edges = [np.maximum(profile - EDGE_FLOOR * profile.max(), 0) for profile in edges]
    # Of a photograph in a frame only the edges of the frame are left, which lie on many grids.
    if min(map(np.count_nonzero, edges)) < MIN_EDGES:
        return None
    if max(_density(profile) for profile in edges) > MAX_DENSITY:
        return None
    waves = np.abs([_waves(edges[axis], sizes[axis]) for axis in (0, 1)]).min(axis=0)
    on_grid = np.flatnonzero(waves >= MIN_COHERENCE)
    if not len(on_grid):
        return None
    # Pixels of nearly the same size fit nearly as well.
    near = slice(on_grid[0], on_grid[0] + 3)
    size = sizes[:, near][:, waves[near].argmax()]
    starts = []
    for profile, side in zip(edges, size, strict=True):
        border = -np.angle(_waves(profile, np.array([side]))[0]) / (2 * np.pi) * side
        starts.append((border + side / 2) % side)
    return size, np.array(starts)


def _density(edges: NDArray[np.float32]) -> float:
    """Return the share of places with an edge, between the first and the last."""
    places = np.flatnonzero(edges)
    return len(places) / (int(np.ptp(places)) + 1) if len(places) else 0.0


def _waves(edges: NDArray[np.float32], sizes: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Return how well edges lie on grids of some sizes, 0–1, and at which phase."""
    places = np.arange(1, len(edges) + 1)
    turns = np.exp(-2j * np.pi * places / sizes[:, None])
    return turns @ edges / max(float(edges.sum()), 1e-9)


def _means(
    pixels: NDArray[np.uint8], centres: NDArray[np.float64], reach: float, axis: int
) -> NDArray[np.uint8]:
    """Return the means of the lines around some places along an axis."""
    length = pixels.shape[axis]
    lines = []
    for centre in centres:
        first = min(max(0, int(np.ceil(centre - reach - 0.5))), length - 1)
        last = max(first + 1, min(length, int(np.floor(centre + reach + 0.5))))
        lines.append(np.take(pixels, range(first, last), axis=axis).mean(axis=axis))
    return np.rint(np.stack(lines, axis=axis)).astype(np.uint8)
