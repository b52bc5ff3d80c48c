"""MNIST's test set looked at in other ways: without its label errors, and by its two halves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from digitrec.evaluation.metrics import wilson_interval

if TYPE_CHECKING:
    from digitrec.datasets import Dataset

__all__ = [
    "MNIST_LABEL_ERRORS",
    "confused_pairs",
    "count_confused_pairs",
    "describe_lenses",
    "has_mnist_test_set",
]

# Test images whose label people rejected: Northcutt, Athalye and Mueller (2021), "Pervasive label
# errors in test sets destabilize machine learning benchmarks", arXiv:2103.14749.
MNIST_LABEL_ERRORS = (
    *(947, 1621, 1901, 2130, 2462, 2597, 2654, 3520, 3558, 5937),
    *(6651, 6783, 8527, 9679, 9729),
)
# `fingerprint_arrays` of MNIST's image shape, test images and test labels.
_MNIST_TEST = "2b8388dd18e1f298"


def has_mnist_test_set(dataset: Dataset) -> bool:
    """Tell whether a dataset's test rows are the 10,000 of MNIST, in their order."""
    from digitrec.datasets import fingerprint_arrays

    if dataset.image_shape != (28, 28) or len(dataset.y_test) != 10_000:
        return False
    X, y = np.asarray(dataset.X_test), np.asarray(dataset.y_test)
    return fingerprint_arrays(dataset.image_shape, X, y) == _MNIST_TEST


def describe_lenses(y_true: ArrayLike, predictions: Mapping[str, ArrayLike]) -> dict[str, Any]:
    """Score models on parts of MNIST's test set.

    Parameters
    ----------
    y_true : array-like of int, shape (10000,)
        MNIST's test labels.
    predictions : mapping of str to array-like of int, shape (10000,)
        Predicted labels of each model, by its name.

    Returns
    -------
    dict
        JSON-safe. ``lenses``: ``name``, ``title`` and ``n`` of each part; ``models``: for each
        model its ``name`` and by lens ``wrong``, ``error``, ``low`` and ``high`` (Wilson 95 %
        interval of the error); ``label_errors``: for each of the rejected labels its ``index``,
        its ``label`` and each model's answer, ``predicted``.
    """
    truth = np.asarray(y_true)
    correct = np.ones(len(truth), dtype=bool)
    correct[list(MNIST_LABEL_ERRORS)] = False
    first = np.arange(len(truth)) < 5000
    parts = {
        "original": ("all 10,000", np.ones(len(truth), dtype=bool)),
        "without_label_errors": ("label errors left out", correct),
        # Writers by QMNIST's metadata (Yadav and Bottou 2019, arXiv:1905.10498): NIST's partition
        # hsf_4 for the first 5,001 images, hsf_0 for the others. MNIST's home page says it the
        # other way round.
        "first_half": ("first 5,000: students", first),
        "last_half": ("last 5,000: census staff", ~first),
    }
    models = []
    for name, labels in predictions.items():
        wrong = np.asarray(labels) != truth
        row: dict[str, Any] = {"name": name}
        for lens, (_, mask) in parts.items():
            n_wrong, n = int(wrong[mask].sum()), int(mask.sum())
            low, high = wilson_interval(n_wrong, n)
            row[lens] = {"wrong": n_wrong, "error": n_wrong / n, "low": low, "high": high}
        models.append(row)
    return {
        "lenses": [
            {"name": lens, "title": title, "n": int(mask.sum())}
            for lens, (title, mask) in parts.items()
        ],
        "models": models,
        "label_errors": [
            {
                "index": index,
                "label": int(truth[index]),
                "predicted": {name: int(np.asarray(p)[index]) for name, p in predictions.items()},
            }
            for index in MNIST_LABEL_ERRORS
        ],
    }


def confused_pairs(
    y_true: ArrayLike, y_pred: ArrayLike, n_classes: int
) -> list[tuple[int, int, NDArray[np.intp]]]:
    """Return the pairs of classes that a model confuses, the most frequent first.

    Parameters
    ----------
    y_true, y_pred : array-like of int, shape (n_samples,)
        Labels.
    n_classes : int
        Number of classes.

    Returns
    -------
    list of tuple
        ``(first, second, rows)`` with ``first < second`` and the rows of one of the two classes
        that were taken for the other; pairs never confused are left out.
    """
    truth, predicted = np.asarray(y_true, dtype=int), np.asarray(y_pred, dtype=int)
    wrong = np.flatnonzero(truth != predicted)
    low = np.minimum(truth[wrong], predicted[wrong])
    high = np.maximum(truth[wrong], predicted[wrong])
    pair = low * n_classes + high
    codes, counts = np.unique(pair, return_counts=True)
    return [
        (int(code) // n_classes, int(code) % n_classes, wrong[pair == code])
        for code in codes[np.argsort(-counts, kind="stable")]
    ]


def count_confused_pairs(
    y_true: ArrayLike, predictions: Mapping[str, ArrayLike], n_classes: int, *, n_pairs: int = 10
) -> dict[str, Any]:
    """Count the errors of every model per pair of classes.

    Parameters
    ----------
    y_true : array-like of int, shape (n_samples,)
        Labels.
    predictions : mapping of str to array-like of int, shape (n_samples,)
        Predicted labels of each model, by its name.
    n_classes : int
        Number of classes.
    n_pairs : int
        Pairs to return: those with the most errors over all models.

    Returns
    -------
    dict
        JSON-safe. ``pairs``: ``first``, ``second`` (indices of classes) and ``counts`` (errors
        by model), the most errors first; ``totals``: all errors by model.
    """
    counts: dict[tuple[int, int], dict[str, int]] = {}
    totals = {}
    for name, labels in predictions.items():
        pairs = confused_pairs(y_true, labels, n_classes)
        totals[name] = sum(len(rows) for _, _, rows in pairs)
        for first, second, rows in pairs:
            counts.setdefault((first, second), dict.fromkeys(predictions, 0))[name] = len(rows)
    most = sorted(counts, key=lambda pair: (-sum(counts[pair].values()), pair))[:n_pairs]
    return {
        "pairs": [{"first": i, "second": j, "counts": counts[i, j]} for i, j in most],
        "totals": totals,
    }
