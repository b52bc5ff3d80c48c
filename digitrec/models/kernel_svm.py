"""A support vector classifier that predicts by matrix products."""

from __future__ import annotations

import functools
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from sklearn.svm import SVC
from sklearn.utils import Tags
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from digitrec.models._pairs import elect, pair_log_probabilities, pair_membership

__all__ = ["KernelSVC"]

# Rows of the kernel matrix held at once: 1,000 rows against 30,000 support vectors are 120 MB.
_CHUNK_ROWS = 1000

# About the mean of the kernel where gamma is "scale".
_KERNEL_LEVEL = 0.25


class KernelSVC(SVC):
    """RBF support vector classifier whose decision function is one matrix product a chunk.

    libsvm evaluates the kernel support vector by support vector. Here the kernel matrix of a
    chunk of rows comes from one matrix product and the decisions of all class pairs from a
    second one. Labels are those of ``SVC(kernel="rbf", break_ties=True)``: the class with the
    largest value of `decision_function`.

    Parameters
    ----------
    C : float, default=10.0
        Inverse strength of the regularisation; positive.
    gamma : {"scale", "auto"} or float, default="scale"
        Coefficient of the RBF kernel.
    tol : float, default=1e-3
        Tolerance of the stopping criterion.
    cache_size : float, default=1000
        Size of libsvm's kernel cache in MB while fitting.
    class_weight : dict, "balanced" or None, default=None
        Weight of `C` for each class.
    max_iter : int, default=-1
        Limit on libsvm's iterations; -1 for none.
    margin_slope : float, default=4.0
        Slope of the logistic that turns a margin between two classes into a probability. Of
        1 to 8, 4 gave the least log loss on held-out training rows of MNIST.

    See Also
    --------
    sklearn.svm.SVC : The estimator that does the fitting.
    """

    def __init__(
        self,
        C: float = 10.0,
        *,
        gamma: float | str = "scale",
        tol: float = 1e-3,
        cache_size: float = 1000,
        class_weight: Any = None,
        max_iter: int = -1,
        margin_slope: float = 4.0,
    ) -> None:
        self.margin_slope = margin_slope
        super().__init__(
            C=C,
            gamma=gamma,
            tol=tol,
            cache_size=cache_size,
            class_weight=class_weight,
            max_iter=max_iter,
            break_ties=True,
        )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        return tags

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> KernelSVC:
        """Fit the model with libsvm.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,)
            Labels.
        sample_weight : array-like of shape (n_samples,), optional
            Weight of `C` for each sample.

        Returns
        -------
        KernelSVC
            The fitted estimator.
        """
        # The matrix products need dense rows, which SVC itself does not insist on.
        X = check_array(X, dtype=np.float64, order="C", estimator=self, input_name="X")
        super().fit(X, y, sample_weight)
        self._pair_coefficients = _pair_coefficients(self._dual_coef_, self._n_support)
        self._vectors = np.ascontiguousarray(self.support_vectors_, dtype=np.float32)
        return self

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return one value per class: its pairwise votes, ties broken by the pairwise margins.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of float64, shape (n_samples, n_classes) or (n_samples,)
            For two classes the margin of the second class, as scikit-learn has it.
        """
        pairs = self._pair_margins(X)
        if len(self.classes_) == 2:
            return -pairs[:, 0]
        return _votes(pairs, len(self.classes_))

    def predict(self, X: ArrayLike) -> NDArray:
        """Return the class with the largest decision value.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels.
        """
        return elect(self.decision_function(X), self.classes_)

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return probabilities from the pairwise margins.

        The margin of class i against class j, times `margin_slope`, is taken as the log-odds of
        i against j; a class scores the sum of the log-probabilities of its pairs. Where the
        votes elect another class than this, the two change places, so that the predicted class
        is always the most probable one. Nothing is fitted for this, so the cost of libsvm's
        inner cross-validation is saved; calibrate on held-out rows where the probabilities
        themselves matter.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of float64, shape (n_samples, n_classes)
            Rows sum to 1.
        """
        pairs = self._pair_margins(X)
        n_classes = len(self.classes_)
        scores = pair_log_probabilities(pairs * self.margin_slope, n_classes)
        rows = np.arange(len(pairs))
        elected, likeliest = _votes(pairs, n_classes).argmax(axis=1), scores.argmax(axis=1)
        best, other = scores[rows, likeliest], scores[rows, elected]
        scores[rows, likeliest], scores[rows, elected] = other, best
        return softmax(scores, axis=1)

    def predict_log_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the logarithms of `predict_proba`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of float64, shape (n_samples, n_classes)
        """
        return np.log(self.predict_proba(X))

    def _pair_margins(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return libsvm's margins, shape (n_samples, n_pairs): positive for a pair's first."""
        check_is_fitted(self)
        rows = validate_data(self, X, dtype=np.float32, order="C", reset=False)
        # The coefficients of a pair sum to zero, those of one class do not: without the kernel's
        # usual level, the sums over classes stay small and lose fewer digits.
        sums = self._pair_coefficients.sum(axis=0, dtype=np.float64)
        pairs = np.tile(self._intercept_ + _KERNEL_LEVEL * sums, (len(rows), 1))
        vectors, gamma = self._vectors, np.float32(self._gamma)
        vector_norms = np.einsum("ij,ij->i", vectors, vectors)
        ends = np.cumsum(self._n_support)
        for start in range(0, len(rows), _CHUNK_ROWS):
            chunk = slice(start, start + _CHUNK_ROWS)
            row_norms = np.einsum("ij,ij->i", rows[chunk], rows[chunk])
            kernel = (2 * gamma * rows[chunk]) @ vectors.T
            kernel -= gamma * vector_norms
            kernel -= (gamma * row_norms)[:, None]
            np.exp(kernel, out=kernel)
            kernel -= np.float32(_KERNEL_LEVEL)
            # A support vector counts in the pairs of its own class only.
            for label, (end, count) in enumerate(zip(ends, self._n_support, strict=True)):
                own, others = slice(end - count, end), _pairs_of(label, len(ends))
                pairs[chunk, others] += kernel[:, own] @ self._pair_coefficients[own, others]
        return pairs


