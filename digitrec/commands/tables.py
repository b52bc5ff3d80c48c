"""What the comparison prints: the accuracy table and the lists of what there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from digitrec.evaluation.result import Run

if TYPE_CHECKING:
    from digitrec.analyses import Row

__all__ = ["accuracy_table", "choices_table"]


def accuracy_table(run: Run) -> Table:
    """Return the models of a run with their accuracies and costs, the winner first."""
    from digitrec.analyses import ReportContext
    from digitrec.rendering.markdown import MISSING, number, percent, seconds

    context = ReportContext(run=run)
    table = Table(title=f"Accuracy on {escape(run.dataset['name'])}", title_justify="left")
    table.add_column("model", overflow="fold")
    for name in ("valid. %", "test %", "95 % interval", "fit s", "image ms"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in context.rows:
        title = escape(context.label(row))
        if not row.results:
            status = "no memory" if row.shown.status == "out_of_memory" else row.shown.status
            table.add_row(title, f"[red]{status}[/]")
            continue
        table.add_row(
            f"[bold]{title}[/]" if row.is_winner else title,
            _with_spread(row, "validation_accuracy", percent),
            _with_spread(row, "test_accuracy", percent),
            f"{percent(row.shown.test_accuracy_low)}–{percent(row.shown.test_accuracy_high)}",
            seconds(row.mean("fit_seconds")) + (" ‡" if _limited(row) else ""),
            number(row.mean("latency_p50_ms"), 2),
            style="green" if row.is_winner else None,
        )
    if not context.rows:
        table.add_row(MISSING)
    if any(_limited(row) for row in context.rows):
        table.caption = "‡ stopped at its iteration limit; the report says how to raise it"
        table.caption_justify = "left"
    return table


def _limited(row: Row) -> bool:
    return any(result.reached_limit for result in row.results)


def choices_table() -> Table:
    """Return the names that the options take, with a line on each."""
    from digitrec.analyses import ANALYSES, EVERY_RUN
    from digitrec.analyses.checks import CHECKS
    from digitrec.datasets import DATASETS
    from digitrec.models import DEFAULT_MODELS, MODELS
    from digitrec.preprocessing import DEFAULT_FEATURES, FEATURES

    table = Table("option", "name", "what it is")
    for dataset in DATASETS.values():
        table.add_row("--dataset", dataset.name, escape(dataset.title))
    table.add_section()
    for features in FEATURES.values():
        note = " (default)" if features.name == DEFAULT_FEATURES else ""
        table.add_row("--features", features.name, escape(features.summary) + note)
    table.add_section()
    for model in MODELS.values():
        note = " (default)" if model.name in DEFAULT_MODELS else ""
        if not model.is_available:
            note = escape(f" (needs: pip install 'digitrec[{model.extra}]')")
        table.add_row("--models", model.name, escape(model.summary) + note)
    table.add_section()
    for analysis in ANALYSES.values():
        profiles = [name for name in ("fast", "full") if getattr(analysis, f"in_{name}")]
        note = f" (in profile {', '.join(profiles)})" if profiles else ""
        note = " (in every run)" if analysis.name in EVERY_RUN else note
        table.add_row("--analyses", analysis.name, escape(analysis.title) + note)
    table.add_section()
    for check in CHECKS.values():
        table.add_row("--ignore", check.name, escape(check.title))
    return table


def _with_spread(row: Row, name: str, render: object) -> str:
    return render(row.mean(name), row.spread(name))  # type: ignore[operator]
