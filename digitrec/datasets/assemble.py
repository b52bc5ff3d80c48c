"""Build a `Dataset` from raw images and labels: the rules that all loaders share."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from digitrec.datasets._dataset import Dataset
from digitrec.datasets.columns import shorten
from digitrec.datasets.labels import DIGIT_NAMES, digits_of_names
from digitrec.datasets.orientation import is_transposed
from digitrec.datasets.stratified import split_rows
from digitrec.errors import DatasetError, DigitrecError
from digitrec.pixels import scale_dataset, to_ink_on_black

MEMORY_SHARE = 0.8
"""Share of the free memory that the pixels of a dataset may take; features need the rest."""


@dataclass(frozen=True, eq=False)
class RawPart:
    """Images and labels as a file has them.

    Attributes
    ----------
    images : ndarray, shape (n, height, width), or list of such arrays
        Of any type and scale. Several arrays are images of several types, one after the other.
    labels : sequence of str or int, length n
        The class of each image.
    writers : sequence of str, length n, optional
        The writer of each image, where known.
    """

    images: NDArray[Any] | list[NDArray[Any]]
    labels: Sequence[object] | NDArray[Any]
    writers: Sequence[str] | None = None

    @property
    def arrays(self) -> list[NDArray[Any]]:
        """The images by type."""
        return self.images if isinstance(self.images, list) else [self.images]


def check_memory(n_bytes: float, what: str) -> None:
    """Refuse data that are larger than the memory that is free.

    Parameters
    ----------
    n_bytes : float
        What reading the data takes, in bytes.
    what : str
        Name of the data for the message.

    Raises
    ------
    DatasetError
        If it is more than `MEMORY_SHARE` of the free memory.
    """
    free = psutil.virtual_memory().available
    if n_bytes > MEMORY_SHARE * free:
        raise DatasetError(
            f"{what} is too large: reading it takes about {n_bytes / 1e9:,.1f} GB, "
            f"{free / 1e9:,.1f} GB of memory are free; give fewer rows"
        )


def assemble_dataset(
    parts: Sequence[RawPart],
    *,
    name: str,
    source: str,
    where: str,
    class_names: Sequence[str] | None = None,
    notes: Sequence[str] = (),
) -> Dataset:
    """Bring images to one scale and polarity, number the classes, and split where no test is given.

    Parameters
    ----------
    parts : one or two RawPart
        Training and test images; without test images a stratified fifth is held out.
    name, source : str
        As in `Dataset`.
    where : str
        Path of the data, for messages.
    class_names : sequence of str, optional
        Names of all classes where some may have no image; by default those of the labels.
    notes : sequence of str
        Notes of the loader; put before those made here.

    Raises
    ------
    DatasetError
        If the images differ in size or have no clear scale, all are equal, or there are too few
        classes or images.
    """
    notes = list(notes)
    sizes = [" x ".join(map(str, part.arrays[0].shape[1:])) for part in parts]
    if sizes[0] != sizes[-1]:
        raise DatasetError(
            f"{where}: test images have another size, {sizes[-1]}, than training images, {sizes[0]}"
        )
    try:
        names, codes, label_notes = _number_classes([part.labels for part in parts], class_names)
        stacks, image_notes, extremes = prepare_images(
            [part.arrays for part in parts], codes, names
        )
        notes += [*label_notes, *image_notes]
        groups = _number_writers(parts[0].writers)
        if len(parts) == 1:
            train_rows, test_rows = split_rows(codes[0], names)
            stacks = [stacks[0][train_rows], stacks[0][test_rows]]
            codes = [codes[0][train_rows], codes[0][test_rows]]
            groups = None if groups is None else groups[train_rows]
        else:
            _check_classes(codes[0], names)
            if not set(np.unique(codes[0])) & set(np.unique(codes[1])):
                raise DatasetError("training and test images have no class in common")
            notes += _absent_notes(codes, names)
    except DigitrecError as error:
        raise DatasetError(f"{where}: {error}") from error
    X_train, X_test = stacks
    y_train, y_test = codes
    return Dataset(
        name=name,
        X_train=X_train.reshape(len(X_train), -1),
        y_train=y_train,
        X_test=X_test.reshape(len(X_test), -1),
        y_test=y_test,
        image_shape=(X_train.shape[1], X_train.shape[2]),
        label_names=names,
        source=source,
        license="unknown",
        has_fixed_test=len(parts) > 1,
        groups_train=groups,
        warnings=tuple(dict.fromkeys(notes)),
        pixel_range=extremes,
    )


def prepare_images(
    parts: Sequence[Sequence[NDArray[Any]]],
    codes: Sequence[NDArray[np.int64]],
    label_names: Sequence[str],
) -> tuple[list[NDArray[np.uint8]], list[str], tuple[float, float] | None]:
    """Bring the images of a dataset to uint8, ink on black, upright.

    Parameters
    ----------
    parts : sequence of sequence of ndarray, shape (n_i, height, width)
        The training images and, where there are any, the test images; several arrays are images
        of several types, one after the other.
    codes : sequence of ndarray of int64
        The class of each image of each part.
    label_names : sequence of str
        Names of the classes; with those of the ten digits, images that are stored column by
        column are detected.

    Returns
    -------
    parts : list of ndarray of uint8, shape (n, height, width)
    notes : list of str
        What was done.
    extremes : tuple of float, or None
        As `scale_dataset` has it.

    Raises
    ------
    PixelError
        If the values have no clear scale.
    DatasetError
        If all images are alike.
    """
    pixels, scale_notes, extremes = scale_dataset([array for arrays in parts for array in arrays])
    stacks = []
    for arrays in parts:
        taken, pixels = pixels[: len(arrays)], pixels[len(arrays) :]
        stacks.append(taken[0] if len(taken) == 1 else np.concatenate(taken))
    found = [to_ink_on_black(stack) for stack in stacks]
    stacks = [stack for stack, _ in found]
    notes = [*scale_notes, *_polarity_notes([note for _, note in found])]
    digits = codes[0] < len(DIGIT_NAMES)
    if tuple(label_names[: len(DIGIT_NAMES)]) == DIGIT_NAMES and is_transposed(
        *((stacks[0], codes[0]) if digits.all() else (stacks[0][digits], codes[0][digits]))
    ):
        stacks = [np.ascontiguousarray(stack.transpose(0, 2, 1)) for stack in stacks]
        notes.append("The images are stored column by column; they were transposed.")
    for stack, title in zip(stacks, ("", " test"), strict=False):
        _check_variety(stack, title)
    return stacks, notes + _blank_note(stacks), extremes


def natural_order(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts ``"2"`` before ``"10"``."""
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def _number_writers(writers: Sequence[str] | None) -> NDArray[np.int64] | None:
    if writers is None:
        return None
    return np.unique(np.array(writers), return_inverse=True)[1].astype(np.int64)


