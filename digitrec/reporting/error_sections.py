"""Sections on which images are misread: pairs of classes, and parts of MNIST's test set."""

from __future__ import annotations

from typing import Any

import numpy as np

from digitrec.evaluation.lenses import confused_pairs
from digitrec.reporting.analysis_text import interval, shown_labels
from digitrec.reporting.context import ReportContext
from digitrec.reporting.markdown import escape, percent, table
from digitrec.reporting.model_figures import images_figure
from digitrec.reporting.section import Content, FigureSpec

__all__ = ["confused_pairs_section", "lenses_section"]

_MOST_COLUMNS = 8
_PAIRS_SHOWN = 3
_PER_ROW = 10


def confused_pairs_section(context: ReportContext) -> Content | None:
    """Errors per pair of classes, with images that the winner confused."""
    found = context.run.analyses.get("confused_pairs")
    labels = shown_labels(context)
    if not found or not found["pairs"]:
        return None
    names = [name for name in labels if name in found["totals"]][:_MOST_COLUMNS]
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
        "## Which classes are confused?\n\nTest images of one class taken for the other, in "
        "either direction; pairs with the most errors over all models first. "
        f"{escape(classes[first['first']])} and {escape(classes[first['second']])} are confused "
        "most often."
    )
    if len(names) < len(found["totals"]):
        text += f" The table shows the {len(names)} models with the best validation accuracy."
    parts = [
        text,
        table(["classes", *(escape(labels[n]) for n in names)], rows, "l" + "r" * len(names)),
    ]
    figure = _pairs_figure(context)
    if figure is None:
        return Content("\n\n".join(parts))
    return Content("\n\n".join([*parts, figure.markdown]), (figure,))


def _pairs_figure(context: ReportContext) -> FigureSpec | None:
    row = next((row for row in context.ok_rows if row.is_winner), None)
    predictions = context.predictions.get(row.shown.key) if row else None
    images = context.images(predictions) if predictions is not None else None
    if row is None or predictions is None or images is None:
        return None
    truth, predicted = predictions.y_true, predictions.y_pred
    classes = context.label_names
    pairs = confused_pairs(truth, predicted, len(classes))[:_PAIRS_SHOWN]
    chosen = np.concatenate([rows[:_PER_ROW] for _, _, rows in pairs]) if pairs else np.array([])
    if not chosen.size:
        return None
    captions = [f"{classes[truth[i]]} → {classes[predicted[i]]}" for i in chosen]
    named = ", ".join(f"{classes[first]} and {classes[second]}" for first, second, _ in pairs)
    return FigureSpec(
        "confused_pairs",
        f"Images that the winner confused, of the pairs {named}: true class → its answer",
        lambda: images_figure(
            images[chosen],
            captions,
            title=f"{context.label(row)}: most confused pairs (true → read as)",
            columns=_PER_ROW,
        ),
    )


def lenses_section(context: ReportContext) -> Content | None:
    """Error on parts of MNIST's test set."""
    found = context.run.analyses.get("lenses")
    labels = shown_labels(context)
    models = [model for model in (found or {}).get("models", []) if model["name"] in labels]
    if not found or not models:
        return None
    lenses = found["lenses"]
    headers = ["model", *(lens["title"] for lens in lenses)]
    rows = [
        [escape(labels[model["name"]]), *(_lens_cell(model[lens["name"]]) for lens in lenses)]
        for model in models
    ]
    text = (
        "## Parts of MNIST's test set\n\nTest error, %, with its 95 % interval. People rejected "
        f"the labels of {len(found['label_errors'])} test images (Northcutt et al. 2021, "
        "arXiv:2103.14749); a model that reads such an image rightly is counted wrong. The first "
        "5,000 images were written by 249 high-school students, the last 5,000 by 49 employees of "
        "the Census Bureau, whose digits are cleaner (writers after QMNIST, arXiv:1905.10498)."
    )
    parts = [text, table(headers, rows, "l" + "r" * len(lenses))]
    figure = _label_errors_figure(context, found)
    if figure is not None:
        parts.append(figure.markdown)
        return Content("\n\n".join(parts), (figure,))
    return Content("\n\n".join(parts))


def _lens_cell(score: dict[str, Any]) -> str:
    return f"{percent(score['error'])} ({interval(score['low'], score['high'])})"


def _agreeing(entry: dict[str, Any]) -> tuple[int, int]:
    """Return the answer that most models give to an image, and how many do."""
    answers, counts = np.unique(list(entry["predicted"].values()), return_counts=True)
    return int(answers[counts.argmax()]), int(counts.max())


def _label_errors_figure(context: ReportContext, found: dict[str, Any]) -> FigureSpec | None:
    predictions = next(iter(context.predictions.values()), None)
    images = context.images(predictions) if predictions is not None else None
    if images is None:
        return None
    entries = found["label_errors"]
    captions = []
    for entry in entries:
        answer, count = _agreeing(entry)
        captions.append(f"label {entry['label']}\n{count} of {len(entry['predicted'])}: {answer}")
    chosen = [entry["index"] for entry in entries]
    return FigureSpec(
        "label_errors",
        "Test images whose label people rejected, with the label and what most models read",
        lambda: images_figure(
            images[chosen],
            captions,
            title="Labels that people rejected (label; most frequent answer)",
            columns=8,
        ),
    )
