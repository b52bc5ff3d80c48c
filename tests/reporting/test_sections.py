import dataclasses
import re

import pytest

from digitrec.analyses import ReportContext
from digitrec.analyses.significance import Significance
from digitrec.reporting import render_report, report_sections
from digitrec.reporting.published_errors import PUBLISHED


def headings(markdown):
    without_code = re.sub(r"```.*?```", "", markdown, flags=re.DOTALL)
    return re.findall(r"^#+ .*$", without_code, flags=re.MULTILINE)


def section(name, context):
    return next(entry for entry in report_sections() if entry.name == name).build(context)


def test_names_of_sections_are_unique():
    names = [entry.name for entry in report_sections()]
    assert len(set(names)) == len(names)
    assert names[0] == "summary"


def test_the_report_starts_with_the_result(context):
    report = render_report(context)
    assert headings(report.markdown) == [
        "# Model comparison: 8x8 digits that come with scikit-learn",
        "## Test error",
        "## Pareto front",
        "## F1 score by class",
        "## Sample predictions",
        "## Models",
        *(f"### {row.title}" for row in context.model_rows),
        "## Use the winner",
        "## Method",
    ]
    table = report.markdown.index("| model")
    assert report.markdown.index("\u00a0% error**") < table < report.markdown.index("![")


def test_the_table_has_a_row_for_each_model_and_marks_the_winner(context):
    markdown = section("summary", context).markdown
    rows = [line for line in markdown.splitlines() if line.startswith("|")][2:]
    assert len(rows) == 5
    winner = context.run.winning_result
    assert rows[0].startswith("| ★ **")
    assert sum("★" in row for row in rows) == 1
    assert f"{100 * winner.test_error:.2f}" in rows[0]
    assert f"{100 * winner.test_accuracy_low:.2f}–{100 * winner.test_accuracy_high:.2f}" in rows[0]
    assert re.search(r"k-nearest neighbours .*\| timeout +\|$", rows[-1])
    assert "- **k-nearest neighbours (raw, seed 0)**: timeout, killed after 3 s" in markdown


def test_anchors_in_the_table_lead_to_headings(context):
    from digitrec.rendering.markdown import anchor

    markdown = render_report(context).markdown
    targets = {anchor(heading.lstrip("# ")) for heading in headings(markdown)}
    links = re.findall(r"\]\(#([^)]*)\)", markdown)
    assert len(links) >= 5
    assert set(links) <= targets


def test_warnings_stand_right_under_the_title(context):
    data = dataclasses.replace(context.run.dataset, warnings=("fell back to <b>5,000</b> images",))
    run = dataclasses.replace(context.run, dataset=data)
    lines = render_report(ReportContext(run=run)).markdown.splitlines()
    assert lines[2].startswith("> **Warning:** fell back to")
    assert "<b>" not in lines[2].replace("\\<", "")


def test_every_figure_is_shown_once_and_has_a_unique_name(context):
    report = render_report(context)
    names = [figure.name for figure in report.figures]
    assert len(set(names)) == len(names)
    assert re.findall(r"\]\(figures/(.*?)\.png\)", report.markdown) == names
    assert all(figure.alt for figure in report.figures)
    stems = {name.split("_")[0] for name in names}
    assert {"error", "f1", "samples", "confusion", "mistakes", "curves"} <= stems


def test_without_images_and_predictions_the_examples_are_left_out(context):
    report = render_report(ReportContext(run=context.run))
    assert section("samples", ReportContext(run=context.run)) is None
    stems = {figure.name.split("_")[0] for figure in report.figures}
    assert "mistakes" not in stems
    assert "confusion" in stems


def test_a_run_in_which_nothing_ended_well_still_reports(run):
    failed = [
        dataclasses.replace(result, status="error", reason="boom", confusion=[])
        for result in run.results
    ]
    report = render_report(ReportContext(run=dataclasses.replace(run, results=failed, winner=None)))
    assert "no winner" in report.markdown
    assert report.markdown.count("error, boom") == 5
    assert "★" not in report.markdown
    assert not report.figures


def test_an_empty_run_still_reports(run):
    empty = dataclasses.replace(run, results=[], winner=None)
    assert "no winner" in render_report(ReportContext(run=empty)).markdown


def test_the_ablation_compares_features(with_second_features):
    content = section("ablation", ReportContext(run=with_second_features))
    lines = [line for line in content.markdown.splitlines() if line.startswith("|")]
    assert [cell.strip() for cell in lines[0].strip("|").split("|")] == [
        "model",
        "raw",
        "gradients",
    ]
    regression = next(line for line in lines if "Logistic" in line)
    assert "±" in regression
    assert "**" in regression


def test_one_feature_set_needs_no_ablation(context):
    assert section("ablation", context) is None


def test_several_seeds_show_their_spread(with_second_features):
    markdown = section("summary", ReportContext(run=with_second_features)).markdown
    row = next(line for line in markdown.splitlines() if "Logistic" in line and "| raw" in line)
    assert row.count("±") >= 2
    assert "standard deviation over seeds" in markdown


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_published_rows_stand_among_ours(context, name):
    data = dataclasses.replace(context.run.dataset, name=name)
    run = dataclasses.replace(context.run, dataset=data)
    content = section("published", ReportContext(run=run))
    rows = [line for line in content.markdown.splitlines() if line.startswith("|")][2:]
    assert len(rows) == len(PUBLISHED[name]) + 4
    errors = [float(row.split("|")[2].strip().strip("*")) for row in rows]
    assert errors == sorted(errors, reverse=True)
    assert section("published", context) is None


def test_how_to_load_names_the_folder_and_the_pixels(context):
    markdown = section("loading", context).markdown
    assert "joblib.load('reports/digits/best_model.joblib')" in markdown
    assert "(n, 64)" in markdown


def test_the_method_names_command_splits_and_versions(context):
    markdown = section("method", context).markdown
    assert context.run.command in markdown
    assert "1,097 training, 200 validation, 500 test; 8x8 pixels" in markdown
    for name, version in context.run.results[0].versions.items():
        assert f"{name} {version}".replace("_", "\\_") in markdown


def test_parameters_that_look_like_markup_stay_in_their_cells(context):
    markdown = section("models", context).markdown
    assert r"| `kernel`    | `'a\|b'`     |" in markdown


def test_the_table_marks_what_no_test_tells_from_the_winner(context):
    rows = context.ok_rows
    group = [rows[0].shown.stem, rows[2].shown.stem]
    found = Significance(
        n=len(context.dataset.y_test), alpha=0.05, best=group[0], cochran=None, pairs=[],
        group=group, better=[],
    )  # fmt: skip
    analyses = {"significance": dataclasses.asdict(found)}
    run = dataclasses.replace(context.run, analyses=analyses)
    markdown = section("summary", ReportContext(run=run)).markdown
    lines = [line for line in markdown.splitlines() if line.startswith("|")][2:]
    assert [line[2] for line in lines] == ["★", "[", "≈", "[", "k"]
    assert "≈ not distinguishable from ★" in markdown
    assert "≈" not in section("summary", context).markdown
