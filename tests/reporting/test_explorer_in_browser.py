"""The explorer of report.html in a real browser, on a real small run."""

from __future__ import annotations

import dataclasses
import io
import re

import numpy as np
import PIL.Image
import pytest

from digitrec.evaluation.metrics import Predictions
from digitrec.reporting import write_report

A4_WIDTH = 718  # pixels between the margins that Chromium leaves
# One worker runs all of these, so that the browser is started once.
pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def report_file(run, predictions, dataset, tmp_path_factory):
    return write_report(
        run, tmp_path_factory.mktemp("explored") / "digits", predictions, dataset
    ).with_suffix(".html")


@pytest.fixture
def open_page(browser):
    """Open a file as a page; afterwards nothing was logged and nothing else was requested."""
    contexts, problems, requests = [], [], []

    def open_file(path, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(path.as_uri())
        page.wait_for_selector("#explorer[data-ready]")
        allowed.add(path.as_uri())
        return page

    allowed = set()
    yield open_file
    for context in contexts:
        context.close()
    assert not problems
    assert set(requests) <= allowed


def _wrong(predictions, name):
    return set(np.flatnonzero(predictions[name].y_pred != predictions[name].y_true))


def _shown(page):
    while page.locator("#explorer .more").is_visible():
        page.click("#explorer .more")
    return {
        int(row)
        for row in page.locator("#explorer .tiles li").evaluate_all(
            "items => items.map((item) => item.dataset.row)"
        )
    }


def test_a_cell_of_the_confusion_matrix_shows_its_images(open_page, report_file, predictions):
    page = open_page(report_file)
    one = predictions["random_forest"]
    wrong = np.flatnonzero(one.y_pred != one.y_true)
    true, answer = int(one.y_true[wrong[0]]), int(one.y_pred[wrong[0]])
    names = page.locator("select[name=a] option").all_inner_texts()
    index = next(i for i, name in enumerate(names) if "Random forest" in name)
    page.click(f'button[data-model="{index}"][data-true="{true}"][data-answer="{answer}"]')
    expected = set(np.flatnonzero((one.y_true == true) & (one.y_pred == answer)))
    assert _shown(page) == expected
    assert f"{len(expected)} image" in page.locator("#explorer .count").inner_text()
    assert page.evaluate("document.activeElement.className") == "count"


def test_a_class_and_a_model_show_their_images(open_page, report_file, predictions):
    page = open_page(report_file)
    wrong = _wrong(predictions, "mlp")
    page.locator("table[data-accuracy] tr", has_text="MLP").locator("button.chip").click()
    assert _shown(page) == wrong
    names = page.locator("select[name=a] option").all_inner_texts()
    index = next(i for i, name in enumerate(names) if "MLP" in name)
    truth = predictions["mlp"].y_true
    page.locator(f'button.explore[data-model="{index}"][data-true="8"]:not([data-answer])').click()
    assert _shown(page) == {row for row in wrong if truth[row] == 8}


def test_filters_narrow_what_is_shown(open_page, report_file, predictions):
    page = open_page(report_file)
    one = predictions["logistic_regression"]
    page.select_option(
        "select[name=a]",
        label=next(
            name
            for name in page.locator("select[name=a] option").all_inner_texts()
            if "Logistic" in name
        ),
    )
    assert _shown(page) == _wrong(predictions, "logistic_regression")
    page.fill("input[name=low]", "60")
    low = np.flatnonzero((one.y_pred != one.y_true) & (one.confidence >= 0.6))
    assert _shown(page) == set(low)
    page.fill("input[name=low]", "")
    page.select_option("select[name=answer]", "5")
    assert _shown(page) == set(np.flatnonzero((one.y_pred != one.y_true) & (one.y_pred == 5)))
    page.select_option("select[name=show]", "right")
    rows = _shown(page)
    assert rows
    assert all(one.y_pred[row] == one.y_true[row] == 5 for row in rows)
    page.click("text=Reset")
    assert page.input_value("select[name=answer]") == "-1"


def test_two_models_side_by_side(open_page, report_file, predictions):
    page = open_page(report_file)
    names = page.locator("select[name=a] option").all_inner_texts()
    a, b = (next(n for n in names if title in n) for title in ("SVM", "Random forest"))
    page.select_option("select[name=a]", label=a)
    page.select_option("select[name=b]", label=b)
    wrong_a, wrong_b = (_wrong(predictions, name) for name in ("svm", "random_forest"))
    expected = {
        "only_a": wrong_a - wrong_b,
        "only_b": wrong_b - wrong_a,
        "both": wrong_a & wrong_b,
    }
    for key, rows in expected.items():
        page.select_option("select[name=show]", key)
        assert _shown(page) == rows
    button = page.locator(".overlap button", has_text="only B wrong")
    assert button.locator("strong").inner_text() == str(len(expected["only_b"]))
    button.click()
    assert page.locator(".overlap [aria-pressed=true]").inner_text().endswith("only B wrong")


def test_an_image_shows_what_every_model_says(open_page, report_file, predictions, dataset):
    page = open_page(report_file)
    page.locator("#explorer .tiles button").first.focus()
    page.keyboard.press("Enter")
    dialog = page.locator("dialog[open]")
    rows = dialog.locator("tbody tr")
    assert rows.count() == len(predictions)
    row = int(page.locator("#explorer .tiles li").first.get_attribute("data-row"))
    text = dialog.inner_text()
    assert f"Test row {row}" in text
    assert dataset.label_names[int(dataset.y_test[row])] in text
    n_wrong = sum(row in _wrong(predictions, name) for name in predictions)
    assert f"{n_wrong} of {len(predictions)} models wrong" in text
    assert dialog.locator("tr.wrong").count() == n_wrong
    image = dataset.X_test[row].reshape(8, 8)
    for _ in range(50):  # a busy machine paints the picture late
        content = dialog.locator(".digit").screenshot()
        pixels = np.asarray(PIL.Image.open(io.BytesIO(content)).convert("L")).astype(int)
        scale = len(pixels) // 8
        centre = slice(scale // 2, None, scale)
        difference = np.abs(pixels[centre, centre] - (255 - image.astype(int))).max()
        if difference <= 9:  # 16 levels of grey
            break
        page.wait_for_timeout(100)
    assert difference <= 9
    page.keyboard.press("ArrowRight")
    second = page.locator("#explorer .tiles li").nth(1).get_attribute("data-row")
    assert f"Test row {int(second)}" in dialog.inner_text()
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    focused = page.evaluate("document.activeElement.closest('li')?.dataset.row")
    assert focused == second


def test_a_mistake_below_its_model_shows_what_every_model_says(open_page, report_file, dataset):
    page = open_page(report_file)
    button = page.locator(".mistakes button").nth(1)
    truth = button.inner_text().split("→")[0].strip()
    button.focus()
    page.keyboard.press("Enter")
    dialog = page.locator("dialog[open]")
    row = int(re.search(r"Test row (\d+)", dialog.inner_text())[1])
    assert dataset.label_names[int(dataset.y_test[row])] == truth
    page.keyboard.press("Escape")
    assert button.evaluate("node => node === document.activeElement")


def test_without_javascript_mistakes_have_their_images(browser, report_file):
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(report_file.as_uri())
    content = page.locator(".mistakes .digit").first.screenshot()
    assert len(np.unique(np.asarray(PIL.Image.open(io.BytesIO(content)).convert("L")))) > 2
    page.context.close()


def test_the_accuracy_table_filters_and_hides(open_page, report_file):
    page = open_page(report_file)
    table = page.locator("table[data-accuracy]")
    shown = table.locator("tbody tr:visible")
    everything = shown.count()
    page.fill(".tools input[type=search]", "forest")
    assert shown.count() == 1
    assert page.locator(".tools [role=status]").inner_text() == f"1 of {everything} rows"
    page.fill(".tools input[type=search]", "0")  # in every row, but in no name
    assert shown.count() == 0
    page.fill(".tools input[type=search]", "")
    table.locator("th button", has_text="model").click()
    names = [text.lstrip("★≈ ") for text in table.locator("td:first-child").all_inner_texts()]
    assert names == sorted(names, key=str.lower)
    page.click("summary:text('Columns')")
    page.locator("fieldset label", has_text="log loss").locator("input").uncheck()
    assert not table.locator("th", has_text="log loss").is_visible()
    page.click("summary:text('Rows')")
    page.locator("fieldset label", has_text="MLP").locator("input").uncheck()
    assert shown.count() == everything - 1
    table.locator("th button", has_text="test error").click()
    page.locator("fieldset label", has_text="SVM").locator("input").uncheck()
    left = " ".join(shown.all_inner_texts())
    assert "MLP" not in left
    assert "SVM" not in left
    assert "Random forest" in left


def test_charts_tell_their_values(open_page, report_file, run):
    page = open_page(report_file)
    mark = page.locator("svg.chart .hit[data-tip*='Random forest']").first
    mark.hover()
    tip = page.locator(".tip")
    assert tip.is_visible()
    error = next(r.test_error for r in run.results if r.model == "random_forest")
    assert f"{100 * error:.4g}" in tip.inner_text()
    page.locator("figure summary").first.click()
    assert "Random forest" in page.locator("figure table").first.inner_text()


@pytest.mark.parametrize(
    "options",
    [
        {"viewport": {"width": 390, "height": 800}, "has_touch": True},
        {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    ],
)
def test_the_page_fits_the_screen(open_page, report_file, options):
    page = open_page(report_file, **options)
    page.locator("#explorer .tiles button").first.click()
    page.locator("dialog[open]").get_by_text("Close").click()
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= options["viewport"]["width"]


def test_printing_leaves_out_the_controls(open_page, report_file):
    page = open_page(report_file)
    page.emulate_media(media="print")
    assert not page.locator("#explorer").is_visible()
    assert not page.locator(".tools").first.is_visible()
    assert page.locator("table[data-accuracy]").is_visible()
    page.set_viewport_size({"width": A4_WIDTH, "height": 900})
    widths = page.locator(".table:visible").evaluate_all(
        "tables => tables.map((one) => one.scrollWidth - one.clientWidth)"
    )
    assert len(widths) > 5
    assert max(widths) <= 0


def test_without_images_and_with_many_classes(open_page, run, predictions, tmp_path):
    """Forty classes, of which a matrix is not shown whole, rows without pictures, odd names."""
    odd = {"svm": "★ star  |<b>*x* & `y`", "mlp": "a very long name of a model " * 8}
    names = tuple(f"class {index}" for index in range(40))
    part = 10 * (np.arange(run.results[0].n_test) % 4)  # each digit becomes four classes
    relabelled = {
        key: Predictions(one.y_true + part, one.y_pred + part) for key, one in predictions.items()
    }
    results = [
        dataclasses.replace(
            result,
            model=odd.get(result.model, result.model),
            **dataclasses.asdict(relabelled[result.key].metrics(len(names))),
        )
        for result in run.results
        if result.ok
    ]
    data = dataclasses.replace(run.dataset, label_names=tuple(names))
    many = dataclasses.replace(run, dataset=data, results=results)
    page = open_page(write_report(many, tmp_path / "many", relabelled).with_suffix(".html"))
    assert page.locator("#explorer .tiles .no-image").first.inner_text().startswith("row ")
    assert not page.locator("table.matrix caption", has_text="Confusion").count()
    assert page.locator("button.chip").count() == len(results)
    button = page.locator("button.explore[data-answer]").first
    count = int(button.inner_text())
    button.click()
    assert len(_shown(page)) == count
