"""Where the digit of an image is: the one that the image is about, without its surroundings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage as ndi

from digitrec.inference.components import Pieces, find_pieces, is_frame, remove_lines, union_box
from digitrec.inference.image_io import ImageSource, LoadedImage, load_image
from digitrec.inference.ink import Ink, extract_ink
from digitrec.inference.prediction import Box

__all__ = ["Located", "cut_out", "locate_digit", "window_around"]

LOOK_SIDE = 360
"""Most pixels of the side at which a digit is looked for."""
DETAIL_SIDE = 640
"""Least pixels of the side of what is decoded, from which a small digit is cut."""
KERNEL = 0.3
FINE_DIGIT = 48
"""A digit smaller than this at `LOOK_SIDE` is looked at again in detail."""


@dataclass(frozen=True, eq=False)
class Located:
    """A piece of ink that may be a digit.

    Attributes
    ----------
    strength : ndarray of float32, shape (height, width)
        Ink strength within the box, all other ink removed.
    box : tuple of int
        Where it is in the upright original.
    fill : float
        Share of the image's shorter side that the longer side of the box takes.
    pieces : int
        Connected pieces of ink joined in it.
    contrast : float
        Typical ink strength, 0–255.
    clutter : float
        Ink of the image left outside the box, over ink inside.
    dark_on_light : bool
        Polarity found.
    """

    strength: NDArray[np.float32]
    box: Box
    fill: float
    pieces: int
    contrast: float
    clutter: float
    dark_on_light: bool = True
    alone: bool = True


def locate_digit(
    source: ImageSource | LoadedImage, *, kernel: float = KERNEL, dark_on_light: bool | None = None
) -> Located | None:
    """Find the one digit that an image shows.

    Parameters
    ----------
    source : path, bytes, ndarray, PIL image or LoadedImage
        As `read_image` takes it, or as `load_image` returns it.
    kernel : float
        Side of the window that the paper is estimated in, as a share of the image's shorter
        side; strokes must be narrower.
    dark_on_light : bool, optional
        Whether ink is darker than paper; found where not given.

    Returns
    -------
    Located or None
        None where the image has no ink.
    """
    image = source if isinstance(source, LoadedImage) else load_image(source, DETAIL_SIDE)
    look, factor = _shrink(image.pixels, LOOK_SIDE)
    found = _choose(extract_ink(look, kernel=kernel, dark_on_light=dark_on_light))
    if found is None:
        return None
    ink, mask, box = found
    clutter = _clutter(ink, mask)
    pieces = len(find_pieces(mask))
    side = max(box[2] - box[0], box[3] - box[1])
    fill = side / min(look.shape[:2])
    height, width = look.shape[:2]
    alone = clutter < 0.25 and min(box[:2]) > 0 and box[2] < width and box[3] < height
    if factor > 1.3 and side < FINE_DIGIT:
        detail = _look_closer(image.pixels, box, factor, ink.dark_on_light)
        if detail is not None:
            ink, mask, box, origin, shrunk = detail
            factor = shrunk
        else:
            origin = (0.0, 0.0)
    else:
        origin = (0.0, 0.0)
    window = window_around(box, mask.shape)
    strength = cut_out(ink, mask[window], window)
    contrast = float(np.percentile(strength[strength > 0], 75)) if (strength > 0).any() else 0.0
    return Located(
        strength=strength,
        box=_to_original(box, origin, factor, image.scale, image.size),
        fill=fill,
        pieces=pieces,
        contrast=contrast,
        clutter=clutter,
        dark_on_light=ink.dark_on_light,
        alone=alone,
    )


def _shrink(pixels: NDArray[np.uint8], side: int) -> tuple[NDArray[np.uint8], float]:
    """Return pixels reduced by the least whole number that leaves at most `side`, and it."""
    factor = -(-max(pixels.shape[:2]) // side)
    if factor == 1:
        return pixels, 1.0
    return np.asarray(Image.fromarray(pixels).reduce(factor)), float(factor)


def _choose(ink: Ink) -> tuple[Ink, NDArray[np.bool_], Box] | None:
    """Return the pieces of ink that make up the most digit-like thing in sight."""
    mask = ink.mask
    height, width = mask.shape
    if not mask.any() or min(height, width) < 3:
        return None
    pieces = find_pieces(mask)
    tight = len(pieces) == 1 and pieces.borders_touched[0] >= 3
    if min(height, width) >= 40 and not tight:
        unruled = remove_lines(mask, (0.97 * width, 0.97 * height))
        if unruled is not mask and unruled.sum() > 0.2 * mask.sum():
            mask, pieces = unruled, find_pieces(unruled)
    weights = _ink_weights(ink, pieces)
    usable = _usable(pieces, weights)
    if not usable.any():
        return None
    scores = np.where(usable, weights * _centrality(pieces), 0)
    main = int(scores.argmax())
    members = _gather(pieces, weights, main, usable)
    return ink, pieces.mask(members), union_box(pieces.boxes[members])


def _ink_weights(ink: Ink, pieces: Pieces) -> NDArray[np.float64]:
    strength = ink.strength.ravel().astype(np.float64)
    sums = np.bincount(pieces.labels.ravel(), weights=strength, minlength=len(pieces) + 1)
    return np.asarray(sums[1:], dtype=np.float64)


def _usable(pieces: Pieces, weights: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which pieces may be the digit: not frames, and not all border."""
    height, width = pieces.labels.shape
    inside = pieces.borders_touched < 2
    large = (pieces.widths > 0.75 * width) & (pieces.heights > 0.75 * height)
    frames = np.zeros(len(pieces), bool)
    for index in np.flatnonzero(large | (pieces.borders_touched >= 3)):
        frames[index] = is_frame(pieces, int(index))
    usable = ~frames
    if (usable & inside & (weights > 0.1 * weights.max())).any():
        usable &= pieces.borders_touched < 3
    return usable


