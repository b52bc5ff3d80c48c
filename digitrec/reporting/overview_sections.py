"""Sections that compare models: summary, accuracy, classes, feature sets, published results."""

from __future__ import annotations

import shlex
from collections.abc import Callable

import numpy as np

from digitrec.analyses import ANALYSES, ReportContext, dataset_title
from digitrec.analyses.significance import alike
from digitrec.evaluation.frames import Row, result_title
from digitrec.evaluation.result import Result
from digitrec.rendering.markdown import (
    MISSING,
    anchor,
    code,
    escape,
    join_words,
    number,
    one_line,
    percent,
    seconds,
    table,
    table_of,
)
from digitrec.rendering.section import Content, FigureSpec, Section
from digitrec.rendering.style import MAX_CLASSES_SHOWN
from digitrec.reporting import overview_figures
from digitrec.reporting.published_errors import PUBLISHED
from digitrec.statistics import ALPHA


def summary_section(context: ReportContext) -> Content:
    """Title, warnings, the winner in words, and the accuracy table."""
    run = context.run
    parts = [f"# Model comparison: {escape(dataset_title(run.dataset.name))}"]
    parts += [f"> **Warning:** {escape(text)}" for text in run.dataset.warnings]
    parts += [_winner_sentence(context), accuracy_table(context), _legend(context)]
    failures = [failure for row in context.rows for failure in row.failures]
    if failures:
        parts.append("Failed jobs:")
        parts.append("\n".join(_failure_line(failure) for failure in failures))
    parts += [_limit_line(row) for row in context.rows if any(r.reached_limit for r in row.results)]
    if run.failures:
        parts.append("Analyses without a result:")
        parts.append(
            "\n".join(
                f"- **{escape(ANALYSES[name].title if name in ANALYSES else name)}**: "
                f"{escape(one_line(reason))}"
                for name, reason in run.failures.items()
            )
        )
    return Content.of(*parts)


def accuracy_table(context: ReportContext) -> str:
    """Return the table of all models as Markdown, best validation accuracy first."""
    same = alike(context.output("significance"))

    def name(row: Row) -> str:
        text = escape(row.title)
        if row in context.model_rows:
            text = f"[{text}](#{anchor(row.title)})"
        return f"★ **{text}**" if row.is_winner else "≈ " * (row.shown.stem in same) + text

    def mean(field: str, form: Callable[..., str] = percent) -> Callable[[Row], str]:
        return lambda row: form(row.mean(field), row.spread(field))

    columns: dict[str, Callable[[Row], str]] = {"model": name}
    if len(context.feature_names) > 1:
        columns["features"] = lambda row: escape(row.features)
    columns |= {
        "validation accuracy, %": mean("validation_accuracy"),
        "test accuracy, %": mean("test_accuracy"),
        "95 % interval": _interval,
        "test error, %": mean("test_error"),
        "macro F1, %": mean("macro_f1"),
        "log loss": lambda row: number(row.mean("log_loss"), 4, row.spread("log_loss")),
        "fit, s": mean("fit_seconds", seconds),
        "predict, s": mean("predict_seconds", seconds),
        "latency p50, ms": mean("latency_p50_ms", seconds),
        "size, MB": lambda row: seconds((size := row.mean("model_bytes")) and size / 1e6),
        "status": _status,
    }
    return table_of(context.rows, columns, "l" * (len(columns) - 11) + "r" * 10 + "l")


def _interval(row: Row) -> str:
    low, high = row.mean("test_accuracy_low"), row.mean("test_accuracy_high")
    return MISSING if low is None or high is None else f"{percent(low)}–{percent(high)}"


def _status(row: Row) -> str:
    states = ["ok"] if row.results else []
    if any(result.reached_limit for result in row.results):
        states.append("iteration limit ‡")
    states += sorted({failure.status.replace("_", " ") for failure in row.failures})
    if row.results and row.failures:
        total = len(row.results) + len(row.failures)
        states[0] = f"ok ({len(row.results)} of {total} seeds)"
    return ", ".join(states)


