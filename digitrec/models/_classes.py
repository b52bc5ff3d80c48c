"""What the classifiers of this package share: the check of labels, and the most probable class."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets


class MostProbableClassifier(ClassifierMixin, BaseEstimator):
    """A classifier whose label is the class of the largest probability."""

    classes_: NDArray
    predict_proba: Any

    def predict(self, X: ArrayLike) -> NDArray:
        """Return the most probable class.

        Parameters
        ----------
        X : array-like, shape (n_samples, n_features)
            Rows as `fit` takes them.

        Returns
        -------
        ndarray, shape (n_samples,)
            Labels.
        """
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(axis=1)]


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
