"""Analyses of a run, one module each: what it computes, its figure, its section, its record.

A module whose name has no leading underscore is an analysis: it holds a record `ANALYSIS`, and
no other place refers to it.
"""

from digitrec.analyses._registry import (
    ANALYSES,
    EVERY_RUN,
    Analysis,
    AnalysisContext,
    AnalysisOutcome,
    run_analyses,
    selected_analyses,
)
from digitrec.analyses._report_context import ReportContext, dataset_title
from digitrec.evaluation.frames import Row, model_title
from digitrec.evaluation.metrics import Predictions
from digitrec.evaluation.store import read_predictions

__all__ = [
    "ANALYSES",
    "EVERY_RUN",
    "Analysis",
    "AnalysisContext",
    "AnalysisOutcome",
    "Predictions",
    "ReportContext",
    "Row",
    "dataset_title",
    "model_title",
    "read_predictions",
    "run_analyses",
    "selected_analyses",
]
