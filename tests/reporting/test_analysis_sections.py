"""Sections on the further analyses of a run, from a real, small run."""

import dataclasses
import re

import numpy as np
import pytest

from digitrec.analyses import ANALYSES, ReportContext
from digitrec.analyses.calibration import describe_calibration, risk_figure
from digitrec.analyses.confused_pairs import count_confused_pairs
from digitrec.analyses.cross_validation import compare_folds
from digitrec.analyses.learning_curves import growth_exponent, growth_figure
from digitrec.analyses.significance import compare_predictions, difference_figure
from digitrec.analyses.subsets import score_subsets
from digitrec.datasets import DATASETS
from digitrec.evaluation.job_store import JobPredictions
from digitrec.models import MODELS
from digitrec.preprocessing.corruptions import CORRUPTIONS
from digitrec.rendering.markdown import interval, join_words, p_value, points
from digitrec.reporting import datasets_page
from digitrec.reporting.datasets_page import (
    critical_difference_figure,
    render_datasets_page,
    write_datasets_page,
)

SIZES = (100, 200, 400)


@pytest.fixture(scope="module")
def analysed(run, predictions, dataset):
    """The run of this folder with the output of every analysis."""
    context = ReportContext(run=run, predictions=predictions, dataset=dataset)
    ok = [result for result in run.results if result.ok]
    stems = [result.stem for result in ok]
    labels = {result.stem: context.predictions[result.key].y_pred for result in ok}
    rng = np.random.default_rng(0)
    calibration = []
    for result in ok:
        said = context.predictions[result.key]
        job = JobPredictions(
            y_test_pred=said.y_pred,
            test_scores=said.scores,
            y_validation_pred=said.y_pred,
            validation_scores=said.scores,
            validation_index=np.arange(len(said.y_pred)),
            has_probabilities=said.has_probabilities,
        )
        found = describe_calibration(dataset.y_test, dataset.y_test, job)
        calibration.append({"name": result.stem, **found})
    curves = []
    for exponent, stem in enumerate(stems, start=1):
        seconds = [1e-4 * size**exponent for size in SIZES]
        row = [
            {"n": size, "error": 1 / size, "fit_seconds": value}
            for size, value in zip(SIZES, seconds, strict=True)
        ]
        cost = growth_exponent(SIZES, seconds)
        gain = growth_exponent(SIZES, [1 / size for size in SIZES])
        curves.append({"name": stem, "points": row, "cost": cost, "gain": gain, "stopped": ""})
    curves[0]["stopped"] = "stopped after its time limit of 3 s"
    analyses = {
        "significance": dataclasses.asdict(
            compare_predictions(dataset.y_test, labels, run.winning_result.stem)
        ),
        "confused_pairs": count_confused_pairs(dataset.y_test, labels, 10),
        "calibration": {"models": calibration},
        "cross_validation": {
            **dataclasses.asdict(
                compare_folds(
                    {stem: 0.9 + 0.01 * i + 0.005 * rng.random(10) for i, stem in enumerate(stems)},
                    5,
                )
            ),
            "failed": {"raw-knn-seed0": "stopped after its time limit of 3 s"},
        },
        "robustness": {
            "source": "digitrec",
            "random_state": 0,
            "n": 500,
            "kinds": [{"name": k.name, "summary": k.summary} for k in CORRUPTIONS.values()],
            "models": [
                {
                    "name": stem,
                    "clean_error": 0.01,
                    "errors": [0.1 + 0.05 * i] * 14 + [0.9],
                    "mean_corruption_error": 0.15 + 0.05 * i,
                }
                for i, stem in enumerate(stems)
            ],
        },
        "learning_curves": {"sizes": list(SIZES), "models": curves},
    }
    return dataclasses.replace(context, run=dataclasses.replace(run, analyses=analyses))


def build(name, context):
    return ANALYSES[name].section(context)


def table_rows(markdown):
    return [line for line in markdown.splitlines() if line.startswith("|")][2:]


NAMES = (
    *("significance", "confused_pairs", "calibration", "cross_validation"),
    *("robustness", "learning_curves", "subsets"),
)