def _limit_line(row: Row) -> str:
    """Say that a model stopped at its iteration limit, and what to do."""
    result = next(result for result in row.results if result.reached_limit)
    text = f"‡ **{escape(row.title)}** stopped before it converged"
    if result.iteration_limit is None:
        return f"{text}."
    setting = shlex.join(["--set", f"{result.model}.max_iter={2 * result.iteration_limit}"])
    return (
        f"{text}, at its limit of {result.iteration_limit:,} iterations; to allow more: "
        f"{code(setting)}."
    )


def _failure_line(failure: Result) -> str:
    name = f"{result_title(failure)} ({failure.features}, seed {failure.random_state})"
    state = failure.status.replace("_", " ")
    return f"- **{escape(name)}**: {state}" + (
        f", {escape(one_line(failure.reason))}" * bool(failure.reason)
    )


def _winner_sentence(context: ReportContext) -> str:
    winner = context.winning_row
    if winner is None:
        return "No model finished, so there is no winner."
    best = winner.shown
    by_accuracy = context.run.metric == "accuracy"
    metric = "accuracy" if by_accuracy else escape(context.run.metric.replace("_", " "))
    score = f"{percent(best.validation_accuracy)} %"
    sentence = (
        f"**{escape(winner.title)}** on {escape(best.features)} features has the best validation "
        f"{metric} of {_count(len(context.ok_rows), 'candidate')}: "
        f"{score if by_accuracy else number(best.validation_score, 4)}."
    )
    if best.test_error is not None:
        wrong = round(best.test_error * best.n_test)
        sentence += (
            f" Refitted on training and validation rows, it misclassifies {wrong:,} of the "
            f"{best.n_test:,} test rows: **{percent(best.test_error)} % error**, "
            f"{percent(best.test_accuracy)} % accuracy"
        )
        if best.test_accuracy_low is not None and best.test_accuracy_high is not None:
            sentence += (
                f" (95 % interval {percent(best.test_accuracy_low)}"
                f"–{percent(best.test_accuracy_high)} %)"
            )
        sentence += "."
    # A percent sign never starts a line.
    return f"{sentence} The test rows were not used to choose it.".replace(" %", "\u00a0%")


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" + ("" if n == 1 else "s")


def _legend(context: ReportContext) -> str:
    method = "[Method](#method) explains the columns."
    if context.winning_row is None:
        return method
    metric = context.run.metric.replace("_", " ")
    text = (
        "★ chosen on validation accuracy; rows are in that order."
        if metric == "accuracy"
        else f"★ chosen by {escape(metric)} on the validation rows; rows are in that order."
    )
    same = alike(context.output("significance"))
    if any(row.shown.stem in same for row in context.rows if not row.is_winner):
        text += (
            " ≈ not distinguishable from ★ on the test rows (McNemar's exact test with Holm's "
            f"correction, level {ALPHA:g})."
        )
    if any(len(row.results) > 1 for row in context.rows):
        text += " ± is the standard deviation over seeds."
    return f"{text} {method}"


def error_section(context: ReportContext) -> Content | None:
    """Test error of every model with its interval."""
    rows = [row for row in context.ok_rows if row.mean("test_accuracy_low") is not None]
    rows = [row for row in rows if row.mean("test_error") is not None]
    if not rows:
        return None
    labels = [context.label(row) for row in rows]
    error = [row.mean("test_error") or 0.0 for row in rows]
    low = [1 - (row.mean("test_accuracy_high") or 0.0) for row in rows]
    high = [1 - (row.mean("test_accuracy_low") or 0.0) for row in rows]
    winner = next((index for index, row in enumerate(rows) if row.is_winner), None)
    figure = FigureSpec(
        "error",
        "Test error of each model with its 95 % interval: "
        + ", ".join(f"{label} {percent(e)} %" for label, e in zip(labels, error, strict=True)),
        lambda: overview_figures.error_figure(labels, error, low, high, winner=winner),
    )
    return Content.of(
        "## Test error", "What share of the test rows does each model misclassify?", figure
    )


