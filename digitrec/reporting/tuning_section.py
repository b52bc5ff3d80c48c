"""The section on the search over parameters."""

from __future__ import annotations

import functools
from numbers import Real
from typing import TYPE_CHECKING, Any

from digitrec.analyses import ReportContext
from digitrec.evaluation.result import Candidate, Tuning
from digitrec.rendering.markdown import (
    MISSING,
    code,
    escape,
    interval,
    number,
    p_value,
    percent,
    points,
    seconds,
    table_of,
)
from digitrec.rendering.section import Content, FigureSpec, Section
from digitrec.rendering.style import BLUE, GREY, ORANGE, new_figure, plain_log_ticks, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_N_SHOWN = 10
# Metrics that are shares, shown in per cent and their differences in points.
_SHARES = ("accuracy", "balanced_accuracy", "macro_f1")


def tuning_section(context: ReportContext) -> Content | None:
    """Show the gain of each search, the gain expected by chance, and the best candidates."""
    if not context.run.tuning:
        return None
    titles = {row.model: row.title for row in context.rows}
    metric = context.run.tuning[0].metric
    share = metric in _SHARES
    unit = ", points" if share else ""
    per_cent = ", %" if share else ""
    columns: dict[str, Any] = {
        "model": lambda tuning: escape(titles[tuning.model]),
        "features": lambda tuning: escape(tuning.features),
        "candidates": lambda tuning: len(tuning.candidates),
        "fits, s": lambda tuning: seconds(tuning.seconds),
        f"default{per_cent}": lambda tuning: _score(tuning.default, share),
        f"best{per_cent}": lambda tuning: _score(tuning.best, share),
        f"gain{unit}": lambda tuning: _gain(tuning, share),
        f"gain by chance{unit} (95 % below)": lambda tuning: _chance(tuning, share),
        "p": lambda tuning: p_value(tuning.chance and tuning.chance.p_value),
        f"gain on test rows{unit} (95 % interval)": lambda tuning: _test_gain(tuning, share),
    }
    name = metric.replace("_", " ")
    better = " (negative, so that more is better)" if metric == "log_loss" else ""
    parts = [
        "## Tuning",
        "What does a search over parameters gain? Candidates are fitted on the training rows and "
        f"chosen by {escape(name)}{better} on the validation rows.",
        table_of(context.run.tuning, columns, "ll" + "r" * 8),
        "Choosing the best of many candidates gains on the validation rows even if none is better "
        "than the default. **Gain by chance** estimates that gain: the largest of all candidates' "
        "differences, each centred at zero, over validation rows drawn with replacement (White's "
        "reality check), with the 95th percentile of the draws; **p** is the share of draws that "
        "reach the gain. The last column is the difference between the chosen and the default on "
        "the test rows: if its interval includes 0, the gain is not significant.",
    ]
    figures = []
    for tuning in context.run.tuning:
        figure = FigureSpec(
            f"validation_curve_{tuning.stem}",
            f"Validation score of each candidate of {titles[tuning.model]} on "
            f"{tuning.features} against its parameters",
            functools.partial(validation_curve_figure, tuning),
        )
        figures.append(figure)
        parts += [_candidates(tuning, titles[tuning.model], share), figure.markdown]
    return Content("\n\n".join(parts), tuple(figures))


def _candidates(tuning: Tuning, model: str, share: bool) -> str:
    """Return the best candidates of one search, and how many were fitted on how many rows."""
    columns: dict[str, Any] = {
        "parameters": lambda c: (
            code(", ".join(f"{name}={_value(value)}" for name, value in c.parameters.items()))
            if c.parameters
            else "the default"
        ),
        f"validation score{', %' if share else ''}": lambda c: _score(c.score, share),
        "rows": lambda c: number(c.rows, 0),
        "fit, s": lambda c: seconds(c.fit_seconds),
        "status": lambda c: escape(c.status.replace("_", " ")),
    }
    rounds = ", then ".join(f"{r['candidates']} on {r['rows']:,} rows" for r in tuning.rounds)
    halved = "; the better third of a round goes on" if len(tuning.rounds) > 1 else ""
    title = f"### Candidates of {escape(model)} on "
    title += escape(tuning.features)
    text = f"{title}\n\nCandidates in addition to the default: {rounds}{halved}."
    if tuning.reason:
        text += f" Some have no score: {escape(tuning.reason)}."
    shown = table_of(tuning.candidates[:_N_SHOWN], columns, "lrrrl")
    return f"{text}\n\n{shown}"


