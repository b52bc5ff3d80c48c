"""Tables of images as text: one row per image, any separator, compression or header."""

from __future__ import annotations

import csv
import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from digitrec.datasets._dataset import Dataset
from digitrec.datasets.assemble import RawPart, assemble_dataset, check_memory
from digitrec.datasets.columns import LABEL_NAMES, Columns, arrange_columns, shorten, square_shape
from digitrec.datasets.emnist import name_classes
from digitrec.datasets.text_files import LINE_LIMIT, READ_ERRORS, is_compressed, open_text
from digitrec.errors import DatasetError, DigitrecError
from digitrec.pixels import scale_dataset, to_ink_on_black, to_uint8

if TYPE_CHECKING:
    import pandas as pd

CHUNK_VALUES = 4_000_000
"""Values that pandas reads at a time, 32 MB; kept are one or four bytes of each."""
MIN_DATASET_ROWS = 20
"""Rows from which the largest value of an unlabelled table shows its scale."""
MAX_CLASSES_SHARE = 0.5
"""Largest number of classes, over the rows, of a label column that has no name."""
MAX_EQUAL_SHARE = 0.5
"""Largest share of rows whose label has the value of the pixel next to it."""
_SEPARATORS = (",", ";", "\t", "|")
_EXCEL = re.compile(r"sep=.\s*$", re.IGNORECASE)
"""The line before the header by which Excel knows the separator."""
_MISSING = {"", "na", "nan", "null", "none", "n/a", "<na>"}


@dataclass(frozen=True, kw_only=True, eq=False)
class KaggleTable:
    """Images of a table, in its order.

    Attributes
    ----------
    X : ndarray of uint8, shape (n, height * width)
        Pixel values, 0 to 255.
    y : ndarray of int64 or str, shape (n,), or None
        Labels as the table has them; None for a table without labels.
    image_shape : tuple of int
        ``(height, width)``.
    warnings : tuple of str
        What was understood: scale, polarity, order of the columns.
    """

    X: NDArray[np.uint8]
    y: NDArray[Any] | None
    image_shape: tuple[int, int]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class RawTable:
    """Images of a table in its own scale.

    Attributes
    ----------
    images : ndarray, shape (n, height, width)
        Of any numeric type.
    labels : ndarray of int64 or str, shape (n,), or None
    notes : tuple of str
        What was understood.
    """

    images: NDArray[Any]
    labels: NDArray[Any] | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Layout:
    """How the lines of a file are cut, and what its columns are called."""

    separator: str  # " " stands for any white space
    decimal: str
    names: tuple[str, ...]  # of all columns; numbers where the file has no header
    has_header: bool
    n_skipped: int  # lines before the first row of data


def read_kaggle_csv(path: str | os.PathLike[str], labelled: bool) -> KaggleTable:
    """Read a table with the header ``label,pixel0,pixel1,…``, or the same without ``label``.

    Parameters
    ----------
    path : path-like
        The file: as `read_table` takes it.
    labelled : bool
        Whether there must be a label column (a ``train.csv``) or must be none (a ``test.csv``).

    Returns
    -------
    KaggleTable

    Raises
    ------
    DatasetError
        As `read_table`, or if the pixels have no clear scale.
    """
    path = Path(path)
    table = read_table(path, labelled)
    shape = table.images.shape[1:]
    notes = list(table.notes)
    try:
        if len(table.images) >= MIN_DATASET_ROWS:
            (pixels,), found, _ = scale_dataset([table.images])
            notes += found
            pixels, note = to_ink_on_black(pixels)
        else:
            pixels, note = to_uint8(table.images, per_image=True)
        notes += [note] if note else []
    except DigitrecError as error:
        raise DatasetError(f"{path}: {error}") from error
    return KaggleTable(
        X=pixels.reshape(len(pixels), -1),
        y=table.labels,
        image_shape=(shape[0], shape[1]),
        warnings=tuple(notes),
    )


def load_tables(train: Path, test: Path | None = None, name: str = "") -> Dataset:
    """Load a table for training and one for testing, or hold out a stratified fifth.

    Raises
    ------
    DatasetError
        As `read_table` does, or if the rows are not a dataset.
    """
    parts = [read_table(path, True) for path in (train, test) if path is not None]
    named, notes = name_classes([RawPart(part.images, _labels(part)) for part in parts], train)
    return assemble_dataset(
        named,
        name=name or re.split(r"\.(?:csv|tsv|txt|tab|data)\b", train.name.lower())[0] or "table",
        source=f"file: {train.name}" + (f" and {test.name}" if test is not None else ""),
        where=str(train),
        notes=[*dict.fromkeys(note for part in parts for note in part.notes), *notes],
    )


