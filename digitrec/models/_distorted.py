"""What the models share that make their own training images by distorting those given."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import TransformerMixin
from sklearn.utils.validation import validate_data

from digitrec._validation import check_rows
from digitrec.models._classes import MostProbableClassifier, encode_classes
from digitrec.preprocessing.augmentation import Augmentation
from digitrec.preprocessing.distorted import DistortedFeatures

JITTER = Augmentation(
    rotation=7.0, scale=0.1, shear=0.1, shift=1.0, elastic_alpha=18.0, thickness=0.3
)
"""Distortions that suit deskewed digits; chosen on validation rows of MNIST."""


class DistortedImagesClassifier(MostProbableClassifier):
    """Base of the models that describe images by `DistortedFeatures`."""

    image_shape: tuple[int, int] | None
    n_components: int
    whitening: float = 0.0
    descriptor: TransformerMixin | None
    augmentation: Augmentation | None
    n_jobs: int | None
    features_: DistortedFeatures

    def _fit_features(
        self, X: ArrayLike, y: ArrayLike
    ) -> tuple[NDArray, NDArray[np.intp], NDArray[np.float32]]:
        """Return the checked images, the number of each one's class, and its features."""
        checked: tuple[NDArray, NDArray] = validate_data(self, X, y, dtype=[np.float32, np.float64])
        images, targets = checked
        self.classes_, labels = encode_classes(targets)
        self.features_ = DistortedFeatures(
            self.image_shape, self.descriptor, self.n_components, self.whitening, self.n_jobs
        )
        return images, labels, self.features_.pipeline_.fit_transform(images)

    def _copies(self, images: NDArray, n_copies: int, seed: int) -> Iterator[NDArray[np.float32]]:
        """Yield the features of distorted copies of all images, one copy of each at a time."""
        return self.features_.copies(images, n_copies, seed, self.augmentation or JITTER)

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return the probabilities of the classes.

        Parameters
        ----------
        X : array-like, shape (n_samples, height * width)
            Images, values 0–1.

        Returns
        -------
        ndarray of float32, shape (n_samples, n_classes)
            Rows sum to 1.
        """
        return self._probabilities(self._describe(X))

    def _describe(self, X: ArrayLike) -> NDArray[np.float32]:
        images = check_rows(self, X, dtype=[np.float32, np.float64], fitted="features_")
        return self.features_.pipeline_.transform(images)

    def _probabilities(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        raise NotImplementedError
