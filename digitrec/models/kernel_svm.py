"""A support vector classifier that fits near its boundaries and predicts by matrix products."""

from __future__ import annotations

import functools
from itertools import combinations
from typing import Any

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import compute_class_weight
from sklearn.utils.validation import _check_sample_weight, validate_data

from digitrec._validation import check_rows
from digitrec.errors import ConfigurationError
from digitrec.models._classes import encode_classes, pair_log_probabilities, pair_votes
from digitrec.models._pair_solver import PairMachine, fit_pair
from digitrec.preprocessing._images import run_threads

# Rows of the kernel matrix held at once: 1,000 rows against 30,000 support vectors are 120 MB.
_CHUNK_ROWS = 1000
# Sums of pairs of classes held at once, 8 MB: of 200 classes, 1,200 rows took 0.6 s and 195 MiB
# with this, 1.0 s and 242 MiB with five times as many, 416 MiB without a limit.
_MAX_SUMS = 2_000_000

# Size of libsvm's kernel caches while fitting, all threads together.
_CACHE_MB = 1000

# About the mean of the kernel where gamma is "scale".
_KERNEL_LEVEL = 0.25


class KernelSVC(ClassifierMixin, BaseEstimator):
    """RBF support vector classifier: the solution of `sklearn.svm.SVC`, found faster.

    Each pair of classes is fitted by libsvm on the rows near its boundary, all other rows are
    checked against the conditions of the solution, and those that violate them join (see
    `digitrec.models._pair_solver`). The kernel matrix of a chunk of rows comes from one matrix
    product and the decisions of all pairs from a second one, where libsvm goes support vector
    by support vector. Labels are those of ``SVC(kernel="rbf", break_ties=True)``: the class
    with the largest value of `decision_function`.

    Parameters
    ----------
    C : float, default=10.0
        Inverse strength of the regularisation; positive.
    gamma : {"scale", "auto"} or float, default="scale"
        Coefficient of the RBF kernel, as scikit-learn has it.
    tol : float, default=1e-3
        Tolerance of the stopping criterion.
    class_weight : dict, "balanced" or None, default=None
        Weight of `C` for each class.
    n_jobs : int, optional
        Threads, one a pair of classes; None means one, or what `joblib.parallel_config` sets.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
        Labels.
    support_ : ndarray of int, shape (n_support_vectors,)
        Training rows that are support vectors, class by class.
    support_vectors_ : ndarray of float32, shape (n_support_vectors, n_features)
        These rows.
    n_support_ : ndarray of int, shape (n_classes,)
        Support vectors of each class.
    dual_coef_ : ndarray of float64, shape (n_classes - 1, n_support_vectors)
        Coefficients in libsvm's order: for a support vector of class i, that against class j
        stands in row j - 1 if j > i, else in row j. Positive for the first class of a pair.
    intercept_ : ndarray of float64, shape (n_pairs,)
        Pairs in the order (0, 1), (0, 2), …, (1, 2), …; margins are positive for the first.
    gamma_ : float
        Coefficient of the kernel.
    n_iter_ : ndarray of int, shape (n_pairs,)
        libsvm's iterations.
    n_features_in_ : int
        Columns.

    See Also
    --------
    sklearn.svm.SVC : The estimator that does the fitting.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> model = KernelSVC().fit(X[::2], y[::2])
    >>> bool(model.score(X[1::2], y[1::2]) > 0.98)
    True
    """

    def __init__(
        self,
        C: float = 10.0,
        *,
        gamma: float | str = "scale",
        tol: float = 1e-3,
        class_weight: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.C = C
        self.gamma = gamma
        self.tol = tol
        self.class_weight = class_weight
        self.n_jobs = n_jobs

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> KernelSVC:
        """Fit a machine for each pair of classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,)
            Labels.
        sample_weight : array-like of shape (n_samples,), optional
            Weight of `C` for each sample; rows of weight 0 or less take no part.

        Returns
        -------
        KernelSVC
            The fitted estimator.

        Raises
        ------
        ConfigurationError
            If a parameter is out of range.
        ValueError
            If fewer than two classes are left.
        """
        if not self.C > 0:
            raise ConfigurationError(f"C must be positive, not {self.C!r}")
        checked: tuple[NDArray, NDArray] = validate_data(
            self, X, y, dtype=[np.float64, np.float32], order="C"
        )
        rows, targets = checked
        self.classes_, labels = encode_classes(targets)
        self.gamma_ = self._gamma_of(rows)
        weights = self._weights_of(sample_weight, rows, targets, labels)
        n_classes = len(self.classes_)
        members = [np.flatnonzero((labels == k) & (weights > 0)) for k in range(n_classes)]
        if sum(len(m) > 0 for m in members) < 2:
            raise ValueError(
                "classification needs at least 2 classes; all rows of positive weight have the "
                "same label"
                if any(len(m) for m in members)
                else "Invalid input - all samples have zero or negative weights."
            )
        pairs = list(combinations(range(n_classes), 2))
        uniform = bool(np.all(weights == 1))
        n_threads = min(effective_n_jobs(self.n_jobs), len(pairs))

        def fit(p: int) -> PairMachine:
            first, second = (members[k] for k in pairs[p])
            if not len(first) or not len(second):
                # A class without weight loses to every other.
                nothing = np.array([], dtype=np.intp)
                sign = float(bool(len(first))) - float(bool(len(second)))
                return PairMachine(nothing, np.array([]), sign, 0)
            both = np.concatenate([first, second])
            return fit_pair(
                rows[both],
                np.arange(len(both)) < len(first),
                C=self.C,
                gamma=self.gamma_,
                tol=self.tol,
                cache_size=_CACHE_MB / n_threads,
                sample_weight=None if uniform else weights[both],
            )

        machines = run_threads(fit, range(len(pairs)), self.n_jobs)
        self._merge(machines, members, rows)
        return self

    def _gamma_of(self, rows: NDArray) -> float:
        if self.gamma == "scale":
            variance = float(rows.var(dtype=np.float64))
            return 1 / (rows.shape[1] * variance) if variance > 0 else 1.0
        if self.gamma == "auto":
            return 1 / rows.shape[1]
        if isinstance(self.gamma, str) or not self.gamma >= 0:
            raise ConfigurationError(
                f"gamma must be 'scale', 'auto' or a number of at least 0, not {self.gamma!r}"
            )
        return float(self.gamma)

    def _weights_of(
        self, sample_weight: ArrayLike | None, rows: NDArray, targets: NDArray, labels: NDArray
    ) -> NDArray[np.float64]:
        weights = _check_sample_weight(sample_weight, rows, dtype=np.float64)
        if self.class_weight is None:
            return weights
        of_class = compute_class_weight(self.class_weight, classes=self.classes_, y=targets)
        return weights * of_class[labels]

    def _merge(
        self, machines: list[PairMachine], members: list[NDArray[np.intp]], rows: NDArray
    ) -> None:
        """Gather the support vectors of all pairs, class by class."""
        n_classes = len(members)
        pairs = list(combinations(range(n_classes), 2))
        place = np.full(len(rows), -1)
        originals = []
        for (i, j), machine in zip(pairs, machines, strict=True):
            originals.append(np.concatenate([members[i], members[j]])[machine.support])
            place[originals[-1]] = 0
        support = [m[place[m] == 0] for m in members]
        self.support_ = np.concatenate(support)
        self.n_support_ = np.array([len(s) for s in support])
        place[self.support_] = np.arange(len(self.support_))
        self.dual_coef_ = np.zeros((n_classes - 1, len(self.support_)))
        for (i, j), machine, original in zip(pairs, machines, originals, strict=True):
            opponent = np.where(machine.coefficients > 0, j - 1, i)
            self.dual_coef_[opponent, place[original]] = machine.coefficients
        self.support_vectors_ = rows[self.support_].astype(np.float32)
        self.intercept_ = np.array([m.intercept for m in machines])
        self.n_iter_ = np.array([m.n_iterations for m in machines])
        # What every prediction needs.
        vectors = self.support_vectors_
        self._norms = np.float32(self.gamma_) * np.einsum("ij,ij->i", vectors, vectors)
        self._weights = np.ascontiguousarray(self.dual_coef_.T, dtype=np.float32)
        # The coefficients of a pair sum to zero, those of one class do not: without the kernel's
        # usual level, the sums over classes stay small and lose fewer digits.
        self._offsets = self.intercept_.copy()
        for label, own in enumerate(self._rows_of_classes()):
            sums = self._weights[own].sum(axis=0, dtype=np.float64)
            self._offsets[_pairs_of(label, n_classes)] += _KERNEL_LEVEL * sums

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
        return pair_votes(pairs, len(self.classes_))

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
        decisions = self.decision_function(X)
        if decisions.ndim == 1:
            return self.classes_[(decisions > 0).astype(np.intp)]
        return self.classes_[decisions.argmax(axis=1)]

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return probabilities from the pairwise margins.

        The margin of class i against class j, times 4, is taken as the log-odds of i against j; a
        class scores the sum of the log-probabilities of its pairs. Where another class has more
        votes than this, the two change places, so that the predicted class is always the most
        probable one. Nothing is fitted for this, so the cost of libsvm's inner cross-validation is
        saved; calibrate on held-out rows where the probabilities themselves matter.

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
        scores = pair_log_probabilities(pairs, n_classes)
        rows = np.arange(len(pairs))
        voted, likeliest = pair_votes(pairs, n_classes).argmax(axis=1), scores.argmax(axis=1)
        best, other = scores[rows, likeliest], scores[rows, voted]
        scores[rows, likeliest], scores[rows, voted] = other, best
        return softmax(scores, axis=1)

    @property
    def pair_coefficients_(self) -> NDArray[np.float32]:
        """Coefficients as float32, shape (n_support_vectors, n_pairs); most of them 0."""
        n_classes = len(self.classes_)
        coefficients = np.zeros((len(self.support_), len(self.intercept_)), dtype=np.float32)
        for label, own in enumerate(self._rows_of_classes()):
            coefficients[own, _pairs_of(label, n_classes)] = self.dual_coef_[:, own].T
        return coefficients

    def _rows_of_classes(self) -> list[slice]:
        ends = np.cumsum(self.n_support_).tolist()
        return [slice(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]

    def _pair_margins(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return libsvm's margins, shape (n_samples, n_pairs): positive for a pair's first."""
        rows = check_rows(self, X, dtype=np.float32, fitted="_weights")
        pairs = np.tile(self._offsets, (len(rows), 1))
        n_others = len(self.classes_) - 1
        own_rows, (first, second) = self._rows_of_classes(), _columns_of_pairs(n_others + 1)
        vectors, gamma = self.support_vectors_, np.float32(self.gamma_)
        step = max(1, min(_CHUNK_ROWS, _MAX_SUMS // (len(own_rows) * n_others)))

        def work(start: int) -> None:
            chunk = slice(start, start + step)
            row_norms = np.einsum("ij,ij->i", rows[chunk], rows[chunk])
            kernel = (2 * gamma * rows[chunk]) @ vectors.T
            kernel -= self._norms
            kernel -= (gamma * row_norms)[:, None]
            np.exp(kernel, out=kernel)
            kernel -= np.float32(_KERNEL_LEVEL)
            # A support vector counts in the pairs of its own class only.
            sums = np.empty((len(kernel), len(own_rows) * n_others), dtype=np.float32)
            for label, own in enumerate(own_rows):
                block = sums[:, label * n_others : (label + 1) * n_others]
                np.matmul(kernel[:, own], self._weights[own], out=block)
            pairs[chunk] += sums[:, first]
            pairs[chunk] += sums[:, second]

        run_threads(work, range(0, len(rows), step), self.n_jobs)
        return pairs


@functools.cache
def _pairs_of(label: int, n_classes: int) -> list[int]:
    """Return the positions of the pairs that a class is one of."""
    pairs = combinations(range(n_classes), 2)
    return [position for position, pair in enumerate(pairs) if label in pair]


@functools.cache
def _columns_of_pairs(n_classes: int) -> tuple[list[int], list[int]]:
    """Return where the sums of a pair's first and second class stand among those of all classes.

    Each class has ``n_classes - 1`` sums, one for each other class, in order.
    """
    pairs = list(combinations(range(n_classes), 2))
    first = [i * (n_classes - 1) + j - 1 for i, j in pairs]
    return first, [j * (n_classes - 1) + i for i, j in pairs]
