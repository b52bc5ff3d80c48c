"""Where the digit of an image is: the one that the image is about, without its surroundings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digitrec.inference.components import Pieces, find_frames, find_pieces, union_box
from digitrec.inference.image_io import ImageSource, LoadedImage, load_image
from digitrec.inference.ink import Ink, extract_ink
from digitrec.inference.levels import quantile
from digitrec.inference.prediction import Box
from digitrec.inference.rim import without_rim
from digitrec.inference.rulings import remove_lines

__all__ = ["Located", "cut_out", "load_look", "locate_digit", "window_around"]

LOOK_SIDE = 256
"""Most pixels of the side at which a digit is looked for."""
DETAIL_SIDE = 640
"""Least pixels of the side of what is decoded, from which a small digit is cut."""
CLOSE_SIDE = 180
"""Most pixels of the side of the window in which a small digit is looked at again."""
KERNEL = 0.3
LEAST_LINE = 0.97
"""Length of a straight line, over the image's side, from which it is no part of a digit."""
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
    source: ImageSource | LoadedImage,
    *,
    kernel: float = KERNEL,
    dark_on_light: bool | None = None,
    least_line: float = LEAST_LINE,
) -> Located | None:
    """Find the one digit that an image shows.

    Parameters
    ----------
    source : path, bytes, ndarray, PIL image or LoadedImage
        As `read_image` takes it, or as `load_look` returns it.
    kernel : float
        Side of the window that the paper is estimated in, as a share of the image's shorter
        side; strokes must be narrower.
    dark_on_light : bool, optional
        Whether ink is darker than paper; found where not given.
    least_line : float
        Length, over the image's side, from which a straight line is no part of a digit.

    Returns
    -------
    Located or None
        None where the image has no ink.
    """
    image = source if isinstance(source, LoadedImage) else load_look(source)
    area = without_rim(image.pixels)
    look = image.pixels[area[1] : area[3], area[0] : area[2]]
    ink = extract_ink(look, kernel=kernel, dark_on_light=dark_on_light)
    found = _choose(ink, least_line=least_line)
    if found is None:
        return None
    height, width = look.shape[:2]
    box, clutter = found.box, found.clutter
    side = max(box[2] - box[0], box[3] - box[1])
    alone = clutter < 0.25 and min(box[:2]) > 0 and box[2] < width and box[3] < height
    pieces, scale = len(found.members), image.scale
    origin = (area[0] * scale[0], area[1] * scale[1])
    if side < FINE_DIGIT and image.finer is not None:
        closer = _look_closer(image.finer(), image, found, area)
        if closer is not None:
            found, origin, scale = closer
    strength = found.cut_out()
    inked = strength[strength > 0]
    return Located(
        strength=strength,
        box=_to_original(found.box, origin, scale, image.size),
        fill=side / min(height, width),
        pieces=pieces,
        contrast=quantile(inked, 0.75) if inked.size else 0.0,
        clutter=clutter,
        dark_on_light=found.ink.dark_on_light,
        alone=alone,
    )


def load_look(source: ImageSource) -> LoadedImage:
    """Read an image at the size at which one digit is looked for; more detail on demand."""
    return load_image(source, DETAIL_SIDE, look_side=LOOK_SIDE)


@dataclass(frozen=True, eq=False)
class _Found:
    """The pieces of ink that make up the most digit-like thing in sight."""

    ink: Ink
    pieces: Pieces
    members: list[int]
    box: Box
    clutter: float

    def cut_out(self) -> NDArray[np.float32]:
        window = window_around(self.box, self.ink.mask.shape)
        return cut_out(self.ink, self.pieces.mask(self.members, window), window)


