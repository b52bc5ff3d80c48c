"""Nearest neighbours under a distance that lets pixels move: a candidate that was left out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from digitrec.preprocessing.distorted import DistortedFeatures

__all__ = ["DistortionNeighbors"]

_CHUNK_ROWS = 500


class DistortionNeighbors:
    """The vote of the nearest images by the image distortion model.

    Each pixel of an image is compared with the best of the pixels near the same place of a
    training image, by the gradients in the 3x3 pixels around both; the distance is the sum of
    the squared differences. Only the images nearest by the components of `descriptor` are
    compared so.

    Parameters
    ----------
    image_shape : tuple of int
        ``(height, width)``.
    descriptor : transformer, optional
        As `digitrec.preprocessing.distorted.DistortedFeatures` takes it.
    n_candidates : int
        Images compared with each.
    n_neighbors : int
        Images that vote.
    warp : int
        Pixels that a pixel may move along each axis.

    Notes
    -----
    D. Keysers, T. Deselaers, C. Gollan and H. Ney, "Deformation models for image recognition",
    IEEE TPAMI 29(8), 2007.
    """

    def __init__(
        self,
        image_shape: tuple[int, int],
        descriptor: object = None,
        *,
        n_candidates: int = 50,
        n_neighbors: int = 5,
        warp: int = 2,
    ) -> None:
        self.image_shape = image_shape
        self.features = DistortedFeatures(image_shape, descriptor=descriptor)
        self.n_candidates = n_candidates
        self.n_neighbors = n_neighbors
        self.warp = warp

    def fit(self, X: NDArray[np.float32], y: NDArray[np.int64]) -> DistortionNeighbors:
        """Keep images, values 0–1, shape (n_samples, height * width), and their labels from 0."""
        self.rows = self.features.fit_transform(X)
        self.norms = np.einsum("ij,ij->i", self.rows, self.rows)
        self.gradients = self._gradients(X)
        self.labels = np.asarray(y)
        return self

    def predict(self, X: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the label that most of the nearest images have; the lowest of equals."""
        rows, gradients = self.features.transform(X), self._gradients(X)
        predicted = np.empty(len(X), dtype=np.int64)
        count = min(self.n_candidates, len(self.rows))
        for start in range(0, len(X), _CHUNK_ROWS):
            chunk = slice(start, start + _CHUNK_ROWS)
            distances = self.norms - 2 * (rows[chunk] @ self.rows.T)
            near = np.argpartition(distances, count - 1, axis=1)[:, :count]
            for i, candidates in enumerate(near, start):
                order = self._distances(gradients[i], self.gradients[candidates]).argsort()
                votes = self.labels[candidates[order[: self.n_neighbors]]]
                predicted[i] = np.bincount(votes).argmax()
        return predicted

    def _gradients(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return Sobel's derivatives along rows and columns, (n_samples, 2, height, width)."""
        images = np.pad(X.reshape(-1, *self.image_shape), ((0, 0), (1, 1), (1, 1)))
        across = images[:, :, 2:] - images[:, :, :-2]
        down = images[:, 2:] - images[:, :-2]
        across = across[:, :-2] + 2 * across[:, 1:-1] + across[:, 2:]
        down = down[:, :, :-2] + 2 * down[:, :, 1:-1] + down[:, :, 2:]
        return np.stack([across, down], axis=1).astype(np.float32) / np.float32(4)

    def _distances(
        self, image: NDArray[np.float32], others: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        height, width = self.image_shape
        reach = self.warp
        framed = np.pad(others, ((0, 0), (0, 0), (reach, reach), (reach, reach)))
        squares = np.zeros((len(others), height + 2, width + 2), dtype=np.float32)
        best = np.full((len(others), height, width), np.inf, dtype=np.float32)
        for y in range(2 * reach + 1):
            for x in range(2 * reach + 1):
                away = framed[:, :, y : y + height, x : x + width] - image
                away *= away
                np.add(away[:, 0], away[:, 1], out=squares[:, 1:-1, 1:-1])
                rows = squares[:, :-2] + squares[:, 1:-1] + squares[:, 2:]
                np.minimum(best, rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:], out=best)
        return best.sum(axis=(1, 2))
