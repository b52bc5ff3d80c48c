"""USPS: digits of zip codes on envelopes, from the book *Elements of Statistical Learning*."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from digitrec._files import cache_dir
from digitrec.datasets._dataset import Dataset, DatasetSpec
from digitrec.datasets.cache import Report, ensure_files
from digitrec.datasets.idx import DIGIT_NAMES
from digitrec.datasets.mirrors import HttpMirror, Source

__all__ = ["USPS"]

CHECKSUMS = {
    "zip.train": "abc9f5c75b997cabe66b5d01727d5a681c69298e1641a8d37b55433a52129dc0",
    "zip.test": "6bde17b4f1cd68e0630cd2751d6495b5795d9165ab2dc4a0be8b7002b732f4cc",
}
SOURCES: tuple[Source, ...] = (
    HttpMirror("https://hastie.su.domains/ElemStatLearn/datasets/", suffix=".gz"),
    HttpMirror("https://web.stanford.edu/~hastie/ElemStatLearn/datasets/", suffix=".gz"),
)


def load_usps(report: Report) -> Dataset:
    """Load USPS; values -1 to 1 become 0 to 255."""
    folder = cache_dir("usps")
    source = ensure_files("usps", folder, CHECKSUMS, SOURCES, report)
    X_train, y_train = _read_table(folder / "zip.train")
    X_test, y_test = _read_table(folder / "zip.test")
    return Dataset(
        name="usps",
        X_train=X_train,
        y_train=y_train,
        X_test=X_test,
        y_test=y_test,
        image_shape=(16, 16),
        label_names=DIGIT_NAMES,
        source=source,
        license=USPS.license,
        has_fixed_test=True,
    )


def _read_table(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Read rows of the digit and 256 values; the training file has a blank after each row."""
    import pandas as pd  # slow to import, and needed here only

    table = pd.read_csv(path, sep=" ", header=None, usecols=range(257)).to_numpy(np.float64)
    pixels = np.rint((table[:, 1:] + 1) * 127.5).clip(0, 255)
    return pixels.astype(np.uint8, order="C"), table[:, 0].astype(np.int64)


USPS = DatasetSpec(
    name="usps",
    title="USPS zip code digits",
    n_train=7_291,
    n_test=2_007,
    image_shape=(16, 16),
    license="none stated; free for research",
    homepage="https://hastie.su.domains/ElemStatLearn/data.html",
    load=load_usps,
)
