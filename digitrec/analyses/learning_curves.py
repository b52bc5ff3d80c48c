"""Learning curves: error and fit time against the number of training rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from digitrec.analyses._registry import Analysis, AnalysisContext
from digitrec.rendering.markdown import MISSING, escape, percent, seconds, table_of
from digitrec.rendering.section import Content, FigureSpec
from digitrec.rendering.style import (
    MAX_NAME_LENGTH,
    line_style,
    new_figure,
    plain_log_ticks,
    short_names,
    styled,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from digitrec.analyses._report_context import ReportContext
    from digitrec.evaluation.result import Result

# Shorter fits are measured too coarsely for an exponent.
_MIN_FIT_SECONDS = 0.005


def curve_sizes(n_train: int, n_classes: int) -> tuple[int, ...]:
    """Return numbers of training rows in steps of 1, 2, 5, below `n_train`.

    From a sixtieth of the rows (1,000 for MNIST) to two fifths, so that all fits together take
    less than one on all rows; never fewer than ten rows per class.
    """
    low, high = max(n_train / 60, 10 * n_classes), n_train / 2.5
    series = [step * 10**power for power in range(1, 9) for step in (1, 2, 5)]
    return tuple(size for size in series if low <= size <= high)


def growth_exponent(sizes: Sequence[int], values: Sequence[float]) -> dict[str, float] | None:
    """Fit a power law ``value = c * size ** exponent`` by least squares on log axes.

    Parameters
    ----------
    sizes : sequence of int
        Training rows.
    values : sequence of float
        What grows or shrinks with them; values of 0 are left out.

    Returns
    -------
    dict or None
        ``exponent``, ``low`` and ``high`` (95 % interval), ``coefficient``; None with fewer
        than three points.
    """
    from scipy.stats import linregress, t

    points = [(size, value) for size, value in zip(sizes, values, strict=True) if value > 0]
    if len({size for size, _ in points}) < 3:
        return None
    x, y = np.log(np.array(points, dtype=np.float64)).T
    fit = linregress(x, y)
    margin = float(t.ppf(0.975, len(points) - 2)) * float(fit.stderr)
    return {
        "exponent": float(fit.slope),
        "low": float(fit.slope) - margin,
        "high": float(fit.slope) + margin,
        "coefficient": math.exp(fit.intercept),
    }


def run(context: AnalysisContext) -> dict[str, Any]:
    """Fit every model of a run on growing samples of the training rows.

    The samples are nested and stratified. The test set is only looked at, as in the main table:
    nothing is chosen by it. The last point of each curve is the run's own fit on all rows. Each
    fit may take three times the full one, and a minute more.

    Returns
    -------
    dict
        JSON-safe. ``sizes``; ``models``: ``name``, ``points`` (``n``, ``error``,
        ``fit_seconds``), ``cost`` and ``gain`` (`growth_exponent` of the fit time and of the
        error), ``stopped`` (why a curve is incomplete, else empty).
    """
    from digitrec.evaluation.job import Part

    n_train = len(context.dataset.y_train)
    sizes = curve_sizes(n_train, len(context.dataset.label_names))
    parts = [
        Part(kind="sample", sizes=sizes, index=index, seed=context.random_state)
        for index in range(len(sizes))
    ]
    models = []
    for result, rows in context.run_parts(parts, _time_limit):
        points: list[dict[str, float]] = [
            {
                "n": row.n_train,
                "error": row.test_error or 0.0,
                "fit_seconds": row.fit_seconds or 0.0,
            }
            for row in rows
            if row.ok
        ]
        stopped = next((row.reason.splitlines()[0] for row in rows if not row.ok), "")
        # With random copies the run's own fit had more rows than the sample says.
        if not context.options.get("augment") and result.test_error is not None:
            seconds = result.fit_seconds or 0.0
            points.append({"n": n_train, "error": result.test_error, "fit_seconds": seconds})
        timed = [point for point in points if point["fit_seconds"] >= _MIN_FIT_SECONDS]
        models.append(
            {
                "name": result.stem,
                "points": points,
                "cost": growth_exponent(
                    [int(point["n"]) for point in timed], [p["fit_seconds"] for p in timed]
                ),
                "gain": growth_exponent(
                    [int(point["n"]) for point in points], [p["error"] for p in points]
                ),
                "stopped": stopped,
            }
        )
    return {"sizes": [*sizes, n_train], "models": models}


def _time_limit(result: Result) -> float:
    # A process needs some seconds to start.
    return 60 + 3 * (result.fit_seconds or 0.0) + 10 * (result.predict_seconds or 0.0)


def frame(output: Mapping[str, Any]) -> pd.DataFrame:
    """Return one row a model and number of training rows, with its error and fit time."""
    import pandas as pd

    return pd.DataFrame(
        [
            {"name": model["name"], **point}
            for model in output["models"]
            for point in model["points"]
        ],
        columns=["name", "n", "error", "fit_seconds"],
    )


def section(context: ReportContext) -> Content | None:
    """Error and fit time against the number of training rows."""
    labels = context.labels
    models = [model for model in context.models_of("learning_curves") if model["points"]]
    if not models:
        return None

    def point(model: dict[str, Any], place: int) -> str:
        found = model["points"][place]
        return f"{percent(found['error'])} ({found['n']:,})"

    columns = {
        "model": lambda model: escape(labels[model["name"]]),
        "error, % (fewest rows)": lambda model: point(model, 0),
        "error, % (all rows)": lambda model: point(model, -1),
        "error exponent": lambda model: _exponent(model["gain"]),
        "fit on all rows, s": lambda model: seconds(model["points"][-1]["fit_seconds"]),
        "fit time exponent": lambda model: _exponent(model["cost"]),
        "twice the rows": lambda model: _growth_words(model["cost"]),
    }
    stopped = [
        f"- **{escape(labels[model['name']])}**: {escape(model['stopped'])}."
        for model in models
        if model["stopped"]
    ]
    figure = FigureSpec(
        "learning_curves",
        "Test error and fit time of each model against the number of training rows",
        lambda: growth_figure(
            [labels[model["name"]] for model in models], [model["points"] for model in models]
        ),
    )
    parts: list[str | FigureSpec] = [
        ANALYSIS.heading,
        "Nested, stratified samples of the training rows; preprocessing is "
        "fitted on the sample too. The last point is the fit of the main table. An exponent of "
        "k means that the value grows with the k-th power of the number of rows (least "
        "squares on log axes, 95 % interval).",
        figure,
        table_of(models, columns, "lrrrrrl"),
        *(["Incomplete curves:\n\n" + "\n".join(stopped)] if stopped else []),
    ]
    return Content.of(*parts)


def _exponent(fit: dict[str, float] | None) -> str:
    if fit is None:
        return MISSING
    low, high, middle = (f"{fit[k]:.2f}".replace("-", "−") for k in ("low", "high", "exponent"))
    return f"{middle} ({low} to {high})"


def _growth_words(cost: dict[str, float] | None) -> str:
    if cost is None:
        return "too fast to measure"
    factor = 2 ** cost["exponent"]
    return f"{factor:.1f} times the fit time"


@styled
def growth_figure(labels: Sequence[str], points: Sequence[Sequence[Mapping[str, float]]]) -> Figure:
    """Draw error and fit time against the number of training rows, on log axes.

    `points` hold ``n``, ``error`` (fraction) and ``fit_seconds`` of each size, for each model.
    """
    names = short_names(labels)
    # Four names of half of the allowed length fill a line of the legend.
    columns = 4 if max(map(len, names)) <= MAX_NAME_LENGTH // 2 else 2
    figure = new_figure(3.7 + 0.19 * -(-len(names) // columns))
    panels = (("error", "test error, %", 100.0), ("fit_seconds", "fit time, s", 1.0))
    for place, (field, axis_label, scale) in enumerate(panels, start=1):
        axes = figure.add_subplot(1, 2, place)
        for index, (label, curve) in enumerate(zip(names, points, strict=True)):
            shown = [point for point in curve if point[field] > 0]
            axes.plot(
                [point["n"] for point in shown],
                [scale * point[field] for point in shown],
                marker="o",
                markersize=3.5,
                linewidth=1.5,
                **line_style(index),
                label=label,
            )
        if any(point[field] > 0 for curve in points for point in curve):
            axes.set_xscale("log")
            axes.set_yscale("log")
            plain_log_ticks(axes.xaxis)
            plain_log_ticks(axes.yaxis)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value / 1000:g}")
        axes.grid(True)
        axes.set_xlabel("training rows, thousands")
        axes.set_title(axis_label)
    figure.legend(
        *figure.axes[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=min(columns, len(names)),
        frameon=False,
    )
    return figure


ANALYSIS = Analysis(
    name="learning_curves",
    title="Learning curves",
    question="How do error and fit time change with the number of training rows?",
    order=120,
    run=run,
    frame=frame,
    section=section,
    options=("augment",),
)
