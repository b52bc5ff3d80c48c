"""Statistical significance: whether models differ on the test rows by more than chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from digitrec._files import read_record
from digitrec.analyses._pairwise import (
    ModelPair,
    compare_pairs,
    matrix_figure,
    pair_cells,
    pairs_of,
)
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
from digitrec.statistics import ALPHA
from digitrec.statistics.paired import CochranTest, PairedTest, cochran_test, mcnemar_test

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from digitrec.analyses._report_context import ReportContext


def run(context: AnalysisContext) -> dict[str, Any]:
    """Compare all models on the test rows."""
    labels = context.labels()
    # The winner is the first of its model and features; it was chosen on validation rows.
    winner = context.winning_result
    best = winner.stem if winner is not None else next(iter(labels))
    return asdict(compare_predictions(context.dataset.y_test, labels, best))


@dataclass(frozen=True, kw_only=True)
class ComparedPair(ModelPair, PairedTest):
    """Two models on the same test rows."""


@dataclass(frozen=True, kw_only=True)
class Significance:
    """All models compared on the same test rows.

    Attributes
    ----------
    n : int
        Rows.
    alpha : float
        Level of significance over all pairs.
    best : str
        The winner.
    cochran : CochranTest or None
        Test of all models at once; None for a single one.
    pairs : list of ComparedPair
        Every pair of models.
    group : list of str
        The best and the models whose comparison with it is not significant.
    better : list of str
        The models that are significantly better than it on the test rows.
    """

    n: int
    alpha: float
    best: str
    cochran: CochranTest | None
    pairs: list[ComparedPair]
    group: list[str]
    better: list[str]


def compare_predictions(
    y_true: ArrayLike, predictions: Mapping[str, ArrayLike], best: str
) -> Significance:
    """Compare all models on the same test rows.

    Parameters
    ----------
    y_true : array-like of int, shape (n_samples,)
        Labels.
    predictions : mapping of str to array-like of int, shape (n_samples,)
        Predicted labels of each model, by its name.
    best : str
        Name of the model that won on validation data, which the test rows did not choose.

    Raises
    ------
    ConfigurationError
        If `best` is not among the models.
    """
    if best not in predictions:
        raise ConfigurationError(f"best model {best!r} has no predictions to compare")
    truth = np.asarray(y_true)
    right = {name: np.asarray(labels) == truth for name, labels in predictions.items()}
    pairs = compare_pairs(ComparedPair, right, mcnemar_test)
    mine = pairs_of(pairs, best)
    cochran = cochran_test(np.column_stack(list(right.values()))) if len(right) > 1 else None
    return Significance(
        n=len(truth),
        alpha=ALPHA,
        best=best,
        cochran=cochran,
        pairs=pairs,
        group=[best, *(pair.second for pair in mine if not pair.significant)],
        better=[pair.second for pair in mine if pair.significant and pair.difference < 0],
    )


def alike(output: Mapping[str, Any] | None) -> frozenset[str]:
    """Return the stems of the winner and of what does not differ from it by an output of `run`."""
    return frozenset(output["group"] if output else ())


def frame(output: Mapping[str, Any]) -> pd.DataFrame:
    """Return one row a pair of models."""
    import pandas as pd

    columns = ["first", "second", "n", "only_first", "only_second", "difference", "low", "high"]
    columns += ["p_value", "p_adjusted", "significant"]
    return pd.DataFrame(output["pairs"], columns=columns)


def section(context: ReportContext) -> Content | None:
    """Cochran's Q, McNemar's tests against the winner, and all pairs as a matrix."""
    output, labels = context.output("significance"), context.labels
    if not output:
        return None
    found: Significance = read_record(Significance, output)
    if found.cochran is None:
        return None
    compared = {name for pair in found.pairs for name in (pair.first, pair.second)}
    names = [stem for stem in labels if stem in compared]
    parts = [ANALYSIS.heading, _cochran_sentence(found.cochran, found, len(names))]
    parts.append(_group_sentence(found, labels))
    headers = ["model", "only the winner correct", "only this model correct", "difference, points"]
    headers += ["95 % interval", "p", "p, Holm", "result"]
    rows = [_pair_row(pair, labels) for pair in pairs_of(found.pairs, found.best)]
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
        lambda: difference_figure(
            [labels[name] for name in names],
            pair_cells(found.pairs, names, lambda pair: (pair.difference, pair.significant)),
        ),
    )
    return Content.of(*parts, figure)


def _cochran_sentence(test: CochranTest, found: Significance, n_models: int) -> str:
    verdict = (
        "at least one model differs significantly in accuracy"
        if test.p_value < found.alpha
        else "no significant difference among them"
    )
    p = p_value(test.p_value)
    return (
        f"All {n_models} models predict the same {found.n:,} test rows. Cochran's Q = "
        f"{number(test.statistic, 1)} with {test.degrees_of_freedom} degrees of freedom, "
        f"p {p if p.startswith('<') else '= ' + p}, effect size η² = "
        f"{number(test.effect_size, 4)}: {verdict}."
    )


def _group_sentence(found: Significance, labels: dict[str, str]) -> str:
    best = f"**{escape(labels.get(found.best, found.best))}**"
    group = [escape(labels.get(name, name)) for name in found.group if name != found.best]
    text = f"{best} was chosen on validation rows. On the test rows "
    text += (
        f"the differences to {join_words(group)} are not significant (marked ≈ in the table above)."
        if group
        else "every other model differs from it significantly."
    )
    if found.better:
        better = join_words([escape(labels.get(name, name)) for name in found.better])
        text += (
            f" Significantly better there: {better}; the winner stays the one chosen on validation "
            "rows."
        )
    return text


def _pair_row(pair: ComparedPair, labels: dict[str, str]) -> list[str]:
    """Return the line of the table of a pair whose first model is the winner."""
    words = "no significant difference"
    if pair.significant:
        words = "the winner is better" if pair.difference > 0 else "better than the winner"
    return [
        escape(labels.get(pair.second, pair.second)),
        f"{pair.only_first:,}",
        f"{pair.only_second:,}",
        points(pair.difference),
        interval(pair.low, pair.high, signed=True),
        p_value(pair.p_value),
        p_value(pair.p_adjusted),
        words,
    ]


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
