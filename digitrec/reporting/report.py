"""Write the files of a report from its sections."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from digitrec._files import atomic_path, write_text
from digitrec.analyses import ANALYSES, ReportContext
from digitrec.evaluation.frames import job_rows
from digitrec.evaluation.metrics import Predictions
from digitrec.evaluation.result import Result, Run
from digitrec.rendering.markdown import escape
from digitrec.rendering.section import FigureSpec, Section
from digitrec.rendering.style import render_png
from digitrec.reporting import (
    method_sections,
    model_sections,
    overview_sections,
    tuning_section,
)
from digitrec.reporting.charts import chart_html
from digitrec.reporting.explorer import build_explorer
from digitrec.reporting.html import render_html

if TYPE_CHECKING:
    from digitrec.datasets import Dataset


MAIN_FIGURE = "error"  # what the list of reports shows of each


@dataclass(frozen=True)
class Report:
    """A report in memory: its Markdown, and the figures that it shows."""

    markdown: str
    figures: tuple[FigureSpec, ...]


def report_sections() -> list[Section]:
    """Return the parts of a report, in the order in which a reader meets them."""
    own = (
        overview_sections.SECTIONS,
        model_sections.SECTIONS,
        method_sections.SECTIONS,
        tuning_section.SECTIONS,
    )
    sections = [section for group in own for section in group]
    sections += [Section(a.name, a.section, a.order) for a in ANALYSES.values()]
    return sorted(sections, key=lambda section: section.order)


def render_report(context: ReportContext, sections: Iterable[Section] | None = None) -> Report:
    """Put a report together; nothing is drawn or written."""
    sections = report_sections() if sections is None else sections
    contents = [content for section in sections if (content := section.build(context))]
    return Report(
        "\n\n".join(content.markdown for content in contents) + "\n",
        tuple(figure for content in contents for figure in content.figures),
    )


def write_report(
    run: Run,
    report_dir: Path,
    predictions: Mapping[str, Predictions] | None = None,
    dataset: Dataset | None = None,
    deadline: float | None = None,
) -> Path:
    """Write ``report.md``, ``report.html``, ``results.csv`` and ``figures/*.png``.

    Each file is written whole or not at all, the figures before the pages that show them.
    Figures of an earlier report that this one does not show are removed.

    Parameters
    ----------
    run : Run
        Results and analyses.
    report_dir : pathlib.Path
        Folder to write to, such as ``reports/mnist``.
    predictions : mapping of str to Predictions, optional
        Test predictions by `Result.key`; see `read_predictions`.
    dataset : Dataset, optional
        The images; without them the report has no example images.
    deadline : float, optional
        ``time.monotonic()`` after which no figure is drawn any more but that of the test errors;
        the report says how many are left out.

    Returns
    -------
    pathlib.Path
        The Markdown page.
    """
    report_dir = Path(report_dir)
    context = ReportContext(
        run=run, predictions=predictions or {}, dataset=dataset, location=_location(report_dir)
    )
    report = render_report(context)
    explorer = build_explorer(context)
    images, graphics = {}, {}
    markdown = page_markdown = report.markdown
    left_out = 0
    for figure in report.figures:
        if figure.name != MAIN_FIGURE and deadline is not None and time.monotonic() > deadline:
            left_out += 1
            markdown = markdown.replace(figure.markdown, f"*Not drawn: {escape(figure.alt)}.*")
            continue
        drawn = figure.draw()
        images[figure.name] = render_png(drawn)
        if chart := chart_html(drawn, figure.name, figure.alt):
            graphics[figure.name] = chart
    if left_out:
        note = (
            f"\n{left_out} of {len(report.figures)} figures were not drawn, because the budget had "
            "ended; `digitrec compare --report-only` draws them.\n"
        )
        markdown, page_markdown = markdown + note, page_markdown + note
    if explorer is not None:
        graphics |= explorer.graphics
    folder = report_dir / "figures"
    for name, content in images.items():
        with atomic_path(folder / f"{name}.png") as temporary:
            temporary.write_bytes(content)
    write_text(report_dir / "results.csv", render_csv(run.results))
    page = render_html(
        page_markdown,
        images,
        graphics=graphics,
        section="" if explorer is None else explorer.section,
    )
    write_text(report_dir / "report.html", page)
    write_text(report_dir / "report.md", markdown)
    for path in folder.glob("*.png"):
        if path.stem not in images:
            path.unlink()
    return report_dir / "report.md"


def render_csv(results: Iterable[Result]) -> str:
    """Return results as CSV, one row each, with the columns of `evaluation.frames.job_rows`."""
    rows = [{**row, "parameters": _cell(row["parameters"])} for row in job_rows(results)]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _cell(record: dict[str, Any]) -> str:
    return json.dumps(record, sort_keys=True)


def _location(report_dir: Path) -> str:
    """Return the last two parts of a folder: as it is typed from where it was made."""
    resolved = report_dir.resolve()
    return f"{resolved.parent.name}/{resolved.name}" if resolved.parent.name else resolved.name
