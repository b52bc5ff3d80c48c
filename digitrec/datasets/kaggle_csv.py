"""Tables of images in the form of Kaggle's digit recogniser: one row per image."""

from __future__ import annotations

import csv
import math
import os
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
        The file; ``.gz`` and ``.zip`` are unpacked.
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
        table = pd.read_csv(path, header=None, skiprows=1, low_memory=False, index_col=False)
        values = table.to_numpy()
    except (ValueError, OSError, EOFError) as error:  # pandas' own errors are ValueErrors
        raise DatasetError(_first_fault(path, columns) or f"cannot read {path}: {error}") from error
    limits = np.array([9 if name == _LABEL else 255 for name in columns])
    if (
        values.shape[1] != len(columns)
        or values.dtype.kind not in "iu"
        or values.min() < 0
        or (values.max(axis=0) > limits).any()
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
        name=path.name.split(".")[0],
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


def _rows(path: Path) -> Iterator[list[str]]:
    """Yield the header and the rows of a file as strings, blank lines left out as pandas does."""
    with pd.io.common.get_handle(
        path, "r", encoding="utf-8-sig", errors="replace", compression="infer"
    ) as opened:
        yield from (row for row in csv.reader(opened.handle) if row)


def _read_header(path: Path, labelled: bool) -> list[str]:
    try:
        columns = [name.strip() for name in next(_rows(path), [])]
    except (OSError, EOFError, ValueError, csv.Error) as error:
        raise DatasetError(f"cannot read {path}: {error}") from error
    if not columns:
        raise DatasetError(f"{path} is empty")
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

    Slow and exact; only called for a file that the fast reader has refused.
    """
    try:
        rows = enumerate(_rows(path))
        next(rows)
        for number, row in rows:
            where = f"{path}, row {number} (line {number + 1})"
            if len(row) != len(columns):
                return f"{where}: {len(row)} values, expected {len(columns)}"
            for name, text in zip(columns, row, strict=True):
                fault = _value_fault(name, text.strip())
                if fault:
                    return f"{where}, column {name!r}: {fault}"
    except (OSError, EOFError, ValueError, csv.Error) as error:
        return f"cannot read {path}: {error}"
    return f"{path} has a header but no rows" if "number" not in locals() else ""


def _value_fault(column: str, text: str) -> str:
    limit = 9 if column == _LABEL else 255
    if not text or text.lower() in {"na", "nan", "null", "none"}:
        return "the value is missing"
    try:
        value = int(text)
    except ValueError:
        return f"{text!r} is not a whole number"
    return "" if 0 <= value <= limit else f"{value} is not between 0 and {limit}"
