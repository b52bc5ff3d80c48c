"""Digits of the UCI repository: scikit-learn's 8x8 digits, optdigits as bitmaps, and Semeion."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from digitrec._files import cache_dir
from digitrec.datasets._dataset import Dataset, DatasetSpec
from digitrec.datasets.cache import Report, ensure_files
from digitrec.datasets.idx import DIGIT_NAMES
from digitrec.datasets.mirrors import HttpMirror, Source, ZipArchive
from digitrec.datasets.splits import split_rows

__all__ = ["DIGITS", "OPTDIGITS", "SEMEION"]

_LICENSE = "CC BY 4.0"

OPTDIGITS_CHECKSUMS = {
    "optdigits-orig.windep": "c09ab8735d588fdf980724f10a5072c0b757037dc80b448b2f6a10392751c9d6"
}
OPTDIGITS_SOURCES: tuple[Source, ...] = (
    HttpMirror("https://archive.ics.uci.edu/ml/machine-learning-databases/optdigits/", suffix=".Z"),
    ZipArchive(
        "https://archive.ics.uci.edu/static/public/80/"
        "optical+recognition+of+handwritten+digits.zip",
        suffix=".Z",
    ),
)
SEMEION_CHECKSUMS = {
    "semeion.data": "f43228ae3da5ea6a3c95069d53450b86166770e3b719dcc333182128fe08d4b1"
}
SEMEION_SOURCES: tuple[Source, ...] = (
    HttpMirror("https://archive.ics.uci.edu/ml/machine-learning-databases/semeion/"),
    ZipArchive("https://archive.ics.uci.edu/static/public/178/semeion+handwritten+digit.zip"),
)


def load_digits(report: Report) -> Dataset:
    """Load the 8x8 digits that are part of scikit-learn; values 0 to 16 become 0 to 255."""
    from sklearn.datasets import load_digits as load_bundled_digits

    X, y = load_bundled_digits(return_X_y=True)
    return _split(
        DIGITS, np.rint(X * (255 / 16)).astype(np.uint8), y, "Python package scikit-learn"
    )


def load_optdigits(report: Report) -> Dataset:
    """Load the bitmaps that scikit-learn's 8x8 digits were made from."""
    folder = cache_dir("optdigits")
    source = ensure_files("optdigits", folder, OPTDIGITS_CHECKSUMS, OPTDIGITS_SOURCES, report)
    return _split(OPTDIGITS, *_read_bitmaps(folder / "optdigits-orig.windep"), source)


def load_semeion(report: Report) -> Dataset:
    """Load Semeion: rows of 256 pixels, then ten columns of which the digit's is 1."""
    import pandas as pd  # slow to import, and needed here only

    folder = cache_dir("semeion")
    source = ensure_files("semeion", folder, SEMEION_CHECKSUMS, SEMEION_SOURCES, report)
    table = pd.read_csv(folder / "semeion.data", sep=" ", header=None, usecols=range(266))
    values = table.to_numpy(np.float64)
    X = np.rint(values[:, :256] * 255).astype(np.uint8, order="C")
    return _split(SEMEION, X, values[:, 256:].argmax(axis=1), source)


def _read_bitmaps(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Read images of 32 lines of 32 zeros and ones, each followed by a line with the digit."""
    lines = path.read_text(encoding="ascii").splitlines()
    is_bitmap = [len(line) == 32 and set(line) <= {"0", "1"} for line in lines]
    body = lines[is_bitmap.index(True) :]
    blocks = [body[start : start + 33] for start in range(0, len(body) - 32, 33)]
    bits = np.array([list("".join(block[:32])) for block in blocks]) == "1"
    return bits.astype(np.uint8) * np.uint8(255), np.array([int(block[32]) for block in blocks])


def _split(spec: DatasetSpec, X: NDArray[np.uint8], y: NDArray[np.int64], source: str) -> Dataset:
    train, test = split_rows(y, DIGIT_NAMES)
    return Dataset(
        name=spec.name,
        X_train=X[train],
        y_train=y[train].astype(np.int64),
        X_test=X[test],
        y_test=y[test].astype(np.int64),
        image_shape=spec.image_shape,
        label_names=DIGIT_NAMES,
        source=source,
        license=spec.license,
        has_fixed_test=False,
    )


DIGITS = DatasetSpec(
    name="digits",
    title="8x8 digits that come with scikit-learn",
    n_train=1_438,
    n_test=359,
    image_shape=(8, 8),
    license=_LICENSE,
    homepage="https://archive.ics.uci.edu/dataset/80",
    load=load_digits,
)

OPTDIGITS = DatasetSpec(
    name="optdigits",
    title="optdigits bitmaps (those of the 8x8 digits)",
    n_train=1_438,
    n_test=359,
    image_shape=(32, 32),
    license=_LICENSE,
    homepage="https://archive.ics.uci.edu/dataset/80",
    load=load_optdigits,
)

SEMEION = DatasetSpec(
    name="semeion",
    title="Semeion digits of about 80 writers",
    n_train=1_274,
    n_test=319,
    image_shape=(16, 16),
    license=_LICENSE,
    homepage="https://archive.ics.uci.edu/dataset/178",
    load=load_semeion,
)
