"""What type of numbers a body of pixels holds."""

from __future__ import annotations

import numpy as np

from digitrec.serving.messages import ROW_PIXELS

__all__ = ["number_type"]

_NUMBER_TYPES = ("f4", "f8", "f2", "i4", "i8", "i2")
_LEAST_INK = 8
"""Values other than 0 from which the kind of numbers can be told."""
_LOOK_BYTES = 16 * ROW_PIXELS
"""How much of a body is looked at: 2 images of numbers of 8 bytes."""
_SMALLEST, _LARGEST = 1e-6, 65_535.0
"""Range of pixels in any usual scale, but for zeros."""


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