@styled
def validation_curve_figure(tuning: Tuning) -> Figure:
    """Draw the validation score of each candidate of a search against each of its parameters.

    Parameters
    ----------
    tuning : Tuning
        The search.
    """
    names = list(tuning.defaults)
    columns = min(3, len(names))
    lines = -(-len(names) // columns)
    figure = new_figure(0.6 + 2.3 * lines)
    share = tuning.metric in _SHARES
    candidates = [one for one in tuning.candidates if one.score is not None]
    for place, name in enumerate(names):
        axes = figure.add_subplot(lines, columns, place + 1)
        scale = 100 if share else 1
        points: list[tuple[Candidate, Any, float]] = [
            (one, (one.parameters or tuning.defaults).get(name), scale * (one.score or 0.0))
            for one in candidates
        ]
        if all(_is_number(value) for one, value, _ in points if one.parameters):
            for _, value, score in points:
                if not _is_number(value):  # such as gamma="scale" among numbers
                    axes.axhline(score, label="default", color="black", ls="--", lw=1)
            points = [point for point in points if _is_number(point[1])]
            at = [float(value) for _, value, _ in points]
        else:
            values = [_value(value) for _, value, _ in points]
            texts = sorted(set(values))
            at = [float(texts.index(value)) for value in values]
            axes.set_xticks(range(len(texts)), texts)
            axes.set_xlim(-0.5, len(texts) - 0.5)
        shown, scores = [one for one, _, _ in points], [score for _, _, score in points]
        _draw(axes, shown, tuning.candidates[0], at, scores)
        if name in tuning.log and min(at, default=0) > 0:
            axes.set_xscale("log")
            plain_log_ticks(axes.xaxis)
        axes.grid(True)
        axes.set_xlabel(name)
        if place % columns == 0:
            metric = tuning.metric.replace("_", " ")
            axes.set_ylabel(f"{metric}{', %' if share else ''}")
    named = {
        label: handle
        for axes in reversed(figure.axes)
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        list(named.values()), list(named), loc="outside lower center", ncols=4, frameon=False
    )
    return figure


def _draw(
    axes: Axes, candidates: list[Candidate], best: Candidate, at: list[float], scores: list[float]
) -> None:
    """Draw candidates: those fitted on all rows, those left behind on fewer, and the default."""
    most = max((one.rows or 0 for one in candidates), default=0)
    kinds = (
        ("fewer rows", "o", GREY, 14, lambda one: one.parameters and one.rows < most),
        ("candidate", "o", BLUE, 18, lambda one: one.parameters and one.rows == most),
        ("best", "o", ORANGE, 36, lambda one: one is best),
        ("default", "D", "black", 26, lambda one: not one.parameters),
    )
    for label, marker, color, size, belongs in kinds:
        chosen = [i for i, one in enumerate(candidates) if belongs(one)]
        if chosen:
            axes.scatter(
                [at[i] for i in chosen],
                [scores[i] for i in chosen],
                s=size,
                marker=marker,
                color=color,
                label=label,
                zorder=3,
            )


def _score(value: float | None, share: bool) -> str:
    return percent(value) if share else number(value, 4)


def _difference(value: float, share: bool) -> str:
    return points(value) if share else f"{value:+.4f}".replace("-", "−")


def _gain(tuning: Tuning, share: bool) -> str:
    if tuning.default is None or tuning.best is None:
        return MISSING
    return _difference(tuning.best - tuning.default, share)


def _chance(tuning: Tuning, share: bool) -> str:
    if tuning.chance is None:
        return MISSING
    return f"{_difference(tuning.chance.mean, share)} ({_difference(tuning.chance.high, share)})"


def _test_gain(tuning: Tuning, share: bool) -> str:
    gain, low, high = tuning.test_gain, tuning.test_low, tuning.test_high
    if gain is None or low is None or high is None:
        return MISSING
    if share:
        return f"{points(gain)} ({interval(low, high, signed=True)})"
    low_text, high_text = (_difference(end, share) for end in (low, high))
    return f"{_difference(gain, share)} ({low_text} to {high_text})"


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


SECTIONS = (Section("tuning", tuning_section, 125),)
