"""QMNIST: MNIST rebuilt with the lost test digits and with the writer of every image.

Yadav and Bottou, "Cold Case: the Lost MNIST Digits" (2019).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from digitrec._files import cache_dir
from digitrec.datasets._dataset import Dataset, DatasetSpec
from digitrec.datasets.cache import Report, ensure_files
from digitrec.datasets.idx import DIGIT_NAMES, read_idx
from digitrec.datasets.mirrors import HttpMirror, Source
from digitrec.errors import DatasetError

__all__ = ["QMNIST", "find_writer_groups", "load_writer_groups"]

LABEL_CHECKSUMS = {
    "qmnist-train-labels.tsv.gz": (
        "063229afb535986df50a905c6fa03b716f503bd859d2d9bc8a9b4e2c6a2ccee4"
    ),
    "qmnist-test-labels.tsv.gz": (
        "fe2001449c9580376e16fad7a14cc4f525644b6ffeadc47dc249938529002904"
    ),
}
IMAGE_CHECKSUMS = {
    "qmnist-train-images-idx3-ubyte.gz": (
        "9e26a7bf1683614e065d7b76460ccd52807165b3f22561fb782bd9f38c52b51d"
    ),
    "qmnist-test-images-idx3-ubyte.gz": (
        "43fc22bf7498b8fc98de98369d72f752d0deabc280a43a7bcc364ab19e57b375"
    ),
}
SOURCES: tuple[Source, ...] = (
    HttpMirror("https://raw.githubusercontent.com/facebookresearch/qmnist/master/"),
    HttpMirror("https://github.com/facebookresearch/qmnist/raw/main/"),
)

_CLASS, _WRITER = 0, 2


def load_writer_groups(report: Report) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the writer of each MNIST image, from the cache or else from the mirrors.

    Returns
    -------
    train : ndarray of int64, shape (60000,)
        Writers of the training images; QMNIST's labels match MNIST row for row.
    test : ndarray of int64, shape (60000,)
        Writers of QMNIST's test images; the first 10,000 are MNIST's.

    Raises
    ------
    DatasetError
        If the labels can be neither found nor downloaded.
    """
    folder = cache_dir("qmnist")
    ensure_files("qmnist", folder, LABEL_CHECKSUMS, SOURCES, report)
    train, test = (_read_labels(folder / name) for name in LABEL_CHECKSUMS)
    return train[:, _WRITER], test[:, _WRITER]


def find_writer_groups(report: Report) -> NDArray[np.int64] | None:
    """Return the writers of the MNIST training images if they lie in the cache, else None."""
    name = "qmnist-train-labels.tsv.gz"
    folder = cache_dir("qmnist")
    if not (folder / name).exists():
        return None
    try:
        ensure_files("qmnist", folder, {name: LABEL_CHECKSUMS[name]}, (), report)
    except DatasetError:  # named and removed by then
        return None
    return _read_labels(folder / name)[:, _WRITER]


def load_qmnist(report: Report) -> Dataset:
    """Load QMNIST: 60,000 training and 60,000 test images."""
    folder = cache_dir("qmnist")
    source = ensure_files("qmnist", folder, IMAGE_CHECKSUMS | LABEL_CHECKSUMS, SOURCES, report)
    X_train, X_test = (read_idx(folder / name).reshape(-1, 784) for name in IMAGE_CHECKSUMS)
    train, test = (_read_labels(folder / name) for name in LABEL_CHECKSUMS)
    return Dataset(
        name="qmnist",
        X_train=X_train,
        y_train=train[:, _CLASS],
        X_test=X_test,
        y_test=test[:, _CLASS],
        image_shape=(28, 28),
        label_names=DIGIT_NAMES,
        source=source,
        license=QMNIST.license,
        has_fixed_test=True,
        groups_train=train[:, _WRITER],
    )


def _read_labels(path: Path) -> NDArray[np.int64]:
    """Read the eight columns of a label file; column 0 is the digit, column 2 the writer."""
    import pandas as pd  # slow to import, and needed here only

    table = pd.read_csv(path, sep="\t", header=None, usecols=range(8), dtype=np.int64)
    return np.ascontiguousarray(table.to_numpy())


QMNIST = DatasetSpec(
    name="qmnist",
    title="QMNIST: MNIST with 60,000 test digits and the writers",
    n_train=60_000,
    n_test=60_000,
    image_shape=(28, 28),
    license="BSD-3-Clause",
    homepage="https://github.com/facebookresearch/qmnist",
    load=load_qmnist,
)
