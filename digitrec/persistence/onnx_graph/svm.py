"""Support vector machines as ONNX nodes: matrix products class by class."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from digitrec.models._classes import MARGIN_SLOPE, pair_membership
from digitrec.models.kernel_svm import KernelSVC
from digitrec.models.virtual_svm import VirtualSVC
from digitrec.persistence.onnx_graph.graph import Graph
from digitrec.persistence.onnx_graph.transformers import add_steps, rbf_kernel, with_norms

# About the mean of the kernel of these models.
_KERNEL_LEVEL = 0.25


def _kernel_svm(g: Graph, model: KernelSVC, x: str) -> str:
    pairs = _pair_margins(
        g, x, model.support_vectors_, model.gamma_, model.pair_coefficients_, model.intercept_
    )
    n_classes = len(model.classes_)
    scores = _pair_log_probabilities(g, pairs, n_classes)
    # The votes elect the label: see `KernelSVC.predict_proba` for what trades places.
    first, second = pair_membership(n_classes)
    won = g("Cast", g("GreaterOrEqual", pairs, 0.0), to=1)
    votes = g("Gemm", won, first - second, second.sum(axis=0))
    margins = g("MatMul", pairs, first - second)
    squeezed = g("Div", margins, g("Mul", g("Add", g("Abs", margins), 1.0), 3.0))
    elected = g("ArgMax", g("Add", votes, squeezed), axis=1, keepdims=1)
    likeliest = g("ArgMax", scores, axis=1, keepdims=1)
    best = g("ReduceMax", scores, np.array([1]), keepdims=1)
    other = g("GatherElements", scores, elected, axis=1)
    classes = np.arange(n_classes)[None, :]
    swapped = g("Where", g("Equal", classes, likeliest), other, scores)
    swapped = g("Where", g("Equal", classes, elected), best, swapped)
    return g("Softmax", swapped, axis=1)


def _virtual_svm(g: Graph, model: VirtualSVC, x: str) -> str:
    pairs = _pair_margins(
        g,
        add_steps(g, model.features_.pipeline_, x),
        model.support_vectors_,
        model.gamma_,
        model.pair_coefficients_,
        model.pair_intercepts_,
    )
    return g("Softmax", _pair_log_probabilities(g, pairs, len(model.classes_)), axis=1)


def _pair_margins(
    g: Graph,
    x: str,
    vectors: NDArray,
    gamma: float,
    coefficients: NDArray,
    intercepts: ArrayLike,
) -> str:
    """Return the margins of all pairs of classes, shape (rows, pairs)."""
    x = with_norms(g, x)
    n_pairs = coefficients.shape[1]
    # The coefficients of a pair sum to zero, those of one class do not: without the kernel's
    # usual level, the sums over classes stay small and lose fewer digits.
    offsets = _KERNEL_LEVEL * coefficients.sum(axis=0, dtype=np.float64)
    sums, columns = [], []
    for members, own_pairs in _groups(coefficients):
        kernel = g("Sub", rbf_kernel(g, x, vectors[members], float(gamma)), _KERNEL_LEVEL)
        sums.append(g("MatMul", kernel, coefficients[np.ix_(members, own_pairs)]))
        columns.append(np.eye(n_pairs)[own_pairs])
    return g(
        "Gemm",
        g("Concat", *sums, axis=1),
        np.concatenate(columns),
        np.asarray(intercepts) + offsets,
    )


def _groups(coefficients: NDArray) -> Iterator[tuple[NDArray, NDArray]]:
    """Yield the support vectors of each class and the pairs of that class.

    A support vector counts in the pairs of its own class only. Class by class there is less to
    multiply, and the kernel matrix stays in the processor's cache. Vectors that count in pairs
    without a class in common come last, with all pairs.
    """
    n_pairs = coefficients.shape[1]
    n_classes = round((1 + np.sqrt(1 + 8 * n_pairs)) / 2)
    member = np.sum(pair_membership(n_classes), axis=0) > 0
    counts = coefficients != 0
    left = np.ones(len(coefficients), dtype=bool)
    for label in range(n_classes):
        inside = left & ~counts[:, ~member[:, label]].any(axis=1)
        left &= ~inside
        if inside.any():
            yield np.flatnonzero(inside), np.flatnonzero(member[:, label])
    if left.any():
        yield np.flatnonzero(left), np.arange(n_pairs)


def _pair_log_probabilities(g: Graph, pairs: str, n_classes: int) -> str:
    """Return for each class the sum of the log-probabilities that it wins its pairs."""
    first, second = pair_membership(n_classes)
    log_odds = g("Mul", pairs, MARGIN_SLOPE)
    # The log-probability that the second of a pair wins is -softplus(log_odds), that the first
    # wins is -softplus(-log_odds) = log_odds - softplus(log_odds).
    losses = g("MatMul", g("Softplus", log_odds), first + second)
    return g("Sub", g("MatMul", log_odds, first), losses)


SUPPORT_VECTOR_MACHINES: dict[Any, Any] = {KernelSVC: _kernel_svm, VirtualSVC: _virtual_svm}
"""How each support vector machine becomes nodes."""
