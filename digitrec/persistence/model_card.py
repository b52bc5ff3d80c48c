"""The model card of a saved model, as Markdown."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tabulate import tabulate

from digitrec._files import write_text
from digitrec.persistence.model_file import ModelMetadata, read_metadata

CARD_NAME = "MODEL_CARD.md"

_PERCENT = {
    "validation_accuracy": "accuracy on validation images",
    "test_accuracy": "accuracy on test images",
    "test_error": "error on test images",
    "balanced_accuracy": "balanced accuracy on test images",
    "macro_f1": "macro F1 on test images",
    "top2_accuracy": "top-2 accuracy on test images",
}
_PLAIN = {
    "log_loss": ("log loss on test images", "{:.4f}"),
    "fit_seconds": ("time to fit", "{:.1f} s"),
    "predict_seconds": ("time to predict all test images", "{:.2f} s"),
    "latency_p50_ms": ("one image, median", "{:.2f} ms"),
    "latency_p99_ms": ("one image, 99th percentile", "{:.2f} ms"),
}


def render_model_card(metadata: ModelMetadata, file_name: str = "best_model.joblib") -> str:
    """Return the model card as Markdown.

    Parameters
    ----------
    metadata : ModelMetadata
        Those of the model file. What they lack is left out.
    file_name : str
        Name of the model file.

    Returns
    -------
    str
        Data, intended use, metrics with intervals, limits, versions and how to load the model.
    """
    title = metadata.title or metadata.model or "model"
    labels = [str(name) for name in metadata.label_names]
    shape = " x ".join(str(side) for side in metadata.image_shape or ()) or "unknown size"
    what = "images" if metadata.image_shape is not None else "rows of tables"
    dataset = metadata.dataset or "unknown"
    sections = [
        f"# Model card: {title}\n\n"
        f"{_subject(file_name)} {what} like those of the dataset {_text(dataset)}.",
        _facts_section(metadata, labels, shape),
        _use_section(labels, shape),
        _metrics_section(metadata.metrics),
        _limits_section(dataset),
        _parameters_section(metadata.parameters or {}),
        _versions_section(metadata.versions),
        _loading_section(file_name, metadata),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def write_model_card(path: str | os.PathLike[str]) -> Path:
    """Write ``MODEL_CARD.md`` next to a model file.

    A card of that name which is not of this model is kept; then the card is named after
    the model file: ``model.joblib.md``.

    Parameters
    ----------
    path : path-like
        The model file.

    Returns
    -------
    pathlib.Path
        The card.
    """
    path = Path(path)
    card = path.with_name(CARD_NAME)
    if card.exists() and _subject(path.name) not in card.read_text("utf-8", errors="replace"):
        card = path.with_name(f"{path.name}.md")
    write_text(card, render_model_card(read_metadata(path), path.name))
    return card


def _subject(file_name: str) -> str:
    """Return the start of a card's first sentence, which identifies its model file."""
    return f"`{file_name}` classifies"


def _facts_section(metadata: ModelMetadata, labels: list[str], shape: str) -> str:
    rows = {
        "dataset": metadata.dataset,
        "source": metadata.data_source,
        "fingerprint": metadata.data_fingerprint,
        "images fitted on": None if metadata.n_train is None else f"{metadata.n_train:,}",
        "image size": shape,
        "classes": ", ".join(labels) or None,
        "features": metadata.features,
        "random state": metadata.random_state,
        "saved at": metadata.saved_at,
    }
    return "## Data and model\n\n" + _table(
        [[name, _text(value)] for name, value in rows.items() if value is not None], ["fact", ""]
    )


def _use_section(labels: list[str], shape: str) -> str:
    what = f"one of the {len(labels)} classes" if labels else "one class"
    help_ = ""
    if labels[:10] == list("0123456789") and shape == "28 x 28":
        help_ = (
            "\n`digitrec predict` and `digitrec.Recognizer` bring photographs and scans of digits "
            "into that form."
        )
    return f"""## Intended use

Classify images that show {what} each, prepared as the training images are:
{shape} pixels, values 0 (background) to 255 (ink), flattened row by row.{help_}

Not intended for decisions about people, and not for amounts, addresses or records that nobody
checks afterwards."""


def _metrics_section(metrics: Mapping[str, float | None]) -> str:
    rows = []
    for name, title in _PERCENT.items():
        value = metrics.get(name)
        if value is None:
            continue
        low, high = metrics.get(f"{name}_low"), metrics.get(f"{name}_high")
        interval = ""
        if low is not None and high is not None:
            interval = f"{100 * low:.2f}–{100 * high:.2f} %"
        rows.append([title, f"{100 * value:.2f} %", interval])
    for name, (title, form) in _PLAIN.items():
        if metrics.get(name) is not None:
            rows.append([title, form.format(metrics[name]), ""])
    if not rows:
        return ""
    table = _table(rows, ["metric", "value", "95 % interval"])
    notes = "Intervals are Wilson intervals. Times are those of the machine that fitted the model."
    if metrics.get("test_accuracy") is None:
        notes += " The test images were not looked at."
    else:
        notes += (
            " Models are chosen on validation images; the test images were scored once and chose "
            "nothing."
        )
    return f"## Metrics\n\n{table}\n\n{notes}"


def _limits_section(dataset: Any) -> str:
    return f"""## Limits

- Every input gets one of the classes: images that show none of them too.
- The figures hold for images like those of {_text(dataset)}. Other writers, pens, scanners and
  styles of writing cost accuracy, as does anything off centre, cut off or upside down.
- Probabilities order the classes. Look at their calibration before relying on their values; the
  report of a run has it where it was measured.
- A joblib file can run any code when it is loaded: load it only from a source you trust."""


def _parameters_section(parameters: Mapping[str, Any]) -> str:
    if not parameters:
        return ""
    rows = [[f"`{name}`", _text(value)] for name, value in sorted(parameters.items())]
    return "## Parameters\n\n" + _table(rows, ["parameter", "value"])


def _versions_section(versions: Mapping[str, str]) -> str:
    if not versions:
        return ""
    return "## Versions\n\n" + _table(
        [[name, version] for name, version in versions.items()], ["package", "version"]
    )


def _loading_section(file_name: str, metadata: ModelMetadata) -> str:
    n_pixels = metadata.n_columns or math.prod(metadata.image_shape or (28, 28))
    check = ""
    if metadata.sha256:
        check = f"\n\nsha256 of the file: `{metadata.sha256}`; `load_model` checks it."
    return f"""## Use

```python
import numpy as np
from digitrec import load_model

model = load_model("{file_name}")
rows = np.zeros((1, {n_pixels}), dtype=np.uint8)
print(model.predict(rows))
```{check}"""


def _table(rows: list[list[Any]], headers: list[str]) -> str:
    return tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True)


def _text(value: Any) -> str:
    """Return a value as it may stand in a cell of a table."""
    return " ".join(str(value).split()).replace("|", "\\|")