def per_class_section(context: ReportContext) -> Content | None:
    """F1 score of every model on every class."""
    classes = context.label_names
    rows = [row for row in context.model_rows if len(row.shown.confusion) == len(classes)]
    if not rows:
        return None
    scores = [row.shown.by_class for row in rows]
    tested = np.flatnonzero(scores[0].support).tolist()
    if not tested:
        return None
    f1 = np.array([of_model.f1[tested] for of_model in scores])
    order = f1.mean(axis=0).argsort(kind="stable")
    hardest = classes[tested[order[0]]]
    shown = np.sort(order[:MAX_CLASSES_SHOWN])
    notes = []
    if len(shown) < len(tested):
        notes.append(
            f"The figure shows the {len(shown)} hardest of {len(tested)} classes; all are in "
            "`results.json`."
        )
    if len(tested) < len(classes):
        untested = [classes[i] for i in range(len(classes)) if i not in tested]
        named = join_words([escape(name) for name in untested], 10)
        notes.append(f"Without test rows, and so without a score: {named}.")
    figure = FigureSpec(
        "f1_by_class",
        f"F1 score of each model on each class; the hardest class is {hardest}",
        lambda: overview_figures.per_class_figure(
            [context.label(row) for row in rows], [classes[tested[i]] for i in shown], f1[:, shown]
        ),
    )
    sentence = f"The lowest, averaged over the models, is that of class “{escape(hardest)}”."
    text = "## F1 score by class\n\nWhich classes have the lowest F1 score? " + " ".join(
        [sentence, *notes]
    )
    return Content.of(text, figure)


def ablation_section(context: ReportContext) -> Content | None:
    """Test error by features and model, where the run has several feature sets."""
    features = context.feature_names
    if len(features) < 2:
        return None
    by_model: dict[str, dict[str, Row]] = {}
    for row in context.ok_rows:
        by_model.setdefault(row.model, {})[row.features] = row
    lines = []
    for rows in by_model.values():
        errors = {name: row.mean("test_error") for name, row in rows.items()}
        known = [error for error in errors.values() if error is not None]
        cells = []
        for name in features:
            error = errors.get(name)
            spread = rows[name].spread("test_error") if name in rows else None
            text = percent(error, spread)
            cells.append(f"**{text}**" if error is not None and error == min(known) else text)
        lines.append([escape(next(iter(rows.values())).title), *cells])
    body = table(["model", *map(escape, features)], lines, "l" + "r" * len(features))
    question = "Which feature set gives each model the lowest error?"
    note = f"{question} Test error, %; bold: the lowest of each model."
    return Content.of("## Feature sets", note, body)


def published_section(context: ReportContext) -> Content | None:
    """Our error rates among those that others published."""
    published = PUBLISHED.get(context.run.dataset.name)
    if published is None or not context.ok_rows:
        return None
    lines = [(row.error, escape(row.method), row.source, percent(row.error)) for row in published]
    for row in context.ok_rows:
        error = row.mean("test_error")
        if error is not None:
            name = f"**{escape(context.label(row))}**"
            lines.append((error, name, "**this run**", f"**{percent(error)}**"))
    lines.sort(key=lambda line: -line[0])
    body = table(["method", "test error, %", "source"], [(m, e, s) for _, m, s, e in lines], "lrl")
    note = (
        "How do these errors compare with published ones? Published figures are those of their "
        "authors, on the same test rows, with their own training data, models and hardware."
        ""
    )
    if context.run.dataset.n_train < 60_000 or context.run.dataset.n_test < 10_000:
        note += " This run used only a part of the rows."
    return Content.of("## Published results", note, body)


SECTIONS = (
    Section("summary", summary_section, 10),
    Section("error", error_section, 20),
    Section("per_class", per_class_section, 70),
    Section("ablation", ablation_section, 130),
    Section("published", published_section, 140),
)
