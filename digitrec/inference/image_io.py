"""Any picture as RGB pixels: files, bytes, arrays and PIL images, with limits and typed errors."""

from __future__ import annotations

import functools
import io
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, UnidentifiedImageError

from digitrec._image_limits import IMAGE_FORMATS, current_limits
from digitrec.errors import ImageError, ImageTooLargeError, PixelError
from digitrec.inference.file_kinds import describe_foreign
from digitrec.inference.prediction import Box
from digitrec.pixels import (
    bring_to_8_bits,
    find_orientation,
    flatten,
    to_uint8,
    warn_of_more_images,
)

MIN_IMAGE_SIDE = 8
"""Fewer rows of 784 pixels are not taken for a picture."""
MIN_STRIPS = 6
"""Rows with ink of a 28x28 digit; a pen in a picture crosses fewer strips of 28 columns between
their ends."""
MAX_FRAMELESS = 0.05
"""Share of 28x28 digits that may reach the left or right border."""

ImageSource = str | os.PathLike[str] | bytes | bytearray | memoryview | NDArray[Any] | Image.Image
"""What `read_image` takes."""


@dataclass(frozen=True, eq=False)
class LoadedImage:
    """Upright pixels of an image or of a part of it, reduced where the caller asked for it.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (height, width, 3)
        Red, green and blue.
    scale : tuple of float
        Horizontal and vertical factor from these pixels to those of the upright original.
    size : tuple of int
        Width and height of the upright original.
    finer : callable, optional
        Returns the whole image in more detail, where there is more; decoded when called for.
    origin : tuple of float
        Left and top end of these pixels, in pixels of the upright original.
    """

    pixels: NDArray[np.uint8]
    scale: tuple[float, float]
    size: tuple[int, int]
    finer: Callable[[], LoadedImage] | None = None
    origin: tuple[float, float] = (0.0, 0.0)

    def part(self, area: Box) -> LoadedImage:
        """Return an area of the image, given in its own pixels."""
        left, top, right, bottom = area
        origin = self.origin[0] + left * self.scale[0], self.origin[1] + top * self.scale[1]
        return replace(self, pixels=self.pixels[top:bottom, left:right], origin=origin)

    def to_original(self, xs: ArrayLike, ys: ArrayLike) -> Box:
        """Return the box around some points of the image, in pixels of the upright original."""
        x, y = (
            self.origin[axis] + np.clip(ends, 0, self.pixels.shape[1 - axis]) * self.scale[axis]
            for axis, ends in enumerate((xs, ys))
        )
        right, bottom = np.minimum(np.ceil((x.max(), y.max())), self.size)
        return int(x.min()), int(y.min()), int(right), int(bottom)


def read_image(source: ImageSource) -> NDArray[np.uint8]:
    """Return an image as upright RGB pixels.

    The orientation of EXIF is applied, transparent parts are laid on white (on black where the
    opaque part is light), 16-bit values are brought to 8 bits, and of several frames the first
    is taken.

    Parameters
    ----------
    source : path, bytes, ndarray or PIL image
        A PNG, JPEG, WebP, BMP, TIFF or GIF file of at most 10 MiB; or an array of
        shape (height, width), (height, width, 1 to 4) or (784,), of booleans, integers or
        floats in 0–1, 0–255 or (integers) 0–65535.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)

    Raises
    ------
    ImageError
        If the source is none of these or is damaged.
    ImageTooLargeError
        If it has more than 25 megapixels, or the file more than 10 MiB.
    """
    return load_image(source).pixels


def load_image(
    source: ImageSource, max_side: int | None = None, *, look_side: int | None = None
) -> LoadedImage:
    """Read an image, and reduce it by a whole number that leaves at least `max_side` pixels.

    With `look_side`, no side is longer than that, and what `max_side` asks for is to be had
    from ``finer``.
    """
    goal = _Goal(max_side, look_side)
    if isinstance(source, Image.Image):
        return _from_pil(source, goal)
    if isinstance(source, np.ndarray):
        return _from_pil(_array_to_pil(source), goal)
    if isinstance(source, bytes | bytearray | memoryview):
        return _from_bytes(bytes(source), "the given bytes", goal)
    if isinstance(source, str | os.PathLike):
        return _from_bytes(_read_file(Path(source)), repr(os.fspath(source)), goal)
    raise ImageError(
        f"cannot read an image from {type(source).__name__}; "
        "give a path, bytes, a NumPy array or a PIL image"
    )


