"""Errors of the user: each message names what failed, the value and the remedy."""

from __future__ import annotations

from collections.abc import Iterable


class DigitrecError(Exception):
    """Base of every error that digitrec raises on purpose; the command line exits with 2."""


class ConfigurationError(DigitrecError, ValueError):
    """A name, option or parameter is not one of those allowed."""


class DatasetError(DigitrecError):
    """Data cannot be found, fetched or read."""


class ImageError(DigitrecError, ValueError):
    """An image cannot be read: wrong format, damaged, or over a limit."""


class PixelError(ImageError):
    """Pixel values or shapes are on an unknown or ambiguous scale, or of an unknown shape."""


class ImageTooLargeError(ImageError):
    """An image has more bytes or pixels than are read."""


class ModelFileError(DigitrecError):
    """A model file is missing, damaged, altered, unknown or of an unsupported version."""


class MissingExtraError(DigitrecError, ImportError):
    """An optional package is needed; the message names the extra to install."""


class ModelFileWarning(UserWarning):
    """A model file was loaded, but not by the versions that wrote it."""


class PixelWarning(UserWarning):
    """Pixel values were converted from another scale than 0–255."""


def check_choice(what: str, value: str, allowed: Iterable[str]) -> str:
    """Return `value` if it is one of `allowed`.

    Parameters
    ----------
    what : str
        What the value stands for, such as ``"model"``.
    value : str
        The value given by the user.
    allowed : iterable of str
        The values that are allowed.

    Returns
    -------
    str
        `value`, unchanged.

    Raises
    ------
    ConfigurationError
        If `value` is not allowed; the message lists the allowed values.
    """
    allowed = list(allowed)
    if value not in allowed:
        names = ", ".join(allowed)
        raise ConfigurationError(f"unknown {what} {value!r}; choose one of: {names}")
    return value