def read_table(path: Path, labelled: bool | None) -> RawTable:
    """Read a text table of images.

    Parameters
    ----------
    path : pathlib.Path
        Separated by commas, semicolons, tabs, bars or blanks; plain or compressed. Blank lines
        are skipped. A header names the label (label, class, target, y, digit, …) and the pixels,
        whose order is that of the numbers in their names; without a header the label is the
        first or the last column, and the pixels are row by row.
    labelled : bool or None
        Whether there must be a label, must be none, or may be one.

    Raises
    ------
    DatasetError
        If the file cannot be read, or a row has too few or too many values or one that is
        missing or not a number. The message names the line, the row of data (counted from 1) and
        the column.
    """
    try:
        layout = _find_layout(path)
        columns = _find_columns(layout, labelled)
    except DatasetError as error:
        raise DatasetError(error if str(path) in str(error) else f"{path}: {error}") from error
    except READ_ERRORS as error:
        raise DatasetError(f"cannot read {path}: {_reason(error)}") from error
    pixels, labels = _read_values(path, layout, columns)
    if columns is None:
        columns, pixels, labels = _place_label(path, pixels, labelled)
    height, width = columns.image_shape
    images = pixels.reshape(len(pixels), height, width)
    return RawTable(images=images, labels=labels, notes=columns.notes)


def has_label(path: Path) -> bool:
    """Return, by its first line, whether a table has a label column.

    Raises
    ------
    DatasetError
        If the file cannot be read.
    """
    try:
        layout = _find_layout(path)
    except READ_ERRORS as error:
        raise DatasetError(f"cannot read {path}: {_reason(error)}") from error
    if layout.has_header and not _counts(layout.names):
        return any(name.strip().casefold() in LABEL_NAMES for name in layout.names)
    return math.isqrt(len(layout.names)) ** 2 != len(layout.names)


def _labels(table: RawTable) -> NDArray[Any]:
    assert table.labels is not None
    return table.labels


def _find_layout(path: Path) -> _Layout:
    """Look at the first two lines that are not blank."""
    with open_text(path) as file:
        lines: list[str] = []
        n_skipped = 0
        for number, line in enumerate(_lines(file, path)):
            if _is_blank(line) or (not lines and _EXCEL.match(line)):
                continue
            if lines and lines[0].startswith("#") and not _alike(lines[0], line):
                lines.clear()  # a comment, not a header as numpy.savetxt writes it
            lines.append(line.strip("\r\n"))
            if len(lines) == 2:
                break
            n_skipped = number + 1
    if not lines:
        raise DatasetError(f"{path} is empty")
    separator = _find_separator(lines[0].lstrip("# "))
    fields = _cut(lines[0].lstrip("# "), separator)
    if not fields:
        raise DatasetError(f"{path} is not a table of images")
    if _are_numbered_again(fields):
        fields = [str(place) for place in range(len(fields))]
    has_header = not all(_is_number(field) for field in fields) or _counts(fields)
    data = lines[-1] if has_header else lines[0]
    decimal = "," if separator != "," and "," in data else "."
    if has_header:
        return _Layout(separator, decimal, tuple(fields), True, n_skipped)
    return _Layout(separator, decimal, tuple(map(str, range(len(fields)))), False, n_skipped - 1)


def _is_blank(line: str) -> bool:
    return not line.strip(" \t\r\n,;|")


def _alike(header: str, line: str) -> bool:
    """Return whether a line that begins with # has as many fields as the next."""
    separator = _find_separator(line)
    return len(_cut(header.lstrip("# "), separator)) == len(_cut(line, separator))


def _lines(file: IO[str], path: Path) -> Iterator[str]:
    while line := file.readline(LINE_LIMIT):
        if "\0" in line or len(line) >= LINE_LIMIT:
            raise DatasetError(f"{path} is not a table of text")
        yield line


def _find_separator(line: str) -> str:
    counts = {separator: len(_cut(line, separator)) for separator in _SEPARATORS}
    best = max(counts, key=lambda separator: counts[separator])
    return best if counts[best] > 1 else " " if len(line.split()) > 1 else ","


def _cut(line: str, separator: str) -> list[str]:
    if separator == " ":
        return line.split()
    try:
        return [field.strip() for field in next(csv.reader([line], delimiter=separator), [])]
    except csv.Error:
        return [line]


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return True


def _counts(fields: Sequence[str]) -> bool:
    """Return whether fields are the numbers of columns: each once, without gaps."""
    if len(fields) < 4 or not all(field.isdecimal() for field in fields):
        return False
    numbers = sorted(int(field) for field in fields)
    return numbers[0] in (0, 1) and numbers == list(range(numbers[0], numbers[0] + len(fields)))


