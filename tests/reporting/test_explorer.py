"""What report.html holds for its explorer, and charts as SVG."""

import base64
import dataclasses
import io
import json
import re
import zlib
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from digitrec.analyses import ReportContext
from digitrec.analyses.calibration import reliability_figure
from digitrec.analyses.pareto import cost_figure
from digitrec.rendering.style import new_figure, render_png
from digitrec.reporting import explorer
from digitrec.reporting.charts import TARGET_RADIUS, chart_html, figure_marks
from digitrec.reporting.explorer import build_explorer, explorer_data, make_sprite
from digitrec.reporting.overview_figures import error_figure, per_class_figure

ATTACK = "</script><img src=x onerror=alert(1)>"


def _unpacked(section):
    text = re.search(r'id="explorer-data">([^<]*)<', section).group(1)
    return json.loads(zlib.decompress(base64.b64decode(text)))


def test_every_misread_image_of_every_model_is_there(context, predictions):
    data = _unpacked(build_explorer(context).section)
    misread = set()
    for one in predictions.values():
        misread |= set(np.flatnonzero(one.y_pred != one.y_true).tolist())
    assert misread <= set(data["rows"])
    assert data["n_wrong"] == len(misread)
    for model, row in zip(data["models"], context.ok_rows, strict=True):
        one = predictions[row.shown.key]
        assert model["answers"] == one.y_pred[data["rows"]].tolist()
        scale = 10_000 if one.has_probabilities else 100
        assert np.allclose(
            np.array(model["confidence"]) / scale, one.confidence[data["rows"]], atol=1 / scale
        )


@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (20, 31), (200, 90)])
def test_a_sprite_holds_images_of_any_shape(shape):
    images = np.random.default_rng(0).integers(0, 256, (130, *shape), dtype=np.uint8)
    content, (height, width) = make_sprite(images)
    assert max(height, width) <= explorer.MAX_IMAGE_SIDE
    page = 255 - np.asarray(Image.open(io.BytesIO(content)).convert("L"))
    for index in (0, 99, 100, 129):
        row, column = divmod(index, explorer.SPRITE_COLUMNS)
        tile = page[row * height : (row + 1) * height, column * width : (column + 1) * width]
        if shape == (height, width):
            assert np.abs(tile.astype(int) - images[index]).max() <= 9
        else:
            assert abs(float(tile.mean()) - float(images[index].mean())) < 9


def test_what_has_no_room_is_counted(context, monkeypatch):
    whole, sprite = explorer_data(context)
    monkeypatch.setattr(explorer, "MAX_SPRITE_BYTES", 1000)
    data, small = explorer_data(context)
    assert len(small) <= 1000 < len(sprite)
    assert data["n_wrong"] == whole["n_wrong"] > len(data["rows"])
    # The winner's mistakes come first.
    best = data["models"][0]["answers"]
    assert (
        all(answer != truth for answer, truth in zip(best, data["truth"], strict=True))
        or len(data["rows"]) >= whole["models"][0]["wrong"]
    )
    section = build_explorer(context).section
    assert f"of the {whole['n_wrong']} images that any of the 4 models misclassifies" in section


def test_without_predictions_there_is_no_explorer(run):
    assert build_explorer(ReportContext(run=run)) is None


def test_predictions_about_other_rows_are_left_out(context, predictions):
    one = predictions["mlp"]
    other = dataclasses.replace(one, y_true=one.y_true[::-1].copy())
    changed = dataclasses.replace(context, predictions={**predictions, "mlp": other})
    assert len(_unpacked(build_explorer(changed).section)["models"]) == len(predictions) - 1


def test_names_from_outside_stay_text(run, predictions, dataset):
    names = (ATTACK, *run.dataset.label_names[1:])
    data = dataclasses.replace(run.dataset, label_names=names)
    results = [
        dataclasses.replace(result, model=ATTACK) if result.key == "svm" else result
        for result in run.results
    ]
    evil = dataclasses.replace(run, dataset=data, results=results)
    found = build_explorer(ReportContext(run=evil, predictions=predictions, dataset=dataset))
    tags = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: tags.append((tag, dict(attributes)))
    parser.feed(found.section + "".join(found.graphics.values()))
    assert not any(tag == "img" for tag, _ in tags)  # the sprite is in a style
    assert sum(tag == "script" for tag, _ in tags) == 1  # the data
    assert not [name for _, attributes in tags for name in attributes if name.startswith("on")]


