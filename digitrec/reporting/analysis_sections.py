"""Sections on how models behave: confidence, corrupted images, and more training rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from digitrec.reporting import analysis_figures
from digitrec.reporting.analysis_text import shown_labels
from digitrec.reporting.context import ReportContext
from digitrec.reporting.markdown import MISSING, code, escape, number, percent, seconds, table
from digitrec.reporting.model_figures import images_figure
from digitrec.reporting.section import Content, FigureSpec

__all__ = ["calibration_section", "learning_curves_section", "robustness_section"]


def calibration_section(context: ReportContext) -> Content | None:
    """Log loss, Brier score and calibration error, and what rejection would save."""
    found = context.run.analyses.get("calibration")
    labels = shown_labels(context)
    models = [model for model in (found or {}).get("models", []) if model["name"] in labels]
    if not models:
        return None
    names = [labels[model["name"]] for model in models]
    parts = [
        "## Can the confidence be believed?",
        "Before → after temperature scaling fitted on the validation images. Log loss and Brier "
        "score: lower is better; calibration error: mean distance between confidence and "
        "accuracy, in percentage points, per predicted class (top-label ECE). Scaling changes no "
        "prediction. Its temperature comes from the model fitted without the validation images "
        "and is carried over to the one fitted with them.",
        table(
            ["model", "log loss", "Brier score", "calibration error, points"],
            [
                [
                    escape(name) + ("" if model["has_probabilities"] else " †"),
                    _both(model, "log_loss", 4),
                    _both(model, "brier", 4),
                    _both(model, "ece", 2, 100),
                ]
                for name, model in zip(names, models, strict=True)
            ],
            "lrrr",
        ),
    ]
    if not all(model["has_probabilities"] for model in models):
        parts.append(
            "† gives no probabilities: before is the softmax of its decision values, which is "
            "what one would otherwise use."
        )
    reliability = FigureSpec(
        "reliability",
        "Accuracy against confidence of each model, before and after calibration; larger points "
        "stand for more images, bins with fewer than ten are not joined",
        lambda: analysis_figures.reliability_figure(
            names,
            [model["before"]["bins"] for model in models],
            [model["after"] and model["after"]["bins"] for model in models],
        ),
    )
    winner = next((row.shown.stem for row in context.ok_rows if row.is_winner), None)
    thick = next((i for i, model in enumerate(models) if model["name"] == winner), None)
    risk = FigureSpec(
        "risk_coverage",
        "Error among the images kept against the share of images rejected, for each model",
        lambda: analysis_figures.risk_figure(
            names, [model["risk"] for model in models], winner=thick
        ),
    )
    parts += [reliability.markdown, "### Rejecting the least sure", _risk_table(names, models)]
    return Content("\n\n".join([*parts, risk.markdown]), (reliability, risk))


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
    return f"Error among the images that are kept, %.\n\n{body}"


def robustness_section(context: ReportContext) -> Content | None:
    """Error on corrupted test images, and what these look like."""
    found = context.run.analyses.get("robustness")
    labels = shown_labels(context)
    models = [model for model in (found or {}).get("models", []) if model["name"] in labels]
    if not found or not models:
        return None
    models.sort(key=lambda model: model["mean_corruption_error"])
    kinds = found["kinds"]
    errors = np.array([model["errors"] for model in models])
    hardest = [kinds[i]["name"].replace("_", " ") for i in np.argsort(-errors.mean(axis=0))[:3]]
    best = models[0]
    source = (
        "the published MNIST-C images"
        if found["source"] == "MNIST-C"
        else f"corrupted copies of the {found['n']:,} test images"
    )
    text = (
        "## How robust are the models?\n\n"
        f"The fitted models read {source}, {len(kinds)} kinds of corruption after Mu and Gilmer "
        f"(2019), that no model was trained on. **{escape(labels[best['name']])}** keeps the "
        f"lowest mean corruption error, {percent(best['mean_corruption_error'])} %; the hardest "
        f"kinds are {', '.join(hardest)}."
    )
    rows = [
        [
            escape(labels[model["name"]]),
            percent(model["clean_error"]),
            percent(model["mean_corruption_error"]),
            escape(kinds[int(np.argmax(model["errors"]))]["name"].replace("_", " ")),
            percent(max(model["errors"])),
        ]
        for model in models
    ]
    headers = ["model", "error, %", "mean corruption error, %", "worst kind", "its error, %"]
    heat = FigureSpec(
        "robustness",
        "Test error of each model on each kind of corruption",
        lambda: analysis_figures.robustness_figure(
            [labels[model["name"]] for model in models],
            [kind["name"] for kind in kinds],
            errors,
            [model["clean_error"] for model in models],
        ),
    )
    parts = [text, table(headers, rows, "lrrlr"), heat.markdown]
    figures = [heat]
    examples = _example_figure(context, found)
    if examples is not None:
        parts.append(examples.markdown)
        figures.append(examples)
    lines = [f"- {code(kind['name'])}: {escape(kind['summary'])}" for kind in kinds]
    parts.append("\n".join(lines))
    return Content("\n\n".join(parts), tuple(figures))


def _example_figure(context: ReportContext, found: dict[str, Any]) -> FigureSpec | None:
    dataset = context.dataset
    if dataset is None or found["source"] != "digitrec":
        return None
    if dataset.fingerprint != context.run.dataset["fingerprint"]:
        return None

    def draw() -> Any:
        from digitrec.evaluation.corruptions import corrupt_images

        labels = np.asarray(dataset.y_test)
        chosen = np.array([np.flatnonzero(labels == label)[0] for label in np.unique(labels)[:10]])
        chosen = chosen[[min(2, len(chosen) - 1), -1]]
        X = np.asarray(dataset.X_test)[chosen]
        names = [kind["name"] for kind in found["kinds"]]
        copies = [X, *(corrupt_images(X, dataset.image_shape, name) for name in names)]
        images = np.stack(copies, axis=1).reshape(-1, *dataset.image_shape)
        captions = ["original", *(name.replace("_", "\n") for name in names)] * len(X)
        return images_figure(images, captions, title="The same images, corrupted", columns=8)

    return FigureSpec("corruptions", "Two test images under each kind of corruption", draw)


def learning_curves_section(context: ReportContext) -> Content | None:
    """Error and fit time against the number of training images."""
    found = context.run.analyses.get("learning_curves")
    labels = shown_labels(context)
    models = [
        model
        for model in (found or {}).get("models", [])
        if model["name"] in labels and model["points"]
    ]
    if not models:
        return None
    rows = []
    for model in models:
        first, last = model["points"][0], model["points"][-1]
        rows.append(
            [
                escape(labels[model["name"]]),
                f"{percent(first['error'])} ({first['n']:,})",
                f"{percent(last['error'])} ({last['n']:,})",
                _exponent(model["gain"]),
                seconds(last["fit_seconds"]),
                _exponent(model["cost"]),
                _growth_words(model["cost"]),
            ]
        )
    headers = ["model", "first error, % (images)", "last error, % (images)", "error exponent"]
    headers += ["last fit, s", "cost exponent", "in words"]
    stopped = [
        f"- **{escape(labels[model['name']])}**: {escape(model['stopped'])}."
        for model in models
        if model["stopped"]
    ]
    figure = FigureSpec(
        "learning_curves",
        "Test error and fit time of each model against the number of training images",
        lambda: analysis_figures.growth_figure(
            [labels[model["name"]] for model in models], [model["points"] for model in models]
        ),
    )
    parts = [
        "## What do more training images bring, and cost?",
        "Nested, stratified samples of the training images; everything that is learned is "
        "learned from the sample. The last point is the fit of the main table. An exponent of "
        "k means that the value grows with the k-th power of the number of images (least "
        "squares on log axes, 95 % interval).",
        figure.markdown,
        table(headers, rows, "lrrrrrl"),
        *(["Incomplete curves:\n\n" + "\n".join(stopped)] if stopped else []),
    ]
    return Content("\n\n".join(parts), (figure,))


def _exponent(fit: dict[str, float] | None) -> str:
    if fit is None:
        return MISSING
    low, high, middle = (f"{fit[k]:.2f}".replace("-", "−") for k in ("low", "high", "exponent"))
    return f"{middle} ({low} to {high})"


def _growth_words(cost: dict[str, float] | None) -> str:
    if cost is None:
        return "no measurable fit"
    factor = 2 ** cost["exponent"]
    return f"twice the images, {factor:.1f} times the fit"
