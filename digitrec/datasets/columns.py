"""Find the pixel columns of a table, their order, and the label column, by their names."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from digitrec.errors import DatasetError

LABEL_NAMES = (
    "label",
    "labels",
    "class",
    "classes",
    "target",
    "targets",
    "y",
    "digit",
    "digits",
    "category",
    "class_label",
    "class label",
)
INDEX_NAMES = ("", "index", "id", "idx", "row", "row_id", "imageid", "image_id", "image id")
_FILE_NAMES = ("file", "filename", "file_name", "image", "image_name", "img", "path")
MAX_OTHERS = 10
"""Most columns other than the label that are left out, such as writer or split."""
MIN_PIXELS = 4
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True)
class Columns:
    """What the columns of a table are.

    Attributes
    ----------
    label : int or None
        Place of the label column.
    pixels : tuple of int
        Places of the pixel columns, row by row of the image.
    image_shape : tuple of int
        ``(height, width)``.
    notes : tuple of str
        What was reordered or left out.
    """

    label: int | None
    pixels: tuple[int, ...]
    image_shape: tuple[int, int]
    notes: tuple[str, ...] = ()


def arrange_columns(names: Sequence[str], labelled: bool | None = True) -> Columns:
    """Find the label and bring the pixels into the order of the numbers in their names.

    Parameters
    ----------
    names : sequence of str
        Names of all columns, in the order of the table: one name pattern with one number
        (``pixel0``, ``0``) or two (``1x1``: row and column).
    labelled : bool or None
        Whether there must be a label column, must be none, or (None) may be one.

    Returns
    -------
    Columns

    Raises
    ------
    DatasetError
        If the label is missing or not clear, or the names do not say the order of the pixels.

    Examples
    --------
    >>> arrange_columns(["pixel0", "pixel10", "pixel1", "pixel11", "label"]).pixels
    Traceback (most recent call last):
    ...
    digitrec.errors.DatasetError: the numbers of the pixel columns have gaps: 'pixel2' is missing
    >>> arrange_columns(["b1", "b0", "b2", "label", "b3"]).pixels
    (1, 0, 2, 4)
    """
    clean = [str(name).strip() for name in names]
    if len(set(clean)) < len(clean):
        name = next(name for name in clean if clean.count(name) > 1)
        raise DatasetError(f"two columns have the name {shorten(name)}")
    by_pattern: dict[str, list[int]] = {}
    for place, name in enumerate(clean):
        if _NUMBER.search(name) and name.casefold() not in LABEL_NAMES:
            by_pattern.setdefault(_NUMBER.sub("#", name), []).append(place)
    pixels = max(by_pattern.values(), key=len, default=[])
    others = [place for place in range(len(clean)) if place not in set(pixels)]
    label, left_out = _find_label(clean, others, labelled)
    notes = []
    if left_out:
        listed = ", ".join(
            shorten(clean[p]) if clean[p] else "one without a name" for p in left_out
        )
        notes.append(f"Columns that are not pixels were left out: {listed}.")
    order, image_shape = _order_pixels(clean, pixels)
    if order != sorted(order):
        notes.append("The pixel columns were brought into the order of the numbers in their names.")
    return Columns(label, tuple(order), image_shape, tuple(notes))


def shorten(text: object, length: int = 40) -> str:
    """Return the repr of a text, cut where it is long."""
    found = str(text)
    return repr(found if len(found) <= length else found[: length - 1] + "…")


def square_shape(n_pixels: int) -> tuple[int, int]:
    """Return the shape of a square image of so many pixels.

    Raises
    ------
    DatasetError
        If there is none.
    """
    side = math.isqrt(n_pixels)
    if n_pixels < MIN_PIXELS or side * side != n_pixels:
        raise DatasetError(f"{n_pixels} pixel columns, which is not a square image (28x28 has 784)")
    return side, side


def _find_label(
    names: Sequence[str], others: Sequence[int], labelled: bool | None
) -> tuple[int | None, list[int]]:
    """Return the label among the columns that are not pixels, and those to leave out."""
    named = [place for place in others if names[place].casefold() in LABEL_NAMES]
    index = [
        place
        for place in others
        if names[place].casefold() in INDEX_NAMES or names[place].startswith("Unnamed: ")
    ]
    rest = [place for place in others if place not in named and place not in index]
    if len(named) > 1:
        listed = ", ".join(shorten(names[place]) for place in named)
        raise DatasetError(f"more than one column may be the label: {listed}; keep one of them")
    n_pixels = len(names) - len(others)
    if rest and not (named and len(rest) <= min(MAX_OTHERS, n_pixels)):
        listed = ", ".join(shorten(names[place]) for place in rest[:3]) + ", …" * (len(rest) > 3)
        hint = "" if named or not labelled else "; call the label column 'label'"
        if any(names[place].casefold() in _FILE_NAMES for place in rest):
            hint = "; if they name image files, put the images into one folder for each class"
        raise DatasetError(f"columns that are neither pixels nor a label: {listed}{hint}")
    if labelled and not named:
        raise DatasetError(
            "the table has no label column: its header must be label,pixel0,pixel1,…"
            + (f", it begins with {shorten(names[0])}" if names else "")
        )
    if labelled is False and named:
        raise DatasetError(
            f"the table has a label column, {shorten(names[named[0]])}; "
            "it must hold pixel columns only"
        )
    return (named[0] if named else None), sorted(index + rest)


def _order_pixels(names: Sequence[str], places: Sequence[int]) -> tuple[list[int], tuple[int, int]]:
    """Return the places of the pixels row by row, and the shape of the image."""
    keys = {place: tuple(int(n) for n in _NUMBER.findall(names[place])) for place in places}
    n_numbers = len(keys[places[0]]) if places else 1
    varying = [k for k in range(n_numbers) if len({key[k] for key in keys.values()}) > 1]
    if len(varying) > 2:
        raise DatasetError(f"pixel columns have more than two numbers: {shorten(names[places[0]])}")
    if len(varying) <= 1:
        shape = square_shape(len(places))
        numbers = {keys[place][varying[0]]: place for place in places} if varying else {}
        first = min(numbers, default=0)
        for number in range(first, first + len(places)):
            if number not in numbers:
                name = _NUMBER.sub(str(number), names[places[0]], count=1)
                raise DatasetError(
                    f"the numbers of the pixel columns have gaps: {shorten(name)} is missing"
                )
        return [numbers[number] for number in sorted(numbers)], shape
    return _order_grid(names, places, [tuple(keys[p][k] for k in varying) for p in places])


def _order_grid(
    names: Sequence[str], places: Sequence[int], keys: Sequence[tuple[int, ...]]
) -> tuple[list[int], tuple[int, int]]:
    """Order pixels that are named by row and column, or by x and y."""
    axes = [sorted({key[axis] for key in keys}) for axis in (0, 1)]
    if len(set(keys)) < len(places) or len(axes[0]) * len(axes[1]) != len(places):
        raise DatasetError(
            f"the numbers of the pixel columns have gaps: {len(places)} columns like "
            f"{shorten(names[places[0]])} are not a whole image of {len(axes[0])} x {len(axes[1])}"
        )
    text = names[places[0]].casefold()
    by_row = [place for _, place in sorted(zip(keys, places, strict=True))]
    swapped = [(b, a) for a, b in keys]
    by_column = [place for _, place in sorted(zip(swapped, places, strict=True))]
    if re.search(r"x_?\d+\D*y_?\d+", text) or re.search(r"c(ol(umn)?)?_?\d+\D*r(ow)?_?\d+", text):
        return by_column, (len(axes[1]), len(axes[0]))
    named_rows = re.search(r"r(ow)?_?\d+\D*c(ol(umn)?)?_?\d+", text)
    if by_column == list(places) and by_row != by_column and not named_rows:
        raise DatasetError(
            f"names like {shorten(names[places[0]])} do not say whether the row or the column "
            "comes first; name the columns pixel0, pixel1, … row by row"
        )
    return by_row, (len(axes[0]), len(axes[1]))
