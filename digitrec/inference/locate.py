"""Where the digit of an image is: the one that the image is about, without its surroundings."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy import ndimage as ndi

from digitrec.inference.border import content_box
from digitrec.inference.image_io import ImageSource, LoadedImage, load_image
from digitrec.inference.ink import Ink, extract_ink
from digitrec.inference.normalise import frame_crop
from digitrec.inference.parameters import LOOK
from digitrec.inference.pieces import Pieces, find_frames, find_pieces, union_box
from digitrec.inference.prediction import Box
from digitrec.inference.ruled_lines import remove_lines
from digitrec.inference.small_images import is_small, with_single_pixels
from digitrec.inference.thresholds import otsu_threshold, quantile


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
    alone : bool
        Whether it stands clear of the image's border and of other ink.
    ink : Ink, optional
        All ink of the image that it was found in.
    others : tuple of ndarray
        Strengths of other pieces that are as tall and lie whole in the image.
    core : ndarray, optional
        Strength of its main piece alone, where others were joined to it.
    filled : bool
        Whether its colour goes on beside it: it is a part of a larger area.
    """

    strength: NDArray[np.float32]
    box: Box
    fill: float
    pieces: int
    contrast: float
    clutter: float
    dark_on_light: bool = True
    alone: bool = True
    ink: Ink | None = None
    others: tuple[NDArray[np.float32], ...] = ()
    core: NDArray[np.float32] | None = None
    filled: bool = False


