"""Where the digits of a page are: pieces of ink of the size of digits, in rows."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage as ndi

from digitrec.errors import ConfigurationError
from digitrec.inference.border import content_box
from digitrec.inference.cells import find_cell_digits
from digitrec.inference.grouping import digit_height, join_pieces
from digitrec.inference.image_io import ImageSource, LoadedImage, load_image
from digitrec.inference.ink import Ink, extract_ink
from digitrec.inference.lines import group_lines, page_slope
from digitrec.inference.locate import Located, cut_out, window_around
from digitrec.inference.parameters import PAGE
from digitrec.inference.pieces import Pieces, find_frames, find_pieces, union_box
from digitrec.inference.prediction import Box
from digitrec.inference.ruled_lines import find_pale_lines, remove_broken_lines, remove_lines
from digitrec.inference.sheet import without_surroundings
from digitrec.inference.splitting import Scorer, cut_piece


@dataclass(frozen=True, eq=False)
class Page:
    """Pieces of ink that may be digits, in reading order.

    Attributes
    ----------
    lines : list of list of Located
        Rows, top to bottom; each from left to right.
    angle : float
        Degrees by which the page was turned counter-clockwise to make its rows level.
    dark_on_light : bool
        Polarity found.
    n_left_out : int
        Pieces of ink that were not looked at, for there were too many.
    """

    lines: list[list[Located]]
    angle: float
    dark_on_light: bool
    n_left_out: int = 0


def locate_digits(
    source: ImageSource | LoadedImage,
    *,
    rotation: float | None = None,
    score: Scorer | None = None,
    expected: int | None = None,
    dark_on_light: bool | None = None,
) -> Page:
    """Find the digits of a page.

    Parameters
    ----------
    source : path, bytes, ndarray, PIL image or LoadedImage
        As `read_image` takes it, or what `load_page` returned.
    rotation : float, optional
        Degrees to turn the page counter-clockwise; None means that a mild slope is found.
    score : callable, optional
        Confidence that each of some crops is one digit; without it touching digits stay joined.
    expected : int, optional
        How many digits there are; where one piece alone is found, it is cut into that many.
    dark_on_light : bool, optional
        Whether ink is darker than paper; found where not given.

    Returns
    -------
    Page
    """
    image = source if isinstance(source, LoadedImage) else load_page(source)
    angle = float(rotation or 0.0)
    ink = extract_ink(
        image.pixels, kernel=_kernel(image.pixels), dark_on_light=dark_on_light, page=True
    )
    layout = _lay_out(_turn(ink, angle), score)
    # Where there are more pieces than are read, as in noise, their rows tell no slope to turn by.
    if rotation is None and layout is not None and len(layout.found) < PAGE.max_page_pieces:
        angle = float(np.degrees(np.arctan(layout.slope)))
        if abs(angle) >= PAGE.min_turn_degrees:
            # Of the ink without its ruled lines, which are level no more once the page is turned.
            layout = _lay_out(_turn(layout.ink, angle), score) or layout
    if layout is None:
        return Page([], angle, ink.dark_on_light)
    if score is not None and not layout.in_cells:
        layout = _cut_wide(layout, score, expected)
    turned = angle if rotation is not None or abs(angle) >= PAGE.min_turn_degrees else 0.0
    lines = [
        [_original(layout.found[i], image, turned) for i in line]
        for line in group_lines(layout.boxes, layout.height, layout.slope)
    ]
    return Page(lines, angle, ink.dark_on_light, layout.n_left_out)


def check_rotation(degrees: float | None) -> None:
    """Refuse a rotation that is no number of degrees from -360 to 360.

    Raises
    ------
    ConfigurationError
    """
    if degrees is not None and not -360 <= degrees <= 360:
        raise ConfigurationError(f"rotation must be in degrees, -360 to 360, not {degrees!r}")


def load_page(source: ImageSource, region: Box | None = None) -> LoadedImage:
    """Read an image, or a region of it, without its border and at the size pages are read at.

    Parameters
    ----------
    source : path, bytes, ndarray or PIL image
        As `read_image` takes it.
    region : tuple of int, optional
        Left, top, right, bottom, in pixels of the upright image.

    Raises
    ------
    ImageError
        If the image cannot be read.
    ConfigurationError
        If the region does not lie in the image.
    """
    page = _crop(load_image(source, None if region else PAGE.max_page_side), region)
    return without_surroundings(page.part(content_box(page.pixels)))


@dataclass(frozen=True, eq=False)
class _Layout:
    ink: Ink
    found: list[Located]
    height: float
    slope: float
    n_left_out: int
    in_cells: bool = False

    @property
    def boxes(self) -> NDArray[np.float64]:
        return np.array([item.box for item in self.found], dtype=np.float64).reshape(-1, 4)


def _crop(image: LoadedImage, region: Box | None) -> LoadedImage:
    """Return a region of an image, or all of it, no larger than pages are read at."""
    if region is not None:
        x0, y0, x1, y1 = region
        width, height = image.size
        if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
            raise ConfigurationError(
                f"region {tuple(region)!r} must be left, top, right, bottom "
                f"inside {width} x {height}"
            )
        image = image.part(region)
    height, width = image.pixels.shape[:2]
    factor = max(height, width) / PAGE.max_page_side
    if factor <= 1:
        return image
    goal = (max(1, round(width / factor)), max(1, round(height / factor)))
    shrunk = Image.fromarray(image.pixels).resize(goal, Image.Resampling.BOX, reducing_gap=2.0)
    scale = image.scale[0] * width / goal[0], image.scale[1] * height / goal[1]
    return replace(image, pixels=np.asarray(shrunk), scale=scale)


def _turn(ink: Ink, angle: float) -> Ink:
    """Turn the ink rather than the page, whose corners would then look like ink."""
    if not angle:
        return ink
    strength, weak = (
        np.asarray(Image.fromarray(a).rotate(angle, Image.Resampling.BILINEAR, expand=True))
        for a in (ink.strength, np.where(ink.mask, 255, 0).astype(np.uint8))
    )
    return replace(ink, strength=strength, mask=weak > 127)


def _lay_out(ink: Ink, score: Scorer | None) -> _Layout | None:
    """Return the digits in rows of boxes, or all pieces where these show more digits."""
    if not ink.mask.any():
        return None
    in_cells, everything = _lay_out_cells(ink), None
    if in_cells is None or score is not None:
        everything = _lay_out_pieces(ink)
    if everything is None or score is None:
        return in_cells or everything
    if in_cells is None:
        joined = _lay_out_bars(ink, everything)
        return everything if joined is None else _clearer(joined, everything, score, by_share=True)
    # Of a table, or of digits on squared paper, some cells alone may be found.
    return _clearer(everything, in_cells, score, by_share=False)


def _clearer(first: _Layout, second: _Layout, score: Scorer, *, by_share: bool) -> _Layout:
    """Return the first layout where nearly all of it is digits, and more than of the second.

    More in number, or by the share of what is there: a bar of a digit is a one by itself.
    """
    if not first.found:
        return second
    clear, others = (
        score([item.strength for item in layout.found]) > PAGE.min_clear
        for layout in (first, second)
    )
    more = clear.mean() > others.mean() if by_share else clear.sum() > others.sum()
    return first if more and clear.mean() >= PAGE.min_clear_share else second


def _lay_out_bars(ink: Ink, layout: _Layout) -> _Layout | None:
    """Join the bars of digits as displays show them; None where few pieces stand on each other."""
    if not 1 < len(layout.found) < PAGE.max_page_pieces:
        return None
    left, top, right, bottom = layout.boxes.T
    shared = np.minimum(right[:, None], right) - np.maximum(left[:, None], left)
    gap = np.maximum(top[:, None], top) - np.minimum(bottom[:, None], bottom)
    near = (shared > 0) & (np.abs(gap) < PAGE.max_bar_distance * layout.height)
    if near.any(axis=1).mean() < PAGE.min_bar_share:
        return None
    # Bars that end at each other are twice as far apart as those that meet at a corner.
    thick = np.quantile(np.minimum(right - left, bottom - top), 0.25)
    size = tuple(1 + 2 * int(np.ceil(k * PAGE.max_bar_gap * thick)) for k in (2, 1))
    ink = replace(
        ink,
        mask=ndi.minimum_filter(ndi.maximum_filter(ink.mask, size), size),
        strength=ndi.grey_closing(ink.strength, size),
    )
    pieces = find_pieces(ink.mask)
    # Halves of digits are among them; whole ones tell the height.
    tall = float(np.quantile(pieces.heights, 0.9))
    groups, n_left_out = join_pieces(pieces, tall)
    found = [_piece(ink, pieces, group) for group in groups]
    return replace(layout, ink=ink, found=found, height=tall, n_left_out=n_left_out)


def _lay_out_pieces(ink: Ink) -> _Layout | None:
    """Find pieces of the size of digits, joined where broken, and the slope of their rows."""
    rows, columns = ink.mask.shape
    # Rulings across the page go first, for they join what is between them.
    ink = _unruled(ink, (0.6 * columns, 0.97 * rows))
    pieces = find_pieces(ink.mask)
    height = digit_height(pieces)
    if height is None:
        return None
    unruled = ink
    if len(pieces) <= PAGE.max_cell_pieces:
        unruled = _unruled(ink, (min(0.6 * columns, 4.5 * height), min(0.97 * rows, 1.8 * height)))
    if unruled is not ink:
        ink, pieces = unruled, find_pieces(unruled.mask)
        height = digit_height(pieces) or height
    pale = find_pale_lines(pieces, ink.strength)
    if pale.size:
        ink = replace(ink, mask=ink.mask & ~pieces.mask(pale))
        pieces = find_pieces(ink.mask)
        height = digit_height(pieces) or height
    groups, n_left_out = join_pieces(pieces, height)
    found = [_piece(ink, pieces, group) for group in groups]
    found = _without_rings(found, ink.mask.shape[1])
    boxes = np.array([item.box for item in found], dtype=np.float64).reshape(-1, 4)
    return _Layout(ink, found, height, page_slope(boxes, height), n_left_out)


def _lay_out_cells(ink: Ink) -> _Layout | None:
    """Return the digits in rows of boxes, and nothing else: what else there is, is printed."""
    found: dict[Box, Located] = {}
    for row in find_cell_digits(ink.mask):
        for (rows, columns), own in row:
            # Of a box with a double border, both areas are found.
            box = (columns.start, rows.start, columns.stop, rows.stop)
            window = window_around(box, ink.mask.shape)
            mask = np.zeros_like(ink.mask[window])
            top, left = rows.start - window[0].start, columns.start - window[1].start
            mask[top : top + own.shape[0], left : left + own.shape[1]] = own
            found[box] = _located(ink, mask, box, window)
    if len(found) < PAGE.min_cell_digits:
        return None
    boxes = np.array(list(found), dtype=np.float64)
    height = float(np.median(boxes[:, 3] - boxes[:, 1]))
    return _Layout(ink, list(found.values()), height, page_slope(boxes, height), 0, in_cells=True)


def _without_rings(found: list[Located], width: int) -> list[Located]:
    """Leave out a column of pieces that the left or right border cuts: holes, rings of a binder.

    Where most pieces touch a border, they are digits of an image that was cut close.
    """
    for end, border in ((0, 0), (2, width)):
        cut = [abs(item.box[end] - border) <= PAGE.max_ring_gap * width for item in found]
        if PAGE.min_rings <= sum(cut) < len(found) / 2:
            found = [item for item, at in zip(found, cut, strict=True) if not at]
    return found


def _unruled(ink: Ink, lengths: tuple[float, float]) -> Ink:
    """Return ink without frames and without lines of at least these lengths."""
    if min(ink.mask.shape) < 40:
        return ink
    pieces = find_pieces(ink.mask)
    frames = find_frames(pieces, PAGE.min_frame_content)
    mask = ink.mask & ~pieces.mask(frames) if frames else ink.mask
    mask = remove_lines(mask, lengths)
    mask = remove_broken_lines(mask, pieces.boxes)
    if mask is ink.mask or not mask.any():
        return ink
    return replace(ink, mask=mask)


def _kernel(pixels: NDArray[np.uint8]) -> float:
    height, width = pixels.shape[:2]
    least = min(height, width)
    return min(0.3 * least, max(0.14 * max(height, width), 24.0)) / least


def _piece(ink: Ink, pieces: Pieces, members: list[int]) -> Located:
    box = union_box(pieces.boxes[members])
    window = window_around(box, ink.mask.shape)
    return _located(ink, pieces.mask(members, window), box, window, len(members))


def _located(
    ink: Ink, own: NDArray[np.bool_], box: Box, window: tuple[slice, slice], n_pieces: int = 1
) -> Located:
    strength = cut_out(ink, own, window)
    inked = strength[strength > 0]
    return Located(
        strength=strength,
        box=box,
        fill=1.0,
        pieces=n_pieces,
        contrast=float(np.percentile(inked, 75)) if inked.size else 0.0,
        clutter=0.0,
    )


def _cut_wide(layout: _Layout, score: Scorer, expected: int | None) -> _Layout:
    """Cut pieces that are too wide for one digit, where that gives better digits."""
    found: list[Located] = []
    attempts = 0
    for item in layout.found:
        left, top, right, bottom = item.box
        wide = (right - left) / max(1.0, min(float(bottom - top), layout.height))
        alone = expected is not None and len(layout.found) == 1
        parts = None
        several = 0.95 < wide < PAGE.max_cut_width and attempts < PAGE.max_cuts
        if several or (alone and expected != 1):
            attempts += 1
            parts = cut_piece(
                item.strength, layout.height, score, parts=expected if alone else None
            )
        if parts is None:
            found.append(item)
            continue
        found += [_part(item, part) for part in parts]
    return replace(layout, found=found)


def _part(item: Located, strength: NDArray[np.float32]) -> Located:
    rows, columns = (np.flatnonzero((strength > 0).any(axis=axis)) for axis in (1, 0))
    # The crop has a border of one pixel around the box, where the page has room for it.
    left, top = item.box[0] + int(columns[0]) - 1, item.box[1] + int(rows[0]) - 1
    box = (left, top, left + int(np.ptp(columns)) + 1, top + int(np.ptp(rows)) + 1)
    crop = strength[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return replace(item, strength=crop, box=box)


def _original(item: Located, image: LoadedImage, angle: float) -> Located:
    """Return a piece with its box in pixels of the upright original."""
    height, width = image.pixels.shape[:2]
    x = np.array([item.box[0], item.box[2], item.box[2], item.box[0]], dtype=float)
    y = np.array([item.box[1], item.box[1], item.box[3], item.box[3]], dtype=float)
    if angle:
        turned_height, turned_width = _turned_shape(height, width, angle)
        cos, sin = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
        dx, dy = x - turned_width / 2, y - turned_height / 2
        x, y = cos * dx - sin * dy + width / 2, sin * dx + cos * dy + height / 2
    return replace(item, box=image.to_original(x, y))


@functools.lru_cache(maxsize=16)
def _turned_shape(height: int, width: int, angle: float) -> tuple[int, int]:
    turned = Image.new("1", (width, height)).rotate(angle, expand=True)
    return turned.height, turned.width
