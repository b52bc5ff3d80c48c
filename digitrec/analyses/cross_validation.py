"""Cross-validation: repeated and stratified, of the models of a run, on the training rows."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
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
    number,
    p_value,
    percent,
    points,
    table,
    table_of,
)
from digitrec.rendering.section import Content, FigureSpec
from digitrec.statistics import ALPHA
from digitrec.statistics.folds import CorrelatedTest, correlated_test

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from digitrec.analyses._report_context import ReportContext
    from digitrec.datasets import Dataset

DEFAULT_FOLDS = 5


def run(context: AnalysisContext) -> dict[str, Any]:
    """Cross-validate every model of a run on the same folds and compare them in pairs.

    The options ``cv`` (folds, 5), ``repeats`` (1) and ``rope`` (half-width of the region of
    practical equivalence, 0.001) are read, and ``cv_groups``: with ``"writer"`` no writer stands
    on both sides of a fold, as no writer of the test set does. The test set takes no part.

    Raises
    ------
    ConfigurationError
        If the writers are asked for and not known.
    """
    from digitrec.evaluation.job import Part

    n_folds = int(context.options.get("cv") or DEFAULT_FOLDS)
    n_repeats = int(context.options.get("repeats") or 1)
    groups = context.options.get("cv_groups")
    if groups:
        known_writers(context.dataset)
    file = _write_groups(context) if groups else ""
    parts = [
        Part(
            kind="fold",
            n_folds=n_folds,
            index=index,
            seed=context.random_state + repeat,
            groups=file,
        )
        for repeat in range(n_repeats)
        for index in range(n_folds)
    ]
    scores: dict[str, list[float]] = {}
    failed: dict[str, str] = {}
    for result, rows in context.run_parts(parts, lambda r: 60 + 5 * (r.fit_seconds or 0.0)):
        scores[result.stem] = [row.validation_accuracy or 0.0 for row in rows]
        for row in rows:
            if not row.ok:
                failed.setdefault(result.stem, f"{row.part}: {row.reason.splitlines()[0]}")
    complete = {name: values for name, values in scores.items() if name not in failed}
    rope = float(context.options.get("rope") or 0.001)
    found = compare_folds(complete, n_folds, rope=rope)
    return asdict(replace(found, failed=failed, groups=groups))


@dataclass(frozen=True, kw_only=True)
class FoldScores:
    """Scores of one model on each fold, with their mean and standard deviation."""

    name: str
    scores: list[float]
    mean: float
    deviation: float


@dataclass(frozen=True, kw_only=True)
class FoldPair(ModelPair, CorrelatedTest):
    """Two models on the same folds."""


@dataclass(frozen=True, kw_only=True)
class CrossValidation:
    """All models compared on the same folds.

    Attributes
    ----------
    n_folds, n_repeats : int
        Folds of one repeat, and repeats.
    rope : float
        Half-width of the region of practical equivalence.
    alpha : float
        Level of significance over all pairs.
    models : list of FoldScores
        The scores.
    pairs : list of FoldPair
        Every pair of models.
    failed : dict of str to str
        Why a model has no scores, by name.
    groups : str or None
        What folds keep together.
    """

    n_folds: int
    n_repeats: int
    rope: float
    alpha: float
    models: list[FoldScores]
    pairs: list[FoldPair]
    failed: dict[str, str] = field(default_factory=dict)
    groups: str | None = None


def _write_groups(context: AnalysisContext) -> str:
    """Write the writers of the training rows where the processes of the folds find them."""
    import numpy as np

    from digitrec._files import atomic_path

    path = context.cache / "groups" / f"{context.dataset.fingerprint}.npy"
    with atomic_path(path) as temporary:
        np.save(temporary, np.asarray(context.dataset.groups_train))
    return str(path)


def known_writers(dataset: Dataset) -> NDArray[np.int64]:
    """Return the writer of each training row, shape (n_train,).

    Raises
    ------
    ConfigurationError
        If they are not known; the message says how to supply them.
    """
    if dataset.groups_train is None:
        raise ConfigurationError(
            f"the writers of dataset {dataset.name!r} are not known; for MNIST put "
            "qmnist-train-labels.tsv.gz of QMNIST into the folder qmnist of DIGITREC_DATA"
        )
    return dataset.groups_train


def compare_folds(
    scores: Mapping[str, ArrayLike],
    n_folds: int,
    *,
    rope: float = 0.001,
) -> CrossValidation:
    """Compare every pair of models on the folds of a repeated cross-validation.

    Parameters
    ----------
    scores : mapping of str to array-like of float, shape (n_repeats * n_folds,)
        Scores of each model on the same folds.
    n_folds : int
        Folds of one repeat.
    rope : float
        Half-width of the region of practical equivalence.
    """
    arrays = {name: np.asarray(values, dtype=np.float64) for name, values in scores.items()}
    test = functools.partial(correlated_test, n_folds=n_folds, rope=rope)
    n_scores = next((len(values) for values in arrays.values()), 0)
    return CrossValidation(
        n_folds=n_folds,
        n_repeats=n_scores // n_folds,
        rope=rope,
        alpha=ALPHA,
        models=[
            FoldScores(
                name=name,
                scores=values.tolist(),
                mean=float(values.mean()),
                deviation=float(values.std(ddof=1)),
            )
            for name, values in arrays.items()
        ],
        pairs=compare_pairs(FoldPair, arrays, test),
    )


def frame(output: Mapping[str, Any]) -> pd.DataFrame:
    """Return one row a model and fold, with its accuracy."""
    import pandas as pd

    n_folds = output["n_folds"]
    return pd.DataFrame(
        [
            (model["name"], place // n_folds, place % n_folds, score)
            for model in output["models"]
            for place, score in enumerate(model["scores"])
        ],
        columns=["name", "repeat", "fold", "accuracy"],
    )


def section(context: ReportContext) -> Content | None:
    """Mean accuracy over folds, and the corrected and the Bayesian test of each pair."""
    output, labels = context.output("cross_validation"), context.labels
    if not output:
        return None
    found: CrossValidation = read_record(CrossValidation, output)
    if not found.models:
        return None
    models = sorted(found.models, key=lambda model: -model.mean)
    repeats = f", repeated {found.n_repeats} times" if found.n_repeats > 1 else ""
    parts = [
        ANALYSIS.heading,
        f"Stratified {found.n_folds}-fold cross-validation{repeats} on the training rows"
        f"{', no writer on both sides of a fold' if found.groups else ''}; "
        "the test rows are not used. The spread over folds shows how much accuracy depends on the "
        "training rows, which a single test set cannot show.",
        table_of(
            models,
            {
                "model": lambda model: escape(labels.get(model.name, model.name)),
                "mean accuracy, %": lambda model: percent(model.mean),
                "standard deviation over folds, points": lambda model: number(
                    100 * model.deviation, 2
                ),
            },
        ),
    ]
    if found.failed:
        lines = [
            f"- **{escape(labels.get(name, name))}** left out: {escape(reason)}."
            for name, reason in found.failed.items()
        ]
        parts.append("\n".join(lines))
    if len(models) < 2:
        return Content.of(*parts)
    best = models[0].name
    rope = number(100 * found.rope, 2)
    headers = ["model", "difference, points", "95 % interval", "effect size d", "p", "p, Holm"]
    headers += ["P(best is better)", "P(equivalent)", "P(model is better)", "result"]
    parts.append(
        f"Against **{escape(labels.get(best, best))}**, the best here. Differences below {rope} "
        "points count as equivalent."
    )
    parts.append(
        table(
            headers,
            [_fold_row(pair, labels) for pair in pairs_of(found.pairs, best)],
            "lrrrrrrrrl",
        )
    )
    parts.append(
        "p: Nadeau and Bengio's corrected t-test, Holm over all pairs; P: posterior "
        "probabilities of the Bayesian correlated t-test (Benavoli et al. 2017); d: mean "
        "difference over its standard deviation across folds. The result is the most "
        "probable of the three: as such from 95 %, “probably” from 75 %, else undecided."
    )
    names = [model.name for model in models]
    figure = FigureSpec(
        "cross_validation",
        "Posterior probability that the model of the row is practically better than that of the "
        "column",
        lambda: probability_figure(
            [labels.get(name, name) for name in names],
            pair_cells(found.pairs, names, lambda pair: pair.probability_first),
        ),
    )
    return Content.of(*parts, figure)


def _fold_row(pair: FoldPair, labels: dict[str, str]) -> list[str]:
    """Return the line of the table of a pair whose first model is the best."""
    probabilities = [pair.probability_first, pair.probability_same, pair.probability_second]
    words = ("the best is better", "practically equivalent", "this model is better")
    probability, word = max(zip(probabilities, words, strict=True))
    certainty = "" if probability >= 0.95 else "probably " if probability >= 0.75 else None
    return [
        escape(labels.get(pair.second, pair.second)),
        points(pair.difference),
        interval(pair.low, pair.high, signed=True),
        number(pair.effect_size, 2),
        p_value(pair.p_value),
        p_value(pair.p_adjusted),
        *(number(value, 3) for value in probabilities),
        "undecided" if certainty is None else certainty + word,
    ]


def probability_figure(labels: Sequence[str], cells: Sequence[Sequence[float | None]]) -> Figure:
    """Draw the probability, 0–1, that the model of the row is better than that of the column.

    `cells` are n sequences of n probabilities, None on the diagonal.
    """
    values = np.array([[np.nan if cell is None else cell for cell in row] for row in cells])
    return matrix_figure(
        labels,
        values,
        [["" if cell is None else f"{cell:.2f}" for cell in row] for row in cells],
        values > 0.6,
        title="Probability that the model of the row is better",
        axis_label="than the model of the column, by more than the equivalence region",
        cmap="Blues",
        vmin=0,
        vmax=1,
    )


ANALYSIS = Analysis(
    name="cross_validation",
    title="Cross-validation",
    question="How much does accuracy vary with the training rows?",
    order=60,
    run=run,
    frame=frame,
    section=section,
    options=("cv", "repeats", "rope", "cv_groups"),
)
