"""Sections about single models: images of the winner, and details of each model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from digitrec.analyses import ReportContext
from digitrec.evaluation.frames import Row
from digitrec.evaluation.metrics import Predictions
from digitrec.evaluation.result import ClassScores, Result
from digitrec.rendering.images import grid_columns, images_figure
from digitrec.rendering.markdown import MISSING, code, escape, percent, seconds, table
from digitrec.rendering.section import Content, FigureSpec, Section
from digitrec.rendering.style import MAX_CLASSES_SHOWN
from digitrec.reporting import model_figures

_ROWS_OF_MISTAKES = 3
_N_SAMPLES_PER_CLASS = 2


def samples_section(context: ReportContext) -> Content | None:
    """Test images drawn at random, as the winner reads them."""
    row = context.winning_row
    predictions = context.predictions.get(row.shown.key) if row else None
    images = context.images(predictions) if predictions else None
    if row is None or predictions is None or images is None:
        return None
    chosen = _one_of_each(predictions.y_true, len(context.label_names))
    captions = [_caption(context, predictions, index) for index in chosen]
    wrong = [bool(predictions.y_true[i] != predictions.y_pred[i]) for i in chosen]
    figure = FigureSpec(
        "samples",
        f"{len(chosen)} test images drawn at random, each with the winner's prediction",
        lambda: images_figure(
            images[chosen],
            captions,
            title=f"Predictions of {row.title} on test images",
            wrong=wrong,
            columns=grid_columns(context.short_label_names),
        ),
    )
    text = (
        "## Sample predictions\n\n"
        f"{_N_SAMPLES_PER_CLASS} test images of each class, drawn at random"
        f"{_confidence_note(predictions, 'the predicted class')}."
    )
    return Content.of(text, figure)


def models_section(context: ReportContext) -> Content | None:
    """Per model: parameters, classification report, confusion matrix, mistakes, curves."""
    if not context.model_rows:
        return None
    lead = None
    if len(context.feature_names) > 1:
        lead = "Each model on the feature set with the best validation accuracy."
    models = [_model_content(context, row) for row in context.model_rows]
    return Content.of("## Models", lead, *models)


def _model_content(context: ReportContext, row: Row) -> Content:
    result = row.shown
    lead = f"Features {code(result.features)}, seed {result.random_state}"
    if len(row.results) > 1:
        lead += f"; the first of {len(row.results)} seeds" if not row.is_winner else "; best seed"
    parts: list[str | FigureSpec] = [f"### {escape(row.title)}", lead + "."]
    if result.confusion:
        parts += [_worst_pairs(context, result), _confusion_spec(context, row)]
    mistakes, note = _mistakes_spec(context, row)
    if mistakes:
        parts += [note, mistakes]
    if any(len(values) > 1 for values in result.curves.values()):
        curves = FigureSpec(
            f"curves_{result.stem}",
            f"{row.title}: {', '.join(name.replace('_', ' ') for name in result.curves)} "
            "by iteration",
            lambda: model_figures.curves_figure(result.curves, title=f"{row.title}: training"),
        )
        parts.append(curves)
    if result.confusion:
        which = ""
        if len(result.confusion) > MAX_CLASSES_SHOWN:
            which = f", the {MAX_CLASSES_SHOWN} hardest of {len(result.confusion)} classes"
        parts += [
            f"Classification report on the test rows, %{which}:",
            class_table(context.label_names, result.by_class),
        ]
    parts += ["Parameters:", _parameter_table(result.parameters)]
    return Content.of(*parts)


def _confusion_spec(context: ReportContext, row: Row) -> FigureSpec:
    result = row.shown
    error = f"{percent(result.test_error)} % of {result.n_test:,} test rows wrong"
    return FigureSpec(
        f"confusion_{result.stem}",
        f"Confusion matrix of {row.title}, {error}",
        lambda: model_figures.confusion_figure(
            result.confusion, context.label_names, title=f"{row.title}: {error}"
        ),
    )


def _mistakes_spec(context: ReportContext, row: Row) -> tuple[FigureSpec | None, str]:
    predictions = context.predictions.get(row.shown.key)
    images = context.images(predictions) if predictions else None
    if predictions is None or images is None or not len(predictions.mistakes):
        return None, ""
    columns = grid_columns(context.short_label_names)
    chosen, captions = shown_mistakes(context, predictions)
    which = "most confident" if predictions.confidence is not None else "first"
    title = f"{row.title}: its {which} errors (true → predicted)"
    figure = FigureSpec(
        f"mistakes_{row.shown.stem}",
        f"The {len(chosen)} {which} errors of {row.title} with true and predicted class",
        lambda: images_figure(images[chosen], captions, title=title, columns=columns),
    )
    total = len(predictions.mistakes)
    what = f"The {len(chosen)} {which} of its {total:,} errors"
    if total == len(chosen):
        what = f"All of its {total} errors" if total > 1 else "Its only error"
    note = f"{what}, true → predicted class{_confidence_note(predictions, 'the wrong class')}:"
    return figure, note


def shown_mistakes(
    context: ReportContext, predictions: Predictions
) -> tuple[NDArray[np.intp], list[str]]:
    """Return the test rows of the mistakes that a report shows, and what stands below each."""
    n_shown = _ROWS_OF_MISTAKES * grid_columns(context.short_label_names)
    chosen = predictions.mistakes[:n_shown]
    return chosen, [_caption(context, predictions, index, with_truth=True) for index in chosen]


def _confidence_note(predictions: Predictions, what: str) -> str:
    if predictions.confidence is None:
        return ""
    if predictions.has_probabilities:
        return f", with the probability that the model assigns to {what}"
    return f", with the lead of {what} over the next class (decision values, no probabilities)"


def _caption(
    context: ReportContext, predictions: Predictions, index: int, *, with_truth: bool = False
) -> str:
    names = context.short_label_names
    answer = names[predictions.y_pred[index]]
    truth = names[predictions.y_true[index]]
    if with_truth or answer != truth:
        answer = f"{truth} → {answer}" if len(truth + answer) < 8 else f"{truth}\n→ {answer}"
    if predictions.confidence is None:
        return answer
    value = predictions.confidence[index]
    return f"{answer}\n{_shown_confidence(float(value), predictions.has_probabilities)}"


def _shown_confidence(value: float, is_probability: bool) -> str:
    if not is_probability:
        return f"+{value:.2f}"
    # 99.96 % must not read as certainty.
    return f"{100 * value:.0f} %" if value < 0.995 else f"{np.floor(1000 * value) / 10:.1f} %"


def _one_of_each(y: np.ndarray, n_classes: int) -> np.ndarray:
    """Return rows drawn at random, as many of each class, class by class in each line."""
    generator = np.random.default_rng(0)
    picks = [
        generator.permutation(np.flatnonzero(y == label))[:_N_SAMPLES_PER_CLASS]
        for label in range(n_classes)
    ]
    rounds = [[p[i] for p in picks if len(p) > i] for i in range(_N_SAMPLES_PER_CLASS)]
    return np.array([index for line in rounds for index in line], dtype=np.intp)


def _worst_pairs(context: ReportContext, result: Result) -> str:
    names = context.label_names
    pairs = [
        f"{escape(names[true])} as {escape(names[answer])} ({count:,})"
        for true, answer, count in most_frequent_errors(result.confusion, 3)
    ]
    if not pairs:
        return "It makes no errors on the test rows."
    return f"Most frequent errors (true class as predicted class): {', '.join(pairs)}."


def most_frequent_errors(confusion: ArrayLike, limit: int) -> list[tuple[int, int, int]]:
    """Return true class, predicted class and count of the errors, the most frequent first."""
    errors = np.array(confusion)
    np.fill_diagonal(errors, 0)
    order = np.argsort(-errors, axis=None, kind="stable")[:limit]
    cells = (divmod(int(place), len(errors)) for place in order)
    return [
        (true, answer, int(errors[true, answer])) for true, answer in cells if errors[true, answer]
    ]


def class_table(label_names: Sequence[str], scores: ClassScores) -> str:
    """Return precision, recall and F1 of each class, or of the hardest of very many, and means."""
    *shares, support = scores
    tested = np.flatnonzero(support)
    shown = np.arange(len(support))
    if len(shown) > MAX_CLASSES_SHOWN:
        order = np.argsort(scores.f1[tested], kind="stable")
        shown = np.sort(tested[order[:MAX_CLASSES_SHOWN]])
    rows = [
        [
            escape(label_names[i]),
            # Without test rows a class has no scores.
            *(percent(share[i]) if support[i] else MISSING for share in shares),
            f"{support[i]:,}",
        ]
        for i in shown.tolist()
    ]
    for name, weights in (("macro average", None), ("weighted average", support[tested])):
        if len(tested):
            averages = [percent(np.average(share[tested], weights=weights)) for share in shares]
            rows.append([f"*{name}*", *averages, f"{support.sum():,}"])
    return table(["class", "precision", "recall", "F1", "rows"], rows, "lrrrr")


def _parameter_table(parameters: dict[str, Any]) -> str:
    if not parameters:
        return "None."
    rows = [[code(name), code(_shown(value))] for name, value in sorted(parameters.items())]
    return table(["parameter", "value"], rows, "ll")


def _shown(value: Any) -> str:
    text = seconds(value) if isinstance(value, float) and 1e4 <= abs(value) < 1e9 else repr(value)
    return text if len(text) <= 200 else text[:199] + "…"


SECTIONS = (Section("samples", samples_section, 150), Section("models", models_section, 190))
