"""The report of one saved model on one dataset."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from digitrec._files import write_json, write_text
from digitrec.evaluation.result import Metrics
from digitrec.rendering.markdown import escape, number, percent, table
from digitrec.rendering.style import MAX_CLASSES_SHOWN, save_figure
from digitrec.reporting.model_figures import confusion_figure
from digitrec.reporting.model_sections import class_table, most_frequent_errors


def render_evaluation(
    title: str, metrics: Metrics, label_names: Sequence[str], *, note: str = ""
) -> str:
    """Return accuracy, classification report and confusion matrix as Markdown.

    Parameters
    ----------
    title : str
        What was scored on what.
    metrics : Metrics
        Scores of the rows.
    label_names : sequence of str
        Names of the classes.
    note : str
        What a reader must know before the figures.
    """
    n_rows = sum(map(sum, metrics.confusion))
    interval = f"{percent(metrics.test_accuracy_low)}–{percent(metrics.test_accuracy_high)} %"
    lines = [
        f"- accuracy: {percent(metrics.test_accuracy)} % "
        f"(Wilson 95 % interval {interval}, {n_rows:,} rows)",
        f"- error: {percent(metrics.test_error)} %",
        f"- balanced accuracy: {percent(metrics.balanced_accuracy)} %",
        f"- macro F1: {percent(metrics.macro_f1)} %",
    ]
    if metrics.top2_accuracy is not None:
        lines.append(f"- top-2 accuracy: {percent(metrics.top2_accuracy)} %")
    if metrics.log_loss is not None:
        lines.append(f"- log loss: {number(metrics.log_loss, 4)}")
    names = [escape(name) for name in label_names]
    parts = [
        f"# {escape(title)}",
        *([f"> **Warning:** {escape(note)}"] if note else []),
        "\n".join(lines),
        "## Classification report, %",
        class_table(label_names, metrics.by_class),
        *_confusion(names, np.asarray(metrics.confusion)),
    ]
    return "\n\n".join(parts) + "\n"


def _confusion(names: list[str], counts: NDArray[np.integer]) -> list[str]:
    """Return the confusion matrix, or, of many classes, its largest errors."""
    if len(names) <= MAX_CLASSES_SHOWN:
        rows = [
            [name, *(f"{count:,}" if count else "·" for count in row)]
            for name, row in zip(names, counts, strict=True)
        ]
        heading = "## Confusion matrix (rows: true, columns: predicted)"
        return [heading, table(["", *names], rows, "l" + "r" * len(names))]
    most = most_frequent_errors(counts, MAX_CLASSES_SHOWN)
    rows = [[names[true], names[answer], f"{count:,}"] for true, answer, count in most]
    heading = f"## Confusion matrix (most frequent errors of {len(names)} classes)"
    return [heading, table(["true", "predicted", "rows"], rows, "llr")]


def write_evaluation(
    folder: str | Path,
    title: str,
    metrics: Metrics,
    label_names: Sequence[str],
    *,
    part: str = "test",
    note: str = "",
) -> None:
    """Write ``evaluation.md``, ``evaluation.json`` and ``confusion.png`` into a folder.

    Parameters
    ----------
    folder : path-like
        Where to; created where missing.
    title, metrics, label_names, note
        As `render_evaluation` takes them.
    part : {"test", "train", "all"}
        Rows that were scored: the figures in the JSON file are called after them.
    """
    import pandas as pd  # slow to import, and needed for tables only

    folder = Path(folder)
    text = render_evaluation(title, metrics, label_names, note=note)
    facts = {
        f"{part}_{name.removeprefix('test_')}" if name.startswith("test_") else name: value
        for name, value in dataclasses.asdict(metrics).items()
    }
    columns = {"label": label_names, **metrics.by_class._asdict()}
    per_class = pd.DataFrame(columns).to_dict("records")
    write_text(folder / "evaluation.md", f"{text}\n![Confusion matrix](confusion.png)\n")
    facts = {"title": title, "part": part, "note": note, **facts, "per_class": per_class}
    write_json(folder / "evaluation.json", facts)
    figure = confusion_figure(metrics.confusion, list(label_names), title=title)
    save_figure(figure, folder / "confusion.png")
