"""Accuracy on subsets of MNIST's test images: without label errors, and each half."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from digitrec.analyses._registry import Analysis, AnalysisContext
from digitrec.evaluation.metrics import wilson_interval
from digitrec.rendering.images import images_figure
from digitrec.rendering.markdown import escape, interval, percent, table
from digitrec.rendering.section import Content, FigureSpec

if TYPE_CHECKING:
    import pandas as pd

    from digitrec.analyses._report_context import ReportContext
    from digitrec.datasets import Dataset

# Test images whose label people rejected: Northcutt, Athalye and Mueller (2021), "Pervasive label
# errors in test sets destabilize machine learning benchmarks", arXiv:2103.14749.
MNIST_LABEL_ERRORS = (
    *(947, 1621, 1901, 2130, 2462, 2597, 2654, 3520, 3558, 5937),
    *(6651, 6783, 8527, 9679, 9729),
)
# `fingerprint_arrays` of MNIST's image shape, test images and test labels.
_MNIST_TEST = "2b8388dd18e1f298"


def has_mnist_test_set(dataset: Dataset) -> bool:
    """Return whether a dataset's test rows are the 10,000 of MNIST, in their order."""
    from digitrec.datasets import fingerprint_arrays

    if dataset.image_shape != (28, 28) or len(dataset.y_test) != 10_000:
        return False
    X, y = np.asarray(dataset.X_test), np.asarray(dataset.y_test)
    return fingerprint_arrays(dataset.image_shape, X, y) == _MNIST_TEST


def score_subsets(y_true: ArrayLike, predictions: Mapping[str, ArrayLike]) -> dict[str, Any]:
    """Score models on parts of MNIST's test set.

    Parameters
    ----------
    y_true : array-like of int, shape (10000,)
        MNIST's test labels.
    predictions : mapping of str to array-like of int, shape (10000,)
        Predicted labels of each model, by its name.

    Returns
    -------
    dict
        JSON-safe. ``subsets``: ``name``, ``title`` and ``n`` of each part; ``models``: for each
        model its ``name`` and by part ``wrong``, ``error``, ``low`` and ``high`` (Wilson 95 %
        interval of the error); ``label_errors``: for each of the rejected labels its ``index``,
        its ``label`` and each model's answer, ``predicted``.
    """
    truth = np.asarray(y_true)
    correct = np.ones(len(truth), dtype=bool)
    correct[list(MNIST_LABEL_ERRORS)] = False
    first = np.arange(len(truth)) < 5000
    parts = {
        "original": ("all 10,000", np.ones(len(truth), dtype=bool)),
        "without_label_errors": ("label errors left out", correct),
        # Writers by QMNIST's metadata (Yadav and Bottou 2019, arXiv:1905.10498): NIST's partition
        # hsf_4 for the first 5,001 images, hsf_0 for the others. MNIST's home page says it the
        # other way round.
        "first_half": ("first 5,000: students", first),
        "last_half": ("last 5,000: census staff", ~first),
    }
    models = []
    for name, labels in predictions.items():
        wrong = np.asarray(labels) != truth
        row: dict[str, Any] = {"name": name}
        for part, (_, mask) in parts.items():
            n_wrong, n = int(wrong[mask].sum()), int(mask.sum())
            low, high = wilson_interval(n_wrong, n)
            row[part] = {"wrong": n_wrong, "error": n_wrong / n, "low": low, "high": high}
        models.append(row)
    return {
        "subsets": [
            {"name": part, "title": title, "n": int(mask.sum())}
            for part, (title, mask) in parts.items()
        ],
        "models": models,
        "label_errors": [
            {
                "index": index,
                "label": int(truth[index]),
                "predicted": {name: int(np.asarray(p)[index]) for name, p in predictions.items()},
            }
            for index in MNIST_LABEL_ERRORS
        ],
    }


def run(context: AnalysisContext) -> dict[str, Any]:
    """Score models on subsets of MNIST's test images; empty for other data."""
    if not has_mnist_test_set(context.dataset):
        return {}
    return score_subsets(context.dataset.y_test, context.labels())


def frame(output: Mapping[str, Any]) -> pd.DataFrame:
    """Return one row a model and subset: rows, errors, error rate and its 95 % interval."""
    import pandas as pd

    return pd.DataFrame(
        [
            {"name": model["name"], "subset": part["name"], "n": part["n"], **model[part["name"]]}
            for model in output.get("models", ())
            for part in output["subsets"]
        ],
        columns=["name", "subset", "n", "wrong", "error", "low", "high"],
    )


def section(context: ReportContext) -> Content | None:
    """Error on parts of MNIST's test set."""
    found, labels = context.output("subsets"), context.labels
    models = context.models_of("subsets")
    if not found or not models:
        return None
    subsets = found["subsets"]
    headers = ["model", *(part["title"] for part in subsets)]
    rows = [
        [escape(labels[model["name"]]), *(_cell(model[part["name"]]) for part in subsets)]
        for model in models
    ]
    text = (
        f"{ANALYSIS.heading} Test error, %, with its 95 % interval. People rejected the labels of "
        f"{len(found['label_errors'])} test images (Northcutt et al. 2021, arXiv:2103.14749); a "
        "model that predicts the true class of such an image is counted wrong. The first 5,000 "
        "images were written by 249 high-school students, the last 5,000 by 49 employees of the "
        "Census Bureau, whose digits are easier (writers according to QMNIST, arXiv:1905.10498)."
    )
    body = table(headers, rows, "l" + "r" * len(subsets))
    return Content.of(text, body, _label_errors_figure(context, found))


def _cell(score: dict[str, Any]) -> str:
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
        "Test images whose label people rejected, with the label and the most frequent prediction",
        lambda: images_figure(
            images[chosen],
            captions,
            title="Labels that people rejected (label; most frequent prediction)",
            columns=8,
        ),
    )


ANALYSIS = Analysis(
    name="subsets",
    title="Subsets of MNIST's test images",
    question="How much of the error comes from wrong labels and from difficult writers?",
    order=90,
    run=run,
    frame=frame,
    section=section,
    in_fast=True,
    needs_images=True,
)
