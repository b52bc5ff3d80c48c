import csv
import dataclasses
import io
import json
import re
import shutil

import pytest
from PIL import Image

from digitrec.evaluation.result import read_run, write_run
from digitrec.reporting import report as report_module
from digitrec.reporting import write_index, write_report


@pytest.fixture(scope="module")
def written(run, predictions, dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports") / "digits"
    write_report(run, folder, predictions, dataset)
    write_run(run, folder / "results.json")
    return folder


def test_every_file_is_written(written):
    markdown = (written / "report.md").read_text(encoding="utf-8")
    figures = sorted((written / "figures").iterdir())
    assert len(figures) == 15
    for path in figures:
        assert f"figures/{path.name}" in markdown
        assert path.stat().st_size < 150_000
        with Image.open(path) as image:
            assert image.width == 1050
    left = {path.name for path in written.iterdir()}
    assert left == {"figures", "report.html", "report.md", "results.csv", "results.json"}


def test_the_report_is_rebuilt_from_what_was_saved(written, predictions, dataset, tmp_path):
    run = read_run(written / "results.json")
    again = tmp_path / written.parent.name / "digits"
    write_report(run, again, predictions, dataset)
    for name in ("report.md", "results.csv", "report.html"):
        assert (again / name).read_bytes() == (written / name).read_bytes()


def test_figures_that_are_no_longer_shown_go(run, predictions, dataset, tmp_path):
    old = tmp_path / "figures" / "confusion_old.png"
    old.parent.mkdir()
    old.write_bytes(b"old")
    few = dataclasses.replace(run, results=run.results[:1], winner=run.results[0].key)
    write_report(few, tmp_path, predictions)
    assert not old.exists()
    assert len(list(old.parent.iterdir())) == 3


def test_after_the_deadline_the_main_figure_alone_is_drawn(run, predictions, dataset, tmp_path):
    page = write_report(run, tmp_path, predictions, dataset, deadline=0.0)
    assert [path.name for path in (tmp_path / "figures").iterdir()] == ["error.png"]
    text = page.read_text()
    assert re.findall(r"\(figures/(.*?)\)", text) == ["error.png"]
    assert re.search(r"\n\d+ of \d+ figures were not drawn", text)
    html = page.with_suffix(".html").read_text()
    assert "figures were not drawn" in html
    assert html.count('class="matrix"') == len(predictions)  # the explorer has its own


def test_a_failure_while_drawing_leaves_the_old_report(run, monkeypatch, tmp_path):
    few = dataclasses.replace(run, results=run.results[:1], winner=run.results[0].key)
    write_report(few, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def full_disk(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(report_module, "render_png", full_disk)
    with pytest.raises(OSError, match="No space"):
        write_report(dataclasses.replace(few, total_seconds=9.0), tmp_path)
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert after == before


def test_csv_has_one_flat_row_per_result(written, run):
    text = (written / "results.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["key"] for row in rows] == [result.key for result in run.results]
    first = run.results[0]
    assert float(rows[0]["test_error"]) == first.test_error
    assert json.loads(rows[0]["parameters"]) == first.parameters
    assert rows[0]["versions_scikit_learn"] == first.versions["scikit-learn"]
    assert rows[-1]["status"] == "timeout"
    assert rows[-1]["test_error"] == ""
    assert "confusion" not in rows[0]


def test_the_index_lists_runs_and_other_pages(written, run):
    folder = written.parent
    (folder / "broken").mkdir()
    (folder / "broken" / "results.json").write_text("{", encoding="utf-8")
    (folder / "peers.md").write_text("# Beside | others\n", encoding="utf-8")
    page = write_index(folder).read_text(encoding="utf-8")
    assert "[8x8 digits that come with scikit-learn](digits/report.md)" in page
    assert f"{100 * run.winning_result.test_error:.2f}" in page
    assert "broken" not in page
    assert r"[Beside \| others](peers.md)" in page


def test_the_index_lists_reports_of_other_kinds_and_in_inner_folders(written, tmp_path):
    shutil.copytree(written, tmp_path / "cnn" / "digits")
    (tmp_path / "cnn" / "README.md").write_text("# Reports\n\nolder\n", encoding="utf-8")
    other = tmp_path / "speed"
    other.mkdir()
    (other / "results.json").write_text('{"timings": []}', encoding="utf-8")
    (other / "a.png").write_bytes(b"png")
    text = "# How *fast*\n\n| a |\n|---|\n\n**Fast** at <2 s. " + "More. " * 60
    (other / "report.md").write_text(text + "\n\n![a](a.png)\n", encoding="utf-8")
    hidden = tmp_path / ".venv" / "x"
    hidden.mkdir(parents=True)
    (hidden / "report.md").write_text("# Hidden", encoding="utf-8")
    page = write_index(tmp_path).read_text(encoding="utf-8")
    assert "(cnn/digits/report.md)" in page
    assert "(speed/report.md)" in page
    assert "Hidden" not in page
    assert write_index(tmp_path).read_text(encoding="utf-8") == page
    cards = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert 'href="cnn/digits/report.html"' in cards
    assert 'src="cnn/digits/figures/error.png"' in cards
    assert 'href="speed/report.md"' in cards
    assert 'src="speed/a.png"' in cards
    assert "Fast at &lt;2 s." in cards


def test_files_of_others_are_not_replaced(written, tmp_path):
    for name in ("README.md", "index.html"):
        (tmp_path / name).write_text("# My project\n", encoding="utf-8")
    for _ in range(2):
        assert write_index(tmp_path).name == "REPORTS.md"
    for name in ("README.md", "index.html"):
        assert (tmp_path / name).read_text(encoding="utf-8") == "# My project\n"
    assert (tmp_path / "reports.html").exists()


def test_an_index_without_runs_says_how_to_make_one(tmp_path):
    assert "python -m benchmarks.run_all" in write_index(tmp_path).read_text(encoding="utf-8")
