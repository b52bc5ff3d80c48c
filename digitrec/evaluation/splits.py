"""The seeded split of the training rows by which models are ranked."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedShuffleSplit

from digitrec.errors import DatasetError

__all__ = ["VALIDATION_FRACTION", "Split", "validation_split"]

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
        If there are too few rows of a class to hold any out.
    """
    splitter = StratifiedShuffleSplit(1, test_size=fraction, random_state=random_state)
    try:
        train, validation = next(splitter.split(np.zeros((len(y), 1)), y))
    except ValueError as error:
        raise DatasetError(
            f"cannot hold out validation rows of {len(y)} training rows: {error}; "
            "give more rows of each class"
        ) from error
    return Split(np.sort(train), np.sort(validation))
