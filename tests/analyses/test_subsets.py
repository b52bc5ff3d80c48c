"""Subsets of MNIST's test images, and confused pairs."""

from __future__ import annotations

import numpy as np
import pytest

from digitrec.analyses.confused_pairs import confused_pairs
from digitrec.analyses.subsets import MNIST_LABEL_ERRORS, has_mnist_test_set, score_subsets
from digitrec.datasets import Dataset


def test_subsets_count_the_right_rows():
    y = np.arange(10_000) % 10
    wrong = y.copy()
    wrong[[0, 4999, 5000, 9999, *MNIST_LABEL_ERRORS]] += 1
    outcome = score_subsets(y, {"perfect": y, "model": wrong})
    assert [part["n"] for part in outcome["subsets"]] == [10_000, 9_985, 5_000, 5_000]
    perfect, model = outcome["models"]
    assert perfect["original"]["error"] == 0
    in_first = sum(index < 5000 for index in MNIST_LABEL_ERRORS)
    assert model["original"]["wrong"] == 4 + 15
    assert model["without_label_errors"]["wrong"] == 4
    assert model["first_half"]["wrong"] == 2 + in_first
    assert model["last_half"]["wrong"] == 2 + 15 - in_first
    assert model["original"]["low"] < model["original"]["error"] < model["original"]["high"]
    shown = outcome["label_errors"][0]
    assert (shown["index"], shown["label"]) == (947, 7)
    assert shown["predicted"] == {"perfect": 7, "model": 8}


def test_only_mnists_own_test_set_has_subsets():
    rows = np.zeros((10_000, 784), dtype=np.uint8)
    labels = np.zeros(10_000, dtype=np.int64)
    other = Dataset(
        name="mnist",
        X_train=rows[:1],
        y_train=labels[:1],
        X_test=rows,
        y_test=labels,
        image_shape=(28, 28),
        label_names=tuple("0123456789"),
        source="made up",
        license="none",
        has_fixed_test=True,
    )
    assert not has_mnist_test_set(other)


def test_confused_pairs_are_unordered_and_sorted():
    y_true = np.array([4, 9, 9, 3, 5, 1])
    y_pred = np.array([9, 4, 4, 5, 5, 1])
    pairs = confused_pairs(y_true, y_pred, 10)
    assert [(first, second) for first, second, _ in pairs] == [(4, 9), (3, 5)]
    assert pairs[0][2].tolist() == [0, 1, 2]
    with pytest.raises(IndexError):
        confused_pairs(y_true, y_true, 10)[0]
