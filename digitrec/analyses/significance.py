"""Statistical significance: whether models differ on the test rows by more than chance."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from digitrec.analyses._pairwise import ends, matrix_figure
from digitrec.analyses._registry import Analysis, AnalysisContext
from digitrec.errors import ConfigurationError
from digitrec.rendering.markdown import (
    escape,
    interval,
    join_words,
    number,
    p_value,
    points,
    table,
)
from digitrec.rendering.section import Content, FigureSpec
from digitrec.rendering.style import BLUE, ORANGE
from digitrec.statistics.paired import cochran_test, holm, mcnemar_test

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from digitrec.analyses._report_context import ReportContext


ALPHA = 0.05  # familywise level over all pairs


def run(context: AnalysisContext) -> dict[str, Any]:
    """Compare all models on the test rows."""
    labels = context.labels()
    # The winner is the first of its model and features; it was chosen on validation rows.
    winner = context.winning_result
    best = winner.stem if winner is not None else next(iter(labels))
    return compare_predictions(context.dataset.y_test, labels, best)


def compare_predictions(
    y_true: ArrayLike, predictions: Mapping[str, ArrayLike], best: str
) -> dict[str, Any]:
    """Compare all models on the same test rows.

    Parameters
    ----------
    y_true : array-like of int, shape (n_samples,)
        Labels.
    predictions : mapping of str to array-like of int, shape (n_samples,)
        Predicted labels of each model, by its name.
    best : str
        Name of the model that won on validation data, which the test rows did not choose.

    Returns
    -------
    dict
        JSON-safe. ``n``, ``alpha``, ``best``; ``cochran``: fields of `CochranTest`, or None for
        a single model; ``pairs``: fields of `PairedTest` with ``first``, ``second``,
        ``p_adjusted`` (Holm over all pairs) and ``significant``; ``group``: the best and the
        models whose comparison with it is not significant; ``better``: the models that are
        significantly better than it on the test rows.

    Raises
    ------
    ConfigurationError
        If `best` is not among the models.
    """
    if best not in predictions:
        raise ConfigurationError(f"best model {best!r} has no predictions to compare")
    truth = np.asarray(y_true)
    right = {name: np.asarray(labels) == truth for name, labels in predictions.items()}
    pairs: list[dict[str, Any]] = [
        {"first": first, "second": second, **asdict(mcnemar_test(right[first], right[second]))}
        for first, second in itertools.combinations(right, 2)
    ]
    for pair, p_adjusted in zip(pairs, holm([pair["p_value"] for pair in pairs]), strict=True):
        pair["p_adjusted"] = float(p_adjusted)
        pair["significant"] = bool(p_adjusted < ALPHA)
    group, better = [best], []
    for pair in pairs:
        if best not in (pair["first"], pair["second"]):
            continue
        other = pair["second"] if pair["first"] == best else pair["first"]
        sign = 1 if pair["first"] == best else -1
        if not pair["significant"]:
            group.append(other)
        elif sign * pair["difference"] < 0:
            better.append(other)
    cochran = cochran_test(np.column_stack(list(right.values()))) if len(right) > 1 else None
    return {
        "n": len(truth),
        "alpha": ALPHA,
        "best": best,
        "cochran": None if cochran is None else asdict(cochran),
        "pairs": pairs,
        "group": group,
        "better": better,
    }


def frame(output: Mapping[str, Any]) -> pd.DataFrame:
    """Return one row a pair of models."""
    import pandas as pd

    columns = ["first", "second", "n", "only_first", "only_second", "difference", "low", "high"]
    columns += ["p_value", "p_adjusted", "significant"]
    return pd.DataFrame(output["pairs"], columns=columns)


def section(context: ReportContext) -> Content | None:
    """Cochran's Q, McNemar's tests against the winner, and all pairs as a matrix."""
    found = context.output("significance")
    labels = context.labels
    if not found or not found["pairs"]:
        return None
    compared = {stem for pair in found["pairs"] for stem in ends(pair)}
    best, names = found["best"], [stem for stem in labels if stem in compared]
    parts = [ANALYSIS.heading, _cochran_sentence(found, len(names))]
    parts.append(_group_sentence(found, labels))
    headers = ["model", "only the winner correct", "only this model correct", "difference, points"]
    headers += ["95 % interval", "p", "p, Holm", "result"]
    rows = [_pair_row(pair, best, labels) for pair in found["pairs"] if best in ends(pair)]
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
        lambda: difference_figure([labels[name] for name in names], _matrix(found["pairs"], names)),
    )
    return Content.of(*parts, figure)


def _cochran_sentence(found: dict[str, Any], n_models: int) -> str:
    test = found["cochran"]
    verdict = (
        "at least one model differs significantly in accuracy"
        if test["p_value"] < found["alpha"]
        else "no significant difference among them"
    )
    p = p_value(test["p_value"])
    return (
        f"All {n_models} models predict the same {found['n']:,} test rows. Cochran's Q = "
        f"{number(test['statistic'], 1)} with {test['degrees_of_freedom']} degrees of freedom, "
        f"p {p if p.startswith('<') else '= ' + p}, effect size η² = "
        f"{number(test['effect_size'], 4)}: {verdict}."
    )


def _group_sentence(found: dict[str, Any], labels: dict[str, str]) -> str:
    best = f"**{escape(labels.get(found['best'], found['best']))}**"
    group = [escape(labels.get(name, name)) for name in found["group"] if name != found["best"]]
    text = f"{best} was chosen on validation rows. On the test rows "
    text += (
        f"the differences to {join_words(group)} are not significant (marked ≈ in the table above)."
        if group
        else "every other model differs from it significantly."
    )
    if found["better"]:
        better = join_words([escape(labels.get(name, name)) for name in found["better"]])
        text += (
            f" Significantly better there: {better}; the winner stays the one chosen on validation "
            "rows."
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
        words = "no significant difference"
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


def _matrix(pairs: list[dict[str, Any]], names: list[str]) -> list[list[tuple[float, bool] | None]]:
    """Return (difference, significant) of row minus column; None on the diagonal."""
    cells: list[list[tuple[float, bool] | None]] = [[None] * len(names) for _ in names]
    for pair in pairs:
        if pair["first"] in names and pair["second"] in names:
            i, j = names.index(pair["first"]), names.index(pair["second"])
            cells[i][j] = (pair["difference"], pair["significant"])
            cells[j][i] = (-pair["difference"], pair["significant"])
    return cells


def difference_figure(
    labels: Sequence[str], cells: Sequence[Sequence[tuple[float, bool] | None]]
) -> Figure:
    """Draw the difference in accuracy of every pair of models.

    `cells` hold, for each row and column, the accuracy of the row minus that of the column, -1 to
    1, and whether it is significant; None on the diagonal. Other differences stay white.
    """
    from matplotlib.colors import LinearSegmentedColormap, SymLogNorm

    values = np.array([[cell[0] if cell else 0.0 for cell in row] for row in cells]) * 100
    significant = np.array([[bool(cell and cell[1]) for cell in row] for row in cells])
    largest = max(float(np.abs(values).max()), 0.1)
    colors = LinearSegmentedColormap.from_list("sides", [ORANGE, "#FFFFFF", BLUE])
    norm = SymLogNorm(0.1, vmin=-largest, vmax=largest)
    return matrix_figure(
        labels,
        np.where(significant, values, 0.0),
        [[points(cell[0]) if cell else "" for cell in row] for row in cells],
        significant & (np.abs(norm(values) - 0.5) > 0.33),
        title="Difference in test accuracy",
        axis_label="points of the row minus those of the column; white: not significant",
        cmap=colors,
        norm=norm,
    )


ANALYSIS = Analysis(
    name="significance",
    title="Statistical significance",
    question="Are the differences between the models larger than chance explains?",
    order=50,
    run=run,
    frame=frame,
    section=section,
    in_fast=True,
)
