"""The analysis that runs all checks, and its section."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from digitrec.analyses._registry import Analysis, AnalysisContext
from digitrec.analyses.checks import data, fits, times  # noqa: F401 - they register the checks
from digitrec.analyses.checks._check import CHECKS
from digitrec.errors import check_choice
from digitrec.rendering.images import images_figure
from digitrec.rendering.markdown import code, escape, one_line, table_of
from digitrec.rendering.section import Content, FigureSpec

if TYPE_CHECKING:
    import pandas as pd

    from digitrec.analyses._report_context import ReportContext

_COLUMNS = 8  # pictures in a line


def run(context: AnalysisContext) -> dict[str, Any]:
    """Run every check that is not ignored.

    Returns
    -------
    dict
        JSON-safe. ``checks``: ``name``, ``title``, ``severity`` and ``status`` of each, which is
        ``"found"``, ``"passed"``, ``"ignored"`` or ``"not run"``; with ``"found"`` also the
        fields of `digitrec.analyses.checks.Finding`, with ``"not run"`` the reason as ``sentence``.
        Warnings that were found come first.

    Raises
    ------
    ConfigurationError
        If a check to be ignored is unknown.
    """
    left_out = context.options.get("ignore") or ()
    left_out = (left_out,) if isinstance(left_out, str) else left_out
    ignored = {check_choice("check", name, CHECKS) for name in left_out}
    entries: list[dict[str, Any]] = []
    for check in CHECKS.values():
        entry = {"name": check.name, "title": check.title, "severity": check.severity}
        if check.name in ignored:
            entries.append({**entry, "status": "ignored"})
            continue
        try:
            finding = check.run(context)
        except Exception as error:  # One check that cannot run must not cost the others.
            reason = one_line(f"{type(error).__name__}: {error}")
            entries.append({**entry, "status": "not run", "sentence": reason})
            continue
        found = {} if finding is None else asdict(finding)
        entries.append({**entry, "status": "passed" if finding is None else "found", **found})
    statuses = ("found", "not run", "passed", "ignored")
    entries.sort(key=lambda e: (statuses.index(e["status"]), e["severity"] != "warning"))
    return {"checks": entries}


def frame(output: Mapping[str, Any]) -> pd.DataFrame:
    """Return one row a check: status, severity, sentence, advice and numbers."""
    import pandas as pd

    columns = ["name", "status", "severity", "title", "sentence", "advice", "numbers"]
    rows = [{"sentence": "", "advice": "", "numbers": {}} | entry for entry in output["checks"]]
    return pd.DataFrame(rows, columns=columns).rename(columns={"name": "check"})


def section(context: ReportContext) -> Content | None:
    """Show what was found and what to do, then what passed."""
    output = context.output("checks")
    if not output:
        return None
    by_status: dict[str, list[dict[str, Any]]] = {}
    for entry in output["checks"]:
        by_status.setdefault(entry["status"], []).append(entry)
    found = by_status.get("found", [])
    parts: list[str | FigureSpec | None] = [ANALYSIS.heading]
    if found:
        columns = {
            "severity": lambda e: "**warning**" if e["severity"] == "warning" else e["severity"],
            "what was found": lambda e: escape(_with_titles(context, e["sentence"])),
            "what to do": lambda e: escape(e["advice"]),
            "check": lambda e: code(e["name"]),
        }
        parts.append(table_of(found, columns, "llll"))
    parts += [_pictures(context, entry) for entry in found]
    if passed := by_status.get("passed"):
        parts.append(f"Nothing found by: {_names(passed)}.")
    if ignored := by_status.get("ignored"):
        parts.append(f"Left out on request: {_names(ignored)}.")
    for entry in by_status.get("not run", ()):
        parts.append(f"{code(entry['name'])} could not run: {escape(entry['sentence'])}.")
    return Content.of(*parts)


def found_warnings(context: ReportContext) -> list[str]:
    """Return the sentences of the warnings that the checks of a run found."""
    return [
        _with_titles(context, entry["sentence"])
        for entry in (context.output("checks") or {}).get("checks", ())
        if (entry["status"], entry["severity"]) == ("found", "warning")
    ]


def _names(entries: list[dict[str, Any]]) -> str:
    return ", ".join(code(entry["name"]) for entry in entries)


def _with_titles(context: ReportContext, sentence: str) -> str:
    """Return a sentence with the names of models where it has stems of results."""
    names = {
        result.stem: f"{context.label(row)}, seed {result.random_state}"
        for row in context.rows
        for result in (*row.results, *row.failures)
    } | context.labels
    for stem in sorted(names, key=len, reverse=True):
        sentence = sentence.replace(stem, names[stem])
    return sentence


def _pictures(context: ReportContext, entry: dict[str, Any]) -> FigureSpec | None:
    dataset, pictures = context.same_dataset, entry["pictures"]
    if dataset is None or not pictures:
        return None

    def draw() -> Any:
        parts = {"train": dataset.X_train, "test": dataset.X_test}
        images = np.stack([np.asarray(parts[part][row]) for part, row, _ in pictures])
        return images_figure(
            images.reshape(-1, *dataset.image_shape),
            [caption for _, _, caption in pictures],
            title=entry["title"],
            columns=_COLUMNS,
        )

    return FigureSpec(f"check_{entry['name']}", entry["title"], draw)


def _facts(context: AnalysisContext) -> Any:
    """Return what the output depends on in addition to the results of the run."""
    return [data.earlier_looks(context), [asdict(found) for found in context.tuning]]


ANALYSIS = Analysis(
    name="checks",
    title="Checks",
    question="Does anything put these results in doubt?",
    order=30,
    run=run,
    frame=frame,
    section=section,
    in_fast=True,
    options=("ignore",),
    depends_on=_facts,
)
