"""Calibration of probabilities, and the error when the least confident predictions are rejected.

Every model is shown before and after temperature scaling (Guo et al. 2017, arXiv:1706.04599)
fitted on the validation rows. The validation scores come from the model fitted on the training
rows alone, the test scores from the one refitted on training and validation rows: one temperature
is carried from the first to the second, which never saw its rows held out. It divides the scores
only, so that predictions stay as they are.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from digitrec.analyses._registry import Analysis, AnalysisContext
from digitrec.rendering.markdown import MISSING, escape, number, percent, table, table_of
from digitrec.rendering.section import Content, FigureSpec
from digitrec.rendering.style import (
    BLUE,
    GREY,
    MAX_LABEL_LENGTH,
    ORANGE,
    WIDTH,
    line_style,
    new_figure,
    plain_log_ticks,
    short_names,
    styled,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from digitrec.analyses._report_context import ReportContext
    from digitrec.evaluation.job_store import JobPredictions

N_BINS = 15
COVERAGES = (1.0, 0.99, 0.98, 0.95, 0.9, 0.8)
_MIN_PROBABILITY = 1e-12
_MIN_JOINED = 10


def run(context: AnalysisContext) -> dict[str, Any]:
    """Describe how far the confidence of each model can be believed."""
    y_test, y_train = np.asarray(context.dataset.y_test), np.asarray(context.dataset.y_train)
    models = []
    for result in context.one_per_model:
        found = describe_calibration(y_test, y_train, context.predictions(result))
        if found is not None:
            models.append({"name": result.stem, **found})
    return {"models": models}


def calibration_metrics(y_true: ArrayLike, probabilities: ArrayLike) -> dict[str, Any]:
    """Score probabilities on rows whose labels are known.

    Parameters
    ----------
    y_true : array-like of int, shape (n_samples,)
        Labels, columns of `probabilities`.
    probabilities : array-like of float, shape (n_samples, n_classes)
        Rows that sum to 1.

    Returns
    -------
    dict
        JSON-safe. ``log_loss``: mean negative logarithm of the true class's probability;
        ``brier``: mean squared distance from the true class's unit vector, 0–2 (Brier 1950);
        ``ece``: top-label expected calibration error, 0–1, over 15 bins of equal width, the mean
        over predicted labels (Gupta and Ramdas 2021, arXiv:2107.08353);
        ``bins``: ``confidence``, ``accuracy`` and ``count`` of each bin that has rows.
    """
    y_true = np.asarray(y_true)
    probabilities = np.asarray(probabilities, dtype=np.float64)
    rows = np.arange(len(y_true))
    true = np.clip(probabilities[rows, y_true], _MIN_PROBABILITY, 1.0)
    distance = np.square(probabilities).sum(axis=1) - 2 * probabilities[rows, y_true] + 1
    predicted = probabilities.argmax(axis=1)
    confidence = np.clip(probabilities[rows, predicted], 0.0, 1.0)
    right = predicted == y_true
    bin_of = np.minimum((confidence * N_BINS).astype(int), N_BINS - 1)
    return {
        "log_loss": float(-np.log(true).mean()),
        "brier": float(distance.mean()),
        "ece": _top_label_error(predicted, bin_of, right - confidence),
        "bins": [
            {
                "confidence": float(confidence[bin_of == number].mean()),
                "accuracy": float(right[bin_of == number].mean()),
                "count": int(np.count_nonzero(bin_of == number)),
            }
            for number in np.unique(bin_of)
        ],
    }


def _top_label_error(
    predicted: NDArray[np.integer], bin_of: NDArray[np.integer], gap: NDArray[np.float64]
) -> float:
    """Return the calibration error of each predicted label, averaged over these labels."""
    _, label = np.unique(predicted, return_inverse=True)
    gaps = np.bincount(label * N_BINS + bin_of, weights=gap, minlength=(label.max() + 1) * N_BINS)
    errors = np.abs(gaps).reshape(-1, N_BINS).sum(axis=1) / np.bincount(label)
    return float(errors.mean())


def fit_temperature(scores: ArrayLike, y_true: ArrayLike) -> float:
    """Return the temperature by which scores are divided for the least log loss on held-out rows.

    Parameters
    ----------
    scores : array-like of float, shape (n_samples, n_classes)
        Decision values, or logarithms of probabilities, of the held-out rows; minus infinity for
        a class that cannot be.
    y_true : array-like of int, shape (n_samples,)
        Their labels. Classes may be missing.

    Returns
    -------
    float
        Above 1 where the scores are too sure.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import logsumexp

    z = np.asarray(scores, dtype=np.float64)
    true = z[np.arange(len(z)), np.asarray(y_true)]

    def loss(log_factor: float) -> float:
        factor = np.exp(log_factor)
        return float(np.mean(logsumexp(factor * z, axis=1) - factor * true))

    # The loss is convex in the factor, so it has one minimum in its logarithm.
    found = minimize_scalar(loss, bounds=(-10, 10), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(-found.x))


