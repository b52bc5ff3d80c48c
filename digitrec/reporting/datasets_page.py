"""The page that compares models over several datasets by their ranks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from digitrec._files import write_text
from digitrec.evaluation.rank_tests import compare_over_datasets
from digitrec.evaluation.result import Run
from digitrec.reporting.analysis_text import join_words, p_value
from digitrec.reporting.comparison_figures import critical_difference_figure
from digitrec.reporting.context import ReportContext
from digitrec.reporting.markdown import escape, number, percent, table
from digitrec.reporting.names import dataset_title, model_title
from digitrec.reporting.style import save_figure

__all__ = ["render_datasets_page", "write_datasets_page"]

_FIGURE = "figures/critical_difference.png"


def write_datasets_page(runs: Sequence[Run], output_dir: Path) -> Path | None:
    """Write ``across_datasets.md`` and its figure; see `render_datasets_page`.

    Returns
    -------
    pathlib.Path or None
        The page; None where fewer than two models ended well on every dataset.
    """
    outcome = _compare(runs)
    if outcome is None:
        return None
    figure = critical_difference_figure(
        outcome["models"], outcome["mean_ranks"], outcome["critical_difference"]
    )
    save_figure(figure, output_dir / _FIGURE)
    path = output_dir / "across_datasets.md"
    write_text(path, render_datasets_page(runs))
    return path


def render_datasets_page(runs: Sequence[Run]) -> str:
    """Return Friedman's and Nemenyi's tests over several runs as Markdown.

    Parameters
    ----------
    runs : sequence of Run
        One per dataset. Models take part that ended well on every one of them; their score is
        the mean test accuracy over seeds. Empty where there are fewer than two.
    """
    outcome = _compare(runs)
    if outcome is None:
        return ""
    models, datasets = outcome["models"], outcome["datasets"]
    order = sorted(range(len(models)), key=lambda i: outcome["mean_ranks"][i])
    accuracy = table(
        ["dataset", *(escape(models[i]) for i in order)],
        [
            [escape(name), *(percent(scores[i]) for i in order)]
            for name, scores in zip(datasets, outcome["scores"], strict=True)
        ]
        + [["*mean rank*", *(number(outcome["mean_ranks"][i], 2) for i in order)]],
        "l" + "r" * len(models),
    )
    pairs = sorted(outcome["pairs"], key=lambda pair: -abs(pair["difference"]))
    ranks = table(
        ["models", "difference of mean ranks", "95 % interval", "p", "in words"],
        [_pair_row(pair) for pair in pairs],
        "lrrrl",
    )
    parts = [
        "# Models over several datasets",
        _friedman_sentence(outcome),
        accuracy,
        f"![Mean rank of each model with the critical difference]({_FIGURE})",
        ranks,
        "Test accuracy, %; mean over seeds. The interval is the difference plus and minus "
        f"Nemenyi's critical difference, {number(outcome['critical_difference'], 2)} ranks, and "
        "p is Nemenyi's, so both allow for all pairs (Demšar 2006). With few datasets the test "
        "sees only very large differences.",
    ]
    return "\n\n".join(parts) + "\n"


def _compare(runs: Sequence[Run]) -> dict[str, Any] | None:
    contexts = [ReportContext(run=run) for run in runs]
    scores: list[dict[tuple[str, str], float]] = []
    for context in contexts:
        found = {(row.features, row.model): row.mean("test_accuracy") for row in context.ok_rows}
        scores.append({key: value for key, value in found.items() if value is not None})
    if len(scores) < 2:
        return None
    common = [key for key in scores[0] if all(key in found for found in scores)]
    if len(common) < 2:
        return None
    several = len({features for features, _ in common}) > 1
    return compare_over_datasets(
        [[found[key] for key in common] for found in scores],
        [f"{model_title(m)} ({f})" if several else model_title(m) for f, m in common],
        [dataset_title(run.dataset["name"]) for run in runs],
    )


def _friedman_sentence(outcome: dict[str, Any]) -> str:
    datasets, alpha = outcome["datasets"], outcome["alpha"]
    p = outcome["p_value"] if outcome["f_p_value"] is None else outcome["f_p_value"]
    text = (
        f"{len(outcome['models'])} models on {join_words([escape(name) for name in datasets])}, "
        "ranked by test accuracy on each. Friedman's test: χ² = "
        f"{number(outcome['chi_square'], 2)}, p = {p_value(outcome['p_value'])}"
    )
    if outcome["f_statistic"] is not None:
        text += (
            f"; Iman and Davenport's form: F = {number(outcome['f_statistic'], 2)}, "
            f"p = {p_value(outcome['f_p_value'])}"
        )
    text += f"; agreement of the datasets, Kendall's W = {number(outcome['kendall_w'], 2)}. "
    verdict = (
        "The models do not rank alike by chance."
        if p < alpha
        else "Such ranks would not be surprising if all models were equally good."
    )
    return (text + verdict).replace("= < ", "< ")


def _pair_row(pair: dict[str, Any]) -> list[str]:
    better, worse = pair["first"], pair["second"]
    sign = 1 if pair["difference"] <= 0 else -1
    if sign < 0:
        better, worse = worse, better
    low, high = sorted((sign * pair["low"], sign * pair["high"]))
    return [
        f"{escape(better)} before {escape(worse)}",
        number(-sign * pair["difference"], 2),
        f"{number(-high, 2)} to {number(-low, 2)}".replace("-", "−"),
        p_value(pair["p_value"]),
        "significantly better ranks" if pair["significant"] else "too close to tell apart",
    ]
