"""Names and numbers of classes that are out of the ordinary."""

import dataclasses
import warnings

import numpy as np
import pytest

from digitrec.analyses import ReportContext
from digitrec.evaluation.metrics import Predictions
from digitrec.rendering.style import MAX_NAME_LENGTH, render_png, short_names
from digitrec.reporting import render_report
from digitrec.reporting.evaluation import render_evaluation
from digitrec.reporting.model_figures import confusion_figure
from digitrec.reporting.overview_figures import per_class_figure


def with_classes(run, names, absent=()):
    """The run with other classes; its models read one in ten rows as the next class."""
    y_true = np.repeat([i for i in range(len(names)) if i not in absent], 10)
    y_pred = np.where(np.arange(len(y_true)) % 10 == 0, (y_true + 1) % len(names), y_true)
    metrics = dataclasses.asdict(Predictions(y_true, y_pred).metrics(len(names)))
    results = [dataclasses.replace(r, **metrics) if r.ok else r for r in run.results]
    dataset = dataclasses.replace(run.dataset, label_names=tuple(names))
    return dataclasses.replace(run, results=results, dataset=dataset)


def test_a_class_without_test_images_is_not_the_hardest(run):
    report = render_report(ReportContext(run=with_classes(run, "abcdef", absent=(0, 3))))
    assert "class “b”" in report.markdown or "class “c”" in report.markdown
    assert "Without test rows, and so without a score: a and d." in report.markdown
    figure = next(figure for figure in report.figures if figure.name == "f1_by_class").draw()
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert labels == ["b", "c", "e", "f"]


def test_three_hundred_classes_make_a_report_that_can_be_read(run):
    names = [f"class {i}" for i in range(300)]
    report = render_report(ReportContext(run=with_classes(run, names)))
    assert "The figure shows the 30 hardest of 300 classes" in report.markdown
    assert len(report.markdown.splitlines()) < 700
    for figure in report.figures:
        drawn = figure.draw()
        height = drawn.get_size_inches()[1]
        assert height < 12
    confusion = confusion_figure(run.results[0].confusion, "0123456789", title="").axes[0]
    assert len(confusion.get_xticks()) == 10
    counts = np.eye(300, dtype=int)
    assert len(confusion_figure(counts, names, title="").axes[0].get_xticks()) <= 60


def test_the_evaluation_of_many_classes_lists_their_errors():
    names = [f"class {i}" for i in range(40)]
    y_true = np.arange(40).repeat(3)
    y_pred = np.where(np.arange(120) == 7, 5, y_true)
    text = render_evaluation("many", Predictions(y_true, y_pred).metrics(40), names)
    (row,) = [line for line in text.splitlines() if "class 2 " in line and "class 5" in line]
    assert row.split("|")[3].strip() == "1"


LONG = ["x" * 87, "x" * 86 + "y", "short"]


def test_long_names_leave_room_for_the_figure():
    figure = per_class_figure(["a model " * 9, "b"], LONG, np.full((2, 3), 0.9))
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert len(set(labels)) == 3
    assert max(map(len, labels)) <= MAX_NAME_LENGTH
    figure.draw_without_rendering()
    box = figure.axes[0].get_window_extent()
    assert box.width > 0.4 * figure.bbox.width
    assert box.height > 0.2 * figure.bbox.height


@pytest.mark.parametrize("limit", [8, 14, 24])
def test_short_names_stay_distinct(limit):
    names = [f"{'a' * 40}{i}{'b' * 40}" for i in range(12)] + ["c"]
    shown = short_names(names, limit)
    assert len(set(shown)) == len(names)
    assert max(map(len, shown)) <= limit


def test_characters_that_no_font_has_are_numbered():
    # One of the plane for private use: no font draws it.
    figure = per_class_figure(["m"], ["seven", "\U000f1234", "ä"], np.full((1, 3), 0.9))
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert labels == ["seven", "[U+F1234]", "ä"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        render_png(per_class_figure(["m"], ["一", "二", "三"], np.full((1, 3), 0.9)))
