"""Estimators that a caller might bring along, sound and unsound."""

import os
import time

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin


class Centroids(ClassifierMixin, BaseEstimator):
    """Answers with the class whose mean row is nearest."""

    def __init__(self, shift=0.0):
        self.shift = shift

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.means_ = np.stack([X[y == label].mean(axis=0) for label in self.classes_])
        return self

    def predict(self, X):
        distance = ((X[:, None] - self.means_) ** 2).sum(axis=2)
        return self.classes_[distance.argmin(axis=1)]


class NotPicklable(Centroids):
    def __init__(self, shift=0.0):
        super().__init__(shift)
        self.lock = __import__("threading").Lock()

    def __reduce__(self):
        raise TypeError("it holds a lock")


class NotClonable:
    def __init__(self, value):
        self.other = value

    def fit(self, X, y):
        return self

    def predict(self, X):
        return X[:, 0]


class Raises(Centroids):
    def fit(self, X, y):
        raise ValueError("it never fits\nsecond line")


class WrongShape(Centroids):
    def predict(self, X):
        return np.zeros(3)


class Endless(Centroids):
    def fit(self, X, y):
        while True:
            time.sleep(0.01)


class Greedy(Centroids):
    def fit(self, X, y):
        held = []
        while True:
            held.append(np.ones(3_000_000))
            time.sleep(0.01)


class Dies(Centroids):
    def fit(self, X, y):
        os._exit(3)


def report_text(comparison):
    """Return the report of a comparison as Markdown, without drawing its figures."""
    from digitrec.reporting import render_report

    return render_report(comparison._report_context()).markdown
