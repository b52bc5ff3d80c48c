"""Analyses of a run, one module each: what it computes, its figure, its section, its record.

A module whose name has no leading underscore is an analysis: it defines a record `ANALYSIS`, and
no other place refers to it.
"""

from digitrec.analyses._registry import (
    ANALYSES,
    EVERY_RUN,
    Analysis,
    AnalysisContext,
    AnalysisOutcome,
    check_options,
    run_analyses,
    selected_analyses,
)
from digitrec.analyses._report_context import ReportContext, dataset_title

__all__ = [
    "ANALYSES",
    "EVERY_RUN",
    "Analysis",
    "AnalysisContext",
    "AnalysisOutcome",
    "ReportContext",
    "check_options",
    "dataset_title",
    "run_analyses",
    "selected_analyses",
]
