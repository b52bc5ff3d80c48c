"""The recogniser's networks as a classifier of 28x28 rows and of crops."""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import ArrayLike, NDArray

from digitrec.inference.network import Network, RecognizerFacts, read_networks

NOT_A_DIGIT = 10
"""Label of the eleventh class."""


class RecognizerNetworks:
    """Two fitted networks with the interface of a scikit-learn classifier.

    Parameters
    ----------
    digit : Network
        Of digits cut out and framed as MNIST frames them.
    crop : Network
        Of crops of one digit with pieces of its neighbours.

    Attributes
    ----------
    classes_ : ndarray of int64, shape (11,)
        0-9 and `NOT_A_DIGIT`.
    n_features_in_ : int
        784.
    """

    def __init__(self, digit: Network, crop: Network) -> None:
        self.digit = digit
        self.crop = crop
        self.classes_ = np.arange(NOT_A_DIGIT + 1)
        self.n_features_in_ = digit.side**2

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> tuple[RecognizerNetworks, RecognizerFacts]:
        """Return the networks of a file that `train_recognizer` wrote, and the facts beside it.

        Raises
        ------
        ModelFileError
            If the file cannot be read, is damaged, or holds something else.
        """
        networks, facts = read_networks(path, ("digit", "crop"))
        return cls(networks["digit"], networks["crop"]), facts

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return calibrated probabilities, shape (n, 11), of rows of 784 values 0-255."""
        return self.digit.probabilities(np.asarray(X, np.float32) * np.float32(1 / 255))

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:
        """Return the most probable label of each row."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def crop_probabilities(self, crops: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return calibrated probabilities, shape (n, 11), of the central thing of crops.

        Parameters
        ----------
        crops : ndarray of float32, shape (n, CROP_SIDE, CROP_SIDE)
            Ink, 0-1.
        """
        return self.crop.probabilities(crops)
