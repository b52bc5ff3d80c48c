"""The limits on images that are read, declared once for Python, the command line and the service.

Light to import: the serving process knows the limits without the libraries that decode.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass

from digitrec.errors import ConfigurationError

IMAGE_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "DIB", "TIFF")
"""Pillow's names of the formats that are decoded; JPEG includes MPO, the JPEG of many phones."""

_MOST_PIXELS = 178_956_970
"""Pillow refuses images beyond this many pixels whatever the limit is."""


@dataclass(frozen=True, kw_only=True)
class ImageLimits:
    """The largest image that is read.

    Attributes
    ----------
    max_bytes : int
        Most bytes of an encoded image, from 1.
    max_pixels : int
        Most pixels, width times height, from 1 to 178,956,970 (Pillow's own limit).

    Raises
    ------
    ConfigurationError
        If a limit is outside its range.
    """

    max_bytes: int = 10 * 2**20
    max_pixels: int = 25_000_000

    def __post_init__(self) -> None:
        if self.max_bytes < 1:
            raise ConfigurationError(f"max_bytes must be at least 1; got {self.max_bytes!r}")
        if not 1 <= self.max_pixels <= _MOST_PIXELS:
            raise ConfigurationError(
                f"max_pixels must lie in 1–{_MOST_PIXELS:,}; got {self.max_pixels!r}"
            )


_DEFAULT = ImageLimits()
_CURRENT: ContextVar[ImageLimits] = ContextVar("image_limits", default=_DEFAULT)


def current_limits() -> ImageLimits:
    """Return the limits that hold here."""
    return _CURRENT.get()


@contextlib.contextmanager
def image_limits(limits: ImageLimits) -> Iterator[None]:
    """Read images under other limits within a block.

    Parameters
    ----------
    limits : ImageLimits
        The limits of the block.

    Examples
    --------
    >>> with image_limits(ImageLimits(max_pixels=100)):
    ...     current_limits().max_pixels
    100
    """
    token = _CURRENT.set(limits)
    try:
        yield
    finally:
        _CURRENT.reset(token)