def risk_coverage(right: ArrayLike, confidence: ArrayLike) -> dict[str, Any]:
    """Return the error among the rows kept when the least sure ones are rejected.

    Parameters
    ----------
    right : array-like of bool, shape (n_samples,)
        Whether each prediction is right.
    confidence : array-like of float, shape (n_samples,)
        How sure the model was; any scale. Equally sure rows are kept or rejected together:
        their risk counts in equal parts.

    Returns
    -------
    dict
        JSON-safe. ``coverage`` and ``error``: the curve at 101 or fewer shares of rows kept;
        ``table``: ``coverage``, ``error`` and ``wrong`` at fixed shares; ``area``: mean error
        over all shares, the area under the curve.
    """
    right = np.asarray(right, dtype=bool)
    confidence = np.asarray(confidence, dtype=np.float64)
    n = len(right)
    order = np.argsort(-confidence, kind="stable")
    wrong = (~right)[order].astype(np.float64)
    # The order within ties is arbitrary: each row of a tie gets the tie's mean.
    ends = np.flatnonzero(np.append(np.diff(confidence[order]) != 0, True)) + 1
    starts = np.concatenate([[0], ends[:-1]])
    total = np.concatenate([[0.0], np.cumsum(wrong)])
    wrong = np.repeat((total[ends] - total[starts]) / (ends - starts), ends - starts)
    kept = np.arange(1, n + 1)
    error = np.cumsum(wrong) / kept
    places = np.unique(np.ceil(np.linspace(0.01, 1, 100) * n).astype(int).clip(1)) - 1
    table = []
    for coverage in COVERAGES:
        place = max(1, round(coverage * n)) - 1
        count = float(error[place] * kept[place])
        table.append({"coverage": coverage, "error": float(error[place]), "wrong": count})
    return {
        "coverage": (kept[places] / n).tolist(),
        "error": error[places].tolist(),
        "table": table,
        "area": float(error.mean()),
    }


def describe_calibration(
    y_test: NDArray[np.integer], y_train: NDArray[np.integer], predictions: JobPredictions
) -> dict[str, Any] | None:
    """Return calibration and risk-coverage of one model; None where it has no scores.

    A class without training rows gets no probability, before and after.

    Parameters
    ----------
    y_test : ndarray of int, shape (n_test,)
        Labels of the test rows.
    y_train : ndarray of int, shape (n_train,)
        Labels of all training rows, which the validation rows are among.
    predictions : JobPredictions
        Predictions of the model.

    Returns
    -------
    dict or None
        JSON-safe. ``has_probabilities``; ``before``: `calibration_metrics` of the model's
        probabilities, or of the softmax of its decision values where it has none; ``after``:
        the same after temperature scaling, or None without validation scores; ``temperature``;
        ``risk``: `risk_coverage` by the calibrated probability of the predicted class.
    """
    from scipy.special import softmax

    if predictions.test_scores is None:
        return None
    probable, seen = predictions.has_probabilities, np.unique(y_train)
    logits = _logits(predictions.test_scores, probable, seen)
    before = np.asarray(predictions.test_scores) if probable else softmax(logits, axis=1)
    after, temperature = before, None
    if predictions.validation_scores is not None and len(predictions.validation_scores):
        held_out = _logits(predictions.validation_scores, probable, seen)
        temperature = fit_temperature(held_out, y_train[predictions.validation_index])
        after = softmax(logits / temperature, axis=1)
    labels = predictions.y_test_pred
    return {
        "has_probabilities": probable,
        "before": calibration_metrics(y_test, before),
        "after": None if temperature is None else calibration_metrics(y_test, after),
        "temperature": temperature,
        "risk": risk_coverage(labels == y_test, after[np.arange(len(y_test)), labels]),
    }