def _number_classes(
    parts: Sequence[Sequence[object] | NDArray[Any]], class_names: Sequence[str] | None
) -> tuple[tuple[str, ...], list[NDArray[np.int64]], list[str]]:
    """Return the names of the classes and the number of the class of each row.

    Classes that mean the ten digits are numbered by the digit; integers 0 to 9 are digits even
    where not all ten occur.
    """
    arrays = [np.asarray(part) for part in parts]
    for array in arrays:
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise DatasetError(
                f"{int((~np.isfinite(array)).sum()):,} labels are missing (NaN) or infinite; leave "
                "those images out"
            )
    if class_names is None:
        found: set[str] = set()
        for array in arrays:
            found.update(map(_class_name, np.unique(array)))
        class_names = sorted(found, key=natural_order)
    digits = digits_of_names(class_names)
    known = [digit for digit in digits if digit is not None]
    is_numeric = all(array.dtype.kind in "iuf" for array in arrays)
    notes: list[str] = []
    if known and len(known) == len(digits) and not set(class_names) <= set(DIGIT_NAMES):
        notes.append(_digit_note(class_names, known))
    if known and len(known) == len(digits) and (len(known) == 10 or is_numeric):
        names = DIGIT_NAMES
        order = dict(zip(class_names, known, strict=True))
    else:
        # The digits first, in their order, as models of digits expect.
        ranks = [10 if digit is None else digit for digit in digits]
        ranked = sorted(zip(ranks, range(len(ranks)), strict=True))
        others = [name for name, digit in zip(class_names, digits, strict=True) if digit is None]
        if others and (len(known) < 10 or any(re.search(r"\d", name) for name in others)):
            ranked = [(10, index) for index in range(len(ranks))]
        names = tuple(class_names[i] if rank == 10 else str(rank) for rank, i in ranked)
        order = {class_names[i]: code for code, (_, i) in enumerate(ranked)}
    codes = []
    for array in arrays:
        values, inverse = np.unique(array, return_inverse=True)
        of_value = np.array([order[_class_name(value)] for value in values], np.int64)
        codes.append(of_value[inverse] if len(values) else np.zeros(0, np.int64))
    return names, codes, notes


def _class_name(value: object) -> str:
    """Return the name of a label: ``"3"`` for 3, 3.0, ``"3"`` and ``b"3"``."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


def _digit_note(names: Sequence[str], digits: Sequence[int]) -> str:
    if set(names) == {str(number) for number in range(1, 11)}:
        return "The classes are 1 to 10; class 10 was taken for the digit 0."
    example = next(i for i, name in enumerate(names) if name != str(digits[i]))
    return (
        f"The class names were taken for digits: {shorten(names[example])} is {digits[example]}, "
        "and so on."
    )


def _polarity_notes(notes: Sequence[str | None]) -> list[str]:
    if len(set(notes)) == 1:
        return [notes[0]] if notes[0] else []
    titles = ("Training images", "Test images")
    return [f"{title}: {note}" for title, note in zip(titles, notes, strict=True) if note]


def _check_variety(stack: NDArray[np.uint8], title: str) -> None:
    if len(stack) > 1 and (stack == stack[0]).all():
        value = f", every pixel is {stack[0].flat[0]}" if np.ptp(stack[0]) == 0 else ""
        raise DatasetError(f"all {len(stack):,}{title} images are equal{value}")


def _blank_note(stacks: Sequence[NDArray[np.uint8]]) -> list[str]:
    n_blank = sum(int((s.min(axis=(1, 2)) == s.max(axis=(1, 2))).sum()) for s in stacks)
    return [f"{n_blank:,} of {sum(map(len, stacks)):,} images are blank."] if n_blank else []


def _check_classes(y: NDArray[np.int64], names: Sequence[str]) -> None:
    if len(np.unique(y)) < 2:
        only = f": {shorten(names[int(y[0])])}" if len(y) else ""
        raise DatasetError(f"only one class has training images{only}; at least two are needed")


def _absent_notes(codes: Sequence[NDArray[np.int64]], names: Sequence[str]) -> list[str]:
    notes = []
    for part, other, title in ((0, 1, "training"), (1, 0, "test")):
        absent = sorted(set(np.unique(codes[other])) - set(np.unique(codes[part])))
        if absent:
            listed = ", ".join(names[index] for index in absent[:5])
            more = ", …" if len(absent) > 5 else ""
            notes.append(f"No {title} images of {len(absent)} class(es): {listed}{more}.")
    return notes
