"""Tables of images in the form of Kaggle's digit recogniser: one row per image."""

from __future__ import annotations

import csv
import gzip
import math
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from digitrec.datasets._dataset import Dataset
from digitrec.datasets.idx import DIGIT_NAMES
from digitrec.datasets.splits import split_rows
from digitrec.errors import DatasetError

__all__ = ["KaggleTable", "load_kaggle_csv", "read_kaggle_csv"]

_LABEL = "label"
_DIGITS = frozenset(DIGIT_NAMES)
_PIXELS = frozenset(str(value) for value in range(256))


@dataclass(frozen=True, kw_only=True, eq=False)
class KaggleTable:
    """Images of a table, in its order.

    Attributes
    ----------
    X : ndarray of uint8, shape (n, height * width)
        Pixel values, 0 to 255.
    y : ndarray of int64, shape (n,), or None
        Labels 0 to 9; None for a table without labels.
    image_shape : tuple of int
        ``(height, width)``; images are square.
    """

    X: NDArray[np.uint8]
    y: NDArray[np.int64] | None
    image_shape: tuple[int, int]


def read_kaggle_csv(path: str | os.PathLike[str], labelled: bool) -> KaggleTable:
    """Read a CSV file with the header ``label,pixel0,pixel1,…``, or the same without ``label``.

    Parameters
    ----------
    path : path-like
        The file; one whose name ends with ``.gz`` is unpacked.
    labelled : bool
        Whether the first column must be ``label`` (a ``train.csv``) or must not be there (a
        ``test.csv``).

    Returns
    -------
    KaggleTable

    Raises
    ------
    DatasetError
        If the file cannot be read, the header is another one, or a row has too few or too many
        values or a value that is missing, not a whole number or out of range. The message names
        the line, the row of data (counted from 1) and the column.
    """
    path = Path(path)
    columns = _read_header(path, labelled)
    side = math.isqrt(len(columns) - labelled)
    try:
        # Anything but whole numbers changes the type of its column, which is checked below.
        table = pd.read_csv(path, header=None, skiprows=1, low_memory=False)
        values = table.to_numpy()
    except (ValueError, OSError, EOFError, zlib.error) as error:  # pandas' own are ValueErrors
        raise DatasetError(_first_fault(path, columns) or f"cannot read {path}: {error}") from error
    limits = np.array([9 if name == _LABEL else 255 for name in columns])
    if (
        values.shape[1] != len(columns)
        or values.dtype.kind not in "iuf"
        or not ((values >= 0) & (values <= limits)).all()  # NaN is neither
        or (values.dtype.kind == "f" and (values != np.rint(values)).any())
    ):
        raise DatasetError(_first_fault(path, columns) or f"{path} is not a table of whole numbers")
    pixels = np.ascontiguousarray(values[:, int(labelled) :], dtype=np.uint8)
    y = values[:, 0].astype(np.int64) if labelled else None
    return KaggleTable(X=pixels, y=y, image_shape=(side, side))


def load_kaggle_csv(path: Path) -> Dataset:
    """Load a labelled table as a dataset, with a stratified fifth held out for testing.

    Raises
    ------
    DatasetError
        As `read_kaggle_csv` does.
    """
    table = read_kaggle_csv(path, labelled=True)
    assert table.y is not None
    train, test = split_rows(table.y, DIGIT_NAMES)
    return Dataset(
        name=path.name.lower().split(".csv")[0] or "table",
        X_train=table.X[train],
        y_train=table.y[train],
        X_test=table.X[test],
        y_test=table.y[test],
        image_shape=table.image_shape,
        label_names=DIGIT_NAMES,
        source=f"file: {path.name}",
        license="unknown",
        has_fixed_test=False,
    )


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield line numbers and the strings of the header and each row, without blank lines."""
    opener = gzip.open if path.suffix.lower() == ".gz" else open
    with opener(path, "rt", encoding="utf-8-sig", errors="replace", newline="") as file:
        reader = csv.reader(file)
        yield from ((reader.line_num, row) for row in reader if row)


def _read_header(path: Path, labelled: bool) -> list[str]:
    try:
        _, header = next(_rows(path), (0, []))
    except (OSError, EOFError, ValueError, csv.Error, zlib.error) as error:
        raise DatasetError(f"cannot read {path}: {error}") from error
    if not header:
        raise DatasetError(f"{path} is empty")
    columns = [name.strip() for name in header]
    has_label = columns[0].lower() == _LABEL
    if labelled and not has_label:
        raise DatasetError(
            f"{path} has no label column: its header must be label,pixel0,pixel1,…, "
            f"it begins with {columns[0]!r}"
        )
    if has_label and not labelled:
        raise DatasetError(f"{path} has a label column; the table must hold pixel columns only")
    if columns[-1].lstrip("-").isdigit():
        raise DatasetError(f"{path} has no header: its first line must be pixel0,pixel1,…")
    n_pixels = len(columns) - has_label
    if n_pixels < 4 or math.isqrt(n_pixels) ** 2 != n_pixels:
        raise DatasetError(
            f"{path} has {n_pixels} pixel columns, which is not a square image (28x28 has 784)"
        )
    return [_LABEL, *columns[1:]] if has_label else columns


def _first_fault(path: Path, columns: list[str]) -> str:
    """Return what is wrong with the first bad row of a file, or an empty string.

    Exact, and slower than pandas; only called for a file that pandas did not take.
    """
    n_labels = int(columns[0] == _LABEL)
    number = 0
    try:
        for number, (line, row) in enumerate(_rows(path)):
            if number == 0 or (
                len(row) == len(columns)
                and _PIXELS.issuperset(row[n_labels:])
                and _DIGITS.issuperset(row[:n_labels])
            ):
                continue
            where = f"{path}, row {number} (line {line})"
            if len(row) != len(columns):
                return f"{where}: {len(row)} values, expected {len(columns)}"
            for name, text in zip(columns, row, strict=True):
                fault = _value_fault(name, text.strip())
                if fault:
                    return f"{where}, column {name!r}: {fault}"
    except (OSError, EOFError, ValueError, csv.Error, zlib.error) as error:
        return f"cannot read {path}: {error}"
    return "" if number else f"{path} has a header but no rows"


def _value_fault(column: str, text: str) -> str:
    limit = 9 if column == _LABEL else 255
    if not text or text.lower() in {"na", "nan", "null", "none"}:
        return "the value is missing"
    try:
        value = float(text)
    except ValueError:
        return f"{text!r} is not a number"
    if not value.is_integer():
        return f"{text!r} is not a whole number"
    return "" if 0 <= value <= limit else f"{text} is not between 0 and {limit}"
