"""Trees and their ensembles as one ONNX node."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.tree import DecisionTreeClassifier

from digitrec.errors import ConfigurationError
from digitrec.persistence.onnx_graph.graph import ML_DOMAIN, Graph


@dataclass(frozen=True, kw_only=True, eq=False)
class _Tree:
    """One tree: per node the column, the threshold, the children and what a leaf adds.

    A row goes left where its value is at most the threshold. ``leaf`` marks leaves; ``values``
    has a column for each of ``targets``.
    """

    column: NDArray
    threshold: NDArray[np.float64]
    left: NDArray
    right: NDArray
    leaf: NDArray[np.bool_]
    values: NDArray[np.float64]
    targets: NDArray


def _forest(g: Graph, model: Any, x: str) -> str:
    trees = [_plain_tree(member, 1 / len(model.estimators_)) for member in model.estimators_]
    return _sum_of_trees(g, trees, len(model.classes_), x)


def _single_tree(g: Graph, model: DecisionTreeClassifier, x: str) -> str:
    return _sum_of_trees(g, [_plain_tree(model, 1.0)], len(model.classes_), x)


def _plain_tree(model: DecisionTreeClassifier, weight: float) -> _Tree:
    tree = model.tree_
    if tree.n_outputs != 1:
        raise ConfigurationError("trees with several outputs have no ONNX form")
    values = tree.value[:, 0, :]
    return _Tree(
        column=tree.feature,
        threshold=tree.threshold,
        left=tree.children_left,
        right=tree.children_right,
        leaf=tree.children_left == -1,
        values=weight * values / values.sum(axis=1, keepdims=True),
        targets=np.arange(values.shape[1]),
    )


def _gradient_boosting(g: Graph, model: HistGradientBoostingClassifier, x: str) -> str:
    trees = []
    for iteration in model._predictors:
        for target, predictor in enumerate(iteration):
            nodes = predictor.nodes
            if nodes["is_categorical"].any():
                raise ConfigurationError("splits on categories have no ONNX form")
            trees.append(
                _Tree(
                    column=nodes["feature_idx"],
                    threshold=nodes["num_threshold"],
                    left=nodes["left"],
                    right=nodes["right"],
                    leaf=nodes["is_leaf"].astype(bool),
                    values=nodes["value"][:, None],
                    targets=np.array([target]),
                )
            )
    baseline = np.ravel(model._baseline_prediction)
    raw = g("Add", _sum_of_trees(g, trees, len(baseline), x), baseline[None, :])
    if len(baseline) > 1:
        return g("Softmax", raw, axis=1)
    second = g("Sigmoid", raw)
    return g("Concat", g("Sub", 1.0, second), second, axis=1)


def _sum_of_trees(g: Graph, trees: Iterable[_Tree], n_targets: int, x: str) -> str:
    """Add a node that sums what the leaves hold, shape (rows, n_targets)."""
    columns: dict[str, Any] = {
        name: []
        for name in (
            "nodes_treeids", "nodes_nodeids", "nodes_featureids", "nodes_modes", "nodes_values",
            "nodes_truenodeids", "nodes_falsenodeids",
            "target_treeids", "target_nodeids", "target_ids", "target_weights",
        )
    }  # fmt: skip
    for index, tree in enumerate(trees):
        n_nodes = len(tree.leaf)
        inner = ~tree.leaf
        columns["nodes_treeids"] += [index] * n_nodes
        columns["nodes_nodeids"] += range(n_nodes)
        columns["nodes_featureids"] += np.where(inner, tree.column, 0).tolist()
        columns["nodes_modes"] += np.where(inner, "BRANCH_LEQ", "LEAF").tolist()
        columns["nodes_values"] += np.where(inner, _round_down(tree.threshold), 0).tolist()
        columns["nodes_truenodeids"] += np.where(inner, tree.left, 0).tolist()
        columns["nodes_falsenodeids"] += np.where(inner, tree.right, 0).tolist()
        # Zeros need no entry, but every leaf needs one.
        entries = (tree.values != 0) & tree.leaf[:, None]
        entries[:, 0] |= tree.leaf
        leaves, positions = np.nonzero(entries)
        columns["target_treeids"] += [index] * len(leaves)
        columns["target_nodeids"] += leaves.tolist()
        columns["target_ids"] += tree.targets[positions].tolist()
        columns["target_weights"] += tree.values[leaves, positions].tolist()
    return g("TreeEnsembleRegressor", x, domain=ML_DOMAIN, n_targets=n_targets, **columns)


def _round_down(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the largest float32 not above each threshold: it splits float32 rows the same."""
    with np.errstate(over="ignore"):
        rounded = thresholds.astype(np.float32)
    above = rounded > thresholds
    rounded[above] = np.nextafter(rounded[above], np.float32(-np.inf))
    return rounded


TREES: dict[Any, Any] = {
    DecisionTreeClassifier: _single_tree,
    ExtraTreesClassifier: _forest,
    HistGradientBoostingClassifier: _gradient_boosting,
    RandomForestClassifier: _forest,
}
"""How each model of trees becomes a node."""