def calibration_errors(
    y_test: NDArray[np.integer], y_train: NDArray[np.integer], predictions: JobPredictions
) -> tuple[float, float | None] | None:
    """Return the calibration error before and after scaling; see `describe_calibration`."""
    found = describe_calibration(y_test, y_train, predictions)
    if found is None:
        return None
    return found["before"]["ece"], found["after"] and found["after"]["ece"]


def _logits(
    scores: NDArray[np.float32], has_probabilities: bool, seen: NDArray[np.integer]
) -> NDArray[np.float64]:
    values = np.asarray(scores, dtype=np.float64)
    if has_probabilities:
        values = np.log(np.clip(values, _MIN_PROBABILITY, None))
    logits = np.full_like(values, -np.inf)
    logits[:, seen] = values[:, seen]
    return logits


def frame(output: Mapping[str, Any]) -> pd.DataFrame:
    """Return one row a model: log loss, Brier score and calibration error, before and after."""
    import pandas as pd

    rows = []
    for model in output["models"]:
        row = {key: model[key] for key in ("name", "has_probabilities", "temperature")}
        for metric in ("log_loss", "brier", "ece"):
            for when in ("before", "after"):
                row[f"{metric}_{when}"] = model[when] and model[when][metric]
        rows.append({**row, "risk_area": model["risk"]["area"]})
    return pd.DataFrame(rows)


def section(context: ReportContext) -> Content | None:
    """Log loss, Brier score and calibration error, and what rejection would save."""
    labels, models = context.labels, context.models_of("calibration")
    if not models:
        return None
    names = [labels[model["name"]] for model in models]
    parts = [
        ANALYSIS.heading,
        "Before → after temperature scaling fitted on the validation rows. Log loss and Brier "
        "score: lower is better; calibration error: mean distance between confidence and "
        "accuracy, in percentage points, per predicted class (top-label ECE). Scaling changes no "
        "prediction. The temperature is fitted to the model trained without the validation rows "
        "and applied to the one refitted with them.",
        table_of(
            models,
            {
                "model": lambda m: escape(labels[m["name"]]) + " †" * (not m["has_probabilities"]),
                "log loss": lambda model: _both(model, "log_loss", 4),
                "Brier score": lambda model: _both(model, "brier", 4),
                "calibration error, points": lambda model: _both(model, "ece", 2, 100),
            },
        ),
    ]
    if not all(model["has_probabilities"] for model in models):
        parts.append(
            "† gives no probabilities: before is the softmax of its decision values, the "
            "usual substitute."
        )
    reliability = FigureSpec(
        "reliability",
        "Accuracy against confidence of each model, before and after calibration; larger points "
        "stand for more rows, bins with fewer than ten are not joined",
        lambda: reliability_figure(
            names,
            [model["before"]["bins"] for model in models],
            [model["after"] and model["after"]["bins"] for model in models],
        ),
    )
    winner = context.winning_row and context.winning_row.shown.stem
    thick = next((i for i, model in enumerate(models) if model["name"] == winner), None)
    risk = FigureSpec(
        "risk_coverage",
        "Error among the rows kept against the share of rows rejected, for each model",
        lambda: risk_figure(names, [model["risk"] for model in models], winner=thick),
    )
    heading = "### Selective classification"
    return Content.of(*parts, reliability, heading, _risk_table(names, models), risk)


def _both(model: dict[str, Any], field: str, digits: int, scale: float = 1) -> str:
    before, after = model["before"], model["after"]
    first = number(scale * before[field], digits)
    return f"{first} → {number(scale * after[field], digits) if after else MISSING}"