def locate_digit(
    source: ImageSource | LoadedImage,
    *,
    kernel: float = LOOK.paper_window,
    dark_on_light: bool | None = None,
    least_line: float = LOOK.min_line_length,
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
    image = _enlarged(source if isinstance(source, LoadedImage) else load_look(source))
    ink = extract_ink(image.pixels, kernel=kernel, dark_on_light=dark_on_light)
    found = _choose(ink, least_line=least_line)
    if found is None:
        return None
    height, width = image.pixels.shape[:2]
    box, clutter = found.box, found.clutter
    side = max(box[2] - box[0], box[3] - box[1])
    alone = clutter < 0.25 and min(box[:2]) > 0 and box[2] < width and box[3] < height
    pieces, window, others = len(found.members), image, found.others()
    core = found.core().cut_out() if pieces > 1 else None
    if side < LOOK.min_coarse_side and image.finer is not None:
        closer = _look_closer(image.finer(), image, found)
        if closer is not None:
            found, window = closer
    strength = found.cut_out()
    inked = strength[strength > 0]
    return Located(
        strength=strength,
        box=window.to_original(found.box[::2], found.box[1::2]),
        fill=side / min(height, width),
        pieces=pieces,
        contrast=quantile(inked, 0.75) if inked.size else 0.0,
        clutter=clutter,
        dark_on_light=found.ink.dark_on_light,
        alone=alone,
        ink=ink,
        others=others,
        core=core,
        filled=found.is_part_of_area(window.pixels, strength),
    )


def crop_views(found: Located) -> NDArray[np.float32]:
    """Return the whole image that something was found in as the network of crops takes it.

    Several views, each without a little of the image at some of its sides: their mean is more
    often right than one of them.

    Returns
    -------
    ndarray of float32, shape (n, CROP_SIDE, CROP_SIDE)
    """
    assert found.ink is not None
    strength, mask = found.ink.strength, found.ink.mask
    height, width = mask.shape
    views = []
    for across, down in LOOK.crop_views:
        x, y = round(across * width), round(down * height)
        part = slice(y, height - y), slice(x, width - x)
        views.append(frame_crop(strength[part], mask[part]))
    return np.stack(views)


def load_look(source: ImageSource) -> LoadedImage:
    """Read an image without its border, at the size at which one digit is looked for.

    More detail is decoded on demand.
    """
    image = load_image(source, LOOK.min_detail_side, look_side=LOOK.max_look_side)
    image = with_single_pixels(image)
    return image if is_small(image) else image.part(content_box(image.pixels))


def _enlarged(image: LoadedImage) -> LoadedImage:
    """Return a tiny image at a size at which strokes are wider than a pixel or two."""
    height, width = image.pixels.shape[:2]
    factor = LOOK.min_look_side // max(height, width)
    if factor < 2:
        return image
    size = width * factor, height * factor
    pixels = np.asarray(Image.fromarray(image.pixels).resize(size, Image.Resampling.BICUBIC))
    scale = image.scale[0] / factor, image.scale[1] / factor
    return replace(image, pixels=pixels, scale=scale)


def smoothed(image: LoadedImage) -> LoadedImage:
    """Return an image without its finest detail: the dots of a dither, the grain of a film."""
    blurred = Image.fromarray(image.pixels).filter(ImageFilter.GaussianBlur(LOOK.smoothing))
    return replace(image, pixels=np.asarray(blurred), finer=None)


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

    def is_part_of_area(self, pixels: NDArray[np.uint8], strength: NDArray[np.float32]) -> bool:
        """Return whether beside it much has its own colour rather than that of the paper.

        Of an area that is larger than the window that the paper is estimated in, only the edge is
        taken for ink, whole or in pieces, and looks like a zero or a one; so does the paper
        between such an area and the border of the image. `strength` is that of `cut_out`.
        """
        if self._border_contact() > LOOK.max_border_contact or self._is_in_corner():
            return True
        window = window_around(self.box, self.ink.mask.shape, 2 * LOOK.edge_width)
        members = self.pieces.mask(self.members, window)
        own = members & (self.ink.strength[window] > otsu_threshold(strength))
        near = _grow(own, LOOK.edge_width)
        around = _grow(near, LOOK.edge_width) & ~near & (members | ~self.ink.mask[window])
        most = LOOK.max_area_edge * around.sum()
        if not most:
            return False
        colours = pixels[window].astype(np.float32)
        ink = np.median(colours[own], axis=0)
        away = np.abs(colours - ink).sum(axis=2)
        is_far = around & (away >= 0.5 * quantile(away[around], 0.9))
        if (around & ~is_far).sum() <= most:
            return False
        # In a shadow paper may be as dark as ink elsewhere, but not as the ink beside it.
        paper = np.median(colours[is_far], axis=0)
        darkness = (colours - paper) @ (ink - paper)
        beside = ndi.maximum_filter(np.where(own, darkness, 0), 6 * LOOK.edge_width + 1)
        return bool((around & ~is_far & (darkness > LOOK.min_alike * beside)).sum() > most)

    def _border_contact(self) -> float:
        """Return how much it covers of the borders of the image that it touches, 0-1.

        The least of them, over its longer side or over the border where that is shorter.
        """
        left, top, right, bottom = self.box
        if not self.pieces.borders_touched[self.members].any():
            return 0.0
        own = self.pieces.mask(self.members)
        side = max(right - left, bottom - top)
        ends = own[0], own[-1], own[:, 0], own[:, -1]
        return min(float(end.sum()) / min(side, end.size) for end in ends if end.any())

    def _is_in_corner(self) -> bool:
        """Return whether it is a speck or a strip where two borders meet."""
        left, top, right, bottom = self.box
        height, width = self.ink.mask.shape
        is_near = (
            min(left, width - right) <= LOOK.edge_width
            and min(top, height - bottom) <= LOOK.edge_width
        )
        share = min((right - left) / width, (bottom - top) / height)
        return is_near and share < LOOK.min_corner_share

    def core(self) -> _Found:
        """Return its main piece alone."""
        main = self.members[:1]
        return replace(self, members=main, box=union_box(self.pieces.boxes[main]))

    def others(self) -> tuple[NDArray[np.float32], ...]:
        """Return the strengths of other pieces as tall as this that lie whole in the image."""
        height = self.box[3] - self.box[1]
        tall = (self.pieces.heights >= LOOK.min_other_height * height) & (
            self.pieces.heights <= height / LOOK.min_other_height
        )
        tall &= self.pieces.borders_touched == 0
        tall[self.members] = False
        found = np.flatnonzero(tall)
        found = found[np.argsort(-self.pieces.areas[found], kind="stable")][: LOOK.max_others]
        boxes = [self.pieces.boxes[index] for index in found]
        windows = [window_around(tuple(box.tolist()), self.ink.mask.shape) for box in boxes]
        return tuple(
            cut_out(self.ink, self.pieces.mask([int(index)], window), window)
            for index, window in zip(found, windows, strict=True)
        )


def _choose(
    ink: Ink, near: Box | None = None, *, least_line: float = LOOK.min_line_length
) -> _Found | None:
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
    ][: LOOK.max_candidates]
    joined = True
    # What falls into more pieces than that is refused, whatever else belongs to it.
    while joined and len(members) <= LOOK.max_members:
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
    fine: LoadedImage, coarse: LoadedImage, seen: _Found
) -> tuple[_Found, LoadedImage] | None:
    """Look for the digit again in a window of the whole image in detail, at a finer size.

    Returns what was found, and the window that its box counts from.
    """
    by = np.array(coarse.scale) / fine.scale
    corner = np.rint(np.divide(coarse.origin, coarse.scale))
    end = corner + coarse.pixels.shape[1::-1]
    first, last = seen.box[:2] + corner, seen.box[2:] + corner
    side = (last - first).max()
    reach = 0.6 * side
    left, top = (np.maximum(corner, first - reach) * by).astype(int)
    right, bottom = (np.minimum(end, last + reach) * by).astype(int) + 1
    window = fine.part((left, top, right, bottom))
    factor = -(-max(window.pixels.shape[:2]) // LOOK.max_close_side)
    if factor > 1:
        reduced = np.asarray(Image.fromarray(window.pixels).reduce(factor))
        scale = fine.scale[0] * factor, fine.scale[1] * factor
        window = replace(window, pixels=reduced, scale=scale)
    # The window shows more than the digit, a frame's side say, that was told from it before.
    border = 0.1 * side
    x0, y0 = np.maximum(0, ((first - border) * by - (left, top)) / factor).astype(int)
    x1, y1 = (((last + border) * by - (left, top)) / factor).astype(int) + 1
    ink = extract_ink(window.pixels, dark_on_light=seen.ink.dark_on_light)
    found = _choose(ink, (x0, y0, x1, y1))
    return None if found is None else (found, window)


def window_around(box: Box, shape: tuple[int, ...], border: int = 1) -> tuple[slice, slice]:
    """Return the rows and columns of a box and, where there is room, a border of some pixels."""
    rows = slice(max(0, box[1] - border), min(shape[0], box[3] + border))
    return rows, slice(max(0, box[0] - border), min(shape[1], box[2] + border))


def cut_out(ink: Ink, own: NDArray[np.bool_], window: tuple[slice, slice]) -> NDArray[np.float32]:
    """Return the strength within a window, with a soft border around a thing and nothing else.

    Parameters
    ----------
    ink : Ink
    own : ndarray of bool
        Pixels of the thing, in the window.
    window : tuple of slice
        As `window_around` gives it.
    """
    return np.where(_grow(own) & (own | ~ink.mask[window]), ink.strength[window], np.float32(0))


def _grow(mask: NDArray[np.bool_], by: int = 1) -> NDArray[np.bool_]:
    """Return a mask and the pixels that are at most that far from it, across corners too."""
    for _ in range(by):
        upright = mask.copy()
        upright[1:] |= mask[:-1]
        upright[:-1] |= mask[1:]
        mask = upright.copy()
        mask[:, 1:] |= upright[:, :-1]
        mask[:, :-1] |= upright[:, 1:]
    return mask
