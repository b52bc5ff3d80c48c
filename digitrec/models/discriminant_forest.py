"""A random forest that splits along linear discriminants."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike, NDArray
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.utils.validation import validate_data

from digitrec._validation import check_rows
from digitrec.models._classes import MostProbableClassifier, encode_classes
from digitrec.preprocessing._images import run_threads

# Single features fill up to so many columns where classes are few. Where the discriminants are
# more, as the 54 of ten classes, ten more features raise the error on MNIST by 0.08 points.
_COLUMNS = 50
# Discriminants of all classes together, at most.
_MOST_GLOBAL = 19
# Discriminants of two classes each, at most: those of the pairs that are nearest to each other.
_MOST_PAIRS = 45
# Added to the variance within classes in every direction, as a share of its mean. On MNIST,
# 0.1 gives a validation log loss of 0.036 and 0.001 one of 0.040.
_SHRINKAGE = 0.1
N_LEVELS = 64
"""Levels of a column."""
# Share of the rows on either side whose values are taken as the lowest or the highest level.
_TAIL = 0.001
# Position of the lowest value within its level; not a round number, so that whole pixel values are
# not on the border of two levels, where rounding would decide.
_OFFSET = 0.382
# Rows that go through all trees at once.
_CHUNK_ROWS = 2000


class DiscriminantForest(MostProbableClassifier):
    """A random forest on linear discriminants, rounded to a few levels.

    A tree splits along one column at a time, and no single principal component separates two
    digits. Linear discriminants do: those of all classes together (at most ``n_classes - 1``),
    and one for each pair of classes. They are the columns of the trees; where they are fewer
    than 50, the most discriminative single features fill up. Rounding them
    to 64 levels makes the trees small and quick to grow.

    Parameters
    ----------
    n_estimators : int
        Trees.
    max_features : int, float, {"sqrt", "log2"} or None
        Split candidates drawn at each node, as in scikit-learn; no more than there are columns.
    min_samples_leaf : int or float
        Fewest rows of a leaf.
    max_depth : int, optional
        Levels of a tree at most.
    random_thresholds : bool
        Whether the threshold of each split candidate is drawn at random instead of searched, as
        `sklearn.ensemble.ExtraTreesClassifier` does it.
    random_state : int, RandomState or None
        Seed of the split candidates.
    n_jobs : int, optional
        Threads.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
        Labels.
    axes_ : ndarray of float32, shape (n_features, n_columns)
        Directions of the columns, one level long.
    offsets_ : ndarray of float32, shape (n_columns,)
        Added to the rows' coordinates along the axes; the whole part is the level.
    forest_ : RandomForestClassifier or ExtraTreesClassifier
        The trees on the levels.
    n_features_in_ : int
        Number of columns at fit.

    Notes
    -----
    Trees on all rows that differ by their split candidates alone: T. K. Ho, "The random subspace
    method for constructing decision forests", IEEE TPAMI 20(8), 1998. Linear combinations as
    split candidates: L. Breiman, "Random forests", Machine Learning 45, 2001, section 5.
    Thresholds drawn at random: P. Geurts, D. Ernst and L. Wehenkel, "Extremely randomized trees",
    Machine Learning 63, 2006. Discriminants of pairs follow R. A. Fisher, "The use of multiple
    measurements in taxonomic problems", Annals of Eugenics 7, 1936.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> model = DiscriminantForest(50, random_state=0).fit(X[::2], y[::2])
    >>> bool(model.score(X[1::2], y[1::2]) > 0.95)
    True
    """

    def __init__(
        self,
        n_estimators: int = 100,
        *,
        max_features: int | float | str | None = 3,
        min_samples_leaf: int | float = 1,
        max_depth: int | None = None,
        random_thresholds: bool = False,
        random_state: int | np.random.RandomState | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.n_estimators = n_estimators
        self.max_features = max_features
        self.min_samples_leaf = min_samples_leaf
        self.max_depth = max_depth
        self.random_thresholds = random_thresholds
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X: ArrayLike, y: ArrayLike) -> DiscriminantForest:
        """Fit the discriminants, then the trees.

        Parameters
        ----------
        X : array-like, shape (n_samples, n_features)
            Features.
        y : array-like, shape (n_samples,)
            Labels.
        """
        checked: tuple[NDArray, NDArray] = validate_data(self, X, y, dtype=np.float32)
        rows, targets = checked
        self.classes_, labels = encode_classes(targets)
        axes = _discriminants(rows, labels, len(self.classes_))
        coordinates = rows @ axes
        low, high = np.quantile(coordinates, [_TAIL, 1 - _TAIL], axis=0)
        scale = (N_LEVELS - 1) / np.where(high > low, high - low, np.inf)
        self.axes_ = (axes * scale).astype(np.float32)
        self.offsets_ = (_OFFSET - low * scale).astype(np.float32)
        parameters: dict[str, Any] = self.get_params() | {"bootstrap": False}
        del parameters["random_thresholds"]
        if isinstance(self.max_features, int):
            parameters["max_features"] = min(self.max_features, axes.shape[1])
        kind = ExtraTreesClassifier if self.random_thresholds else RandomForestClassifier
        self.forest_ = kind(**parameters).fit(self._levels(rows), targets)
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the mean of the trees' class frequencies.

        Parameters
        ----------
        X : array-like, shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of float64, shape (n_samples, n_classes)
            Rows sum to 1.
        """
        rows = check_rows(self, X, dtype=np.float32, fitted="forest_")
        levels = self._levels(rows)
        trees = [tree.tree_ for tree in self.forest_.estimators_]
        sums = np.zeros((len(rows), len(self.classes_)))

        # One call of a tree costs less than the threads that scikit-learn starts for it.
        def work(start: int) -> None:
            part = slice(start, start + _CHUNK_ROWS)
            for tree in trees:
                sums[part] += tree.predict(levels[part])

        run_threads(work, range(0, len(rows), _CHUNK_ROWS), self.n_jobs)
        return sums / len(trees)

    def _levels(self, rows: NDArray) -> NDArray[np.float32]:
        levels: NDArray[np.float32] = rows @ self.axes_
        levels += self.offsets_
        return np.clip(np.floor(levels, out=levels), 0, N_LEVELS - 1, out=levels)


