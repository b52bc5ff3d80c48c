"""A feed-forward network trained on new distortions of its images in every epoch."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import TransformerMixin
from sklearn.neural_network import MLPClassifier
from sklearn.utils import check_random_state

from digitrec._interruption import interruptible
from digitrec.models._distorted import DistortedImagesClassifier
from digitrec.preprocessing.augmentation import Augmentation

# Epochs on distorted images between two on the images themselves.
_COPIES_PER_ORIGINAL = 8


class AugmentedMLP(DistortedImagesClassifier):
    """Multi-layer perceptron on gradient features, trained on a stream of distorted images.

    Every epoch takes one new distorted copy of each training image; every ninth takes the
    images themselves. The weights are the mean over the last third of the epochs, which
    takes the place of a falling learning rate. Several networks can learn from one stream, for
    distorting and describing images takes most of the time; their probabilities are averaged.

    Parameters
    ----------
    image_shape : tuple of int, optional
        ``(height, width)``; None infers a square.
    hidden_layer_sizes : tuple of int, default=(512,)
        Units of each hidden layer.
    n_components : int, default=200
        Principal components of the features.
    descriptor : transformer, optional
        What describes images before their components are taken, as `DistortedFeatures` has
        it; None means `OrientedGradients`.
    n_networks : int, default=1
        Networks with weights of their own.
    n_epochs : int, default=36
        Passes over the training images.
    batch_size : int, default=250
        Rows per step of the optimiser (Adam).
    augmentation : Augmentation, optional
        How strongly to distort; None means `digitrec.models._distorted.JITTER`.
    random_state : int, RandomState or None
        Seed of weights, order and distortions.
    n_jobs : int, optional
        Threads for the features; None means one.

    Attributes
    ----------
    classes_ : ndarray
        Labels.
    features_ : DistortedFeatures
        Fitted way from images to features.
    networks_ : list of sklearn.neural_network.MLPClassifier
        Fitted networks.
    n_features_in_ : int
        Pixels per image.

    Notes
    -----
    Training on a stream of distortions: P. Y. Simard, D. Steinkraus and J. C. Platt, "Best
    practices for convolutional neural networks applied to visual document analysis", ICDAR
    2003. Averaging weights: B. T. Polyak and A. B. Juditsky, "Acceleration of stochastic
    approximation by averaging", SIAM J. Control and Optimization 30(4), 1992.
    """

    def __init__(
        self,
        image_shape: tuple[int, int] | None = None,
        *,
        hidden_layer_sizes: tuple[int, ...] = (512,),
        n_components: int = 200,
        descriptor: TransformerMixin | None = None,
        n_networks: int = 1,
        n_epochs: int = 36,
        batch_size: int = 250,
        augmentation: Augmentation | None = None,
        random_state: int | np.random.RandomState | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.image_shape = image_shape
        self.hidden_layer_sizes = hidden_layer_sizes
        self.n_components = n_components
        self.descriptor = descriptor
        self.n_networks = n_networks
        self.n_epochs = n_epochs
        self.batch_size = batch_size
        self.augmentation = augmentation
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X: ArrayLike, y: ArrayLike) -> AugmentedMLP:
        """Train the network.

        Parameters
        ----------
        X : array-like, shape (n_samples, height * width)
            Images, values 0–1; deskewed ones work best.
        y : array-like, shape (n_samples,)
            Labels.
        """
        images, labels, rows = self._fit_features(X, y)
        targets = self.classes_[labels]
        random = check_random_state(self.random_state)
        copies = self._copies(images, self.n_epochs, int(random.randint(2**31 - 1)))
        self.networks_ = [
            MLPClassifier(
                self.hidden_layer_sizes,
                batch_size=min(self.batch_size, len(rows)),
                random_state=int(random.randint(2**31 - 1)),
            )
            for _ in range(self.n_networks)
        ]
        averaged = max(1, self.n_epochs // 3)
        sums: list[list[NDArray]] = [[] for _ in self.networks_]
        for epoch in range(self.n_epochs):
            shown = next(copies) if epoch % (_COPIES_PER_ORIGINAL + 1) else rows
            for network, total in zip(self.networks_, sums, strict=True):
                with interruptible():
                    network.partial_fit(shown, targets, classes=self.classes_)
                if epoch >= self.n_epochs - averaged:
                    weights = [*network.coefs_, *network.intercepts_]
                    if total:
                        for a, b in zip(total, weights, strict=True):
                            a += b
                    else:
                        total.extend(w.copy() for w in weights)
        for network, total in zip(self.networks_, sums, strict=True):
            means = [(values / averaged).astype(np.float32) for values in total]
            layers = len(network.coefs_)
            network.coefs_, network.intercepts_ = means[:layers], means[layers:]
        return self

    def _probabilities(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.mean([network.predict_proba(rows) for network in self.networks_], axis=0)
