"""The default recogniser's classifier: ten digits and an eleventh class, "not a digit"."""

from __future__ import annotations

import warnings

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.utils.validation import check_is_fitted, validate_data
from threadpoolctl import threadpool_limits

__all__ = ["NOT_A_DIGIT", "CalibratedNetworks"]

NOT_A_DIGIT = 10
"""Label of the eleventh class."""


class CalibratedNetworks(ClassifierMixin, BaseEstimator):
    """Networks from several seeds, their probabilities averaged and calibrated.

    Each network is fitted in rounds of falling learning rates. One temperature, fitted on rows
    held out, turns the mean log-probabilities into calibrated ones.

    Parameters
    ----------
    n_networks : int, default=4
        Networks, one for each seed.
    hidden : int, default=384
        Units of the one hidden layer.
    epochs : sequence of int, default=(8, 3, 2)
        Passes over the rows in each round; the learning rate falls by a factor of 3.
    held_out : float, default=0.04
        Share of the rows kept for the temperature.
    random_state : int, default=0
        Seed.
    n_jobs : int or None, default=None
        Processes; None means one.

    Attributes
    ----------
    classes_ : ndarray
        Labels.
    temperature_ : float
        Divisor of the mean log-probabilities.

    Notes
    -----
    Temperature scaling: C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On calibration of
    modern neural networks", ICML 2017.
    """

    def __init__(
        self,
        n_networks: int = 4,
        *,
        hidden: int = 384,
        epochs: tuple[int, ...] = (8, 3, 2),
        held_out: float = 0.04,
        random_state: int = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.n_networks = n_networks
        self.hidden = hidden
        self.epochs = epochs
        self.held_out = held_out
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X: ArrayLike, y: ArrayLike) -> CalibratedNetworks:
        """Fit the networks, then the temperature.

        Parameters
        ----------
        X : array-like, shape (n_samples, n_features)
        y : array-like of int, shape (n_samples,)
        """
        rows, labels = _checked(self, X, y)
        self.classes_ = np.unique(labels)
        order = np.random.default_rng(self.random_state).permutation(len(rows))
        n_held = max(1, round(self.held_out * len(rows)))
        held, kept = order[:n_held], order[n_held:]
        seeds = [self.random_state + index for index in range(self.n_networks)]
        self.networks_ = Parallel(n_jobs=self.n_jobs)(
            delayed(_fit_network)(rows[kept], labels[kept], self.hidden, tuple(self.epochs), seed)
            for seed in seeds
        )
        logs = self._mean_logs(rows[held])
        self.temperature_ = _fit_temperature(logs, np.searchsorted(self.classes_, labels[held]))
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return calibrated probabilities, shape (n_samples, n_classes)."""
        check_is_fitted(self)
        rows = np.asarray(validate_data(self, X, dtype=np.float32, reset=False))
        return _soften(self._mean_logs(rows), self.temperature_)

    def predict(self, X: ArrayLike) -> NDArray:
        """Return the most probable label of each row."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def _mean_logs(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        probabilities = np.mean([_forward(net, X) for net in self.networks_], axis=0)
        return np.log(np.maximum(probabilities, 1e-12)).astype(np.float64)


def _checked(
    estimator: BaseEstimator, X: ArrayLike, y: ArrayLike
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    rows, labels = validate_data(estimator, X, y, dtype=np.float32)
    return np.asarray(rows), np.asarray(labels)


def _fit_network(
    X: NDArray[np.float32], y: NDArray, hidden: int, epochs: tuple[int, ...], seed: int
) -> MLPClassifier:
    network = MLPClassifier(
        (hidden,), batch_size=256, alpha=1e-4, random_state=seed, warm_start=True, tol=0
    )
    with warnings.catch_warnings(), threadpool_limits(1):
        # Rounds are meant to end before the loss is at rest.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for index, passes in enumerate(epochs):
            network.set_params(learning_rate_init=1e-3 / 3**index, max_iter=passes)
            network.fit(X, y)
    return network


def _forward(network: MLPClassifier, X: NDArray[np.float32]) -> NDArray[np.floating]:
    """Return a network's probabilities; its own method takes milliseconds of checks a call."""
    hidden = np.maximum(X @ network.coefs_[0] + network.intercepts_[0], 0)
    return _soften(hidden @ network.coefs_[1] + network.intercepts_[1], 1.0)


def _soften(logs: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    scaled = logs / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    powers = np.exp(scaled)
    return powers / powers.sum(axis=1, keepdims=True)


def _fit_temperature(logs: NDArray[np.float64], truth: NDArray[np.intp]) -> float:
    rows = np.arange(len(truth))

    def loss(log_temperature: float) -> float:
        chosen = _soften(logs, float(np.exp(log_temperature)))[rows, truth]
        return -float(np.log(np.maximum(chosen, 1e-300)).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-1.5, 1.5), method="bounded").x))
