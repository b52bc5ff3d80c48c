import dataclasses

import numpy as np
import pytest

from digitrec.analyses import ANALYSES
from digitrec.analyses.learned_weights import learned_maps
from digitrec.analyses.nearest_neighbours import (
    Mistake,
    describe_neighbours,
    neighbours_figure,
)
from digitrec.analyses.support_vectors import describe_support_vectors
from digitrec.rendering.images import ink_colors, map_colors
from digitrec.rendering.style import render_png


@pytest.fixture(scope="module")
def analysis(run, predictions, dataset):
    y = dataset.y_train
    wrong = predictions["logistic_regression"].mistakes
    read = predictions["logistic_regression"].y_pred[wrong]
    stem = next(result.stem for result in run.results if result.model == "logistic_regression")
    support = np.arange(0, len(y), 3)
    coefficients = np.linspace(-1, 1, len(support))[None]
    return {
        "learned_weights": learned_maps(dataset, 0, max_rows=200),
        "support_vectors": {
            "name": next(result.stem for result in run.results if result.model == "svm"),
            **describe_support_vectors(support, coefficients, 1.0, y, 10),
        },
        "nearest_neighbours": {
            "name": stem,
            "features": "raw",
            "n_mistakes": len(wrong),
            "rows": wrong.tolist(),
            "predicted": read.tolist(),
            **describe_neighbours(
                dataset.X_train / 255, y, dataset.X_test[wrong] / 255, dataset.y_test[wrong], read
            ),
        },
    }


def with_analyses(context, found):
    return dataclasses.replace(context, run=dataclasses.replace(context.run, analyses=found))


def build(context):
    names = ("learned_weights", "support_vectors", "nearest_neighbours")
    return {name: ANALYSES[name].section(context) for name in names}


def test_the_sections_show_their_figures(context, analysis):
    contents = build(with_analyses(context, analysis))
    names = [figure.name for content in contents.values() for figure in content.figures]
    assert names == ["learned_classes", "learned_filters", "support_vectors", "neighbours"]
    for content in contents.values():
        for figure in content.figures:
            assert figure.markdown in content.markdown
            assert render_png(figure.draw()).startswith(b"\x89PNG")
    assert r"| \<two\> " in contents["support_vectors"].markdown
    wrong = len(analysis["nearest_neighbours"]["rows"])
    assert f"Of the {wrong} test images" in contents["nearest_neighbours"].markdown


def test_what_is_missing_is_left_out(context, analysis):
    assert set(build(context).values()) == {None}
    # Without the images only what needs none is drawn.
    bare = dataclasses.replace(with_analyses(context, analysis), dataset=None)
    names = [figure.name for content in build(bare).values() for figure in content.figures]
    assert names == ["learned_classes", "learned_filters"]
    assert render_png(build(bare)["learned_weights"].figures[0].draw())


def test_many_classes_fit_into_a_grid(context, analysis):
    names = [f"c{i}" for i in range(13)]
    run = dataclasses.replace(
        context.run,
        dataset=dataclasses.replace(context.run.dataset, label_names=tuple(names)),
        analyses={"learned_weights": analysis["learned_weights"]},
    )
    content = ANALYSES["learned_weights"].section(dataclasses.replace(context, run=run))
    assert "c0 to c12" in content.figures[0].draw().axes[0].get_title(loc="left")


def test_colours_tell_signs_apart():
    colors = map_colors(np.array([[[-2.0, 0.0, 2.0]], [[0.0, 0.5, 1.0]]]))
    blue, white, orange = colors[0, 0]
    assert blue[2] > blue[0] and orange[0] > orange[2]
    np.testing.assert_allclose(white, 1, atol=0.01)
    np.testing.assert_allclose(colors[1, 0, 2], orange)  # each on its own scale
    shared = map_colors(np.array([[[-2.0, 0.0, 2.0]], [[0.0, 0.5, 1.0]]]), shared=True)
    assert shared[1, 0, 2, 2] > orange[2]
    np.testing.assert_array_equal(ink_colors(np.array([[0, 255]]))[0], [[1, 1, 1], [0, 0, 0]])


def test_frames_tell_whose_neighbours_they_are():
    from matplotlib.colors import to_hex
    from matplotlib.patches import Rectangle

    image = np.zeros((8, 8), dtype=np.uint8)
    mistake = Mistake(image, 1, 7, np.stack([image] * 3), [1, 7, 4])
    figure = neighbours_figure([mistake], [str(digit) for digit in range(10)], title="x")
    frames = [to_hex(p.get_edgecolor()) for p in figure.axes[0].patches if isinstance(p, Rectangle)]
    assert frames[1:] == ["#0072b2", "#d55e00", "#d0d7de"]
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == ["1 → 7", "1", "7", "4"]
