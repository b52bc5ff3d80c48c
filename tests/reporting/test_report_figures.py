import itertools

import numpy as np
import pytest

from digitrec.analyses.pareto import cost_figure
from digitrec.rendering.images import images_figure
from digitrec.rendering.style import new_figure, plain_log_ticks, render_png
from digitrec.reporting import model_figures, overview_figures


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_errors_are_drawn_best_first_with_their_intervals():
    figure = overview_figures.error_figure(
        ["a", "b", "c"], [0.03, 0.01, 0.02], [0.02, 0.005, 0.015], [0.05, 0.02, 0.03], winner=2
    )
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["b", "c", "a"]
    points = axes.collections[1].get_offsets()
    np.testing.assert_allclose(points, [[1, 0], [2, 1], [3, 2]])
    bars = np.array(axes.collections[0].get_segments())
    np.testing.assert_allclose(bars[:, :, 0], [[0.5, 2], [1.5, 3], [2, 5]])
    assert texts(axes) == ["1.00", "2.00", "3.00"]
    assert [text.get_fontweight() for text in axes.texts] == ["normal", "bold", "normal"]


def test_a_wide_range_of_errors_gets_a_log_axis():
    figure = overview_figures.error_figure(["a", "b"], [0.005, 0.9], [0.004, 0.88], [0.007, 0.92])
    assert figure.axes[0].get_xscale() == "log"


def test_costs_are_drawn_on_a_log_axis_with_the_front():
    figure = cost_figure(
        ["a", "b", "c"], [1, 10, 100], [0.05, 0.06, 0.01], axis_label="s", title="t"
    )
    axes = figure.axes[0]
    assert axes.get_xscale() == "log"
    np.testing.assert_allclose(axes.collections[0].get_offsets(), [[1, 5], [10, 6], [100, 1]])
    np.testing.assert_allclose(axes.lines[0].get_xydata(), [[1, 5], [100, 1]])
    assert sorted(text for text in texts(axes) if text) == ["a", "b", "c"]


@pytest.mark.parametrize("n_points", [1, 4, 8, 20, 40])
@pytest.mark.parametrize("spread", [0.02, 1.0])
def test_labels_cover_neither_each_other_nor_points_nor_axes(n_points, spread):
    generator = np.random.default_rng(n_points)
    cost = np.exp(generator.normal(0, 2 * spread, n_points))
    error = 0.05 * np.exp(generator.normal(0, spread, n_points))
    names = [f"model number {i} (features)" for i in range(n_points)]
    figure = cost_figure(names, cost, error, axis_label="s", title="t", winner=0)
    figure.draw_without_rendering()
    axes = figure.axes[0]
    labels = [text for text in axes.texts if text.get_text()]
    assert [text.get_label() for text in labels] == names
    keys = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    for text, name in zip(labels, names, strict=True):
        assert text.get_text() == name or any(
            key.split() == [text.get_text(), *name.split()] for key in keys
        )
    boxes = [text.get_window_extent() for text in labels]
    frame = axes.get_window_extent()
    for index, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[index + 1 :])
        assert frame.x0 <= box.x0 < box.x1 <= frame.x1
        assert frame.y0 <= box.y0 < box.y1 <= frame.y1
    for point in axes.transData.transform(np.column_stack([cost, 100 * error])):
        assert not any(box.contains(*point) for box in boxes)