def _are_numbered_again(fields: Sequence[str]) -> bool:
    """Return whether pandas took a row for the header: 0, 0.1, 7, 0.2 for 0, 0, 7, 0."""
    whole = {field for field in fields if field.isdecimal()}
    again = [field for field in fields if field not in whole]
    return (
        len(again) > len(fields) / 2
        and len(set(fields)) == len(fields)
        and all(re.fullmatch(r"\d+\.[1-9]\d*", field) for field in again)
        and {field.partition(".")[0] for field in again} <= whole
    )


def _find_columns(layout: _Layout, labelled: bool | None) -> Columns | None:
    """Return the columns by their names; None where the label can only be found by its values."""
    if layout.has_header and not _counts(layout.names):
        return arrange_columns(layout.names, labelled)
    return None


def _place_label(
    path: Path, values: NDArray[Any], labelled: bool | None
) -> tuple[Columns, NDArray[Any], NDArray[Any] | None]:
    """Find the label of a table without names: its first or last column, by their values."""
    n_columns = values.shape[1]
    try:
        shape = square_shape(n_columns)
    except DatasetError as error:
        if labelled is False:
            raise DatasetError(f"{path}: {error}") from error
    else:
        if labelled:
            raise DatasetError(
                f"{path} has no label column: it has no header, and its {n_columns} columns are "
                f"a whole image of {shape[0]}x{shape[1]}"
            )
        return Columns(None, tuple(range(n_columns)), shape), values, None
    try:
        shape = square_shape(n_columns - 1)
    except DatasetError as error:
        raise DatasetError(
            f"{path} has no header, and its {n_columns} columns are not a label and a square image"
        ) from error
    places = [
        place
        for place, neighbour in ((0, 1), (n_columns - 1, n_columns - 2))
        if _looks_like_labels(values[:, place], values[:, neighbour])
    ]
    if len(places) != 1:
        raise DatasetError(
            f"{path} has no header, and its values do not tell whether the label is the first or "
            "the last column; add a header: label,pixel0,pixel1,…"
        )
    labels = values[:, places[0]].astype(np.int64)
    pixels = np.delete(values, places[0], axis=1)
    note = f"The columns have no names; the {'last' if places[0] else 'first'} one is the label."
    return Columns(places[0], tuple(range(n_columns - 1)), shape, (note,)), pixels, labels


def _looks_like_labels(values: NDArray[Any], neighbour: NDArray[Any]) -> bool:
    """Return whether a column has labels, not pixels of a corner."""
    if (values != np.rint(values)).any() or values.min() < 0:
        return False
    n_classes = len(np.unique(values))
    # A pixel of a corner has nearly always the value of the next: that of the background.
    is_background = (values == neighbour).mean() > MAX_EQUAL_SHARE
    return 2 <= n_classes <= max(2, MAX_CLASSES_SHARE * len(values)) and not is_background


