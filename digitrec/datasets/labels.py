"""Class names that mean digits: ``"7"``, ``"07"``, ``"seven"``, ``"digit_7"``, ``"7 - seven"``."""

from __future__ import annotations

import re
from collections.abc import Sequence

#: Names of the ten digit classes.
DIGIT_NAMES = tuple(str(digit) for digit in range(10))

_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_PREFIX = re.compile(r"^(?:digits?|class(?:es)?|labels?|numbers?|num|cls)(?=[\W_\d]|$)[\W_]*")
_NUMBER = re.compile(r"^0*(\d+)(?:\.0+)?$")


def digit_of_name(name: object) -> int | None:
    """Return the digit that a class name means, or None.

    Parameters
    ----------
    name : str, int or float
        ``"7"``, ``7``, ``7.0``, ``"07"``, ``"seven"``, ``"Seven"``, ``"digit_7"``, ``"class 7"``
        or ``"7 - seven"``.

    Returns
    -------
    int or None

    Examples
    --------
    >>> [digit_of_name(name) for name in ("7", "07", "Seven", "digit_7", "7 - seven", "10")]
    [7, 7, 7, 7, 7, None]
    """
    number = _number_of_name(name)
    return number if number is not None and number <= 9 else None


def digits_of_names(names: Sequence[object]) -> tuple[int | None, ...]:
    """Return the digit that each name of a set of classes means, and None for the others.

    Where the classes are 1 to 10, the class 10 is the digit 0: so do SVHN and other datasets that
    count from one. Where two names mean one digit (``"1"`` and ``"one"``), none is taken for a
    digit.

    Parameters
    ----------
    names : sequence of str, int or float

    Returns
    -------
    tuple of int or None

    Examples
    --------
    >>> digits_of_names(["zero", "one", "blank"])
    (0, 1, None)
    >>> digits_of_names(range(1, 11))
    (1, 2, 3, 4, 5, 6, 7, 8, 9, 0)
    """
    numbers = [_number_of_name(name) for name in names]
    if len(numbers) == 10 and {n for n in numbers if n is not None} == set(range(1, 11)):
        return tuple(number % 10 for number in numbers if number is not None)
    digits = tuple(n if n is not None and n <= 9 else None for n in numbers)
    known = [digit for digit in digits if digit is not None]
    return digits if len(set(known)) == len(known) else (None,) * len(digits)


def _number_of_name(name: object) -> int | None:
    text = str(name).strip().casefold()
    if text.startswith("-"):
        return None
    text = _PREFIX.sub("", text)
    parts = [part for part in re.split(r"[^\w.]+|_+", text) if part]
    found = {_simple_number(part) for part in parts}
    return found.pop() if len(found) == 1 and len(parts) <= 2 else None


def _simple_number(text: str) -> int | None:
    if text in _WORDS:
        return _WORDS.index(text)
    match = _NUMBER.match(text)
    return int(match[1]) if match and len(match[1]) <= 2 else None