def _centrality(pieces: Pieces) -> NDArray[np.float64]:
    """Return 1 at the image's centre, falling towards its border, less for what touches it."""
    height, width = pieces.labels.shape
    x = (pieces.boxes[:, 0] + pieces.boxes[:, 2]) / (2 * width) - 0.5
    y = (pieces.boxes[:, 1] + pieces.boxes[:, 3]) / (2 * height) - 0.5
    central = np.exp(-4.0 * (x**2 + y**2))
    return central * np.array([1.0, 0.5, 0.12, 0.05, 0.05])[pieces.borders_touched]


def _gather(
    pieces: Pieces, weights: NDArray[np.float64], main: int, usable: NDArray[np.bool_]
) -> list[int]:
    """Return the main piece and those that broke off it."""
    members = [main]
    candidates = [
        int(i)
        for i in np.argsort(-weights)
        if i != main and usable[i] and weights[i] > 0.015 * weights[main]
    ]
    joined = True
    while joined:
        joined = False
        left, top, right, bottom = union_box(pieces.boxes[members])
        side = max(right - left, bottom - top)
        for index in list(candidates):
            x0, y0, x1, y1 = pieces.boxes[index]
            gap_x = max(left - x1, x0 - right, 0)
            gap_y = max(top - y1, y0 - bottom, 0)
            larger = max(side, x1 - x0, y1 - y0)
            stacked = min(right, x1) - max(left, x0) > 0.5 * min(right - left, x1 - x0)
            reach = (0.25 if stacked else 0.16) * larger
            if pieces.borders_touched[index]:
                reach = 0.05 * larger
            tall = (y1 - y0) > 0.6 * side and gap_x > 0.04 * side
            if max(gap_x, gap_y) <= reach and not tall:
                members.append(index)
                candidates.remove(index)
                joined = True
    return members


def _clutter(ink: Ink, mask: NDArray[np.bool_]) -> float:
    inside = float(ink.strength[mask].sum())
    return float(ink.strength[ink.mask & ~mask].sum()) / max(inside, 1.0)


def _look_closer(
    pixels: NDArray[np.uint8], box: Box, factor: float, dark_on_light: bool
) -> tuple[Ink, NDArray[np.bool_], Box, tuple[float, float], float] | None:
    """Look for the digit again in a window of the larger image, at a finer size."""
    left, top, right, bottom = (edge * factor for edge in box)
    reach = 0.6 * max(right - left, bottom - top)
    x0, y0 = max(0, int(left - reach)), max(0, int(top - reach))
    x1 = min(pixels.shape[1], int(right + reach) + 1)
    y1 = min(pixels.shape[0], int(bottom + reach) + 1)
    window, shrunk = _shrink(pixels[y0:y1, x0:x1], LOOK_SIDE // 2)
    found = _choose(extract_ink(window, dark_on_light=dark_on_light))
    if found is None:
        return None
    ink, mask, inner = found
    return ink, mask, inner, (float(x0), float(y0)), shrunk


def window_around(box: Box, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Return the rows and columns of a box and, where there is room, a rim of one pixel."""
    rows = slice(max(0, box[1] - 1), min(shape[0], box[3] + 1))
    return rows, slice(max(0, box[0] - 1), min(shape[1], box[2] + 1))


def cut_out(ink: Ink, own: NDArray[np.bool_], window: tuple[slice, slice]) -> NDArray[np.float32]:
    """Return the strength within a window, with a soft rim around a thing and nothing else.

    Parameters
    ----------
    ink : Ink
    own : ndarray of bool
        Pixels of the thing, in the window.
    window : tuple of slice
        As `window_around` gives it.
    """
    near = ndi.binary_dilation(own, structure=np.ones((3, 3)))
    others = ink.mask[window] & ~own
    return np.where(near & ~others, ink.strength[window], 0).astype(np.float32)


def _to_original(
    box: Box,
    origin: tuple[float, float],
    factor: float,
    scale: tuple[float, float],
    size: tuple[int, int],
) -> Box:
    left, top, right, bottom = (edge * factor for edge in box)
    x0, x1 = ((origin[0] + edge) * scale[0] for edge in (left, right))
    y0, y1 = ((origin[1] + edge) * scale[1] for edge in (top, bottom))
    return (
        max(0, int(x0)),
        max(0, int(y0)),
        min(size[0], int(np.ceil(x1))),
        min(size[1], int(np.ceil(y1))),
    )
