"""Features of images and of distorted copies of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from sklearn.base import TransformerMixin, clone
from sklearn.pipeline import Pipeline

from digitrec.preprocessing._images import resolve_image_shape
from digitrec.preprocessing.augmentation import Augmentation, augment
from digitrec.preprocessing.components import PrincipalComponents
from digitrec.preprocessing.gradients import OrientedGradients
from digitrec.preprocessing.scaling import GlobalScaler


class DistortedFeatures:
    """Features for models that make their own training images.

    Images, deskewed ones for the lowest error, become a descriptor, principal components and one
    scale; the same can be computed for randomly distorted copies. Distort after the deskew, which
    mostly undoes a distortion before it.

    Parameters
    ----------
    image_shape : tuple of int or None
        ``(height, width)``; None infers a square.
    descriptor : transformer or None
        What describes images before their components are taken, with parameters
        ``image_shape`` and ``n_jobs``; it is cloned. None means `OrientedGradients`.
    n_components : int
        Principal components.
    whitening : float
        As `PrincipalComponents` has it.
    n_jobs : int or None
        Threads; None means one.

    Attributes
    ----------
    pipeline_ : sklearn.pipeline.Pipeline
        From images, values 0–1, to features. It is fitted on images, not on copies of them.
    """

    def __init__(
        self,
        image_shape: tuple[int, int] | None,
        descriptor: TransformerMixin | None,
        n_components: int,
        whitening: float,
        n_jobs: int | None,
    ) -> None:
        self.image_shape = image_shape
        self.n_jobs = n_jobs
        described = OrientedGradients() if descriptor is None else clone(descriptor)
        self.pipeline_ = Pipeline(
            [
                ("descriptor", described.set_params(image_shape=image_shape, n_jobs=n_jobs)),
                ("components", PrincipalComponents(n_components, whitening=whitening)),
                ("scale", GlobalScaler()),
            ]
        )

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