def test_scores_by_class_are_written_into_their_cells():
    f1 = np.array([[0.995, 0.5], [1.0, 0.0]])
    axes = overview_figures.per_class_figure(["a", "b"], ["zero", "one"], f1).axes[0]
    assert texts(axes) == ["99.5", "50.0", "100.0", "0.0"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["zero", "one"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]


def test_a_confusion_matrix_shows_counts_and_row_percentages():
    axes = model_figures.confusion_figure([[989, 11], [0, 500]], ["a", "b"], title="t").axes[0]
    assert texts(axes) == ["989", "98.9 %", "11", "1.1 %", "500", "100.0 %"]
    hits, misses = (image.get_array() for image in axes.images)
    np.testing.assert_allclose(hits.compressed(), [98.9, 100])
    np.testing.assert_allclose(misses.compressed(), [1.1])
    assert axes.get_xlabel() == "predicted"
    assert axes.get_ylabel() == "true"


def test_one_miss_in_a_thousand_has_a_colour_of_its_own():
    axes = model_figures.confusion_figure([[999, 1], [0, 10]], ["a", "b"], title="t").axes[0]
    red, green, blue, _ = axes.images[1].to_rgba(axes.images[1].get_array())[0, 1]
    assert red - blue > 0.05
    assert red > green > blue


def test_a_class_without_test_images_and_a_perfect_matrix_are_drawn():
    figure = model_figures.confusion_figure([[5, 0], [0, 0]], ["a", "b"], title="t")
    assert texts(figure.axes[0]) == ["5", "100.0 %"]
    assert render_png(figure).startswith(b"\x89PNG")


def test_many_classes_leave_the_numbers_out():
    counts = np.eye(30, dtype=int)
    axes = model_figures.confusion_figure(counts, [str(i) for i in range(30)], title="t").axes[0]
    assert not texts(axes)


def test_images_are_dark_on_light_with_their_captions():
    images = np.zeros((3, 4, 5), dtype=np.uint8)
    images[1, 2, 3] = 255
    axes = images_figure(
        images, ["a", "b\n99 %", "c"], title="t", wrong=[False, True, False], columns=2
    ).axes[0]
    assert texts(axes) == ["a", "b\n99 %", "c"]
    drawn = axes.images[1].get_array()
    assert (drawn[2, 3] == 0).all()
    assert (drawn[0, 0] == 1).all()
    assert [patch.get_linewidth() for patch in axes.patches] == [0.8, 1.8, 0.8]


def test_long_names_are_cut_where_they_would_cover_others():
    captions = ["c20 → a very long name of a class", "row 7\na → b"]
    axes = images_figure(np.zeros((2, 4, 4), np.uint8), captions, title="x " * 99, columns=10).axes[
        0
    ]
    assert texts(axes)[1] == "row 7\na → b"
    lines = texts(axes)[0].split("\n")
    assert lines[0] == "c20"
    assert lines[1].startswith("→ a")
    assert "…" in lines[1]
    assert axes.get_title(loc="left").count("\n")
    figure = overview_figures.error_figure(["name " * 50, "b"], [0.1, 0.2], [0.1, 0.2], [0.2, 0.3])
    figure.draw_without_rendering()
    assert figure.axes[0].get_window_extent().width > 0.4 * figure.bbox.width


def test_curves_put_losses_beside_errors():
    figure = model_figures.curves_figure(
        {"training_loss": [2.0, 0.5, 0.1], "validation_accuracy": [0.8, 0.9], "empty": []},
        title="t",
    )
    loss, error = figure.axes
    np.testing.assert_allclose(loss.lines[0].get_xydata(), [[1, 2], [2, 0.5], [3, 0.1]])
    np.testing.assert_allclose(error.lines[0].get_ydata(), [20, 10])
    assert loss.get_yscale() == "log"
    assert error.get_ylabel() == "validation error, %"


@pytest.mark.parametrize("name", ["$x^2", "a_b", "\\frac{"])
def test_names_are_no_formulas(name):
    figure = model_figures.confusion_figure([[1, 0], [0, 1]], [name, "b"], title=name)
    assert render_png(figure).startswith(b"\x89PNG")


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_numbers_at_a_log_axis_do_not_overlap(columns):
    figure = new_figure(2.5)
    for place in range(columns):
        axes = figure.add_subplot(1, columns, place + 1)
        axes.set_xscale("log")
        axes.set_xlim(0.00015, 0.06)
        plain_log_ticks(axes.xaxis)
    figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in axes.get_xticklabels() if label.get_text()]
    shown = sorted((box.x0, box.x1) for box in boxes)
    assert len(shown) > 2
    assert all(right <= left for (_, right), (left, _) in itertools.pairwise(shown))
