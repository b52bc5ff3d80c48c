"""Seeded splits of the training rows: the held-out rows that rank models, folds, samples."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, StratifiedShuffleSplit

from digitrec.errors import DatasetError

if TYPE_CHECKING:
    from digitrec.evaluation.job import Part

Rows = NDArray[np.intp]

# 10,000 of MNIST's 60,000 training rows.
VALIDATION_FRACTION = 1 / 6


class Split(NamedTuple):
    """Rows of the training set, in ascending order: those to fit on and those held out."""

    train: NDArray[np.intp]
    validation: NDArray[np.intp]


def validation_split(
    y: NDArray[np.integer], random_state: int = 0, fraction: float = VALIDATION_FRACTION
) -> Split:
    """Hold out a stratified part of the training rows.

    Parameters
    ----------
    y : ndarray of int, shape (n_train,)
        Labels of the training rows.
    random_state : int
        Seed.
    fraction : float
        Part to hold out, in 0–1.

    Returns
    -------
    Split
        Indices into the training rows.

    Raises
    ------
    DatasetError
        If there are too few rows to hold any out.

    Notes
    -----
    Where classes are too many or too small for each to have its share among the held-out rows,
    the rows are drawn from the classes with the most rows; a class with one row keeps it for
    training.
    """
    n_held_out = math.ceil(len(y) * fraction)
    counts = np.unique(y, return_counts=True)[1]
    if len(counts) and counts.min() > 1 and len(counts) <= min(n_held_out, len(y) - n_held_out):
        splitter = StratifiedShuffleSplit(1, test_size=fraction, random_state=random_state)
        train, validation = next(splitter.split(np.zeros((len(y), 1)), y))
        return Split(np.sort(train), np.sort(validation))
    return _split_few(y, random_state, n_held_out)


def n_validation_rows(n_train: int) -> int:
    """Return how many of the training rows `validation_split` holds out."""
    return math.ceil(n_train * VALIDATION_FRACTION)


def _split_few(y: NDArray[np.integer], random_state: int, n_held_out: int) -> Split:
    classes, inverse = np.unique(y, return_inverse=True)
    rng = np.random.default_rng(random_state)
    order = rng.permutation(len(y))
    # The place of each row within its class, in random order: a class gives its next row only
    # when all others of its size have given theirs.
    left = np.bincount(inverse, minlength=len(classes)).astype(float)
    size, noise = left.copy(), rng.random(len(classes)) * 1e-12
    rows_of = [list(order[inverse[order] == label]) for label in range(len(classes))]
    held_out: list[int] = []
    while len(held_out) < n_held_out:
        share = np.where(left > 1, left / size + left * 1e-9 + noise, -1.0)
        label = int(np.argmax(share))
        if share[label] < 0:
            raise DatasetError(
                f"cannot hold out {n_held_out} validation rows of {len(y)} training rows of "
                f"{len(classes)} classes: each class needs one to learn from; give more rows of "
                "each class"
            )
        held_out.append(int(rows_of[label].pop()))
        left[label] -= 1
    validation = np.sort(np.array(held_out, dtype=np.intp))
    return Split(np.setdiff1d(np.arange(len(y)), validation), validation)


def part_rows(part: Part, y: NDArray[np.integer]) -> tuple[Rows, Rows | None]:
    """Return the training rows of a fold or a sample, and the rows to score on.

    Parameters
    ----------
    part : Part
        Of kind fold or sample; of the latter the test rows are scored, for which None stands.
    y : ndarray of int, shape (n_train,)
        Labels.
    """
    if part.kind == "fold":
        groups = np.load(part.groups) if part.groups else None
        return fold_rows(y, part.n_folds, part.seed, groups)[part.index]
    return nested_rows(y, part.sizes, part.seed)[part.index], None


def nested_rows(y: NDArray[np.integer], sizes: tuple[int, ...], random_state: int) -> list[Rows]:
    """Return stratified samples of the rows, each one within the next larger one.

    Parameters
    ----------
    y : ndarray of int, shape (n_samples,)
        Labels.
    sizes : tuple of int
        Rows of each sample, ascending, each less than ``n_samples``.
    random_state : int
        Seed.
    """
    rows = np.arange(len(y))
    samples = []
    for size in sorted(sizes, reverse=True):
        if size < len(rows):
            splitter = StratifiedShuffleSplit(1, train_size=size, random_state=random_state)
            kept, _ = next(splitter.split(rows[:, None], y[rows]))
            rows = np.sort(rows[kept])
        samples.append(rows)
    return samples[::-1]


def fold_rows(
    y: NDArray[np.integer],
    n_folds: int,
    random_state: int,
    groups: NDArray[np.integer] | None = None,
) -> list[tuple[Rows, Rows]]:
    """Return the rows to fit on and the rows held out of each fold, stratified by label.

    With `groups`, shape (n_samples,), all rows of a group are on one side of every fold.
    """
    make = StratifiedKFold if groups is None else StratifiedGroupKFold
    folds = make(n_folds, shuffle=True, random_state=random_state)
    return list(folds.split(np.zeros((len(y), 1)), y, groups))
