"""A small convolutional network, trained with Keras."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted, validate_data

from digitrec._optional import import_optional
from digitrec.models._classes import MostProbableClassifier, encode_classes
from digitrec.models._distorted import JITTER
from digitrec.preprocessing._images import resolve_image_shape
from digitrec.preprocessing.augmentation import augment

_log = logging.getLogger(__name__)

# Rows the network answers at once.
_CHUNK_ROWS = 2000
# Learning rate of the first step.
_LEARNING_RATE = 0.002
# Learning rate while weights are averaged, as a share of the first one.
_AVERAGING_RATE = 0.1
# Share of the epochs, the last ones, that show undistorted images: those to be recognised are so.
_UNDISTORTED = 1 / 6


class ConvolutionalNetwork(MostProbableClassifier):
    """Three convolutions and one hidden dense layer, Adam and cross-entropy.

    3x3 convolutions with batch normalisation and ReLU, a 2x2 maximum after the first and the
    last of them, dropout, a dense ReLU layer and softmax. The learning rate falls to zero along
    a cosine. Fitted by `keras.wrappers.SKLearnClassifier`, on TensorFlow unless the environment
    variable ``KERAS_BACKEND`` names another backend.

    Parameters
    ----------
    image_shape : tuple of int, optional
        ``(height, width)``, each at least 8; None infers a square.
    filters : tuple of int, default=(24, 48, 48)
        Filters of the three convolutions.
    hidden : int, default=128
        Units of the dense layer.
    epochs : int, default=10
        Passes over the training rows.
    batch_size : int, default=128
        Rows per step.
    augment : bool, default=False
        Distort the training images again in each epoch except the last sixth, by
        `digitrec.models._distorted.JITTER`. Half as much dropout is then enough.
    averaged_epochs : int, default=0
        Last epochs whose weights are averaged; the learning rate stays at a tenth of the first one
        during them, so that their weights differ. 0 takes the weights of the last step.
    average_shifts : bool, default=False
        Average the probabilities of an image and of its shifts by one pixel in the four
        directions, for five times the time of a prediction.
    validation_fraction : float, default=0.05
        Training rows held out for the validation curves, in [0, 1); 0 for none.
    n_jobs : int, optional
        Threads, as joblib counts them. TensorFlow takes the number of the first fit or
        prediction in a process.
    random_state : int, default=0
        Seed of the weights, of the order of the rows and of the augmentation.

    Attributes
    ----------
    classes_ : ndarray
        Class labels.
    loss_curve_, training_scores_ : list of float
        Loss and accuracy on the training rows after each epoch.
    validation_loss_, validation_scores_ : list of float
        The same on the rows held out; absent where none are.
    n_features_in_ : int
        Pixels per image.
    """

    def __init__(
        self,
        image_shape: tuple[int, int] | None = None,
        *,
        filters: tuple[int, int, int] = (24, 48, 48),
        hidden: int = 128,
        epochs: int = 10,
        batch_size: int = 128,
        augment: bool = False,
        averaged_epochs: int = 0,
        average_shifts: bool = False,
        validation_fraction: float = 0.05,
        n_jobs: int | None = None,
        random_state: int = 0,
    ) -> None:
        self.image_shape = image_shape
        self.filters = filters
        self.hidden = hidden
        self.epochs = epochs
        self.batch_size = batch_size
        self.augment = augment
        self.averaged_epochs = averaged_epochs
        self.average_shifts = average_shifts
        self.validation_fraction = validation_fraction
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> ConvolutionalNetwork:
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, height * width)
            Images, values 0–1.
        y : array-like of shape (n_samples,)
            Labels.

        Returns
        -------
        ConvolutionalNetwork
            The fitted estimator.

        Raises
        ------
        MissingExtraError
            If Keras or its backend is not installed.
        """
        keras = _load_keras(self.n_jobs)
        rows, labels = validate_data(self, X, y, dtype=np.float32)
        self.classes_, codes = encode_classes(labels)
        shape = resolve_image_shape(self.image_shape, rows.shape[1])
        keras.utils.set_random_seed(self.random_state)
        n_held_out = int(self.validation_fraction * len(rows))
        order = np.random.default_rng(self.random_state).permutation(len(rows))
        train, held_out = order[n_held_out:], order[:n_held_out]
        options: dict[str, Any] = {"batch_size": self.batch_size, "verbose": 0}
        if n_held_out:
            targets = np.eye(len(self.classes_), dtype=np.float32)[codes[held_out]]
            options["validation_data"] = (rows[held_out], targets)
        n_falling = max(1, self.epochs - self.averaged_epochs)
        n_steps = n_falling * -(-len(train) // self.batch_size)
        network = _compiled_network(self.get_params(), shape, len(self.classes_), n_steps)
        # Fitted one epoch at a time, so that each can see new distortions.
        wrapped = keras.wrappers.SKLearnClassifier(
            lambda X, y: network, fit_kwargs={"epochs": 1, **options}
        )
        history: dict[str, list[float]] = {}
        weights: list[list[NDArray]] = []
        for epoch, shown in enumerate(self._shown_images(rows[train], shape)):
            wrapped.fit(shown, codes[train])
            for name, values in wrapped.history_.history.items():
                history.setdefault(name, []).append(float(values[-1]))
            self._log_epoch(epoch, {name: values[-1] for name, values in history.items()})
            if epoch >= self.epochs - self.averaged_epochs:
                weights.append(network.get_weights())
        if weights:
            # Means and variances of the batch normalisation are averaged with the weights.
            network.set_weights([np.mean(arrays, axis=0) for arrays in zip(*weights, strict=True)])
        self.loss_curve_, self.training_scores_ = history["loss"], history["accuracy"]
        if n_held_out:
            self.validation_loss_ = history["val_loss"]
            self.validation_scores_ = history["val_accuracy"]
        self.network_ = network.layers[-1]
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, height * width)
            Images, values 0–1.

        Returns
        -------
        ndarray of float64, shape (n_samples, n_classes)
            Rows sum to 1.
        """
        check_is_fitted(self)
        keras = _load_keras(self.n_jobs)
        rows = validate_data(self, X, dtype=np.float32, reset=False)
        images = rows.reshape(-1, *resolve_image_shape(self.image_shape, rows.shape[1]), 1)
        # Calling the network costs a tenth of `Model.predict` for one row, and no more for many.
        parts = [
            sum(
                keras.ops.convert_to_numpy(self.network_(view, training=False))
                for view in _views(chunk, self.average_shifts)
            )
            for chunk in np.split(images, range(_CHUNK_ROWS, len(images), _CHUNK_ROWS))
        ]
        probabilities = np.concatenate(parts).astype(np.float64)
        return probabilities / probabilities.sum(axis=1, keepdims=True)

    def _shown_images(
        self, rows: NDArray[np.float32], shape: tuple[int, int]
    ) -> Iterator[NDArray[np.float32]]:
        """Yield the images of each epoch."""
        n_distorted = round(self.epochs * (1 - _UNDISTORTED)) if self.augment else 0
        distorted = augment(
            rows,
            shape,
            n_distorted,
            self.random_state,
            augmentation=JITTER,
            chunk_rows=len(rows),
            n_jobs=self.n_jobs,
        )
        return itertools.chain(distorted, itertools.repeat(rows, self.epochs - n_distorted))

    def _log_epoch(self, epoch: int, logs: dict[str, float]) -> None:
        line = f"epoch {epoch + 1}/{self.epochs}, loss {logs['loss']:.4f}"
        if "val_accuracy" in logs:
            line += f", validation accuracy {100 * logs['val_accuracy']:.2f} %"
        _log.info("%s", line)


def _views(images: NDArray[np.float32], shifted: bool) -> Iterator[NDArray[np.float32]]:
    """Yield images, shape (n, height, width, 1), and if asked for, their shifts by one pixel."""
    yield images
    if shifted:
        height, width = images.shape[1:3]
        padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
        for top, left in ((0, 1), (2, 1), (1, 0), (1, 2)):
            yield padded[:, top : top + height, left : left + width]


def _compiled_network(
    settings: dict[str, Any], shape: tuple[int, int], n_classes: int, n_steps: int
) -> Any:
    """Return a compiled network of rows of pixels; its last layer takes images."""
    keras = _load_keras(settings["n_jobs"])
    layers = keras.layers
    # Shares of the inputs of the dense layers; distortions prevent overfitting, too.
    dropout = (0.2, 0.1) if settings["augment"] else (0.4, 0.3)
    steps = [keras.Input((*shape, 1))]
    for i, n_filters in enumerate(settings["filters"]):
        steps += [
            layers.Conv2D(n_filters, 3, padding="same" if min(shape) < 20 else "valid",
                          use_bias=False),
            layers.BatchNormalization(momentum=0.9),
            layers.ReLU(),
        ]  # fmt: skip
        if i != 1:
            steps.append(layers.MaxPooling2D())
    steps += [
        layers.Flatten(),
        layers.Dropout(dropout[0]),
        layers.Dense(settings["hidden"], activation="relu"),
        layers.Dropout(dropout[1]),
        layers.Dense(n_classes, activation="softmax"),
    ]
    pixels = [keras.Input((shape[0] * shape[1],)), layers.Reshape((*shape, 1))]
    network = keras.Sequential([*pixels, keras.Sequential(steps)])
    rate = keras.optimizers.schedules.CosineDecay(
        _LEARNING_RATE,
        n_steps,
        alpha=_AVERAGING_RATE if settings["averaged_epochs"] else 0.0,
    )
    network.compile(keras.optimizers.Adam(rate), "categorical_crossentropy", metrics=["accuracy"])
    return network


def _load_keras(n_jobs: int | None) -> Any:
    """Import Keras with its backend quiet and limited to as many threads as asked for."""
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    backend = os.environ["KERAS_BACKEND"]
    if backend == "tensorflow":
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        tensorflow = import_optional("tensorflow", extra="cnn")
        n_threads = effective_n_jobs(n_jobs)
        # TensorFlow refuses once it has started: then the first number stays in force.
        with contextlib.suppress(RuntimeError):
            tensorflow.config.threading.set_intra_op_parallelism_threads(n_threads)
            tensorflow.config.threading.set_inter_op_parallelism_threads(1)
    return import_optional("keras", extra="cnn")