@dataclass(frozen=True)
class _Goal:
    """Sizes asked for, as `load_image` has them."""

    max_side: int | None
    look_side: int | None

    def draft_factor(self, side: int) -> float:
        """Return by how much a decoder may reduce an image of this longer side."""
        if self.look_side is not None:
            # Decoders reduce by powers of two; halving what is left over comes to the same.
            return 2.0 ** (-(-side // self.look_side) - 1).bit_length()
        return 1.0 if self.max_side is None else side / self.max_side


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(current_limits().max_bytes + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ImageError(f"cannot read {str(path)!r}: {reason}") from error
    return content


def _from_bytes(content: bytes, name: str, goal: _Goal) -> LoadedImage:
    max_bytes = current_limits().max_bytes
    if len(content) > max_bytes:
        raise ImageTooLargeError(
            f"{name} has more than {max_bytes / 2**20:g} MiB, the most that is read; "
            "give a smaller image"
        )
    if not content:
        raise ImageError(f"{name} is empty")
    try:
        with Image.open(io.BytesIO(content), formats=IMAGE_FORMATS) as image:
            if image.format not in ("JPEG", "MPO"):
                warn_of_more_images(image, name)
                return _from_pil(image, goal)
            # The decoder itself can halve up to three times, for a fraction of the work.
            full = image.size
            factor = goal.draft_factor(max(full))
            _check_size(full)
            image.draft(None, (max(1, int(full[0] / factor)), max(1, int(full[1] / factor))))
            drafted = image.size != full
            loaded = _from_pil(image, goal, full)
            if drafted and goal.look_side is not None:
                again = _Goal(goal.max_side, None)
                finer = functools.cache(lambda: _from_bytes(content, name, again))
                return replace(loaded, finer=finer)
            return loaded
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageTooLargeError(f"{name}: {_too_large()}") from error
    except Exception as error:
        # Decoders meet damaged data with errors of many kinds, not only OSError. Pillow's own
        # message of an unknown format holds nothing but the address of an object.
        found = describe_foreign(content).split(";")[0]
        reason = "unknown format" if isinstance(error, UnidentifiedImageError) else str(error)
        raise ImageError(
            f"{name} is {f'{found}, ' if found else ''}not a readable image ({reason}); "
            "give PNG, JPEG, WebP, BMP, TIFF or GIF"
        ) from error


def _from_pil(image: Image.Image, goal: _Goal, full: tuple[int, int] | None = None) -> LoadedImage:
    """Bring an image to the size asked for; `full` is its size before the decoder reduced it."""
    size = full or image.size
    _check_size(size)
    try:
        image.load()
        orientation = find_orientation(image)
        if goal.max_side is not None and max(image.size) > goal.max_side:
            image = _reduce(bring_to_8_bits(image), max(image.size) // goal.max_side)
        rgb = _to_rgb(image)
        if orientation in _QUARTER_TURNS:
            size = size[1], size[0]
        look_side = goal.look_side or max(rgb.size)
        factor = -(-max(rgb.size) // look_side)
        if factor == 1:
            return _upright(rgb, orientation, size)
        look = _upright(rgb.reduce(factor), orientation, size)
        return replace(look, finer=functools.cache(lambda: _upright(rgb, orientation, size)))
    except ImageError:
        raise
    except Exception as error:
        raise ImageError(f"the image cannot be decoded: {error}") from error


def _check_size(size: tuple[int, int]) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise ImageError(f"the image has no pixels: {width} x {height}")
    if width * height > current_limits().max_pixels:
        raise ImageTooLargeError(f"{width} x {height} pixels: {_too_large()}")


def _upright(
    rgb: Image.Image, orientation: Image.Transpose | None, size: tuple[int, int]
) -> LoadedImage:
    if orientation is not None:
        rgb = rgb.transpose(orientation)
    pixels = np.asarray(rgb, dtype=np.uint8)
    scale = (size[0] / pixels.shape[1], size[1] / pixels.shape[0])
    return LoadedImage(pixels, scale, size)


_QUARTER_TURNS = (
    Image.Transpose.TRANSPOSE,
    Image.Transpose.ROTATE_270,
    Image.Transpose.TRANSVERSE,
    Image.Transpose.ROTATE_90,
)


def _reduce(image: Image.Image, factor: int) -> Image.Image:
    if factor < 2:
        return image
    if image.mode in ("P", "PA", "1"):
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    return image.reduce(factor)


def _to_rgb(image: Image.Image) -> Image.Image:
    image = flatten(bring_to_8_bits(image))
    return image if image.mode == "RGB" else image.convert("RGB")


def _array_to_pil(array: NDArray[Any]) -> Image.Image:
    _refuse_rows(array)
    shape = array.shape
    if shape == (784,):
        array = array.reshape(28, 28)
    elif array.ndim == 3 and shape[2] == 1:
        array = array[:, :, 0]
    elif array.ndim == 3 and shape[0] == 1 and shape[2] not in _MODES:
        array = array[0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in _MODES):
        raise ImageError(f"an array of shape {shape} is no image; {_shape_remedy(shape)}")
    if array.size == 0:
        raise ImageError(f"an array of shape {shape} has no pixels")
    if array.shape[0] * array.shape[1] > current_limits().max_pixels:
        raise ImageTooLargeError(f"an array of shape {shape}: {_too_large()}")
    mode = "L" if array.ndim == 2 else _MODES[array.shape[2]]
    pixels = np.ascontiguousarray(to_uint8(array, what="array values")[0])
    # Shares memory with the array where Pillow can, unlike `frombytes`.
    return Image.frombuffer(mode, pixels.shape[1::-1], pixels, "raw", mode, 0, 1)


_MODES = {2: "LA", 3: "RGB", 4: "RGBA"}


def _shape_remedy(shape: tuple[int, ...]) -> str:
    """Return what to give instead of an array of three or more axes."""
    if len(shape) == 3 and shape[0] in (3, 4):
        return (
            "give (height, width, channels): np.moveaxis(image, 0, -1); "
            "several images one by one, to predict_digits"
        )
    if len(shape) in (3, 4) and shape[0] > 0:
        return "give one image, (height, width) or (height, width, channels), such as images[0]"
    return "give (height, width), (height, width, channels) or (784,)"


def _refuse_rows(array: NDArray[Any]) -> None:
    """Refuse images in rows, as datasets have them: as a picture they would be a pattern."""
    if array.ndim == 2 and 784 in array.shape and min(array.shape) > 0:
        rows = array if array.shape[1] == 784 else array.T
        if len(rows) < MIN_IMAGE_SIDE or _are_framed_digits(rows):
            raise PixelError(
                f"an array of shape {array.shape} looks like rows of 784 pixels, one image each; "
                "give them to predict_rows, as (n, 784), or one image as (28, 28)"
            )


def _are_framed_digits(rows: NDArray[Any]) -> bool:
    """Return whether rows of 784 values are 28x28 digits with a blank border, not a picture.

    In a picture 784 pixels wide, ink that crosses many of the 28 strips of 28 columns is found
    on the strips' ends too.
    """
    images = rows.reshape(len(rows), 28, 28)
    inked = images != images[0, 0, 0]
    with_ink = inked.any(axis=(1, 2))
    if not with_ink.any() or inked[:, :, (0, -1)].any(axis=(1, 2)).mean() > MAX_FRAMELESS:
        return False
    strips = inked[with_ink].any(axis=2).sum(axis=1)
    return bool(np.median(strips) >= MIN_STRIPS)


def _too_large() -> str:
    limit = current_limits().max_pixels / 1e6
    return f"at most {limit:g} megapixels are read; give a smaller image"
