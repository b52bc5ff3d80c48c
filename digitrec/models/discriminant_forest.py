"""A random forest that may also split along linear discriminants."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier
from sklearn.utils.validation import check_is_fitted, validate_data

from digitrec.models._classes import encode_classes

__all__ = ["DiscriminantForest"]


class DiscriminantForest(ClassifierMixin, BaseEstimator):
    """A random forest on the features and on their linear discriminants.

    A tree splits along one column at a time, and no single principal component tells two digits
    apart. The discriminants (at most ``n_classes - 1`` columns) do; beside the
    features, they are further split candidates.

    Parameters
    ----------
    n_estimators : int
        Trees.
    criterion : {"gini", "entropy", "log_loss"}
        What a split lowers.
    max_features : int, float, {"sqrt", "log2"} or None
        Split candidates drawn at each node, as in scikit-learn.
    min_samples_leaf : int or float
        Rows that a leaf holds at least.
    max_depth : int, optional
        Levels of a tree at most.
    bootstrap : bool
        Whether each tree sees a sample of the rows drawn with replacement, else all rows.
    random_state : int, RandomState or None
        Seed of the split candidates and the samples.
    n_jobs : int, optional
        Threads.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
        Labels.
    discriminants_ : LinearDiscriminantAnalysis
        The projection.
    forest_ : RandomForestClassifier
        The trees; columns are the features, then the discriminants.
    n_features_in_ : int
        Number of columns at fit.

    Notes
    -----
    Trees on all rows that differ by their split candidates alone: T. K. Ho, "The random subspace
    method for constructing decision forests", IEEE TPAMI 20(8), 1998. Linear combinations as
    split candidates: L. Breiman, "Random forests", Machine Learning 45, 2001, section 5.
    """

    def __init__(
        self,
        n_estimators: int = 100,
        *,
        criterion: str = "gini",
        max_features: int | float | str | None = 5,
        min_samples_leaf: int | float = 1,
        max_depth: int | None = None,
        bootstrap: bool = False,
        random_state: int | np.random.RandomState | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.n_estimators = n_estimators
        self.criterion = criterion
        self.max_features = max_features
        self.min_samples_leaf = min_samples_leaf
        self.max_depth = max_depth
        self.bootstrap = bootstrap
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X: ArrayLike, y: ArrayLike) -> DiscriminantForest:
        """Fit the projection, then the trees.

        Parameters
        ----------
        X : array-like, shape (n_samples, n_features)
            Features.
        y : array-like, shape (n_samples,)
            Labels.
        """
        checked: tuple[NDArray, NDArray] = validate_data(self, X, y, dtype=np.float32)
        rows, targets = checked
        self.classes_, _ = encode_classes(targets)
        self.discriminants_ = LinearDiscriminantAnalysis().fit(rows, targets)
        self.forest_ = RandomForestClassifier(**self.get_params())
        self.forest_.fit(self._with_discriminants(rows), targets)
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
        check_is_fitted(self)
        rows: NDArray = validate_data(self, X, dtype=np.float32, reset=False)
        return self.forest_.predict_proba(self._with_discriminants(rows))

    def predict(self, X: ArrayLike) -> NDArray:
        """Return the most probable class.

        Parameters
        ----------
        X : array-like, shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray, shape (n_samples,)
            Labels.
        """
        check_is_fitted(self)
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def _with_discriminants(self, rows: NDArray) -> NDArray[np.float32]:
        discriminants = self.discriminants_.transform(rows)
        return np.hstack([rows, discriminants.astype(np.float32, copy=False)])