def _choose(ink: Ink, near: Box | None = None, *, least_line: float = LEAST_LINE) -> _Found | None:
    """Return the most digit-like thing in sight, of pieces that mostly lie in a box if given."""
    mask = ink.mask
    height, width = mask.shape
    if not mask.any() or min(height, width) < 3:
        return None
    pieces = find_pieces(mask)
    tight = len(pieces) == 1 and pieces.borders_touched[0] >= 3
    if min(height, width) >= 40 and not tight:
        unruled = remove_lines(mask, (least_line * width, least_line * height))
        if unruled is not mask and unruled.sum() > 0.2 * mask.sum():
            mask, pieces = unruled, find_pieces(unruled)
    weights = pieces.weights(ink.strength)
    usable = _usable(pieces, weights)
    if near is not None:
        seen = pieces.labels[near[1] : near[3], near[0] : near[2]].reshape(-1)
        usable &= 2 * np.bincount(seen, minlength=len(pieces) + 1)[1:] > pieces.areas
    if not usable.any():
        return None
    scores = np.where(usable, weights * _centrality(pieces), 0)
    members = _gather(pieces, weights, int(scores.argmax()), usable)
    inside = float(weights[members].sum())
    clutter = max(0.0, float(ink.strength[mask].sum()) - inside) / max(inside, 1.0)
    return _Found(ink, pieces, members, union_box(pieces.boxes[members]), clutter)


def _usable(pieces: Pieces, weights: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which pieces may be the digit: not frames, and not all border."""
    usable = np.ones(len(pieces), bool)
    usable[find_frames(pieces)] = False
    inside = pieces.borders_touched < 2
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


def _look_closer(
    fine: LoadedImage, coarse: LoadedImage, seen: _Found, area: Box
) -> tuple[_Found, tuple[float, float], tuple[float, float]] | None:
    """Look for the digit again in a window of the larger image, at a finer size.

    The window lies in the area that was looked at, whose corner the box seen counts from.
    Returns what was found, the window's corner and the scale of its pixels, both in pixels of
    the upright original.
    """
    by_x, by_y = (
        coarse_scale / fine_scale
        for coarse_scale, fine_scale in zip(coarse.scale, fine.scale, strict=True)
    )
    left, top, right, bottom = np.array(seen.box) + (area[:2] * 2)
    side = max(right - left, bottom - top)
    reach = 0.6 * side
    x0 = int(max(area[0], left - reach) * by_x)
    y0 = int(max(area[1], top - reach) * by_y)
    x1 = min(fine.pixels.shape[1], int(min(area[2], right + reach) * by_x) + 1)
    y1 = min(fine.pixels.shape[0], int(min(area[3], bottom + reach) * by_y) + 1)
    window = fine.pixels[y0:y1, x0:x1]
    factor = -(-max(window.shape[:2]) // CLOSE_SIDE)
    if factor > 1:
        window = np.asarray(Image.fromarray(window).reduce(factor))
    # The window shows more than the digit, a frame's side say, that was told from it before.
    rim = 0.1 * side
    near = (
        max(0, int(((left - rim) * by_x - x0) / factor)),
        max(0, int(((top - rim) * by_y - y0) / factor)),
        int(((right + rim) * by_x - x0) / factor) + 1,
        int(((bottom + rim) * by_y - y0) / factor) + 1,
    )
    found = _choose(extract_ink(window, dark_on_light=seen.ink.dark_on_light), near)
    if found is None:
        return None
    corner = (x0 * fine.scale[0], y0 * fine.scale[1])
    return found, corner, (fine.scale[0] * factor, fine.scale[1] * factor)


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
    return np.where(_grow(own) & (own | ~ink.mask[window]), ink.strength[window], np.float32(0))


def _grow(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a mask and the eight neighbours of each of its pixels."""
    upright = mask.copy()
    upright[1:] |= mask[:-1]
    upright[:-1] |= mask[1:]
    grown = upright.copy()
    grown[:, 1:] |= upright[:, :-1]
    grown[:, :-1] |= upright[:, 1:]
    return grown


def _to_original(
    box: Box,
    origin: tuple[float, float],
    scale: tuple[float, float],
    size: tuple[int, int],
) -> Box:
    x0, x1 = (origin[0] + edge * scale[0] for edge in (box[0], box[2]))
    y0, y1 = (origin[1] + edge * scale[1] for edge in (box[1], box[3]))
    return (
        max(0, int(x0)),
        max(0, int(y0)),
        min(size[0], int(np.ceil(x1))),
        min(size[1], int(np.ceil(y1))),
    )
