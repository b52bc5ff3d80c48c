"""Sections that say whether the differences between models are more than chance."""

from __future__ import annotations

from typing import Any

from digitrec.reporting import comparison_figures, overview_figures
from digitrec.reporting.analysis_text import (
    interval,
    join_words,
    p_value,
    points,
    shown_labels,
)
from digitrec.reporting.context import ReportContext
from digitrec.reporting.markdown import escape, number, percent, table
from digitrec.reporting.section import Content, FigureSpec

__all__ = ["cross_validation_section", "pareto_section", "significance_section"]


def significance_section(context: ReportContext) -> Content | None:
    """Cochran's Q, McNemar's tests against the winner, and all pairs as a matrix."""
    found = context.run.analyses.get("significance")
    labels = shown_labels(context)
    if not found or not found["pairs"]:
        return None
    best, names = found["best"], [stem for stem in labels if _takes_part(found, stem)]
    parts = ["## Are the differences more than chance?", _cochran_sentence(found, len(names))]
    parts.append(_group_sentence(found, labels))
    headers = ["model", "only the winner right", "only this one right", "difference, points"]
    headers += ["95 % interval", "p", "p, Holm", "in words"]
    rows = [_pair_row(pair, best, labels) for pair in found["pairs"] if best in _ends(pair)]
    parts.append(table(headers, rows, "lrrrrrrl"))
    parts.append(
        "Difference: accuracy of the winner minus that of the model, with Tango's score interval; "
        "p: exact McNemar test; Holm's correction covers all pairs of models."
        + (
            " Of several seeds, the lowest stands for a model, and the winner for its own."
            if any(len(row.results) > 1 for row in context.ok_rows)
            else ""
        )
    )
    figure = FigureSpec(
        "significance",
        f"Difference in test accuracy of each pair of {len(names)} models; coloured where "
        "significant",
        lambda: comparison_figures.difference_figure(
            [labels[name] for name in names], _matrix(found["pairs"], names)
        ),
    )
    return Content("\n\n".join([*parts, figure.markdown]), (figure,))


def _cochran_sentence(found: dict[str, Any], n_models: int) -> str:
    test = found["cochran"]
    verdict = (
        "at least one model is more or less accurate than the others by more than chance"
        if test["p_value"] < found["alpha"]
        else "all of them could be equally accurate"
    )
    p = p_value(test["p_value"])
    return (
        f"All {n_models} models read the same {found['n']:,} test images. Cochran's Q = "
        f"{number(test['statistic'], 1)} with {test['degrees_of_freedom']} degrees of freedom, "
        f"p {p if p.startswith('<') else '= ' + p}, effect size η² = "
        f"{number(test['effect_size'], 4)}: {verdict}."
    )


def _group_sentence(found: dict[str, Any], labels: dict[str, str]) -> str:
    best = f"**{escape(labels.get(found['best'], found['best']))}**"
    group = [escape(labels.get(name, name)) for name in found["group"] if name != found["best"]]
    text = f"{best} was chosen on validation images. On the test images "
    text += (
        f"it cannot be told apart from {join_words(group)} (marked ≈ in the table above)."
        if group
        else "every other model differs from it significantly."
    )
    if found["better"]:
        better = join_words([escape(labels.get(name, name)) for name in found["better"]])
        text += (
            f" Significantly better there: {better}; the test images choose nothing all the same."
        )
    return text


def _pair_row(pair: dict[str, Any], best: str, labels: dict[str, str]) -> list[str]:
    flipped = pair["second"] == best
    other = pair["first"] if flipped else pair["second"]
    sign = -1 if flipped else 1
    difference = sign * pair["difference"]
    low, high = sorted((sign * pair["low"], sign * pair["high"]))
    counts = (pair["only_first"], pair["only_second"])
    winner_only, other_only = reversed(counts) if flipped else counts
    if not pair["significant"]:
        words = "too close to tell apart"
    else:
        words = "the winner is better" if difference > 0 else "better than the winner"
    return [
        escape(labels.get(other, other)),
        f"{winner_only:,}",
        f"{other_only:,}",
        points(difference),
        interval(low, high, signed=True),
        p_value(pair["p_value"]),
        p_value(pair["p_adjusted"]),
        words,
    ]


