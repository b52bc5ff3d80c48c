"""Fitted Pipelines whose predictions are labels as the caller gave them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.pipeline import Pipeline
from sklearn.utils.metaestimators import available_if


def _has(name: str) -> Any:
    return lambda self: hasattr(self.classifier, name)


class LabelledClassifier(ClassifierMixin, BaseEstimator):
    """A fitted classifier of codes 0, 1, 2, … that answers with labels.

    Parameters
    ----------
    classifier : estimator
        Fitted.
    labels : sequence
        Label of each code.
    """

    def __init__(self, classifier: Any, labels: Sequence[Any]) -> None:
        self.classifier = classifier
        self.labels = labels

    def __sklearn_is_fitted__(self) -> bool:
        return True

    @property
    def classes_(self) -> NDArray[Any]:
        """Labels in the order of the columns of `predict_proba`."""
        return label_array(self.labels)[np.asarray(self.classifier.classes_, dtype=np.intp)]

    def fit(self, X: Any, y: Any) -> LabelledClassifier:
        """Fit the classifier on labels."""
        code = {label: number for number, label in enumerate(self.labels)}
        self.classifier.fit(X, np.array([code[label] for label in np.asarray(y).tolist()]))
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """Return labels, shape (n_samples,)."""
        return label_array(self.labels)[np.asarray(self.classifier.predict(X), dtype=np.intp)]

    @available_if(_has("predict_proba"))
    def predict_proba(self, X: Any) -> NDArray[np.floating]:
        """Return probabilities, shape (n_samples, n_classes)."""
        return self.classifier.predict_proba(X)

    @available_if(_has("decision_function"))
    def decision_function(self, X: Any) -> NDArray[np.floating]:
        """Return decision values."""
        return self.classifier.decision_function(X)


def label_array(labels: Sequence[Any]) -> NDArray[Any]:
    """Return labels as an array that keeps what each is, shape (n_classes,)."""
    table = np.array(list(labels)) if len({type(label) for label in labels}) == 1 else None
    # Labels of several kinds would all become strings, and tuples another axis.
    if table is None or table.ndim > 1:
        table = np.empty(len(labels), dtype=object)
        table[:] = list(labels)
    return table


def relabel(pipeline: Pipeline, labels: Sequence[Any]) -> Pipeline:
    """Return a fitted Pipeline of codes as one that answers with labels; steps are shared."""
    name, model = pipeline.steps[-1]
    return Pipeline([*pipeline.steps[:-1], (name, LabelledClassifier(model, tuple(labels)))])