def _read_values(
    path: Path, layout: _Layout, columns: Columns | None
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Return the pixels in their order, in a type as small as they need, and the labels."""
    n_columns = len(layout.names)
    compressed = is_compressed(path)
    if not compressed:
        check_memory(path.stat().st_size, str(path))  # two characters a value at least
    chunks: list[NDArray[Any]] = []
    labels: list[NDArray[Any]] = []
    n_bytes = 0
    order = list(columns.pixels) if columns else list(range(n_columns))
    try:
        for frame in _read_chunks(path, layout, max(1, CHUNK_VALUES // n_columns)):
            if frame.shape[1] != n_columns:
                raise ValueError("another number of values")
            chunks.append(_compact(frame.iloc[:, order].to_numpy()))
            if columns is not None and columns.label is not None:
                labels.append(_compact_labels(frame.iloc[:, columns.label]))
            n_bytes += chunks[-1].nbytes
            check_memory(2 * chunks[-1].nbytes + n_bytes, str(path))  # joining takes it twice
        if not chunks or not sum(map(len, chunks)):
            raise DatasetError(f"{path} has a header but no rows")
    except DatasetError:
        raise
    except READ_ERRORS as error:
        raise DatasetError(
            _first_fault(path, layout, columns)
            or _first_fault(path, layout, columns, limit=255)
            or f"cannot read {path}: {_reason(error)}"
        ) from error
    pixels = chunks[0] if len(chunks) == 1 else np.concatenate(chunks)
    if _has_outliers(pixels):
        fault = _first_fault(path, layout, columns, limit=255)
        if fault:
            raise DatasetError(fault)
    if not labels:
        return pixels, None
    if len({part.dtype.kind for part in labels}) > 1:
        labels = [part.astype(str) for part in labels]
    return pixels, np.concatenate(labels)


def _read_chunks(path: Path, layout: _Layout, n_rows: int) -> Iterator[pd.DataFrame]:
    import pandas as pd  # slow to import, and needed here only

    with (
        open_text(path) as file,
        pd.read_csv(
            file,
            sep=r"\s+" if layout.separator == " " else layout.separator,
            decimal=layout.decimal,
            header=None,
            skiprows=layout.n_skipped,
            skipinitialspace=True,
            low_memory=False,
            chunksize=n_rows,
        ) as reader,
    ):
        for frame in reader:
            # Spreadsheets end with rows of separators only.
            yield frame.dropna(how="all") if frame.iloc[:, 0].isna().any() else frame


def _compact(values: NDArray[Any]) -> NDArray[Any]:
    """Return values in the smallest type that fits them.

    Raises
    ------
    ValueError
        If they are not numbers, or some are missing.
    """
    if values.dtype == np.bool_:
        return values
    if values.dtype.kind not in "iuf" or not np.isfinite(values).all():
        raise ValueError("not all values are numbers")
    low, high = values.min(initial=0), values.max(initial=0)
    if values.dtype.kind == "f" and (values != np.rint(values)).any():
        return values.astype(np.float32)
    if low >= 0 and high <= 255:
        return values.astype(np.uint8)
    if low >= 0 and high <= 65535:
        return values.astype(np.uint16)
    return values.astype(np.int64 if abs(low) < 2**62 and high < 2**62 else np.float64)


def _compact_labels(column: pd.Series) -> NDArray[Any]:
    if column.isna().any():
        raise ValueError("a label is missing")
    values = column.to_numpy()
    if values.dtype.kind in "iu":
        return values.astype(np.int64)
    if values.dtype.kind == "f":
        if np.isfinite(values).all() and (values == np.rint(values)).all():
            return values.astype(np.int64)
        raise ValueError("labels are not whole numbers")
    return np.array([str(value).strip() for value in values])


def _has_outliers(pixels: NDArray[Any]) -> bool:
    """Return whether a few values lie outside of the 0–255 that the others have."""
    if pixels.dtype in (np.uint8, np.bool_) or not pixels.size:
        return False
    if pixels.dtype.kind == "f" and pixels.max() <= 1.01 and pixels.min() >= -1.01:
        return False
    bad = (pixels.max(axis=1) > 255) | (pixels.min(axis=1) < 0)
    return 0 < bad.mean() < 0.5


def _first_fault(
    path: Path, layout: _Layout, columns: Columns | None, limit: float | None = None
) -> str:
    """Return what is wrong with the first bad row of a file, or an empty string.

    Exact, and slower than pandas; only called for a file that pandas did not take.
    """
    names = layout.names
    label = columns.label if columns else None
    checked = (
        [*columns.pixels, *([] if label is None else [label])] if columns else range(len(names))
    )
    number = 0
    try:
        with open_text(path) as file:
            for line_number, line in enumerate(_lines(file, path), start=1):
                if line_number <= layout.n_skipped or _is_blank(line):
                    continue
                number += 1
                row = _cut(line.strip("\r\n"), layout.separator)
                where = f"{path}, row {number} (line {line_number})"
                if len(row) != len(names):
                    return f"{where}: {len(row)} values, expected {len(names)}"
                for place in sorted(checked):
                    fault = _value_fault(row[place], layout.decimal, place == label, limit)
                    if fault:
                        return f"{where}, column {shorten(names[place])}: {fault}"
    except DatasetError as error:
        return str(error)
    except READ_ERRORS as error:
        return f"cannot read {path}: {_reason(error)}"
    return "" if number else f"{path} has a header but no rows"


def _value_fault(text: str, decimal: str, is_label: bool, limit: float | None) -> str:
    if text.lower() in _MISSING:
        return "the value is missing"
    try:
        value = float(text.replace(decimal, "."))
    except ValueError:
        return "" if is_label else f"{shorten(text)} is not a number"
    if not np.isfinite(value):
        return f"{shorten(text)} is not finite"
    if is_label:
        return "" if value.is_integer() else f"{shorten(text)} is not a whole number"
    if limit is not None and not 0 <= value <= limit:
        return f"{shorten(text)[1:-1]} is not between 0 and {limit:g}"
    return ""


def _reason(error: BaseException) -> str:
    """Return the first line of an error, cut where it is long."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0] if len(lines[0]) <= 80 else lines[0][:79] + "…"
