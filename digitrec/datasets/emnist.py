"""EMNIST digits: 280,000 digits of NIST Special Database 19.

Cohen, Afshar, Tapson and van Schaik, "EMNIST: an extension of MNIST to handwritten letters"
(2017).
"""

from __future__ import annotations

from digitrec._files import cache_dir
from digitrec.datasets._dataset import Dataset, DatasetSpec
from digitrec.datasets.cache import Report, ensure_files
from digitrec.datasets.idx import DIGIT_NAMES, read_images_and_labels
from digitrec.datasets.mirrors import Source, ZipArchive

__all__ = ["EMNIST_DIGITS"]

CHECKSUMS = {
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
SOURCES: tuple[Source, ...] = (
    ZipArchive("https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip", "gzip/", ".gz"),
    ZipArchive("https://www.itl.nist.gov/iaui/vip/cs_links/EMNIST/gzip.zip", "gzip/", ".gz"),
)


def load_emnist_digits(report: Report) -> Dataset:
    """Load EMNIST's digits; where they are not cached, all of EMNIST has to be downloaded."""
    folder = cache_dir("emnist")
    if not (folder / "emnist-digits-train-images-idx3-ubyte").exists():
        report("emnist_digits: the archive of all EMNIST files is a download of 560 MB")
    source = ensure_files("emnist_digits", folder, CHECKSUMS, SOURCES, report)
    paths = [folder / name for name in CHECKSUMS]
    X_train, y_train, _ = read_images_and_labels(paths[0], paths[1])
    X_test, y_test, _ = read_images_and_labels(paths[2], paths[3])
    # EMNIST stores its images column by column.
    X_train, X_test = (
        X.reshape(-1, 28, 28).transpose(0, 2, 1).reshape(-1, 784) for X in (X_train, X_test)
    )
    return Dataset(
        name="emnist_digits",
        X_train=X_train,
        y_train=y_train,
        X_test=X_test,
        y_test=y_test,
        image_shape=(28, 28),
        label_names=DIGIT_NAMES,
        source=source,
        license=EMNIST_DIGITS.license,
        has_fixed_test=True,
    )


EMNIST_DIGITS = DatasetSpec(
    name="emnist_digits",
    title="EMNIST digits",
    n_train=240_000,
    n_test=40_000,
    image_shape=(28, 28),
    license="public domain (NIST)",
    homepage="https://www.nist.gov/itl/products-and-services/emnist-dataset",
    load=load_emnist_digits,
)
