import base64
import dataclasses
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

from digitrec.analyses import ReportContext
from digitrec.rendering.style import new_figure, render_png
from digitrec.reporting import render_report
from digitrec.reporting.html import render_html

ATTACK = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
LOADING = {"img": "src", "script": "src", "link": "href", "iframe": "src", "source": "src"}


class Page(HTMLParser):
    """Collect the elements of a page."""

    def __init__(self, text):
        super().__init__()
        self.elements = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def png():
    figure = new_figure(1)
    figure.add_subplot()
    return render_png(figure)


@pytest.fixture
def page(context, png):
    report = render_report(context)
    return render_html(report.markdown, {figure.name: png for figure in report.figures})


def test_the_page_loads_nothing(page):
    for tag, attributes in Page(page).elements:
        address = attributes.get(LOADING.get(tag, ""), "")
        assert not address or address.startswith("data:image/png;base64,")
    styles = re.findall(r"<style>(.*?)</style>", page, flags=re.DOTALL)
    assert styles
    assert not re.search(r"url\(|@import", styles[0])
    assert not re.search(r"fetch\(|XMLHttp|import\(|https?:", page.rsplit("<script>", 1)[1])


def test_pictures_are_embedded_with_their_size_and_description(page, context, png):
    pictures = Page(page).all("img")
    assert len(pictures) == len(render_report(context).figures)
    for picture in pictures:
        assert base64.b64decode(picture["src"].split(",")[1]) == png
        assert (picture["width"], picture["height"]) == ("1050", "150")
        assert len(picture["alt"]) > 20


def test_headings_and_links_fit_together(page):
    parsed = Page(page)
    ids = {attributes["id"] for tag, attributes in parsed.elements if tag in ("h1", "h2", "h3")}
    fragments = [link["href"] for link in parsed.all("a") if link["href"].startswith("#")]
    assert len(fragments) > 8
    assert {fragment[1:] for fragment in fragments} <= ids
    assert len(parsed.all("h1")) == 1


def test_tables_scroll_on_their_own(page):
    assert (
        page.count('<div class="table"')
        == len(Page(page).all("table"))
        == page.count("</table></div>")
    )
    names = [a["aria-label"] for a in Page(page).all("div") if a.get("class") == "table"]
    assert len({*names}) == len(names) > 5
    assert "Table: Method" in names
    assert all(block.get("tabindex") == "0" for block in Page(page).all("pre"))


def test_text_from_outside_stays_text(context, png):
    run = context.run
    results = [
        dataclasses.replace(
            result,
            model=ATTACK if index == 0 else result.model,
            parameters={ATTACK: ATTACK},
            versions={ATTACK: ATTACK},
            hardware={"processor": ATTACK},
            reason=ATTACK,
            features=ATTACK if index == 1 else result.features,
        )
        for index, result in enumerate(run.results)
    ]
    names = (ATTACK, "[x](javascript:alert(1))", *run.dataset.label_names[2:])
    data = dict.fromkeys(("name", "source", "license", "fingerprint"), ATTACK)
    data = dataclasses.replace(run.dataset, **data, warnings=(ATTACK,), label_names=names)
    evil = dataclasses.replace(run, dataset=data, results=results, command=ATTACK)
    report = render_report(ReportContext(run=evil, location=ATTACK))
    text = render_html(report.markdown, {figure.name: png for figure in report.figures})
    parsed = Page(text)
    assert len(parsed.all("script")) == 1
    for tag, attributes in parsed.elements:
        assert not any(name.startswith("on") for name in attributes), tag
        assert not str(attributes.get("href", "")).startswith("javascript")
        if tag == "img":
            assert attributes["src"].startswith("data:image/png;base64,")


def test_a_picture_that_is_not_at_hand_leaves_its_description():
    text = render_html("# t\n\n![what it <b>shows](https://example.org/a.png)", {})
    assert not Page(text).all("img")
    assert "what it &lt;b&gt;shows" in text


@pytest.mark.browser
def test_a_click_on_a_head_sorts_the_table(page, tmp_path):
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium on this machine")
    script = (
        "const column = [...document.querySelectorAll('th')].findIndex("
        "  head => head.textContent.startsWith('test error'));"
        "const button = document.querySelectorAll('th button')[column];"
        "const shown = () => [...document.querySelector('table').tBodies[0].rows].map("
        "  row => row.cells[column].textContent).join();"
        "button.click(); document.title = shown();"
        "button.click(); document.title += ';' + shown();"
    )
    path = tmp_path / "page.html"
    path.write_text(page.replace("</body>", f"<script>{script}</script></body>"), encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    done = subprocess.run(
        [browser, *options, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", path.as_uri()],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    up, down = re.search(r"<title>(.*?)</title>", done.stdout).group(1).split(";")
    numbers = [float(value) for value in up.split(",") if value != "–"]
    assert numbers == sorted(numbers)
    assert len(numbers) == 4
    assert up.endswith("–")
    assert down.split(",") == [*reversed(up.split(",")[:-1]), "–"]
