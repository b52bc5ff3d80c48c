"""Results and predictions -> tables, figures, Markdown and HTML. Never trains a model."""

from __future__ import annotations

from digitrec.reporting.context import Predictions, ReportContext, read_predictions
from digitrec.reporting.index import render_index, write_index
from digitrec.reporting.report import render_report, write_report
from digitrec.reporting.section import Content, FigureSpec, Section
from digitrec.reporting.sections import SECTIONS

__all__ = [
    "SECTIONS",
    "Content",
    "FigureSpec",
    "Predictions",
    "ReportContext",
    "Section",
    "read_predictions",
    "render_index",
    "render_report",
    "write_index",
    "write_report",
]