@pytest.mark.parametrize("name", NAMES)
def test_a_run_without_the_analysis_has_no_section(name, context):
    assert build(name, context) is None
    empty = dataclasses.replace(context.run, analyses={name: {}})
    assert build(name, dataclasses.replace(context, run=empty)) is None


@pytest.mark.parametrize("name", [name for name in NAMES if name != "subsets"])
def test_sections_show_their_figures(name, analysed):
    content = build(name, analysed)
    record = ANALYSES[name]
    assert content.markdown.startswith(f"## {record.title}\n\n{record.question}")
    assert content.figures
    for figure in content.figures:
        assert f"](figures/{figure.name}.png)" in content.markdown
        assert figure.draw().axes


def test_pareto_names_the_front_that_its_figures_join(context):
    content = build("pareto", context)
    rows = [row for row in context.ok_rows if row.shown.model_bytes]
    by_size = sorted(rows, key=lambda row: (row.shown.model_bytes, row.shown.test_error))
    best, front = 1.0, []
    for row in by_size:
        if row.shown.test_error < best:
            best = row.shown.test_error
            front.append(row.title)
    assert f"- size: {', '.join(front)}\n" in content.markdown
    assert [figure.name for figure in content.figures] == [
        *("error_fit_time", "error_latency", "error_size")
    ]
    line = content.figures[2].draw().axes[0].lines[0]
    assert len(line.get_xdata()) == len(front)


def test_significance_says_what_the_numbers_mean(analysed):
    markdown = build("significance", analysed).markdown
    found = analysed.run.analyses["significance"]
    assert f"Cochran's Q = {found['cochran']['statistic']:.1f}" in markdown
    assert "4 models predict the same 500 test rows" in markdown
    rows = table_rows(markdown)
    assert len(rows) == 3
    verdicts = ("no significant difference", "the winner is better", "better than the winner")
    assert all(any(verdict in row for verdict in verdicts) for row in rows)
    worse = next(row for row in rows if "Random forest" in row)
    pair = next(
        pair
        for pair in found["pairs"]
        if {pair["first"], pair["second"]} == {found["best"], "raw-random_forest-seed0"}
    )
    assert points(abs(pair["difference"])) in worse


def test_a_better_model_than_the_winner_is_named(analysed):
    found = dict(analysed.run.analyses["significance"], better=["raw-mlp-seed0"], group=[])
    run = dataclasses.replace(analysed.run, analyses={"significance": found})
    markdown = build("significance", dataclasses.replace(analysed, run=run)).markdown
    assert "Significantly better there: MLP" in markdown


def test_cross_validation_names_failures_and_verdicts(analysed):
    markdown = build("cross_validation", analysed).markdown
    assert "5-fold cross-validation, repeated 2 times" in markdown
    assert "**raw-knn-seed0** left out" in markdown
    assert "the best is better" in markdown
    assert len(re.findall(r"^\| MLP", markdown, flags=re.MULTILINE)) >= 1


def test_calibration_marks_models_without_probabilities(analysed):
    markdown = build("calibration", analysed).markdown
    assert "SVM (RBF) †" in markdown
    assert "MLP †" not in markdown
    assert "0 % rejected" in markdown
    assert "20 % rejected" in markdown


def test_robustness_ranks_by_mean_error_and_explains_each_kind(analysed):
    markdown = build("robustness", analysed).markdown
    rows = table_rows(markdown)
    assert "canny edges" in rows[0]
    assert "15.00" in rows[0]
    assert all(f"`{kind}`" in markdown for kind in CORRUPTIONS)
    assert [figure.name for figure in build("robustness", analysed).figures] == [
        "robustness",
        "corruptions",
    ]
    without_images = dataclasses.replace(analysed, dataset=None)
    assert len(build("robustness", without_images).figures) == 1


def test_learning_curves_give_the_growth_in_words(analysed):
    markdown = build("learning_curves", analysed).markdown
    assert "2.0 times the fit time" in markdown
    assert "4.0 times the fit time" in markdown
    assert "−1.00 (−1.00 to −1.00)" in markdown
    assert "stopped after its time limit of 3 s" in markdown


def test_confused_pairs_show_the_winners_images(analysed, dataset):
    content = build("confused_pairs", analysed)
    rows = table_rows(content.markdown)
    assert rows[-1].startswith("| all errors")
    total = analysed.run.analyses["confused_pairs"]["totals"]
    assert str(max(total.values())) in rows[-1]
    assert content.figures[0].draw().axes[0].images


