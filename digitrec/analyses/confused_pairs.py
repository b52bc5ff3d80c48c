"""Confused classes: which pairs of classes the models mistake for each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from digitrec.analyses._registry import Analysis, AnalysisContext
from digitrec.rendering.images import images_figure
from digitrec.rendering.markdown import escape, table
from digitrec.rendering.section import Content, FigureSpec

if TYPE_CHECKING:
    import pandas as pd

    from digitrec.analyses._report_context import ReportContext

_MAX_COLUMNS = 8
_MAX_PAIRS = 10
_PAIRS_SHOWN = 3
_PER_ROW = 10


def run(context: AnalysisContext) -> dict[str, Any]:
    """Count errors per pair of classes."""
    n_classes = len(context.dataset.label_names)
    return count_confused_pairs(context.dataset.y_test, context.labels(), n_classes)


def confused_pairs(
    y_true: ArrayLike, y_pred: ArrayLike, n_classes: int
) -> list[tuple[int, int, NDArray[np.intp]]]:
    """Return the pairs of classes that a model confuses, the most frequent first.

    Parameters
    ----------
    y_true, y_pred : array-like of int, shape (n_samples,)
        Labels.
    n_classes : int
        Number of classes.

    Returns
    -------
    list of tuple
        ``(first, second, rows)`` with ``first < second`` and the rows of one of the two classes
        that were taken for the other; pairs never confused are left out.
    """
    truth, predicted = np.asarray(y_true, dtype=int), np.asarray(y_pred, dtype=int)
    wrong = np.flatnonzero(truth != predicted)
    low = np.minimum(truth[wrong], predicted[wrong])
    high = np.maximum(truth[wrong], predicted[wrong])
    pair = low * n_classes + high
    codes, counts = np.unique(pair, return_counts=True)
    return [
        (int(code) // n_classes, int(code) % n_classes, wrong[pair == code])
        for code in codes[np.argsort(-counts, kind="stable")]
    ]


def count_confused_pairs(
    y_true: ArrayLike, predictions: Mapping[str, ArrayLike], n_classes: int
) -> dict[str, Any]:
    """Count the errors of every model per pair of classes.

    Parameters
    ----------
    y_true : array-like of int, shape (n_samples,)
        Labels.
    predictions : mapping of str to array-like of int, shape (n_samples,)
        Predicted labels of each model, by its name.
    n_classes : int
        Number of classes.

    Returns
    -------
    dict
        JSON-safe. ``pairs``: ``first``, ``second`` (indices of classes) and ``counts`` (errors
        by model) of ten pairs, the most errors first; ``totals``: all errors by model.
    """
    counts: dict[tuple[int, int], dict[str, int]] = {}
    totals = {}
    for name, labels in predictions.items():
        pairs = confused_pairs(y_true, labels, n_classes)
        totals[name] = sum(len(rows) for _, _, rows in pairs)
        for first, second, rows in pairs:
            counts.setdefault((first, second), dict.fromkeys(predictions, 0))[name] = len(rows)
    most = sorted(counts, key=lambda pair: (-sum(counts[pair].values()), pair))[:_MAX_PAIRS]
    return {
        "pairs": [{"first": i, "second": j, "counts": counts[i, j]} for i, j in most],
        "totals": totals,
    }


def frame(output: Mapping[str, Any]) -> pd.DataFrame:
    """Return one row a pair of classes, with the errors of each model in a column of its own."""
    import pandas as pd

    return pd.DataFrame(
        [
            {"first": pair["first"], "second": pair["second"], **pair["counts"]}
            for pair in output["pairs"]
        ],
        columns=["first", "second", *output["totals"]],
    )


def section(context: ReportContext) -> Content | None:
    """Errors per pair of classes, with images that the winner confused."""
    found = context.output("confused_pairs")
    labels = context.labels
    if not found or not found["pairs"]:
        return None
    names = [name for name in labels if name in found["totals"]][:_MAX_COLUMNS]
    classes = context.label_names
    rows = [
        [
            f"{escape(classes[pair['first']])} and {escape(classes[pair['second']])}",
            *(f"{pair['counts'][name]:,}" for name in names),
        ]
        for pair in found["pairs"]
    ]
    rows.append(["all errors", *(f"{found['totals'][name]:,}" for name in names)])
    first = found["pairs"][0]
    text = (
        f"{ANALYSIS.heading} Test rows of one class predicted as the other, in "
        "either direction; pairs with the most errors over all models first. "
        f"{escape(classes[first['first']])} and {escape(classes[first['second']])} are confused "
        "most often."
    )
    if len(names) < len(found["totals"]):
        text += f" The table shows the {len(names)} models with the best validation accuracy."
    headers = ["classes", *(escape(labels[name]) for name in names)]
    return Content.of(text, table(headers, rows, "l" + "r" * len(names)), _pairs_figure(context))


def _pairs_figure(context: ReportContext) -> FigureSpec | None:
    row = context.winning_row
    predictions = context.predictions.get(row.shown.key) if row else None
    images = context.images(predictions) if predictions is not None else None
    if row is None or predictions is None or images is None:
        return None
    truth, predicted = predictions.y_true, predictions.y_pred
    classes = context.short_label_names
    pairs = confused_pairs(truth, predicted, len(classes))[:_PAIRS_SHOWN]
    chosen = np.concatenate([rows[:_PER_ROW] for _, _, rows in pairs]) if pairs else np.array([])
    if not chosen.size:
        return None
    captions = [f"{classes[truth[i]]} → {classes[predicted[i]]}" for i in chosen]
    named = ", ".join(f"{classes[first]} and {classes[second]}" for first, second, _ in pairs)
    return FigureSpec(
        "confused_pairs",
        f"Images that the winner confused, of the pairs {named}: true → predicted class",
        lambda: images_figure(
            images[chosen],
            captions,
            title=f"{context.label(row)}: most confused pairs (true → predicted)",
            columns=_PER_ROW,
        ),
    )


ANALYSIS = Analysis(
    name="confused_pairs",
    title="Confused classes",
    question="Which pairs of classes are confused most often?",
    order=80,
    run=run,
    frame=frame,
    section=section,
    in_fast=True,
)