def _discriminants(
    rows: NDArray[np.float32], labels: NDArray[np.intp], n_classes: int
) -> NDArray[np.float64]:
    """Return the directions that the trees split along, shape (n_features, n_columns)."""
    n_features = rows.shape[1]
    counts = np.bincount(labels)
    means = np.empty((n_classes, n_features))
    within = np.zeros((n_features, n_features))
    for k in range(n_classes):
        members = rows[labels == k]
        means[k] = members.mean(axis=0)
        within += _scatter(members, means[k])
    within /= len(rows)
    spread = within.diagonal().copy()
    centred = (means - counts @ means / len(rows)) * np.sqrt(counts / len(rows))[:, None]
    regular = _regular(within)
    # The whitened means span the space in which the classes differ.
    root = scipy.linalg.cholesky(regular, lower=True)
    white = scipy.linalg.solve_triangular(root, centred.T, lower=True)
    directions, sizes, _ = np.linalg.svd(white, full_matrices=False)
    n_global = min(_MOST_GLOBAL, n_classes - 1, n_features, max(1, int(np.sum(sizes > 1e-9))))
    axes = [scipy.linalg.solve_triangular(root, directions[:, :n_global], lower=True, trans="T")]
    if n_classes > 2:
        axes.append(_pair_axes(rows, labels, means, root))
    n_single = min(n_features, _COLUMNS - sum(part.shape[1] for part in axes))
    if n_single > 0:
        between = np.sum(centred**2, axis=0)
        ratio = between / np.maximum(spread, 1e-12)
        best = np.sort(np.argsort(-ratio, kind="stable")[:n_single])
        axes.append(np.eye(n_features)[:, best])
    return np.concatenate(axes, axis=1)


def _pair_axes(
    rows: NDArray[np.float32], labels: NDArray[np.intp], means: NDArray, root: NDArray
) -> NDArray[np.float64]:
    """Return Fisher's discriminants of the pairs of classes that are nearest to each other."""
    pairs = list(combinations(range(len(means)), 2))
    if len(pairs) > _MOST_PAIRS:
        white = scipy.linalg.solve_triangular(root, means.T, lower=True).T
        distances = [np.sum((white[i] - white[j]) ** 2) for i, j in pairs]
        pairs = [pairs[p] for p in np.sort(np.argsort(distances, kind="stable")[:_MOST_PAIRS])]
    involved = sorted({k for pair in pairs for k in pair})
    covariances = {}
    for k in involved:
        members = rows[labels == k]
        covariances[k] = (_scatter(members, means[k]) / len(members)).astype(np.float32)
    axes = [
        scipy.linalg.solve(
            _regular((covariances[i].astype(np.float64) + covariances[j]) / 2),
            means[i] - means[j],
            assume_a="pos",
        )
        for i, j in pairs
    ]
    return np.stack(axes, axis=1)


def _scatter(members: NDArray[np.float32], mean: NDArray) -> NDArray:
    centred = members - mean.astype(np.float32)
    return centred.T @ centred


def _regular(covariance: NDArray) -> NDArray:
    """Add the same variance in every direction."""
    extra = _SHRINKAGE * np.trace(covariance) / len(covariance)
    return covariance + (extra if extra > 0 else 1.0) * np.eye(len(covariance))
