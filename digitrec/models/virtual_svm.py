"""A support vector machine that makes the training images it needs."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from sklearn.base import TransformerMixin
from sklearn.utils import check_random_state

from digitrec.models._classes import pair_log_probabilities
from digitrec.models._distorted import DistortedImagesClassifier
from digitrec.models._pair_solver import PairMachine, fit_pair
from digitrec.preprocessing._images import map_rows, run_threads
from digitrec.preprocessing.augmentation import Augmentation

# Training rows further than this from a pair's boundary take no part in its second fit.
_MARGIN_KEPT = 1.5


class VirtualSVC(DistortedImagesClassifier):
    """RBF support vector machine trained on virtual examples near its boundaries.

    One machine per pair of classes is fitted to the gradient features of the images. Then
    every image is distorted `n_copies` times, and for each pair the copies on or inside the
    margin, which alone can become support vectors, join the images near the margin in a
    second fit. A prediction is one matrix product with all support vectors for all pairs.

    Parameters
    ----------
    image_shape : tuple of int, optional
        ``(height, width)``; None infers a square.
    C : float, default=10.0
        Inverse strength of the regularisation.
    gamma : float or None, default=None
        Coefficient of the RBF kernel; None means ``0.7 / n_components``, features having a
        mean variance of 1, and half of that where components are whitened.
    n_components : int, default=150
        Principal components of the features.
    whitening : float, default=0.0
        Components are divided by their variance to this power; 0 keeps their sizes, 0.5 gives
        all of them the same size.
    descriptor : transformer, optional
        What describes images before their components are taken, as `DistortedFeatures` has
        it; None means `OrientedGradients`.
    n_copies : int, default=8
        Distorted copies of each training image; 0 gives a plain support vector machine.
    augmentation : Augmentation, optional
        How strongly to distort; None means `digitrec.models._distorted.JITTER`.
    random_state : int, RandomState or None
        Seed of the distortions.
    n_jobs : int, optional
        Threads, for the features and for pairs of classes; None means one.

    Attributes
    ----------
    classes_ : ndarray
        Labels.
    features_ : DistortedFeatures
        Fitted way from images to features.
    support_vectors_ : ndarray of float32, shape (n_support_vectors, n_components)
        Support vectors of all pairs, each once.
    pair_coefficients_ : ndarray of float32, shape (n_support_vectors, n_pairs)
        Their coefficients; pairs in the order (0, 1), (0, 2), …, (1, 2), ….
    pair_intercepts_ : ndarray of float32, shape (n_pairs,)
        Intercepts.
    gamma_ : float
        Coefficient of the kernel.
    distortion_seed_ : int
        Seed that `features_` was given for the copies.
    n_features_in_ : int
        Pixels per image.

    Notes
    -----
    D. Decoste and B. Schölkopf, "Training invariant support vector machines", Machine
    Learning 46, 2002, distort the support vectors only. Choosing among copies of all images
    by their margin follows the selective sampling of G. Loosli, S. Canu and L. Bottou,
    "Training invariant support vector machines using selective sampling", 2007.
    """

    def __init__(
        self,
        image_shape: tuple[int, int] | None = None,
        *,
        C: float = 10.0,
        gamma: float | None = None,
        n_components: int = 150,
        whitening: float = 0.0,
        descriptor: TransformerMixin | None = None,
        n_copies: int = 8,
        augmentation: Augmentation | None = None,
        random_state: int | np.random.RandomState | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.image_shape = image_shape
        self.C = C
        self.gamma = gamma
        self.n_components = n_components
        self.whitening = whitening
        self.descriptor = descriptor
        self.n_copies = n_copies
        self.augmentation = augmentation
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X: ArrayLike, y: ArrayLike) -> VirtualSVC:
        """Fit the machines to images and their distorted copies.

        Parameters
        ----------
        X : array-like, shape (n_samples, height * width)
            Images, values 0–1; deskewed ones work best.
        y : array-like, shape (n_samples,)
            Labels.
        """
        images, labels, rows = self._fit_features(X, y)
        slope = 0.35 if self.whitening else 0.7
        self.gamma_ = slope / rows.shape[1] if self.gamma is None else float(self.gamma)
        pairs = list(combinations(range(len(self.classes_)), 2))
        self.distortion_seed_ = int(check_random_state(self.random_state).randint(2**31 - 1))
        everything = np.ones((len(rows), len(pairs)), dtype=bool)
        self._fit_pairs([_rows_of_pairs(rows, labels, everything, pairs)], pairs)
        if self.n_copies:
            near = self._signed_margins(rows, labels, pairs) < _MARGIN_KEPT
            chosen = [_rows_of_pairs(rows, labels, near, pairs)]
            for copy in self._copies(images, self.n_copies, self.distortion_seed_):
                inside = self._signed_margins(copy, labels, pairs) < 1
                chosen.append(_rows_of_pairs(copy, labels, inside, pairs))
            self._fit_pairs(chosen, pairs)
        return self

    def _probabilities(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        margins = self._pair_margins(rows)
        return softmax(pair_log_probabilities(margins, len(self.classes_)), axis=1)

    def _fit_pairs(self, parts: list[list[_PairRows]], pairs: list[tuple[int, int]]) -> None:
        """Fit one machine per pair of classes, and merge their support vectors."""

        def fit_rows(p: int) -> tuple[NDArray[np.float32], PairMachine]:
            rows, is_first = map(np.concatenate, zip(*(part[p] for part in parts), strict=True))
            machine = fit_pair(rows, is_first, C=self.C, gamma=self.gamma_)
            return rows[machine.support], machine

        fitted = run_threads(fit_rows, range(len(pairs)), self.n_jobs)
        vectors: NDArray[np.float32] = np.concatenate([rows for rows, _ in fitted])
        self.support_vectors_, place = np.unique(vectors, axis=0, return_inverse=True)
        coefficients = np.zeros((len(self.support_vectors_), len(pairs)), dtype=np.float32)
        start = 0
        for p, (_, machine) in enumerate(fitted):
            stop = start + len(machine.support)
            # Equal rows share one place; their coefficients add up.
            np.add.at(coefficients[:, p], place[start:stop], machine.coefficients)
            start = stop
        self.pair_coefficients_ = coefficients
        self.pair_intercepts_ = np.array([m.intercept for _, m in fitted], dtype=np.float32)

    def _pair_margins(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return margins of features, shape (n_samples, n_pairs): positive for a pair's first."""
        vectors, gamma = self.support_vectors_, np.float32(self.gamma_)
        scaled: NDArray[np.float32] = np.ascontiguousarray(vectors.T) * (2 * gamma)
        norms: NDArray[np.float32] = np.einsum("ij,ij->i", vectors, vectors) * gamma

        def margins(chunk: NDArray[np.float32]) -> NDArray[np.float32]:
            kernel: NDArray[np.float32] = chunk @ scaled
            kernel -= norms
            kernel -= (np.einsum("ij,ij->i", chunk, chunk) * gamma)[:, None]
            np.exp(kernel, out=kernel)
            return kernel @ self.pair_coefficients_ + self.pair_intercepts_

        return map_rows(margins, rows, len(self.pair_intercepts_), self.n_jobs)

    def _signed_margins(
        self, rows: NDArray[np.float32], labels: NDArray, pairs: Iterable[tuple[int, int]]
    ) -> NDArray[np.float32]:
        """Return margins that are positive for the right class of a pair."""
        margins = self._pair_margins(rows)
        for p, (_, second) in enumerate(pairs):
            margins[labels == second, p] *= -1
        return margins


# Rows that take part in the fit of a pair, and which of them are of its first class.
_PairRows = tuple[NDArray[np.float32], NDArray[np.bool_]]


def _rows_of_pairs(
    rows: NDArray[np.float32],
    labels: NDArray,
    wanted: NDArray[np.bool_],
    pairs: list[tuple[int, int]],
) -> list[_PairRows]:
    """Return the rows of each pair of classes that are `wanted`, shape (n_samples, n_pairs)."""
    found = []
    for p, (first, second) in enumerate(pairs):
        chosen = wanted[:, p] & ((labels == first) | (labels == second))
        found.append((rows[chosen], labels[chosen] == first))
    return found
