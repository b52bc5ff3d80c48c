"""Stratified splits and subsamples with a fixed seed."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from digitrec.datasets._dataset import Dataset
from digitrec.errors import ConfigurationError, DatasetError

#: Part of the rows that is held out where a source has no test set of its own.
TEST_FRACTION = 0.2

# Fixed: results of different runs must be comparable.
_SPLIT_SEED = 0


def split_rows(
    y: NDArray[np.int64], label_names: Sequence[str]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Split rows into training and test rows, stratified, deterministic.

    Parameters
    ----------
    y : ndarray of int64, shape (n,)
        Labels, indices into `label_names`.
    label_names : sequence of str
        Names of the classes.

    Returns
    -------
    train, test : ndarray of intp
        Sorted row numbers.

    Raises
    ------
    DatasetError
        If there are fewer than two classes, or a class is too small to be split.
    """
    counts = np.bincount(y, minlength=len(label_names))
    if np.count_nonzero(counts) < 2:
        raise DatasetError("only one class has images; at least two are needed")
    if counts[counts > 0].min() < 2:
        name = label_names[int(np.argmax(counts == 1))]
        raise DatasetError(f"class {name!r} has one image; at least two are needed for the split")
    rng = np.random.default_rng(_SPLIT_SEED)
    held_out = [
        rng.choice(np.flatnonzero(y == label), max(1, round(TEST_FRACTION * count)), replace=False)
        for label, count in enumerate(counts)
        if count > 0
    ]
    test = np.sort(np.concatenate(held_out))
    return np.setdiff1d(np.arange(len(y)), test), test


def subsample_training_rows(dataset: Dataset, max_train: int, random_state: int) -> Dataset:
    """Return the dataset with at most `max_train` training rows, stratified and seeded.

    The rows keep their order; the test rows stay as they are.

    Raises
    ------
    ConfigurationError
        If `max_train` is smaller than the number of classes.
    """
    n_train = len(dataset.y_train)
    if max_train >= n_train:
        return dataset
    n_classes = len(np.unique(dataset.y_train))
    if max_train < n_classes:
        raise ConfigurationError(
            f"max_train={max_train!r} is too small: at least one row for each of the "
            f"{n_classes} classes is needed"
        )
    rows = _stratified_choice(dataset.y_train, max_train, random_state)
    groups = dataset.groups_train
    return dataclasses.replace(
        dataset,
        X_train=dataset.X_train[rows],
        y_train=dataset.y_train[rows],
        groups_train=None if groups is None else groups[rows],
        fingerprint="",
    )


def _stratified_choice(y: NDArray[np.int64], n: int, random_state: int) -> NDArray[np.intp]:
    """Choose `n` rows with the classes' shares, each class at least once; sorted.

    scikit-learn's splitters refuse a class of one row, and leave out classes that are too rare.
    """
    rng = np.random.default_rng(random_state)
    classes, inverse, counts = np.unique(y, return_inverse=True, return_counts=True)
    # One row each, then the largest remainders of the proportional share of the rest.
    share = (counts - 1) * ((n - len(classes)) / max(len(y) - len(classes), 1))
    quota = np.floor(share).astype(int)
    by_remainder = np.argsort(quota - share, kind="stable")
    quota[by_remainder[: n - len(classes) - quota.sum()]] += 1
    chosen = [
        rng.choice(np.flatnonzero(inverse == index), size=1 + quota[index], replace=False)
        for index in range(len(classes))
    ]
    return np.sort(np.concatenate(chosen))
