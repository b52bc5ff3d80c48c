"""The check of labels that every classifier of this package makes before it fits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.multiclass import check_classification_targets

__all__ = ["encode_classes"]


def encode_classes(y: NDArray) -> tuple[NDArray, NDArray[np.intp]]:
    """Return the classes and the number of each row's class.

    Parameters
    ----------
    y : ndarray, shape (n_samples,)
        Labels.

    Returns
    -------
    classes : ndarray, shape (n_classes,)
        Sorted labels.
    codes : ndarray of int, shape (n_samples,)
        Index into `classes`.

    Raises
    ------
    ValueError
        If `y` is not made of classes, or holds one class only.
    """
    check_classification_targets(y)
    classes, codes = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            f"classification needs at least 2 classes; y has one class: {classes.tolist()[0]!r}"
        )
    return classes, codes