def test_a_chart_tells_names_values_and_intervals():
    # No font of a machine has the last character; browsers have their own.
    names = ["a|<b>", "c\U000f1234"]
    figure = error_figure(names, [0.02, 0.03], [0.01, 0.025], [0.03, 0.04], winner=0)
    html = chart_html(figure, "error", "Errors <of> two")
    assert "c\U000f1234" in html
    assert "U+F1234" not in html
    marks = figure_marks(figure)
    assert [(mark.x, mark.y, mark.value) for mark in marks] == [
        ("2", "a|<b>", "1–3"),
        ("3", "c[U+F1234]", "2.5–4"),
    ]
    assert "<td>a|&lt;b&gt;</td>" in html
    assert "Errors &lt;of&gt; two" in html
    assert "<b>" not in html
    left = [mark.box[0] for mark in marks]
    assert left[0] < left[1]
    assert all(0 < value < 7 * 72 for value in left)


def test_small_numbers_at_an_axis_are_not_rounded():
    figure = cost_figure(["a", "b"], [0.002, 0.05], [0.1, 0.2], axis_label="s", title="t")
    texts = re.findall(r">([\d.]+)</text>", chart_html(figure, "cost", "Cost"))
    assert "0.002" in texts
    assert len({*texts}) == len(texts)


def test_points_are_named_by_their_labels_and_cells_by_rows_and_columns():
    figure = cost_figure(["a", "b"], [1, 2], [0.1, 0.2], axis_label="s", title="t")
    chart_html(figure, "cost", "t")
    assert {(mark.series, mark.x, mark.y) for mark in figure_marks(figure)} == {
        ("a", "1", "10"),
        ("b", "2", "20"),
    }
    cells = per_class_figure(["m"], ["zero", "one"], np.array([[0.5, 1.0]]))
    assert chart_html(cells, "cells", "t")
    found = {(mark.x, mark.y) for mark in figure_marks(cells)}
    assert found in ({("zero", "m"), ("one", "m")}, {("m", "zero"), ("m", "one")})


def test_two_charts_share_no_ids_and_fetch_nothing():
    texts = [
        chart_html(
            cost_figure(["a", "b"], [1, 2], [0.1, 0.2], axis_label="s", title="t"), name, "t"
        )
        for name in ("one", "two")
    ]
    ids = [set(re.findall(r' id="([^"]+)"', text)) for text in texts]
    assert ids[0]
    assert not ids[0] & ids[1]
    for text, own in zip(texts, ids, strict=True):
        references = set(re.findall(r'(?:url\(|href=")#([^)"]+)', text))
        assert references <= own
        assert "http" not in text


def test_charts_hold_text_as_text_and_circles_as_circles():
    """A report of 20 models was 4.1 MB where each letter and each dot was an outline."""
    bins = [{"confidence": 0.1 * i, "accuracy": 0.09 * i, "count": 20 * i + 1} for i in range(10)]
    figures = {
        "cost": cost_figure(list("abc"), [1, 2, 3], [0.1, 0.2, 0.3], axis_label="s", title="t"),
        "reliability": reliability_figure(["a"], [bins], [None]),
    }
    for name, figure in figures.items():
        html = chart_html(figure, name, "t")
        assert max(map(len, re.findall(r"<path[^>]*>", html))) < 400
        assert not re.search(r"\d\.\d{3}", html.split("<details>")[0].split("<g><rect")[0])
    html = chart_html(figures["reliability"], "reliability", "t")
    circles = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)" r="([\d.]+)"', html)
    assert len(circles) == len(bins)
    centres = [
        (box[0] + TARGET_RADIUS, box[1] + TARGET_RADIUS)
        for box in (mark.box for mark in figure_marks(figures["reliability"]))
    ]
    for x, y, radius in circles:
        assert any(abs(float(x) - a) + abs(float(y) - b) < 0.02 for a, b in centres)
        assert 1 < float(radius) < 5


def test_mistakes_of_all_models_come_from_the_one_sprite(context, predictions, monkeypatch):
    graphics = build_explorer(context).graphics
    for row in context.ok_rows:
        html = graphics[f"mistakes_{row.shown.stem}"]
        assert html.count("<button") == min(30, len(predictions[row.shown.key].mistakes))
        assert "base64" not in html
    # Where the sprite lacks some, the report's picture stays.
    monkeypatch.setattr(explorer, "MAX_SPRITE_BYTES", 100)
    assert not any(name.startswith("mistakes_") for name in build_explorer(context).graphics)


def test_pictures_stay_pictures():
    figure = new_figure(2)
    axes = figure.add_subplot()
    axes.imshow(np.zeros((4, 4)), extent=(0, 1, 1, 0), cmap="gray")
    assert render_png(figure)
    assert chart_html(figure, "picture", "a picture") is None
