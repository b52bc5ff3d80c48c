"""The report of one saved model on one dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from digitrec._files import write_json, write_text
from digitrec.rendering.markdown import escape, number, percent, table

__all__ = ["render_evaluation", "write_evaluation"]


def render_evaluation(title: str, metrics: Mapping[str, Any], label_names: Sequence[str]) -> str:
    """Return accuracy, classification report and confusion matrix as Markdown.

    Parameters
    ----------
    title : str
        What was scored on what.
    metrics : mapping
        As `digitrec.evaluation.metrics.classification_metrics` gives them.
    label_names : sequence of str
        Names of the classes.
    """
    n_rows = sum(map(sum, metrics["confusion"]))
    interval = f"{percent(metrics['test_accuracy_low'])}–{percent(metrics['test_accuracy_high'])} %"
    lines = [
        f"- accuracy: {percent(metrics['test_accuracy'])} % "
        f"(Wilson 95 % interval {interval}, {n_rows:,} images)",
        f"- error: {percent(metrics['test_error'])} %",
        f"- balanced accuracy: {percent(metrics['balanced_accuracy'])} %",
        f"- macro F1: {percent(metrics['macro_f1'])} %",
    ]
    if metrics["top2_accuracy"] is not None:
        lines.append(f"- top-2 accuracy: {percent(metrics['top2_accuracy'])} %")
    if metrics["log_loss"] is not None:
        lines.append(f"- log loss: {number(metrics['log_loss'], 4)}")
    names = [escape(name) for name in label_names]
    per_class = [
        [escape(row["label"]), *(percent(row[k]) for k in ("precision", "recall", "f1")),
         f"{row['support']:,}"]
        for row in metrics["per_class"]
    ]  # fmt: skip
    confusion = [
        [name, *(f"{count:,}" if count else "·" for count in row)]
        for name, row in zip(names, metrics["confusion"], strict=True)
    ]
    parts = [
        f"# {escape(title)}",
        "\n".join(lines),
        "## Classification report, %",
        table(["class", "precision", "recall", "F1", "images"], per_class, "lrrrr"),
        "## Confusion matrix (rows: true, columns: predicted)",
        table(["", *names], confusion, "l" + "r" * len(names)),
    ]
    return "\n\n".join(parts) + "\n"


def write_evaluation(
    folder: str | Path, title: str, metrics: Mapping[str, Any], label_names: Sequence[str]
) -> None:
    """Write ``evaluation.md``, ``evaluation.json`` and ``confusion.png`` into a folder.

    Parameters
    ----------
    folder : path-like
        Where to; created where missing.
    title, metrics, label_names
        As `render_evaluation` takes them.
    """
    from digitrec.rendering.style import save_figure
    from digitrec.reporting.model_figures import confusion_figure

    folder = Path(folder)
    text = render_evaluation(title, metrics, label_names)
    write_text(folder / "evaluation.md", f"{text}\n![Confusion matrix](confusion.png)\n")
    write_json(folder / "evaluation.json", {"title": title, **metrics})
    figure = confusion_figure(metrics["confusion"], list(label_names), title=title)
    save_figure(figure, folder / "confusion.png")
