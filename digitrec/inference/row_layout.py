"""Whether rows of 784 bytes are images of 28x28, or the bytes of other arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from digitrec.errors import PixelError

_SIDE = 28
_LOOK_ROWS = 64
"""How many rows are looked at."""
_MAX_WIDTHS = 16
"""Longest line that is looked for, in widths of an image: complex numbers of 16 bytes."""
_MAX_RATIO = 0.85
"""Mean difference of bytes a longer line apart, over that of bytes 28 apart, from which lines are
longer. In 2 to 16 images of MNIST it is at least 1.51 (15,000 batches), in arrays of 2 to 8 bytes
a pixel, colours and images two to four times as wide at most 0.80 (1,000 batches of each)."""


def check_row_layout(rows: NDArray[np.uint8]) -> None:
    """Refuse bytes of which each pixel takes several, or whose images are wider than 28 pixels.

    Neighbours in a column of an image differ little, those two lines apart differ more. Where
    bytes 56, 84 or more apart differ less than bytes 28 apart, the lines are that long.

    Parameters
    ----------
    rows : ndarray of uint8, shape (n, 784)

    Raises
    ------
    PixelError
        If lines are longer than 28 bytes.

    Examples
    --------
    >>> image = np.zeros((28, 28), np.float32)
    >>> image[4:24, 12:16] = 0.9
    >>> check_row_layout(np.frombuffer(image.tobytes(), np.uint8).reshape(4, 784))
    Traceback (most recent call last):
    ...
    digitrec.errors.PixelError: a pixel seems to take 4 bytes (32 bits), as in arrays of numbers \
other than uint8 and in colours, or the images are 112 pixels wide; give 28x28 images of one byte \
a pixel, 0 (background) to 255 (ink)
    """
    n = len(rows)
    values = rows[:_LOOK_ROWS].reshape(-1).astype(np.int16)

    def difference(lag: int) -> float:
        return float(np.abs(values[lag:] - values[:-lag]).mean())

    factors = [k for k in range(2, min(n, _MAX_WIDTHS) + 1) if n % k == 0]
    if not factors:
        return
    by_factor = {k: difference(k * _SIDE) for k in factors}
    best = min(by_factor, key=by_factor.__getitem__)
    if by_factor[best] < _MAX_RATIO * difference(_SIDE):
        raise PixelError(
            f"a pixel seems to take {best} bytes ({8 * best} bits), as in arrays of numbers other "
            f"than uint8 and in colours, or the images are {best * _SIDE} pixels wide; give 28x28 "
            "images of one byte a pixel, 0 (background) to 255 (ink)"
        )