@functools.cache
def _pairs_of(label: int, n_classes: int) -> list[int]:
    """Return the positions of the pairs that a class is one of."""
    pairs = combinations(range(n_classes), 2)
    return [position for position, pair in enumerate(pairs) if label in pair]


def _pair_coefficients(dual: NDArray, n_support: NDArray) -> NDArray[np.float32]:
    """Spread libsvm's dual coefficients over one column per pair of classes.

    libsvm keeps, for a support vector of class i, its coefficient against class j in row j - 1
    if j > i, else in row j. Returns shape (n_support_vectors, n_pairs), pairs in the order
    (0, 1), (0, 2), …, (1, 2), ….
    """
    n_classes = len(n_support)
    ends = np.cumsum(n_support)
    rows = [slice(end - count, end) for end, count in zip(ends, n_support, strict=True)]
    n_pairs = n_classes * (n_classes - 1) // 2
    coefficients = np.zeros((dual.shape[1], n_pairs), dtype=np.float32)
    for column, (i, j) in enumerate(combinations(range(n_classes), 2)):
        coefficients[rows[i], column] = dual[j - 1, rows[i]]
        coefficients[rows[j], column] = dual[i, rows[j]]
    return coefficients


def _votes(pairs: NDArray[np.float64], n_classes: int) -> NDArray[np.float64]:
    """Turn pairwise margins into one value per class, as scikit-learn does for its SVC."""
    first, second = pair_membership(n_classes)
    won = pairs >= 0
    votes = won @ first + ~won @ second
    margins = pairs @ (first - second)
    # The margins only order classes of equal votes: they are squeezed into (-1/3, 1/3).
    return votes + margins / (3 * (np.abs(margins) + 1))
