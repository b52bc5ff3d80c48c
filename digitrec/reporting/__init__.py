"""Write results and predictions as Markdown, HTML and figures; never fits a model."""

from __future__ import annotations

from digitrec.rendering.section import Content, FigureSpec, Section
from digitrec.reporting.index import render_index, write_index
from digitrec.reporting.report import render_report, report_sections, write_report

__all__ = [
    "Content",
    "FigureSpec",
    "Section",
    "render_index",
    "render_report",
    "report_sections",
    "write_index",
    "write_report",
]