def _risk_table(names: list[str], models: list[dict[str, Any]]) -> str:
    coverages = [row["coverage"] for row in models[0]["risk"]["table"]]
    body = table(
        ["model", *(f"{100 * (1 - coverage):.0f} % rejected" for coverage in coverages)],
        [
            [escape(name), *(percent(row["error"]) for row in model["risk"]["table"])]
            for name, model in zip(names, models, strict=True)
        ],
        "l" + "r" * len(coverages),
    )
    return (
        "Error among the rows that are kept when those with the lowest confidence are rejected, "
        f"%.\n\n{body}"
    )


@styled
def reliability_figure(
    labels: Sequence[str],
    before: Sequence[Sequence[Mapping[str, Any]]],
    after: Sequence[Sequence[Mapping[str, Any]] | None],
) -> Figure:
    """Draw accuracy against confidence for each model, before and after calibration.

    `before` and `after` hold the bins of each model (``confidence``, ``accuracy``, ``count``), None
    where it is not calibrated.
    """
    columns = min(4, len(labels))
    rows = -(-len(labels) // columns)
    figure = new_figure(0.6 + rows * (WIDTH / columns + 0.25))
    for index, label in enumerate(short_names(labels, MAX_LABEL_LENGTH)):
        axes = figure.add_subplot(rows, columns, index + 1)
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle="--")
        _bins(axes, before[index], ORANGE, "before")
        if after[index] is not None:
            _bins(axes, after[index] or (), BLUE, "after")
        axes.set_xlim(0, 1.03)
        axes.set_ylim(0, 1.03)
        axes.set_aspect("equal")
        axes.set_title(textwrap.fill(label, 22), fontsize=8.5)
        axes.set_xticks([0, 0.5, 1])
        axes.set_yticks([0, 0.5, 1])
        if index % columns == 0:
            axes.set_ylabel("accuracy")
        if index >= len(labels) - columns:
            axes.set_xlabel("confidence")
        if index == 0:
            axes.legend(frameon=False, fontsize=8.5, loc="upper left", handlelength=1.2)
    return figure


def _bins(axes: Axes, bins: Sequence[Mapping[str, Any]], color: str, label: str) -> None:
    counts = np.array([part["count"] for part in bins], dtype=float)
    x = [part["confidence"] for part in bins]
    y = [part["accuracy"] for part in bins]
    sizes = 6 + 60 * np.sqrt(counts / counts.sum())
    # Bins of few rows are uncertain: points without a line.
    joined = [place for place, count in enumerate(counts) if count >= _MIN_JOINED]
    axes.plot(
        [x[i] for i in joined], [y[i] for i in joined], color=color, linewidth=1.2, label=label
    )
    axes.scatter(x, y, s=sizes, color=color, alpha=0.7, linewidths=0)


@styled
def risk_figure(
    labels: Sequence[str], curves: Sequence[Mapping[str, Sequence[float]]], *, winner: int | None
) -> Figure:
    """Draw the error among the rows kept against the share rejected.

    `curves` hold ``coverage`` and ``error`` of each model, fractions; `winner` is drawn thicker.
    """
    figure = new_figure(3.6)
    axes = figure.add_subplot()
    shown = short_names(labels, MAX_LABEL_LENGTH)
    for index, (label, curve) in enumerate(zip(shown, curves, strict=True)):
        rejected = 100 * (1 - np.asarray(curve["coverage"]))
        error = 100 * np.asarray(curve["error"])
        keep = rejected <= 30
        axes.plot(
            rejected[keep],
            np.where(error[keep] > 0, error[keep], np.nan),
            **line_style(index),
            linewidth=2.6 if index == winner else 1.5,
            label=label,
        )
    if any(max(curve["error"]) > 0 for curve in curves):
        axes.set_yscale("log")
        plain_log_ticks(axes.yaxis)
    axes.grid(axis="y")
    axes.set_xlim(0, 30)
    axes.set_xlabel("share of the rows rejected, lowest confidence first, %")
    axes.set_ylabel("error among the others, %")
    axes.set_title("Error when the least confident rows are rejected")
    axes.legend(frameon=False, fontsize=8.5, ncols=2 if len(labels) > 4 else 1)
    return figure


ANALYSIS = Analysis(
    name="calibration",
    title="Calibration",
    question="How well do the predicted probabilities match the observed accuracy?",
    order=100,
    run=run,
    frame=frame,
    section=section,
    in_fast=True,
    version=2,
)
