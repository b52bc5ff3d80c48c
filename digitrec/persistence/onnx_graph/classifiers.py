"""The classifiers as ONNX nodes.

Each function takes the graph, the fitted classifier and the name of its input, float32
``(rows, columns)``, and returns the name of its scores ``(rows, classes)``: probabilities where
the classifier has them, else decision values. The label is the class of the largest score.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.svm import LinearSVC

from digitrec.errors import ConfigurationError
from digitrec.models.augmented_mlp import AugmentedMLP
from digitrec.models.discriminant_forest import N_LEVELS, DiscriminantForest
from digitrec.persistence.onnx_graph.graph import Graph
from digitrec.persistence.onnx_graph.svm import SUPPORT_VECTOR_MACHINES
from digitrec.persistence.onnx_graph.transformers import add_steps, form_of
from digitrec.persistence.onnx_graph.trees import TREES

_ACTIVATIONS = {"relu": "Relu", "tanh": "Tanh", "logistic": "Sigmoid"}


def add_classifier(g: Graph, model: Any, x: str) -> str:
    """Add a fitted classifier and return the name of its scores.

    Raises
    ------
    ConfigurationError
        If the classifier, or a part of it, has no ONNX form.
    """
    if type(model) is FrozenEstimator:
        return add_classifier(g, model.estimator, x)
    if type(model) is Pipeline:
        return add_classifier(g, model[-1], add_steps(g, model[:-1], x))
    return form_of(CLASSIFIERS, model)(g, model, x)


def _column_pair(g: Graph, second: str, first: str) -> str:
    return g("Concat", first, second, axis=1)


def _softmax(g: Graph, decisions: str, n_columns: int) -> str:
    """Turn decision values into probabilities; one column is the log-odds of the second class."""
    if n_columns > 1:
        return g("Softmax", decisions, axis=1)
    second = g("Sigmoid", decisions)
    return _column_pair(g, second, g("Sub", 1.0, second))


def _linear_decisions(g: Graph, model: Any, x: str) -> tuple[str, int]:
    weights = np.atleast_2d(model.coef_)
    offset = np.broadcast_to(model.intercept_, len(weights))
    return g("Gemm", x, weights, offset, transB=1), len(weights)


def _linear_probabilities(g: Graph, model: Any, x: str) -> str:
    return _softmax(g, *_linear_decisions(g, model, x))


def _linear_scores(g: Graph, model: Any, x: str) -> str:
    decisions, n_columns = _linear_decisions(g, model, x)
    return decisions if n_columns > 1 else _column_pair(g, decisions, g("Neg", decisions))


def _mlp(g: Graph, model: MLPClassifier, x: str) -> str:
    layers = list(zip(model.coefs_, model.intercepts_, strict=True))
    for weights, offset in layers[:-1]:
        x = g("Gemm", x, weights, offset)
        if model.activation != "identity":
            x = g(_ACTIVATIONS[model.activation], x)
    weights, offset = layers[-1]
    return _softmax(g, g("Gemm", x, weights, offset), weights.shape[1])


def _augmented_mlp(g: Graph, model: AugmentedMLP, x: str) -> str:
    rows = add_steps(g, model.features_.pipeline_, x)
    share = 1 / len(model.networks_)
    return g("Sum", *(g("Mul", _mlp(g, network, rows), share) for network in model.networks_))


def _gaussian_nb(g: Graph, model: GaussianNB, x: str) -> str:
    precision = 1 / model.var_
    # Centred on the mean of the class means, the squares lose no digits to large offsets.
    centre = model.theta_.mean(axis=0)
    theta = model.theta_ - centre
    offset = np.log(model.class_prior_) - 0.5 * (
        np.log(2 * np.pi * model.var_) + theta**2 * precision
    ).sum(axis=1)
    centred = g("Sub", x, centre)
    columns = g("Concat", g("Mul", centred, centred), centred, axis=1)
    weights = np.concatenate([-0.5 * precision, theta * precision], axis=1)
    return g("Softmax", g("Gemm", columns, weights, offset, transB=1), axis=1)


def _qda(g: Graph, model: QuadraticDiscriminantAnalysis, x: str) -> str:
    decisions = []
    for mean, rotation, scaling, prior in zip(
        model.means_, model.rotations_, model.scalings_, model.priors_, strict=True
    ):
        whiten = rotation * scaling**-0.5
        white = g("Gemm", x, whiten, -mean @ whiten)
        norm = g("ReduceSumSquare", white, np.array([1]), keepdims=1)
        offset = np.log(prior) - 0.5 * np.log(scaling).sum()
        decisions.append(g("Sub", offset, g("Mul", norm, 0.5)))
    return g("Softmax", g("Concat", *decisions, axis=1), axis=1)


def _dummy(g: Graph, model: DummyClassifier, x: str) -> str:
    n_classes = len(model.classes_)
    if model.strategy == "prior":
        row = np.asarray(model.class_prior_)
    elif model.strategy == "most_frequent":
        row = np.eye(n_classes)[np.argmax(model.class_prior_)]
    else:
        raise ConfigurationError(
            f"DummyClassifier(strategy={model.strategy!r}) has no ONNX form; "
            "'prior' and 'most_frequent' have"
        )
    return g("Gemm", x, np.zeros((model.n_features_in_, n_classes)), row)


# Neighbours looked at beyond those that count: their distances are taken again, exactly.
_SPARE_NEIGHBOURS = 8


def _knn(g: Graph, model: KNeighborsClassifier, x: str) -> str:
    if (
        model.effective_metric_ != "euclidean"
        or model.weights not in ("uniform", "distance")
        or model._y.ndim != 1
    ):
        raise ConfigurationError(
            f"{model!r} has no ONNX form; Euclidean neighbours with weights 'uniform' or "
            "'distance' have"
        )
    rows = np.asarray(model._fit_X, dtype=np.float32)
    n_classes, n_columns = len(model.classes_), rows.shape[1]
    vectors, labels = g.constant(rows), g.constant(np.eye(n_classes)[model._y])
    # |x - v|^2 less |x|^2, which is the same for all vectors.
    nearness = g(
        "Gemm", x, vectors, 0.5 * np.einsum("ij,ij->i", rows, rows, dtype=np.float64), transB=1,
        beta=-1.0,
    )  # fmt: skip
    n_candidates = min(model.n_neighbors + _SPARE_NEIGHBOURS, len(rows))
    _, candidates = g.split("TopK", nearness, np.array([n_candidates]), outputs=(None, None))
    # The product above loses digits where rows are close, which weights by distance would show.
    offset = g(
        "Sub",
        g("Gather", vectors, candidates),
        g("Reshape", x, np.array([-1, 1, n_columns])),
    )
    squared = g("ReduceSumSquare", offset, np.array([2]), keepdims=0)
    nearest, order = g.split(
        "TopK", squared, np.array([model.n_neighbors]), outputs=(None, None), largest=0
    )
    chosen = g("GatherElements", candidates, order, axis=1)
    votes = g("Gather", labels, chosen)
    if model.weights == "uniform":
        weights = g("Sub", 1.0, g("Mul", nearest, 0.0))
    else:
        # A row that equals a training row takes its label alone.
        weights = g("Div", 1.0, g("Sqrt", g("Max", nearest, 1e-20)))
    weights = g("Reshape", weights, np.array([-1, 1, model.n_neighbors]))
    sums = g("Reshape", g("MatMul", weights, votes), np.array([-1, n_classes]))
    return g("Div", sums, g("ReduceSum", sums, np.array([1]), keepdims=1))


def _discriminant_forest(g: Graph, model: DiscriminantForest, x: str) -> str:
    levels = g("Floor", g("Gemm", x, model.axes_, model.offsets_))
    return add_classifier(g, model.forest_, g("Clip", levels, 0.0, N_LEVELS - 1.0))


def _voting(g: Graph, model: VotingClassifier, x: str) -> str:
    if model.voting != "soft":
        raise ConfigurationError("VotingClassifier(voting='hard') has no ONNX form; 'soft' has")
    weights = np.ones(len(model.estimators_))
    if model._weights_not_none is not None:
        weights = np.asarray(model._weights_not_none, dtype=np.float64)
    weights = weights / weights.sum()
    members = [
        g("Mul", add_classifier(g, member, x), weight)
        for member, weight in zip(model.estimators_, weights, strict=True)
    ]
    return g("Sum", *members)


def _stacking(g: Graph, model: StackingClassifier, x: str) -> str:
    if set(model.stack_method_) != {"predict_proba"} or model.passthrough:
        raise ConfigurationError(
            "StackingClassifier has an ONNX form only over members with probabilities, "
            "and without passthrough"
        )
    columns = [add_classifier(g, member, x) for member in model.estimators_]
    if len(model.classes_) == 2:
        columns = [g("Slice", c, np.array([1]), np.array([2]), np.array([1])) for c in columns]
    return add_classifier(g, model.final_estimator_, g("Concat", *columns, axis=1))


CLASSIFIERS: dict[Any, Any] = {
    AugmentedMLP: _augmented_mlp,
    DummyClassifier: _dummy,
    GaussianNB: _gaussian_nb,
    KNeighborsClassifier: _knn,
    DiscriminantForest: _discriminant_forest,
    LinearDiscriminantAnalysis: _linear_probabilities,
    LinearSVC: _linear_scores,
    LogisticRegression: _linear_probabilities,
    MLPClassifier: _mlp,
    QuadraticDiscriminantAnalysis: _qda,
    RidgeClassifier: _linear_scores,
    StackingClassifier: _stacking,
    VotingClassifier: _voting,
    **SUPPORT_VECTOR_MACHINES,
    **TREES,
}
"""How each classifier becomes nodes."""
