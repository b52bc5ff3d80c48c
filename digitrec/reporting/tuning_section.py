"""The section on the search over parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from digitrec.analyses import ReportContext, model_title
from digitrec.evaluation.result import Result
from digitrec.evaluation.tuning import tuning_rows
from digitrec.rendering.markdown import MISSING, code, escape, percent, seconds, table
from digitrec.rendering.section import Content, Section

_N_SHOWN = 10


def tuning_section(context: ReportContext) -> Content | None:
    """Show the gain of the searches on the test rows, and their best candidates."""
    if not context.run.tuning:
        return None

    def predictions(result: Result) -> tuple[NDArray[Any], NDArray[Any]]:
        found = context.predictions[result.key]
        return np.asarray(found.y_true), np.asarray(found.y_pred)

    known = [result for result in context.run.results if result.key in context.predictions]
    rows = tuning_rows(context.run, predictions) if known else []
    lines = []
    for row in rows:
        gain = MISSING
        if row["test_gain"] is not None:
            gain = (
                f"{100 * row['test_gain']:+.2f} ({100 * row['test_low']:+.2f} to "
                f"{100 * row['test_high']:+.2f})"
            )
        lines.append(
            [
                escape(model_title(row["model"])),
                escape(row["features"]),
                f"{row['n_candidates']}",
                seconds(row["seconds"]),
                percent(row["default"]),
                percent(row["best"]),
                gain,
            ]
        )
    headers = ["model", "features", "candidates", "fits, s", "default, %", "best, %"]
    headers.append("gain on test, points (95 %)")
    parts = [
        "## Tuning",
        "How much does the search over parameters improve the models? Candidates are fitted on "
        "the training rows and chosen on the validation rows, whose accuracy is optimistic for "
        "the best of many. The gain on the test rows is unbiased: where its interval contains 0, "
        "it is not significant.",
        table(headers, lines, "ll" + "r" * 5),
    ]
    parts += [_best(record) for record in context.run.tuning]
    return Content("\n\n".join(parts))


def _best(record: dict[str, Any]) -> str:
    """Return the best candidates of one search."""
    shown = record["candidates"][:_N_SHOWN]
    lines = [
        [
            ", ".join(f"{name}={_value(value)}" for name, value in c["parameters"].items())
            or "the default",
            percent(c["accuracy"]),
            seconds(c["fit_seconds"]),
            c["status"].replace("_", " "),
        ]
        for c in shown
    ]
    title = f"The best of {escape(model_title(record['model']))} on {escape(record['features'])}:"
    rows = [[code(first), *rest] for first, *rest in lines]
    headers = ["parameters", "validation accuracy, %", "fit, s", "status"]
    return f"{title}\n\n{table(headers, rows, 'lrrl')}"


def _value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else repr(value)


SECTIONS = (Section("tuning", tuning_section, 125),)