def test_subsets_show_the_rejected_labels(context):
    stems = [row.shown.stem for row in context.ok_rows]
    y = np.arange(10_000) % 10
    found = score_subsets(
        y, {stem: np.where(np.arange(10_000) < i, 0, y) for i, stem in enumerate(stems)}
    )
    run = dataclasses.replace(context.run, analyses={"subsets": found})
    content = build("subsets", dataclasses.replace(context, run=run))
    assert "labels of 15 test images" in content.markdown
    assert len(table_rows(content.markdown)) == len(stems)
    # The images at hand are not MNIST's.
    assert content.figures == () or content.figures[0].name == "label_errors"


def test_words_and_numbers():
    assert [p_value(p) for p in (None, 0.0004, 0.0005, 0.25)] == ["–", "< 0.001", "0.001", "0.250"]
    assert [points(d) for d in (0.0123, -0.0005, 0.00001)] == ["+1.23", "−0.05", "0.00"]
    assert interval(-0.01, 0.02, signed=True) == "−1.00 to +2.00"
    assert interval(0.01, 0.02) == "1.00–2.00"
    assert [join_words(w) for w in ([], ["a"], ["a", "b", "c"])] == ["", "a", "a, b and c"]


def test_difference_figure_colours_what_is_significant():
    cells = [[None, (0.02, True), (0.01, False)], [(-0.02, True), None, None], [None, None, None]]
    axes = difference_figure(["a", "b", "c"], cells).axes[0]
    shown = axes.images[0].get_array()
    assert shown[0, 1] == 2
    assert shown[1, 0] == -2
    assert shown[0, 2] == 0
    assert "+2.00" in [text.get_text() for text in axes.texts]


def test_critical_difference_joins_what_cannot_be_told_apart():
    figure = critical_difference_figure(["a", "b", "c", "d"], [3.143, 2.000, 2.893, 1.964], 1.25)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert "critical difference 1.25" in texts
    assert {"d  1.96", "b  2.00", "2.89  c", "3.14  a"} <= set(texts)
    # Demšar's example: all four are within 1.25 of each other.
    assert datasets_page._groups([1.964, 2.0, 2.893, 3.143], 1.25) == [(0, 3)]
    assert datasets_page._groups([1.0, 2.0, 3.0], 1.5) == [(0, 1), (1, 2)]
    assert datasets_page._groups([1.0, 3.0], 1.5) == []


def test_growth_and_risk_figures_draw_the_given_points():
    curve = [{"n": n, "error": 1 / n, "fit_seconds": 0.0} for n in SIZES]
    error, seconds = growth_figure(["a"], [curve]).axes
    np.testing.assert_allclose(error.lines[0].get_xydata(), [[n, 100 / n] for n in SIZES])
    assert len(seconds.lines[0].get_xydata()) == 0
    curve = {"coverage": [0.5, 0.8, 1.0], "error": [0.0, 0.01, 0.02]}
    axes = risk_figure(["a"], [curve], winner=0).axes[0]
    np.testing.assert_allclose(axes.lines[0].get_xydata(), [[20, 1], [0, 2]])


def test_datasets_page(context, tmp_path):
    run = context.run
    other = dataclasses.replace(run, dataset=dataclasses.replace(run.dataset, name="mnist_5k"))
    third = dataclasses.replace(run, dataset=dataclasses.replace(run.dataset, name="usps"))
    assert render_datasets_page([run]) == ""
    assert write_datasets_page([run], tmp_path) is None
    page = write_datasets_page([run, other, third], tmp_path)
    text = page.read_text()
    titles = [DATASETS[name].title for name in ("digits", "mnist_5k", "usps")]
    assert f"4 models on {join_words(titles)}, ranked" in text
    assert MODELS["knn"].title not in text
    assert "| *mean rank*" in text
    assert text.count(" before ") == 6
    assert (tmp_path / "figures" / "critical_difference.png").stat().st_size > 0


def test_reports_of_other_contexts_do_not_need_images(analysed):
    bare = ReportContext(run=analysed.run)
    for name in NAMES:
        if name != "subsets":
            assert build(name, bare) is not None
