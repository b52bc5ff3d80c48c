"""Kaggle's Digit Recognizer at its full size, with files made from MNIST."""

import os
import subprocess
import sys

import numpy as np
import pytest

from digitrec._files import cache_dir
from digitrec.datasets import load_dataset

N_TRAIN = 42_000
HEADER = ",".join(f"pixel{i}" for i in range(784))
FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
VALUES = [str(value) for value in range(256)]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def mnist():
    """All 70,000 images and labels, shuffled, where they are in the cache."""
    missing = [name for name in FILES if not (cache_dir("mnist") / name).exists()]
    if missing:
        pytest.skip(f"MNIST is not in the cache: no {missing[0]} in {cache_dir('mnist')}")
    data = load_dataset("mnist")
    order = np.random.default_rng(0).permutation(70_000)
    X, y = np.concatenate([data.X_train, data.X_test]), np.concatenate([data.y_train, data.y_test])
    return X[order], y[order]


@pytest.fixture(scope="module")
def files(mnist, tmp_path_factory):
    folder = tmp_path_factory.mktemp("kaggle")
    X, y = mnist
    write_rows(folder / "train.csv", f"label,{HEADER}", np.column_stack([y, X])[:N_TRAIN])
    write_rows(folder / "test.csv", HEADER, X[N_TRAIN:])
    return folder


def write_rows(path, header, rows):
    with path.open("w") as file:
        file.write(header + "\n")
        for row in rows:
            file.write(",".join([VALUES[value] for value in row.tolist()]) + "\n")


def digitrec(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "digitrec.cli", *arguments],
        cwd=folder, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def test_train_and_submit(files, mnist):
    train = ("train", "--dataset", "train.csv", "--model", "lda", "--output", "lda.joblib")
    done = digitrec(files, *train)
    assert done.returncode == 0, done.stderr
    assert "validation accuracy 9" in done.stdout

    done = digitrec(files, "submit", "--model", "lda.joblib", "test.csv", "submission.csv")
    assert done.returncode == 0, done.stderr
    assert "28,000 rows" in done.stdout
    lines = (files / "submission.csv").read_text().splitlines()
    assert lines[0] == "ImageId,Label"
    ids, labels = np.array([line.split(",") for line in lines[1:]], dtype=int).T
    np.testing.assert_array_equal(ids, np.arange(1, 28_001))
    assert np.mean(labels == mnist[1][N_TRAIN:]) > 0.97

    rows = (files / "test.csv").read_text().splitlines()
    cells = rows[27_000].split(",")
    cells[300] = "256"
    rows[27_000] = ",".join(cells)
    (files / "damaged.csv").write_text("\n".join(rows) + "\n")
    done = digitrec(files, "submit", "--model", "lda.joblib", "damaged.csv", "none.csv")
    assert done.returncode == 2
    assert "row 27000 (line 27001)" in done.stderr
    assert "pixel300" in done.stderr
    assert not (files / "none.csv").exists()
