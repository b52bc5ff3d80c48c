"""The page that compares models over several datasets by their ranks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from digitrec._files import write_text
from digitrec.analyses import ReportContext, dataset_title
from digitrec.evaluation.result import Run
from digitrec.rendering.markdown import escape, join_words, number, p_value, percent, table
from digitrec.rendering.style import BLUE, GREY, INK, new_figure, save_figure, styled
from digitrec.statistics import ALPHA
from digitrec.statistics.ranks import RankComparison, RankPair, compare_over_datasets

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FIGURE = "figures/critical_difference.png"


def write_datasets_page(runs: Sequence[Run], output_dir: Path) -> Path | None:
    """Write ``across_datasets.md`` and its figure; see `render_datasets_page`.

    Returns
    -------
    pathlib.Path or None
        The page; None where fewer than two models ended well on every dataset.
    """
    models, scores = _common_scores(runs)
    if len(models) < 2:
        return None
    outcome = compare_over_datasets(scores)
    figure = critical_difference_figure(models, outcome.mean_ranks, outcome.critical_difference)
    save_figure(figure, output_dir / _FIGURE)
    path = output_dir / "across_datasets.md"
    write_text(path, render_datasets_page(runs))
    return path


def render_datasets_page(runs: Sequence[Run]) -> str:
    """Return Friedman's and Nemenyi's tests over several runs as Markdown.

    Parameters
    ----------
    runs : sequence of Run
        One per dataset. Models take part that succeeded on every one of them; their score is
        the mean test accuracy over seeds. Empty where there are fewer than two.
    """
    models, scores = _common_scores(runs)
    if len(models) < 2:
        return ""
    outcome = compare_over_datasets(scores)
    datasets = [dataset_title(run.dataset.name) for run in runs]
    order = sorted(range(len(models)), key=lambda i: outcome.mean_ranks[i])
    accuracy = table(
        ["dataset", *(escape(models[i]) for i in order)],
        [
            [escape(name), *(percent(of_models[i]) for i in order)]
            for name, of_models in zip(datasets, scores, strict=True)
        ]
        + [["*mean rank*", *(number(outcome.mean_ranks[i], 2) for i in order)]],
        "l" + "r" * len(models),
    )
    pairs = sorted(outcome.pairs, key=lambda pair: -abs(pair.difference))
    ranks = table(
        ["models", "difference of mean ranks", "95 % interval", "p", "in words"],
        [_pair_row(pair, models) for pair in pairs],
        "lrrrl",
    )
    parts = [
        "# Models over several datasets",
        _friedman_sentence(outcome, datasets),
        accuracy,
        f"![Mean rank of each model with the critical difference]({_FIGURE})",
        ranks,
        "Test accuracy, %; mean over seeds. The interval is the difference plus and minus "
        f"Nemenyi's critical difference, {number(outcome.critical_difference, 2)} ranks, and "
        "p is Nemenyi's, so both allow for all pairs (Demšar 2006). With few datasets the test "
        "sees only very large differences.",
    ]
    return "\n\n".join(parts) + "\n"


def _common_scores(runs: Sequence[Run]) -> tuple[list[str], list[list[float]]]:
    """Return the models that succeeded in every run, and their accuracies run by run.

    There are no models where there are fewer than two runs.
    """
    found = [
        {(row.features, row.model, row.title): row.mean("test_accuracy") for row in context.ok_rows}
        for context in (ReportContext(run=run) for run in runs)
    ]
    if len(found) < 2:
        return [], []
    common = [key for key in found[0] if all(of_run.get(key) is not None for of_run in found)]
    several = len({features for features, *_ in common}) > 1
    models = [f"{title} ({features})" if several else title for features, _, title in common]
    return models, [[of_run[key] or 0.0 for key in common] for of_run in found]


def _friedman_sentence(outcome: RankComparison, datasets: Sequence[str]) -> str:
    text = (
        f"{len(outcome.mean_ranks)} models on {join_words([escape(name) for name in datasets])}, "
        "ranked by test accuracy on each. Friedman's test: χ² = "
        f"{number(outcome.chi_square, 2)}, p = {p_value(outcome.p_value)}"
    )
    p = outcome.p_value
    if outcome.f_p_value is not None:
        p = outcome.f_p_value
        text += (
            f"; Iman and Davenport's form: F = {number(outcome.f_statistic, 2)}, p = {p_value(p)}"
        )
    text += f"; agreement of the datasets, Kendall's W = {number(outcome.kendall_w, 2)}. "
    verdict = (
        "The mean ranks differ significantly."
        if p < ALPHA
        else "The mean ranks do not differ significantly."
    )
    return (text + verdict).replace("= < ", "< ")


def _pair_row(pair: RankPair, models: Sequence[str]) -> list[str]:
    better, worse = models[pair.first], models[pair.second]
    sign = 1 if pair.difference <= 0 else -1
    if sign < 0:
        better, worse = worse, better
    low, high = sorted((sign * pair.low, sign * pair.high))
    return [
        f"{escape(better)} before {escape(worse)}",
        number(-sign * pair.difference, 2),
        f"{number(-high, 2)} to {number(-low, 2)}".replace("-", "−"),
        p_value(pair.p_value),
        "significantly better ranks" if pair.significant else "no significant difference",
    ]


@styled
def critical_difference_figure(
    labels: Sequence[str], mean_ranks: Sequence[float], critical_difference: float
) -> Figure:
    """Draw models on a line of mean ranks, joined where the difference is not significant.

    `mean_ranks`, length n, 1 is best; `critical_difference` is the smallest significant difference
    of mean ranks (Demšar 2006).
    """
    n = len(labels)
    order = np.argsort(mean_ranks, kind="stable")
    ranks = np.asarray(mean_ranks, dtype=float)[order]
    groups = _groups(ranks, critical_difference)
    half = (n + 1) // 2
    figure = new_figure(1.2 + 0.28 * (half + 0.7 * len(groups)))
    axes = figure.add_subplot()
    axes.set_axis_off()
    span = max(n - 1.0, critical_difference)
    axes.set_xlim(1 - 0.42 * span, 1 + 1.42 * span)
    bars = 0.7 * len(groups)
    axes.set_ylim(half + bars + 0.8, -2.6)
    axes.hlines(0, 1, max(n, 2), colors=INK, linewidth=1)
    for rank in range(1, n + 1):
        axes.vlines(rank, -0.15, 0.15, colors=INK, linewidth=1)
        axes.text(rank, -0.35, str(rank), ha="center", va="bottom", fontsize=8.5)
    axes.hlines(-1.6, 1, 1 + critical_difference, colors=GREY, linewidth=3)
    axes.text(
        1 + critical_difference / 2,
        -1.75,
        f"critical difference {critical_difference:.2f}",
        ha="center",
        va="bottom",
        fontsize=8.5,
    )
    for place, (start, end) in enumerate(groups):
        y = 0.6 + 0.7 * place
        axes.hlines(y, ranks[start] - 0.03 * span, ranks[end] + 0.03 * span, INK, linewidth=4)
    for place, (index, rank) in enumerate(zip(order, ranks, strict=True)):
        left = place < half
        y = bars + 0.6 + (place if left else n - 1 - place)
        edge = 1 - 0.06 * span if left else 1 + 1.06 * span
        axes.plot([rank, rank, edge], [0, y, y], color=BLUE if left else GREY, linewidth=1)
        name = f"{labels[index]}  {rank:.2f}" if left else f"{rank:.2f}  {labels[index]}"
        gap = -0.02 * span if left else 0.02 * span
        axes.text(edge + gap, y, name, ha="right" if left else "left", va="center", fontsize=9)
    axes.set_title("Mean rank over the datasets (bars join models without significant difference)")
    return figure


def _groups(
    ranks: Sequence[float] | np.ndarray[Any, Any], critical: float
) -> list[tuple[int, int]]:
    """Return the longest runs of sorted ranks that span less than the critical difference."""
    groups: list[tuple[int, int]] = []
    for start in range(len(ranks)):
        end = max(i for i in range(start, len(ranks)) if ranks[i] - ranks[start] < critical)
        if end > start and (not groups or end > groups[-1][1]):
            groups.append((start, end))
    return groups
