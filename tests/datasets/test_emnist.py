"""The labels of EMNIST's files are characters: by the mapping file, or by the name of the set."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import io

from digitrec.datasets import load_dataset
from digitrec.datasets.bundled import load_bundled_digits
from digitrec.datasets.idx import IDX_FILES, idx_bytes
from digitrec.errors import DatasetError

ALL_X, ALL_Y = load_bundled_digits()
ROWS = np.concatenate([np.flatnonzero(digit == ALL_Y)[:6] for digit in range(10)])
UPRIGHT, DIGITS = ALL_X[ROWS].reshape(-1, 28, 28), ALL_Y[ROWS].astype(np.int64)
STORED = UPRIGHT.transpose(0, 2, 1)
LETTERS = "".join(f"{n}\t{64 + n} {96 + n}\r\n" for n in range(1, 27))
BALANCED = "".join(
    f"{n} {ord(name)}\n" for n, name in enumerate("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt")
)
A_TO_J = tuple("ABCDEFGHIJ")
TEN = tuple("0123456789")


def write_set(folder, form, name, labels, mapping=None):
    """Write images as EMNIST stores them, in one of its three formats; return what to load."""
    parts = {"train": slice(0, None, 2), "test": slice(1, None, 2)}
    if form == "idx":
        for role in IDX_FILES:
            part = "train" if role.startswith("train") else "test"
            array = (STORED if "images" in role else labels.astype(np.uint8))[parts[part]]
            path = folder / f"{name}-{role.replace('t10k', 'test')}"
            path.write_bytes(idx_bytes(np.ascontiguousarray(array)))
    elif form == "csv":
        for part, rows in parts.items():
            table = np.column_stack([labels[rows], STORED[rows].reshape(-1, 784)])
            np.savetxt(folder / f"{name}-{part}.csv", table, fmt="%d", delimiter=",")
    else:
        content = {
            part: {"images": STORED[rows].reshape(-1, 784), "labels": labels[rows, None] * 1.0}
            for part, rows in parts.items()
        }
        if mapping is not None and form == "mat":
            table = [[int(field) for field in line.split()] for line in mapping.splitlines()]
            content["mapping"] = np.array(table)
            mapping = None
        io.savemat(folder / f"{name}.mat", {"dataset": content})
    if mapping is not None:
        (folder / f"{name}-mapping.txt").write_text(mapping, newline="")
    return folder / f"{name}.mat" if form.startswith("mat") else folder


@pytest.mark.parametrize("form", ["idx", "csv", "mat", "mat and text"])
@pytest.mark.parametrize(
    ("name", "first", "mapping", "names"),
    [
        ("emnist-letters", 1, LETTERS, A_TO_J),
        ("emnist-letters", 1, None, A_TO_J),
        ("emnist-letters", 0, None, A_TO_J),
        ("emnist-balanced", 1, BALANCED, (*TEN[1:], "A")),
        ("emnist-balanced", 1, None, (*TEN[1:], "A")),
        ("emnist-byclass", 36, None, tuple("abcdefghij")),
        ("emnist-bymerge", 0, BALANCED, TEN),
        ("emnist-digits", 0, BALANCED, TEN),
        ("emnist-mnist", 0, None, TEN),
    ],
)
def test_labels_become_characters(tmp_path, form, name, first, mapping, names):
    dataset = load_dataset(write_set(tmp_path, form, name, DIGITS + first, mapping))
    assert dataset.label_names == names
    assert np.array_equal(dataset.y_train, DIGITS[::2])
    assert np.array_equal(dataset.X_train.reshape(-1, 28, 28), UPRIGHT[::2])
    assert any("characters" in note for note in dataset.warnings) == (names != TEN)


def test_digits_among_other_characters(tmp_path):
    labels = np.where(np.arange(len(DIGITS)) % 6 < 2, DIGITS + 20, DIGITS)
    dataset = load_dataset(write_set(tmp_path, "idx", "emnist-balanced", labels))
    assert dataset.label_names == (*TEN, *"KLMNOPQRST")
    assert np.array_equal(dataset.X_test.reshape(-1, 28, 28), UPRIGHT[1::2])


@pytest.mark.parametrize("name", ["letters", "A_Z Handwritten Data", "the alphabet"])
def test_names_that_say_letters(tmp_path, name):
    dataset = load_dataset(write_set(tmp_path, "csv", name, DIGITS))
    assert dataset.label_names == A_TO_J


@pytest.mark.parametrize(
    ("labels", "mapping", "message"),
    [
        (DIGITS + 30, None, "label 30 is none of the 26 classes that the name of emnist-letters"),
        (DIGITS + 30, LETTERS, r"label 30 is none of the 26 classes that emnist-letters-mapping"),
        (DIGITS, "", "mapping.txt is empty"),
        (DIGITS, "0 48\n\nzero 48\n", "line 3: 'zero 48' is not a label and the code"),
        (DIGITS, "0 48\n1 48\n", "line 2: '1 48' was there before"),
        (DIGITS, "0 7\n", "line 1: '0 7' is not a label"),
        (DIGITS, "0 99999999999999999999\n", "is not a label"),
        (DIGITS, "0\n", "is not a label"),
    ],
)
def test_mappings_that_do_not_fit_are_refused(tmp_path, labels, mapping, message):
    with pytest.raises(DatasetError, match=message):
        load_dataset(write_set(tmp_path, "idx", "emnist-letters", labels, mapping))


def test_mapping_of_another_set_is_not_read(tmp_path):
    (tmp_path / "emnist-digits-mapping.txt").write_text("nothing\n")
    dataset = load_dataset(write_set(tmp_path, "idx", "emnist-letters", DIGITS + 1, LETTERS))
    assert dataset.label_names == A_TO_J
