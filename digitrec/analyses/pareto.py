"""Pareto front: the models that no other model beats in both error and cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from digitrec.analyses._registry import Analysis, AnalysisContext
from digitrec.rendering.markdown import escape, percent, seconds
from digitrec.rendering.section import Content, FigureSpec
from digitrec.rendering.style import (
    BLUE,
    GREY,
    ORANGE,
    label_points,
    log_percent_axis,
    new_figure,
    plain_log_ticks,
    styled,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from digitrec.analyses._report_context import ReportContext
    from digitrec.evaluation.frames import Row

# What a model costs, by field of Result: stem of the figure, name, label of the axis, and by what
# the value is divided.
COSTS: dict[str, tuple[str, str, str, float]] = {
    "fit_seconds": ("fit_time", "fit time", "fit time, s", 1.0),
    "latency_p50_ms": ("latency", "latency", "time for one row, ms (median)", 1.0),
    "model_bytes": ("size", "size", "saved model, MB", 1e6),
}


def pareto_front(costs: ArrayLike, errors: ArrayLike) -> NDArray[np.bool_]:
    """Tell which points no other point beats.

    Parameters
    ----------
    costs, errors : array-like of float, shape (n,)
        Coordinates of each point; less is better. A point is beaten by one that is not worse in
        either and better in one of them.

    Returns
    -------
    ndarray of bool, shape (n,)
        Whether each point is on the front.
    """
    cost, error = np.asarray(costs, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    not_worse = (cost <= cost[:, None]) & (error <= error[:, None])
    better = (cost < cost[:, None]) | (error < error[:, None])
    return np.asarray(~np.any(not_worse & better, axis=1))


def run(context: AnalysisContext) -> dict[str, Any]:
    """Return error and costs of every model, and whether it is on the front of each cost."""
    results = [result for result in context.one_per_model if result.test_error is not None]
    models: list[dict[str, Any]] = [
        {
            "name": result.stem,
            "error": result.test_error,
            **{cost: getattr(result, cost) for cost in COSTS},
            "fronts": [],
        }
        for result in results
    ]
    for cost in COSTS:
        known = [model for model in models if model[cost] is not None]
        front = pareto_front([m[cost] for m in known], [m["error"] for m in known])
        for model, on_front in zip(known, front, strict=True):
            if on_front:
                model["fronts"].append(cost)
    return {"models": models}


def frame(output: Mapping[str, Any]) -> pd.DataFrame:
    """Return one row a model: test error, costs, and ``on_front_<cost>`` of each."""
    import pandas as pd

    rows = []
    for model in output["models"]:
        row = {name: value for name, value in model.items() if name != "fronts"}
        rows.append(row | {f"on_front_{cost}": cost in model["fronts"] for cost in COSTS})
    return pd.DataFrame(rows)


def section(context: ReportContext) -> Content | None:
    """Error against fit time, latency and size; no stored output is needed for it."""
    lines, figures = [], []
    for cost, (stem, name, axis_label, unit) in COSTS.items():
        rows = [
            row
            for row in context.ok_rows
            if row.mean(cost) is not None and row.mean("test_error") is not None
        ]
        if len(rows) < 2:
            continue
        values = [(row.mean(cost) or 0.0) / unit for row in rows]
        errors = [row.mean("test_error") or 0.0 for row in rows]
        order = sorted(np.flatnonzero(pareto_front(values, errors)), key=lambda i: values[i])
        lines.append(f"- {name}: " + ", ".join(escape(context.label(rows[i])) for i in order))
        figures.append(_cost_spec(context, rows, values, errors, stem, name, axis_label))
    if not figures:
        return None
    text = (
        f"{ANALYSIS.heading} The models on the front, cheapest "
        "first:\n\n" + "\n".join(lines) + "\n\n"
        "Lower left is better; the dashed line joins the models on the front."
    )
    return Content.of(text, *figures)


def _cost_spec(
    context: ReportContext,
    rows: list[Row],
    values: list[float],
    errors: list[float],
    stem: str,
    name: str,
    axis_label: str,
) -> FigureSpec:
    labels = [context.label(row) for row in rows]
    title = f"Error against {name}"
    pairs = ", ".join(
        f"{label} {seconds(value)} and {percent(error)} %"
        for label, value, error in zip(labels, values, errors, strict=True)
    )
    return FigureSpec(
        f"error_{stem}",
        f"{title} ({axis_label}) of each model: {pairs}",
        lambda: cost_figure(
            labels,
            values,
            errors,
            axis_label=axis_label,
            title=title,
            winner=next((i for i, row in enumerate(rows) if row.is_winner), None),
        ),
    )


@styled
def cost_figure(
    labels: Sequence[str],
    cost: Sequence[float],
    error: Sequence[float],
    *,
    axis_label: str,
    title: str,
    winner: int | None = None,
) -> Figure:
    """Draw the test error of each model against its cost, both on log axes.

    The models that no other beats in both are joined by a line. `error` are fractions; `winner` is
    the index of the model that was chosen on validation data.
    """
    y = 100 * np.asarray(error, dtype=float)
    x = np.maximum(np.asarray(cost, dtype=float), 1e-4)
    figure = new_figure(3.6 if len(labels) < 8 else max(4.6, 0.9 + 0.17 * len(labels)))
    axes = figure.add_subplot()
    on_front = np.flatnonzero(pareto_front(cost, error))
    front = on_front[np.lexsort((y[on_front], x[on_front]))]
    axes.plot(x[front], y[front], color=GREY, linewidth=1.2, linestyle=(0, (4, 3)), zorder=1)
    colors = [ORANGE if index == winner else BLUE for index in range(len(labels))]
    axes.scatter(x, y, c=colors, s=46, zorder=3)
    axes.set_xscale("log")
    span = math.log10(x.max() / x.min())
    pad = 10 ** max(0.22, 0.14 * span)
    axes.set_xlim(x.min() / pad, x.max() * pad)
    plain_log_ticks(axes.xaxis)
    positive = y[y > 0]
    if len(positive) == len(y) and y.max() / y.min() > 3:
        log_percent_axis(axes, "y", y.min() / 1.12, y.max() * 1.12)
    else:
        room = max(0.15 * (y.max() - y.min()), 0.05 * y.max(), 0.02)
        axes.set_ylim(max(0, y.min() - room), y.max() + room)
    axes.grid(axis="both")
    axes.set_xlabel(axis_label)
    axes.set_ylabel("test error, %")
    axes.set_title(title)
    label_points(
        axes,
        x.tolist(),
        y.tolist(),
        labels,
        [index == winner for index in range(len(labels))],
        avoid=list(zip(x[front], y[front], strict=True)),
    )
    return figure


ANALYSIS = Analysis(
    name="pareto",
    title="Pareto front",
    question="Which models does no other model beat in both error and cost?",
    order=40,
    run=run,
    frame=frame,
    section=section,
    in_fast=True,
    version=2,
)
