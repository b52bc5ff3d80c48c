"""Features of images and of distorted copies of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from digitrec.preprocessing._images import resolve_image_shape
from digitrec.preprocessing.augmentation import Augmentation, augment
from digitrec.preprocessing.components import PrincipalComponents
from digitrec.preprocessing.gradients import OrientedGradients
from digitrec.preprocessing.scaling import GlobalScaler


class DistortedFeatures(TransformerMixin, BaseEstimator):
    """Features for models that make their own training images.

    Images, best deskewed ones, become a descriptor, principal components and one scale; the
    same can be computed for randomly distorted copies. Distorting after the deskew matters: a
    distortion before it is mostly undone by it.

    Parameters
    ----------
    image_shape : tuple of int, optional
        ``(height, width)``; None infers a square.
    descriptor : transformer, optional
        What describes images before their components are taken, with parameters
        ``image_shape`` and ``n_jobs``; it is cloned. None means `OrientedGradients`.
    n_components : int, default=150
        Principal components.
    whitening : float, default=0.0
        As `PrincipalComponents` has it.
    n_jobs : int, optional
        Threads; None means one.

    Attributes
    ----------
    pipeline_ : sklearn.pipeline.Pipeline
        The fitted steps; they have seen no distorted copy.
    """

    def __init__(
        self,
        image_shape: tuple[int, int] | None = None,
        *,
        descriptor: TransformerMixin | None = None,
        n_components: int = 150,
        whitening: float = 0.0,
        n_jobs: int | None = None,
    ) -> None:
        self.image_shape = image_shape
        self.descriptor = descriptor
        self.n_components = n_components
        self.whitening = whitening
        self.n_jobs = n_jobs

    def fit(self, X: ArrayLike, y: object = None) -> DistortedFeatures:
        """Fit as `fit_transform` does."""
        self.fit_transform(X)
        return self

    def fit_transform(self, X: ArrayLike, y: object = None) -> NDArray[np.float32]:
        """Fit, and return the features of the training images.

        Parameters
        ----------
        X : array-like, shape (n_samples, height * width)
            Training images, values 0–1.
        y : ignored

        Returns
        -------
        ndarray of float32, shape (n_samples, n_components)
        """
        descriptor = OrientedGradients() if self.descriptor is None else clone(self.descriptor)
        descriptor.set_params(image_shape=self.image_shape, n_jobs=self.n_jobs)
        self.pipeline_ = Pipeline(
            [
                ("descriptor", descriptor),
                ("components", PrincipalComponents(self.n_components, whitening=self.whitening)),
                ("scale", GlobalScaler()),
            ]
        )
        return self.pipeline_.fit_transform(X)

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return the features of images.

        Parameters
        ----------
        X : array-like, shape (n_samples, height * width)
            Images, values 0–1.

        Returns
        -------
        ndarray of float32, shape (n_samples, n_components)
        """
        check_is_fitted(self)
        return self.pipeline_.transform(X)

    def copies(
        self, X: NDArray, n_copies: int, random_state: int, augmentation: Augmentation
    ) -> Iterator[NDArray[np.float32]]:
        """Yield the features of distorted copies of all images, one copy of each at a time.

        Parameters
        ----------
        X : ndarray, shape (n_samples, height * width)
            Images, values 0–1.
        n_copies : int
            Copies of every image.
        random_state : int
            Seed.
        augmentation : Augmentation
            How strongly to distort.

        Yields
        ------
        ndarray of float32, shape (n_samples, n_components)
        """
        check_is_fitted(self)
        shape = resolve_image_shape(self.image_shape, X.shape[1])
        rounds = augment(
            X,
            shape,
            n_copies,
            random_state,
            augmentation=augmentation,
            chunk_rows=len(X),
            n_jobs=self.n_jobs,
        )
        for images in rounds:
            yield self.pipeline_.transform(images)
