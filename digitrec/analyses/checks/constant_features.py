"""Features that are constant or that repeat another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from digitrec.analyses.checks._check import Check, Finding

if TYPE_CHECKING:
    from digitrec.analyses import AnalysisContext

__all__ = ["CHECK", "useless_columns"]

MAX_ROWS = 5000  # training rows that are looked at


def useless_columns(X: np.ndarray) -> tuple[list[int], list[int]]:
    """Return the columns that are constant, and those others that equal an earlier one."""
    constant = np.all(X[:1] == X, axis=0)
    seen: set[bytes] = set()
    repeated = []
    for column in np.flatnonzero(~constant):
        content = np.ascontiguousarray(X[:, column]).tobytes()
        if content in seen:
            repeated.append(int(column))
        seen.add(content)
    return np.flatnonzero(constant).tolist(), repeated


def run(context: AnalysisContext) -> Finding | None:
    """Look at what the winner's classifier is given, or at the columns of a table."""
    winner = context.winning_result
    if winner is None:
        return None
    X = np.asarray(context.dataset.X_train[:MAX_ROWS])
    what = "columns of the data"
    if context.dataset.image_shape is not None:
        if winner.features == "raw":
            return None  # the corners of digits are white, and that is no fault
        for step in context.pipeline(winner)[:-1]:
            X = step.transform(X)
        X, what = np.asarray(X), f"features {winner.features!r}"
    constant, repeated = useless_columns(X)
    if not constant and not repeated:
        return None
    return Finding(
        sentence=(
            f"Of {X.shape[1]:,} {what}, {len(constant):,} are constant and {len(repeated):,} "
            f"repeat another one in {len(X):,} training rows."
        ),
        advice="Drop them: they cost time, and a repeated feature counts twice.",
        numbers={"constant": constant[:100], "repeated": repeated[:100], "columns": X.shape[1]},
    )


CHECK = Check(
    name="constant_features",
    severity="note",
    title="Constant or repeated features",
    run=run,
)
