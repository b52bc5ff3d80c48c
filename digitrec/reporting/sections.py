"""The parts of a report, in the order in which a reader meets them."""

from __future__ import annotations

from digitrec.reporting.analysis_sections import (
    calibration_section,
    learning_curves_section,
    robustness_section,
)
from digitrec.reporting.comparison_sections import (
    cross_validation_section,
    pareto_section,
    significance_section,
)
from digitrec.reporting.error_sections import confused_pairs_section, lenses_section
from digitrec.reporting.interpretation_sections import interpretation_section
from digitrec.reporting.method_sections import loading_section, method_section
from digitrec.reporting.model_sections import models_section, samples_section
from digitrec.reporting.overview_sections import (
    ablation_section,
    cost_section,
    error_section,
    per_class_section,
    published_section,
    summary_section,
)
from digitrec.reporting.section import Section

__all__ = ["SECTIONS"]

SECTIONS: list[Section] = [
    Section("summary", summary_section),
    Section("error", error_section),
    Section("cost", cost_section),
    Section("pareto", pareto_section),
    Section("significance", significance_section),
    Section("cross_validation", cross_validation_section),
    Section("per_class", per_class_section),
    Section("confused_pairs", confused_pairs_section),
    Section("lenses", lenses_section),
    Section("calibration", calibration_section),
    Section("robustness", robustness_section),
    Section("learning_curves", learning_curves_section),
    Section("ablation", ablation_section),
    Section("published", published_section),
    Section("samples", samples_section),
    Section("interpretation", interpretation_section),
    Section("models", models_section),
    Section("loading", loading_section),
    Section("method", method_section),
]
