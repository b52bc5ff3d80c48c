"""What a body is that is neither an image nor rows of pixels, for a message that helps."""

from __future__ import annotations

import codecs

import numpy as np

from digitrec.serving.messages import ROW_PIXELS

__all__ = ["describe_foreign", "number_type"]

_BEGINNINGS = (
    (b"%PDF", "a PDF; send a picture of the page"),
    (b"PK\3\4", "a ZIP archive; send the images one by one, or as several files of one form"),
    (b"\x1f\x8b\x08", "compressed with gzip; send the image itself"),
    (b"\x93NUMPY", "a .npy file; send the bytes of the array as uint8, or the array as JSON"),
    (b"<svg", "an SVG drawing; send it as PNG"),
    (b"<?xml", "XML or SVG; send a picture as PNG"),
    (b"<!doctype", "an HTML page; send an image"),
    (b"<html", "an HTML page; send an image"),
    (b"data:", "a data URL; send the image file itself"),
    (b"\x89PNG\n", "a PNG that lost its line breaks on the way; with curl, use --data-binary"),
    (b"\x89PNG\x1a", "a PNG that lost its line breaks on the way; with curl, use --data-binary"),
)
_BRANDS = {b"heic": "HEIC", b"heix": "HEIC", b"mif1": "HEIF", b"msf1": "HEIF", b"avif": "AVIF"}
_TEXT = frozenset((*range(32, 127), *b"\t\n\r\f"))

_NUMBER_TYPES = ("f4", "f8", "f2", "i4", "i8", "i2")
_LEAST_INK = 8
"""Values other than 0 from which the kind of numbers can be told."""
_LOOK_BYTES = 16 * ROW_PIXELS
"""How much of a body is looked at: 2 images of numbers of 8 bytes."""
_SMALLEST, _LARGEST = 1e-6, 65_535.0
"""Range of pixels in any usual scale, but for zeros."""


def describe_foreign(body: bytes) -> str:
    """Return what a body seems to be and what to send instead; empty where that is not clear.

    Examples
    --------
    >>> describe_foreign(b'{"image": [0, 0]}')
    'JSON; send it with the header Content-Type: application/json'
    """
    head = body[:4096].removeprefix(codecs.BOM_UTF8).strip(b" \t\r\n\0")
    if body[4:8] == b"ftyp" and body[8:12] in _BRANDS:
        return f"{_BRANDS[body[8:12]]}; send it as JPEG or PNG"
    if head.startswith((b"{", b"[")) and _TEXT.issuperset(head):
        return "JSON; send it with the header Content-Type: application/json"
    for beginning, description in _BEGINNINGS:
        if head[: len(beginning)].lower() == beginning.lower():
            return description
    if head and _TEXT.issuperset(head):
        return "text; send an image file, or pixels as JSON or as bytes"
    return ""


def number_type(body: bytes) -> str | None:
    """Return the type of the numbers that a body of pixels holds; None for one byte a pixel.

    A body is taken for numbers of several bytes where all of them are zero or as large as pixels
    are in some scale, which bytes read as such numbers are not: strokes have edges of any level.

    Parameters
    ----------
    body : bytes
        Of a length that is a multiple of 784.

    Returns
    -------
    str or None
        A NumPy name such as ``"float32"``.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.zeros((28, 28), np.float32)
    >>> image[4:24, 12:16] = 0.9
    >>> number_type(image.tobytes())
    'float32'
    """
    for kind in _NUMBER_TYPES:
        for order in "<>":
            dtype = np.dtype(order + kind)
            whole = len(body) % (ROW_PIXELS * dtype.itemsize) == 0
            if whole and _are_pixels(body[:_LOOK_BYTES], dtype):
                return dtype.name
    return None


def _are_pixels(body: bytes, dtype: np.dtype) -> bool:
    values = np.frombuffer(body, dtype)
    ink = values != 0
    # One-pixel lines, upright and far apart, look like integers of several bytes.
    if ink.sum() < _LEAST_INK or not (ink[1:] & ink[:-1]).any():
        return False
    with np.errstate(invalid="ignore", over="ignore"):
        sizes = np.abs(values[ink].astype(np.float64))
    # All pairs of bytes are integers of up to 16 bits, so that such are told up to 255 only.
    largest = 255.0 if dtype.kind == "i" and dtype.itemsize == 2 else _LARGEST
    # NaN fails both comparisons.
    return bool(sizes.min() >= _SMALLEST and sizes.max() <= largest)
