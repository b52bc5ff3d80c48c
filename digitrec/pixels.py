"""Convert pixels to digitrec's form: scale, polarity, shape, transparency and orientation.

Training data, predictions, the command line and the service bring all pixels through here, so
that the same values mean the same thing everywhere: uint8, 0 (background) to 255 (ink). What is
not clear is refused with a `PixelError` that says what was found and what to give instead.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from digitrec.errors import PixelError

if TYPE_CHECKING:
    from PIL import Image

_log = logging.getLogger(__name__)

UNIT_TOLERANCE = 1.1e-3
"""How far values of a 0–1 or -1–1 scale may lie outside of it: rounding, resampling."""
BYTE_TOLERANCE = 0.5
"""How far floats of a 0–255 scale may lie outside of it; they are rounded anyway."""
UNCLEAR_SCALE = 16
"""Largest value up to which one image of a 0–255 scale cannot be distinguished from one of 0–16."""
DEPTHS = (1023, 4095, 65535)
"""Largest values of 10, 12 and 16 bits."""
FULL_SCALE = 192
"""Largest value of a whole dataset from which it is taken for one of 0–255."""
DARKEST_SHARE = 0.25
"""Smallest over largest value of a whole dataset from which the smallest is made black."""
FAINT_CONTRAST = 64
"""Largest difference of the extreme values of an image that has another scale than its dataset."""
FAINT_SHARE, MIN_FAINT = 0.1, 5
"""Share and number of such images from which a dataset is refused; the MNIST family has none."""
MIN_IMAGE_PIXELS = 64
"""Fewest pixels (8x8) of images that have ink of full strength somewhere."""
MIN_CONTRAST = 64
"""Least difference of the extreme values, 0–255, of an image whose polarity can be determined."""
CLEAR_BORDER = 0.1
"""Largest share of border pixels on the other side of the middle level for a clear paper."""
UNCLEAR_BORDER = 0.6
"""Mean share of light border pixels from which images without a clear paper are inverted."""
MIXED_SHARE = 0.02
"""Share of either kind among the clear images from which each unclear one is decided alone."""
MIN_BORDER_PIXELS = 16
"""Fewest border pixels (5x5) that tell paper from ink."""

BLOCK_VALUES = 1 << 20
"""Values that are scaled at one time: 25 million at once would need 400 MB."""

_REMEDY = "give 0 (background) to 255 (ink), or 0 to 1"


def to_uint8(
    values: ArrayLike, *, what: str = "pixels", per_image: bool = False
) -> tuple[NDArray[np.uint8], str | None]:
    """Bring pixel values of any clear scale to 0–255.

    Parameters
    ----------
    values : array-like
        One image of any shape, or images along the first axis. Understood are booleans; integers
        0 and 1, -1 and 1, 0–255, or above 4,095 and up to 65,535; uint16 of 10, 12 or 16 bits;
        floats 0–1, -1–1 (with -1 in them) and 0–255.
    what : str
        What to call the values in messages.
    per_image : bool
        Whether each image along the first axis has a scale of its own.

    Returns
    -------
    pixels : ndarray of uint8
        Of the shape of `values`.
    note : str or None
        What was done, where something was.

    Raises
    ------
    PixelError
        If the values are not finite real numbers, or have another scale or one that is not clear.

    Examples
    --------
    >>> to_uint8([[0.0, 0.5], [1.0, 0.25]])
    (array([[  0, 128],
           [255,  64]], dtype=uint8), 'pixels were scaled from 0–1 to 0–255')
    >>> to_uint8([[0, 128], [255, 64]])[1] is None
    True
    """
    array = _real_numbers(values, what)
    if array.size == 0:
        return array.astype(np.uint8), None
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255), f"{what} were scaled from booleans to 0–255"
    if not per_image or array.ndim < 2 or len(array) == 1:
        return _scale(array, what)
    flat = array.reshape(len(array), -1)
    lows, highs = flat.min(axis=1), flat.max(axis=1)
    # What lies within 0–255 and is not small is left as it is: the common case, all at once.
    plain = (lows >= 0) & (highs <= 255)
    plain &= (highs > 1) if array.dtype == np.uint8 else (highs > UNCLEAR_SCALE) | (highs == 0)
    if array.dtype != np.uint8 and highs.max() > 255 + BYTE_TOLERANCE:
        return _scale(array, what)  # more than 8 bits: all images have the depth of the largest
    if plain.all():
        return _round(array), None
    pixels = np.empty(array.shape, np.uint8)
    pixels[plain] = _round(array[plain])
    notes = []
    for index in np.flatnonzero(~plain):
        pixels[index], note = _scale(array[index], f"{what} of image {index}")
        notes += [note] if note else []
    return pixels, _joined(notes, what)


def scale_dataset(
    parts: Sequence[ArrayLike],
) -> tuple[list[NDArray[np.uint8]], tuple[str, ...], tuple[float, float] | None]:
    """Bring the images of a dataset to 0–255, with one decision for all of them.

    A whole dataset shows its scale by its largest value, which one image does not: 0–16, 0–64 or
    0–100 become 0–255 too.

    Parameters
    ----------
    parts : sequence of array-like, shape (n_i, ...)
        Images along the first axis of each part (training and test, or image files by type).

    Returns
    -------
    parts : list of ndarray of uint8
    notes : tuple of str
        What was done, where something was.
    extremes : tuple of float, or None
        The values that became 0 and 255, where one image does not show them.

    Raises
    ------
    PixelError
        If the values are not finite real numbers, their scale is not clear, or too many images
        have another scale than the rest.

    Examples
    --------
    >>> parts, notes, extremes = scale_dataset([np.array([[0, 16], [8, 16]])])
    >>> parts[0]
    array([[  0, 255],
           [128, 255]], dtype=uint8)
    >>> notes
    ('The largest pixel value is 16; all values were multiplied by 15.94 to span 0–255.',)
    >>> extremes
    (0.0, 16.0)
    """
    arrays = [_real_numbers(part, "pixels") for part in parts]
    filled = [array for array in arrays if array.size]
    scales = {id(array): _dataset_scale(array) for array in filled}
    # Parts of one kind share the factor: a test part that happens to be fainter stays so.
    notes: list[str] = []
    ranges: dict[str, tuple[float, float]] = {}
    for kind in dict.fromkeys(scale.kind for scale in scales.values()):
        alike = [scale for scale in scales.values() if scale.kind == kind]
        low, high = min(scale.low for scale in alike), max(scale.high for scale in alike)
        ranges[kind] = _dataset_range(kind, low, high)
        notes += _dataset_note(kind, ranges[kind])
    scaled = []
    for array in arrays:
        if not array.size:
            scaled.append(array.astype(np.uint8))
            continue
        low, high = ranges[scales[id(array)].kind]
        if (low, high) == (0, 255):
            pixels = _round(array)
            if array.dtype.kind == "f" and (array != pixels).any():
                notes.append("The pixel values were rounded to whole numbers.")
        else:
            pixels = scale_linearly(array, low, 255 / (high - low))
        if scales[id(array)].kind == "byte" and high > UNCLEAR_SCALE:
            pixels = _scale_unit_images(array, pixels, notes)
        _check_contrast(array, pixels)
        scaled.append(pixels)
    extremes = None
    for kind in ("byte", "unit"):
        if [*ranges] == [kind] and ranges[kind] != (0, _FULL[kind]):
            extremes = ranges[kind]
    return scaled, tuple(dict.fromkeys(notes)), extremes


def to_ink_on_black(images: ArrayLike) -> tuple[NDArray[np.uint8], str | None]:
    """Invert the images that are dark on light, each by itself.

    The paper is what the border shows: an image is clear where nine tenths of its border lie on
    one side of its middle level, and so does most of the image. Images that are not clear go with
    most of the clear ones; each by its own border and area where the clear ones are of both kinds;
    and with the mean of all borders where there are none.

    Parameters
    ----------
    images : array-like of uint8, shape (n, height, width)

    Returns
    -------
    images : ndarray of uint8, shape (n, height, width)
        Ink is 255.
    note : str or None
        How many were inverted, where any were.

    Examples
    --------
    >>> image = np.zeros((8, 8), np.uint8)
    >>> image[2:6, 3] = 255
    >>> images, note = to_ink_on_black([image, 255 - image])
    >>> bool((images == image).all()), note
    (True, '1 of 2 images is dark on light; it was inverted (ink is 255).')
    """
    pixels = np.asarray(images)
    if pixels.dtype != np.uint8 or pixels.ndim != 3:
        raise PixelError(
            f"images must be uint8 of shape (n, height, width), not {pixels.dtype} {pixels.shape}"
        )
    n_images, height, width = pixels.shape
    border = np.ones((height, width), bool)
    border[1:-1, 1:-1] = False
    if not n_images or min(height, width) < 3 or border.sum() < MIN_BORDER_PIXELS:
        return pixels, None
    flat = pixels.reshape(n_images, -1)
    low, high = flat.min(axis=1), flat.max(axis=1)
    middle = low + (high - low) // 2
    light = flat > middle[:, None]
    on_border, everywhere = light[:, border.ravel()].mean(axis=1), light.mean(axis=1)
    contrast = (high - low) >= MIN_CONTRAST
    dark_ink = contrast & (on_border >= 1 - CLEAR_BORDER) & (everywhere > 0.5)
    light_ink = contrast & (on_border <= CLEAR_BORDER) & (everywhere < 0.5)
    unclear = ~(dark_ink | light_ink)
    n_dark, n_light = int(dark_ink.sum()), int(light_ink.sum())
    if min(n_dark, n_light) > MIXED_SHARE * (n_dark + n_light):
        others_dark = on_border + everywhere > 1
    elif n_dark or n_light:
        others_dark = np.full(n_images, n_dark > n_light)
    else:
        others_dark = np.full(
            n_images, contrast.any() and on_border[contrast].mean() > UNCLEAR_BORDER
        )
    invert = dark_ink | (unclear & others_dark)
    invert &= (low != high) | (low > 127)  # a blank image is black, whatever the others are
    count = int(invert.sum())
    if not count:
        return pixels, None
    if count == n_images:
        return 255 - pixels, "The images are dark on light; they were inverted (ink is 255)."
    pixels = np.where(invert[:, None, None], 255 - pixels, pixels).astype(np.uint8)
    verbs = ("is", "it was") if count == 1 else ("are", "they were")
    return pixels, (
        f"{count:,} of {n_images:,} images {verbs[0]} dark on light; "
        f"{verbs[1]} inverted (ink is 255)."
    )


def to_rows(values: ArrayLike, *, what: str = "pixels") -> tuple[NDArray[Any], bool]:
    """Return one or several images of 28x28 as rows, without a change of their values.

    Parameters
    ----------
    values : array-like
        Of shape (n, 784), (n, 28, 28), (n, 28, 28, 1) or (n, 1, 28, 28); or one image:
        (28, 28), (28, 28, 1) or (784,).
    what : str
        What to call the values in messages.

    Returns
    -------
    rows : ndarray, shape (n, 784)
    single : bool
        Whether it was one image without an axis for several.

    Raises
    ------
    PixelError
        If the shape is another one; the message says what it looks like.

    Examples
    --------
    >>> rows, single = to_rows(np.zeros((5, 28, 28, 1)))
    >>> rows.shape, single
    ((5, 784), False)
    """
    height, width = 28, 28
    n_pixels = height * width
    try:
        array = np.asarray(values)
    except (ValueError, TypeError, OverflowError) as error:
        raise PixelError(f"{what} are not an array: the images differ in shape") from error
    shape = array.shape
    if shape in ((n_pixels,), (height, width), (height, width, 1)):
        return array.reshape(1, n_pixels), True
    if array.ndim >= 2 and shape[1:] in (
        (n_pixels,),
        (height, width),
        (height, width, 1),
        (1, height, width),
        (n_pixels, 1),
        (1, n_pixels),
    ):
        return array.reshape(len(array), n_pixels), False
    raise PixelError(
        f"{what} have the shape {shape}, not (n, {n_pixels}) or (n, {height}, {width})"
        f"{_shape_hint(shape, height, width)}"
    )


def _shape_hint(shape: tuple[int, ...], height: int, width: int) -> str:
    n_pixels = height * width
    if len(shape) == 2 and shape[1] == n_pixels + 1:
        return "; take the column of labels out"
    if len(shape) == 2 and shape[0] == n_pixels:
        return "; the images seem to be columns: give the transposed array"
    if len(shape) == 3 and shape[:2] == (height, width) and shape[2] not in (2, 3, 4):
        return "; the images seem to lie along the last axis: np.moveaxis(X, -1, 0)"
    if len(shape) in (3, 4) and shape[-1] in (3, 4):
        return "; make colours grey first"
    if len(shape) == 0:
        return "; give an array of images"
    return ""


def _real_numbers(values: ArrayLike, what: str) -> NDArray[Any]:
    """Return an array of booleans, integers or finite floats."""
    try:
        array = np.asarray(values)
    except (ValueError, TypeError, OverflowError) as error:
        raise PixelError(f"{what} are not an array: the images differ in shape") from error
    if array.dtype.kind not in "buif":
        raise PixelError(
            f"{what} have the dtype {array.dtype}; give booleans, integers or floats, "
            "0 (background) to 255 (ink)"
        )
    is_float = array.dtype.kind == "f" and array.size > 0
    # The extremes show whether there is any, without another array of that size.
    if is_float and not np.isfinite((array.min(), array.max())).all():
        bad = ~np.isfinite(array)
        raise PixelError(
            f"{what} are not finite: {int(bad.sum()):,} of {array.size:,} values are NaN or "
            "infinite; fill them in, or leave those images out"
        )
    return array


def _round(array: NDArray[Any]) -> NDArray[np.uint8]:
    if array.dtype == np.uint8:
        return array
    return scale_linearly(array, 0, 1) if array.dtype.kind == "f" else array.astype(np.uint8)


def scale_linearly(array: NDArray[Any], low: float, factor: float) -> NDArray[np.uint8]:
    """Return ``(array - low) * factor``, rounded and cut to 0–255, a block of values at a time."""
    flat = array.reshape(-1)
    pixels = np.empty(flat.shape, np.uint8)
    for start in range(0, flat.size, BLOCK_VALUES):
        block = (flat[start : start + BLOCK_VALUES] - np.float64(low)) * factor
        pixels[start : start + BLOCK_VALUES] = np.rint(block).clip(0, 255)
    return pixels.reshape(array.shape)


def _scale(array: NDArray[Any], what: str) -> tuple[NDArray[np.uint8], str | None]:
    """Scale one image, or images of one scale."""
    low, high = float(array.min()), float(array.max())
    found = f"{what} span {low:g} to {high:g} ({array.dtype})"
    if array.dtype.kind == "f":
        if low >= -UNIT_TOLERANCE and high <= 1 + UNIT_TOLERANCE:
            note = f"{what} were scaled from 0–1 to 0–255" if high > 0 else None
            return scale_linearly(array, 0, 255), note
        if _is_signed_unit(low, high) or low == high == -1:
            return scale_linearly(array, -1, 127.5), f"{what} were scaled from -1–1 to 0–255"
        tolerance = BYTE_TOLERANCE if high > UNCLEAR_SCALE else UNIT_TOLERANCE
        if low < -tolerance or high > 255 + tolerance:
            raise PixelError(f"{found}{_standardised(low, high)}; {_REMEDY}")
        if high <= UNCLEAR_SCALE:
            raise PixelError(f"{found}, a scale that one image does not tell; {_REMEDY}")
        return _round(array), None
    if low < 0:
        if (low, high) == (-1, 1) and not (array == 0).any():
            return scale_linearly(array, -1, 127.5), f"{what} were scaled from -1 and 1 to 0–255"
        hint = "; they seem to be bytes: give X.view(np.uint8)" if array.dtype == np.int8 else ""
        raise PixelError(f"{found}{hint}; {_REMEDY}")
    if high == 1:
        return scale_linearly(array, 0, 255), f"{what} were scaled from 0 and 1 to 0–255"
    if array.dtype == np.uint8 or high == 0:
        return array.astype(np.uint8), None
    if high <= UNCLEAR_SCALE:
        raise PixelError(f"{found}, a scale that one image does not tell; {_REMEDY}")
    if high <= 255:
        return array.astype(np.uint8), None
    depths = DEPTHS if array.dtype == np.uint16 else DEPTHS[-1:]
    least = 255 if array.dtype == np.uint16 else DEPTHS[1]
    if not least < high <= DEPTHS[-1]:
        raise PixelError(f"{found}; {_REMEDY}")
    depth = next(depth for depth in depths if high <= depth)
    return scale_linearly(array, 0, 255 / depth), f"{what} were scaled from 0–{depth:,} to 0–255"


def _is_signed_unit(low: float, high: float) -> bool:
    return abs(low + 1) <= UNIT_TOLERANCE and -1 < high <= 1 + UNIT_TOLERANCE


def _standardised(low: float, high: float) -> str:
    if low < 0 and high - low < 20:
        return ", as standardised values do (undo: X * std + mean)"
    return ""


class _Scale(NamedTuple):
    """The kind of scale that the images of a part have, and their extreme values."""

    kind: str
    low: float
    high: float


def _dataset_scale(array: NDArray[Any]) -> _Scale:
    if array.dtype == np.bool_:
        return _Scale("boolean", 0.0, 1.0)
    low, high = float(array.min()), float(array.max())
    found = f"pixels span {low:g} to {high:g} ({array.dtype})"
    is_float = array.dtype.kind == "f"
    tolerance = BYTE_TOLERANCE if high > UNCLEAR_SCALE else UNIT_TOLERANCE
    if low < -tolerance * is_float:
        if _is_signed_unit(low, high):
            return _Scale("signed", -1.0, 1.0)
        hint = _standardised(low, high)
        if array.dtype == np.int8:
            hint = ", as bytes read as int8 do (give X.view(np.uint8))"
        elif (low, high) == (-128, 127):
            hint = ", as bytes less 128 do (add 128)"
        raise PixelError(f"{found}{hint}; {_REMEDY}")
    if high <= 1 + UNIT_TOLERANCE and is_float:
        return _Scale("unit", low, high)
    if high <= 255 + BYTE_TOLERANCE * is_float:
        return _Scale("byte", low, high)
    largest = array.reshape(len(array), -1).max(axis=1)
    if high > DEPTHS[-1] or (is_float and (array != np.rint(array)).any()):
        raise PixelError(f"{found}; {_REMEDY}")
    if np.median(largest) <= 255:
        image = int(np.argmax(largest > 255))
        raise PixelError(
            f"pixels of image {image} reach {largest[image]:g}, those of most others are not "
            "above 255; correct or leave out such images"
        )
    return _Scale("deep", low, high)


_FULL = {"unit": 1.0, "byte": 255.0, "deep": float(DEPTHS[-1])}


def _dataset_range(kind: str, low: float, high: float) -> tuple[float, float]:
    """Return the values that become 0 and 255."""
    if kind in ("boolean", "signed"):
        return low, high
    full = _FULL[kind]
    if high <= 0 or low == high:
        return 0.0, full
    if low > DARKEST_SHARE * high:
        return low, high
    return 0.0, full if high >= full * FULL_SCALE / 255 else high


def _dataset_note(kind: str, extremes: tuple[float, float]) -> list[str]:
    low, high = extremes
    if kind == "byte" and extremes == (0, 255):
        return []
    if kind in ("boolean", "signed") or extremes == (0, _FULL[kind]):
        name = {
            "boolean": "are true or false",
            "signed": "are -1 to 1",
            "unit": "are 0 to 1",
            "deep": "have 16 bits",
        }[kind]
        return [f"The pixel values {name}; they were scaled to 0–255."]
    if low > 0:
        return [f"The pixel values span {low:g} to {high:g}; they were stretched to 0–255."]
    return [
        f"The largest pixel value is {high:g}; all values were multiplied by {255 / high:.4g} "
        "to span 0–255."
    ]


def _scale_unit_images(
    array: NDArray[Any], pixels: NDArray[np.uint8], notes: list[str]
) -> NDArray[np.uint8]:
    """Scale the images of 0–1 among others of 0–255, each by itself."""
    flat = array.reshape(len(array), -1)
    largest = flat.max(axis=1)
    unit = (largest > 0) & (largest <= 1 + UNIT_TOLERANCE)
    unit[unit] = flat[unit].min(axis=1) >= -UNIT_TOLERANCE
    if not unit.any():
        return pixels
    pixels = pixels.copy()
    pixels[unit] = scale_linearly(array[unit], 0.0, 255)
    notes.append(
        f"{int(unit.sum()):,} of {len(pixels):,} images have values of 0 to 1 only; they were "
        "scaled to 0–255."
    )
    return pixels


def _check_contrast(array: NDArray[Any], pixels: NDArray[np.uint8]) -> None:
    """Refuse images of which many are far fainter than the scale of the dataset."""
    flat = pixels.reshape(len(pixels), -1)
    if flat.shape[1] < MIN_IMAGE_PIXELS:
        return
    contrast = flat.max(axis=1) - flat.min(axis=1)
    faint = contrast <= FAINT_CONTRAST
    raw = array.reshape(len(array), -1)[faint]
    faint[faint] = raw.max(axis=1) > raw.min(axis=1)  # blank images have no scale
    if faint.sum() >= max(FAINT_SHARE * len(pixels), MIN_FAINT):
        image = int(np.argmax(faint))
        raise PixelError(
            f"pixels have different scales: {int(faint.sum()):,} of {len(pixels):,} images, the "
            f"first is number {image}, span at most {contrast[faint].max()} of the 255 levels that "
            "the scale of the dataset has; bring all to 0–255"
        )


def _joined(notes: list[str], what: str) -> str | None:
    if not notes:
        return None
    return notes[0] if len(notes) == 1 else f"{what} of {len(notes):,} images were scaled to 0–255"


def find_orientation(image: Image.Image) -> Image.Transpose | None:
    """Return what turns an image upright, after its EXIF data; None where nothing does."""
    from PIL import Image

    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    try:
        return turns.get(image.getexif().get(0x0112, 1))
    except Exception:
        # Damaged EXIF says nothing about the pixels, which may be well.
        return None


def bring_to_8_bits(image: Image.Image) -> Image.Image:
    """Return an image of 8 bits a channel; values of 16 bits, floats, and 0 and 1 are scaled.

    Raises
    ------
    PixelError
        If the values have a scale that is not clear.
    """
    from PIL import Image

    values = _deep_values(image)
    if values is None:
        if image.mode == "L" and image.getextrema() == (0, 1):
            return image.point(lambda value: value * 255)
        return image
    return Image.fromarray(to_uint8(values, what="the image's values")[0])


def flatten(image: Image.Image) -> Image.Image:
    """Return an image of 8 bits a channel in mode L or RGB, without transparency.

    Transparent parts are laid on white, on black where the opaque part is light.
    """
    from PIL import Image

    if image.has_transparency_data:
        image = image.convert("RGBA")
        alpha = np.asarray(image.getchannel("A"), dtype=np.float32) / 255
        if alpha.min() < 1:
            grey = np.asarray(image.convert("RGB").convert("L"), dtype=np.float32)
            is_dark = (grey * alpha).sum() > 127 * max(alpha.sum(), 1e-6)
            hidden, seen = grey[alpha == 0], grey[alpha > 0.5]
            if hidden.size and seen.size and np.ptp(hidden) == 0:
                # A colour made transparent is the paper, where what is seen differs from it.
                paper = float(hidden[0])
                if np.abs(seen - paper).max() > 127:
                    is_dark = paper < 128
            background = Image.new("RGBA", image.size, "black" if is_dark else "white")
            image = Image.alpha_composite(background, image)
    if image.mode not in ("L", "RGB"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    return image


def warn_of_more_images(image: Image.Image, name: object) -> None:
    """Log that only the first image of a file is read; the previews of MPO files do not count."""
    if getattr(image, "is_animated", False) and image.format != "MPO":
        _log.warning("%s holds several images; the first is read", name)


def decode_grey(image: Image.Image) -> NDArray[Any]:
    """Return the upright grey values of an image in their own depth.

    Parameters
    ----------
    image : PIL image
        Of any mode: the orientation of EXIF is applied, and transparent parts are laid on white,
        on black where the opaque part is light.

    Returns
    -------
    ndarray of uint8, uint16, int32 or float32, shape (height, width)
    """
    image.load()  # before the orientation is looked up: TIFF files apply it themselves
    orientation = find_orientation(image)
    values = _deep_values(image)
    if values is None:
        grey = flatten(image).convert("L")
        return np.asarray(grey if orientation is None else grey.transpose(orientation))
    return values if orientation is None else _turn(values, orientation)


def _deep_values(image: Image.Image) -> NDArray[Any] | None:
    """Return the values of an image of more than 8 bits a channel, else None."""
    if image.mode == "F":
        return np.asarray(image)
    if image.mode == "I" or image.mode.startswith("I;16"):
        values = np.asarray(image)
        # Files of 16 bits come as 32, or in the byte order of the file.
        if values.size and values.min() >= 0 and values.max() <= 65535:
            return values.astype(np.uint16)
        return values.astype(np.int64)
    return None


def _turn(values: NDArray[Any], orientation: Image.Transpose) -> NDArray[Any]:
    from PIL import Image

    # An image of the positions turns by the same rule, whatever the type of the values.
    positions = np.arange(values.size, dtype=np.int32).reshape(values.shape)
    return values.ravel()[np.asarray(Image.fromarray(positions).transpose(orientation))]