def cross_validation_section(context: ReportContext) -> Content | None:
    """Mean accuracy over folds, and the corrected and the Bayesian test of each pair."""
    found = context.run.analyses.get("cross_validation")
    if not found or not found["models"]:
        return None
    labels = shown_labels(context)
    models = sorted(found["models"], key=lambda model: -model["mean"])
    repeats = f", repeated {found['n_repeats']} times" if found["n_repeats"] > 1 else ""
    parts = [
        "## Cross-validation",
        f"Stratified {found['n_folds']}-fold cross-validation{repeats} on the training images"
        f"{', no writer on both sides of a fold' if found.get('groups') else ''}; "
        "the test images take no part. It shows how much accuracy varies with the training "
        "images, which one test set cannot.",
        table(
            ["model", "mean accuracy, %", "standard deviation over folds, points"],
            [
                [
                    escape(labels.get(model["name"], model["name"])),
                    percent(model["mean"]),
                    number(100 * model["deviation"], 2),
                ]
                for model in models
            ],
            "lrr",
        ),
    ]
    if found["failed"]:
        lines = [
            f"- **{escape(labels.get(name, name))}** left out: {escape(reason)}."
            for name, reason in found["failed"].items()
        ]
        parts.append("\n".join(lines))
    if len(models) < 2:
        return Content("\n\n".join(parts))
    best = models[0]["name"]
    rope = number(100 * found["rope"], 2)
    headers = ["model", "difference, points", "95 % interval", "effect size d", "p", "p, Holm"]
    headers += ["P(best is better)", "P(equivalent)", "P(model is better)", "in words"]
    parts.append(
        f"Against **{escape(labels.get(best, best))}**, the best here. Differences below {rope} "
        "points count as equivalent."
    )
    parts.append(
        table(
            headers,
            [_fold_row(pair, best, labels) for pair in found["pairs"] if best in _ends(pair)],
            "lrrrrrrrrl",
        )
    )
    parts.append(
        "p: Nadeau and Bengio's corrected t-test, Holm over all pairs; P: posterior "
        "probabilities of the Bayesian correlated t-test (Benavoli et al. 2017); d: mean "
        "difference over its standard deviation across folds. The words follow the posterior: "
        "without “probably” from 95 % on, with it from 75 %."
    )
    names = [model["name"] for model in models]
    figure = FigureSpec(
        "cross_validation",
        "Posterior probability that the model of the row is practically better than that of the "
        "column",
        lambda: comparison_figures.probability_figure(
            [labels.get(name, name) for name in names], _probabilities(found["pairs"], names)
        ),
    )
    return Content("\n\n".join([*parts, figure.markdown]), (figure,))


def _fold_row(pair: dict[str, Any], best: str, labels: dict[str, str]) -> list[str]:
    flipped = pair["second"] == best
    sign = -1 if flipped else 1
    other = pair["first"] if flipped else pair["second"]
    better, worse = pair["probability_first"], pair["probability_second"]
    if flipped:
        better, worse = worse, better
    low, high = sorted((sign * pair["low"], sign * pair["high"]))
    same = pair["probability_same"]
    probability, words = max(
        (better, "the best is better"),
        (same, "practically equivalent"),
        (worse, "this model is better"),
    )
    certainty = "" if probability >= 0.95 else "probably " if probability >= 0.75 else None
    effect = pair["effect_size"]
    return [
        escape(labels.get(other, other)),
        points(sign * pair["difference"]),
        interval(low, high, signed=True),
        number(None if effect is None else sign * effect, 2),
        p_value(pair["p_value"]),
        p_value(pair["p_adjusted"]),
        *(number(value, 3) for value in (better, same, worse)),
        "undecided" if certainty is None else certainty + words,
    ]


def pareto_section(context: ReportContext) -> Content | None:
    """Models that no other beats in error and fit time, latency or size."""
    found = context.run.analyses.get("pareto")
    if not found:
        return None
    labels = shown_labels(context)
    titles = {
        "fit_seconds": "fit time",
        "latency_p50_ms": "time for one image",
        "model_bytes": "size of the saved model",
    }
    lines = [
        f"- error against {titles[cost]}: "
        + ", ".join(escape(labels.get(stem, stem)) for stem in stems)
        for cost, stems in found["fronts"].items()
        if stems
    ]
    if not lines:
        return None
    text = "## Which models are worth their cost?\n\nNo other model is better in both, the "
    text += "cheapest first:\n\n" + "\n".join(lines)
    rows = [
        row
        for row in context.ok_rows
        if row.shown.model_bytes is not None and row.shown.test_error is not None
    ]
    if len(rows) < 2:
        return Content(text)
    sizes = [(row.shown.model_bytes or 0) / 1e6 for row in rows]
    errors = [row.shown.test_error or 0.0 for row in rows]
    figure = FigureSpec(
        "error_size",
        "Test error of each model against the size of its file",
        lambda: overview_figures.cost_figure(
            [context.label(row) for row in rows],
            sizes,
            errors,
            axis_label="saved model, MB",
            title="Error against size",
            winner=next((i for i, row in enumerate(rows) if row.is_winner), None),
        ),
    )
    return Content(f"{text}\n\n{figure.markdown}", (figure,))


def _ends(pair: dict[str, Any]) -> tuple[str, str]:
    return pair["first"], pair["second"]


def _takes_part(found: dict[str, Any], stem: str) -> bool:
    return any(stem in _ends(pair) for pair in found["pairs"])


def _matrix(pairs: list[dict[str, Any]], names: list[str]) -> list[list[tuple[float, bool] | None]]:
    """Return (difference, significant) of row minus column; None on the diagonal."""
    cells: list[list[tuple[float, bool] | None]] = [[None] * len(names) for _ in names]
    for pair in pairs:
        if pair["first"] in names and pair["second"] in names:
            i, j = names.index(pair["first"]), names.index(pair["second"])
            cells[i][j] = (pair["difference"], pair["significant"])
            cells[j][i] = (-pair["difference"], pair["significant"])
    return cells


def _probabilities(pairs: list[dict[str, Any]], names: list[str]) -> list[list[float | None]]:
    cells: list[list[float | None]] = [[None] * len(names) for _ in names]
    for pair in pairs:
        i, j = names.index(pair["first"]), names.index(pair["second"])
        cells[i][j], cells[j][i] = pair["probability_first"], pair["probability_second"]
    return cells
