"""How a comparison shows itself: a table in a terminal and in a notebook."""

from __future__ import annotations

import html
from collections.abc import Collection, Sequence

from digitrec.analyses import dataset_title
from digitrec.evaluation.frames import Candidate
from digitrec.evaluation.ranking import metric_name
from digitrec.evaluation.result import Run
from digitrec.models import MODELS

__all__ = ["render_html", "render_text"]

_MISSING = "–"


def render_text(run: Run, found: Sequence[Candidate], alike: Collection[str]) -> str:
    """Return the table as text."""
    from tabulate import tabulate

    headers, rows = _table(run, found, alike)
    body = tabulate(
        rows, headers, tablefmt="simple", disable_numparse=True,
        colalign=("left", *["right"] * (len(headers) - 2), "left"),
    )  # fmt: skip
    return "\n".join([f"{_title(run)}\n", body, "", *_notes(found, alike)])


def render_html(run: Run, found: Sequence[Candidate], alike: Collection[str]) -> str:
    """Return the table as HTML that takes the colours of its page, light or dark."""
    headers, rows = _table(run, found, alike)
    head = "".join(f'<th scope="col">{html.escape(header)}</th>' for header in headers)
    lines = []
    for candidate, row in zip(found, rows, strict=True):
        kind = "winner" if candidate.is_winner else "failed" if not candidate.ok else ""
        cells = "".join(f"<td>{html.escape(cell)}</td>" for cell in row[1:])
        lines.append(f'<tr class="{kind}"><th scope="row">{html.escape(row[0])}</th>{cells}</tr>')
    notes = "<br>".join(html.escape(note) for note in _notes(found, alike))
    return (
        f'<div class="digitrec-comparison">{_STYLE}'
        f"<p><strong>{html.escape(_title(run))}</strong></p>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
        f"<p>{notes}</p></div>"
    )


# Colours of the page itself, with a tint that is visible on white and on black.
_STYLE = """<style>
.digitrec-comparison { color: inherit; }
.digitrec-comparison table { border-collapse: collapse; color: inherit; background: transparent; }
.digitrec-comparison th, .digitrec-comparison td { padding: 0.2em 0.7em; text-align: right;
  border-bottom: 1px solid rgba(128, 128, 128, 0.35); background: transparent; color: inherit; }
.digitrec-comparison th[scope=row], .digitrec-comparison th:first-child,
.digitrec-comparison td:last-child, .digitrec-comparison th:last-child { text-align: left; }
.digitrec-comparison th[scope=row] { font-weight: normal; }
.digitrec-comparison tr.winner > * { background: rgba(46, 160, 67, 0.18); font-weight: bold; }
.digitrec-comparison tr.failed > * { opacity: 0.65; }
</style>"""


def _title(run: Run) -> str:
    data = run.dataset
    return (
        f"{dataset_title(data['name'])}: {data['n_train']:,} training and {data['n_test']:,} test "
        f"rows, {len(data['label_names'])} classes"
    )


def _title_of(model: str) -> str:
    return MODELS[model].title if model in MODELS else model


def _table(
    run: Run, found: Sequence[Candidate], alike: Collection[str]
) -> tuple[list[str], list[list[str]]]:
    headers = ["model", "validation %", "test %", "95 % interval", "fit s", "row ms", "status"]
    by_score = run.metric != "accuracy"
    if by_score:
        headers.insert(1, metric_name(run.metric))
    rows = []
    for candidate in found:
        mark = "★ " if candidate.is_winner else "≈ " if candidate.shown.stem in alike else ""
        title = _title_of(candidate.shown.model)
        if candidate.name != candidate.shown.model:
            title += f" ({candidate.shown.features})"
        low, high = candidate.mean("test_accuracy_low"), candidate.mean("test_accuracy_high")
        cells = [
            mark + title,
            _percent(
                candidate.mean("validation_accuracy"), candidate.spread("validation_accuracy")
            ),
            _percent(candidate.mean("test_accuracy"), candidate.spread("test_accuracy")),
            f"{_percent(low)}–{_percent(high)}" if low is not None else _MISSING,
            _number(candidate.mean("fit_seconds")),
            _number(candidate.mean("latency_p50_ms")),
            _state(candidate),
        ]
        if by_score:
            cells.insert(1, _number(candidate.mean("validation_score"), "{:.4f}"))
        rows.append(cells)
    return headers, rows


def _state(candidate: Candidate) -> str:
    if candidate.ok:
        return "iteration limit" if any(r.reached_limit for r in candidate.ok) else "ok"
    result = candidate.shown
    reason = (result.reason.splitlines() or [""])[0]
    text = result.status.replace("_", " ") + (f": {reason}" if reason else "")
    return text if len(text) <= 100 else text[:99] + "…"


def _notes(found: Sequence[Candidate], alike: Collection[str]) -> list[str]:
    notes = ["★ best on the validation rows."]
    if not any(c.is_winner for c in found):
        notes = ["No model succeeded."]
    if any(c.shown.stem in alike and not c.is_winner for c in found):
        notes.append(
            "≈ not significantly different from ★ on the test rows (McNemar, Holm, level 0.05)."
        )
    limited = [c for c in found if any(result.reached_limit for result in c.ok)]
    for candidate in limited:
        notes.append(limit_remedy(candidate))
    return notes


def limit_remedy(candidate: Candidate) -> str:
    """Return what to do about a model that stopped at its iteration limit."""
    result = next(result for result in candidate.ok if result.reached_limit)
    title = _title_of(result.model)
    if result.iteration_limit is None:
        return f"{title} stopped before it converged."
    return (
        f"{title} stopped at its limit of {result.iteration_limit} iterations; allow more: "
        f'parameters={{"{result.model}": {{"max_iter": {2 * result.iteration_limit}}}}}'
    )


def _percent(value: float | None, spread: float | None = None) -> str:
    if value is None:
        return _MISSING
    return f"{100 * value:.2f}" + (f" ± {100 * spread:.2f}" if spread is not None else "")


def _number(value: float | None, form: str = "{:.3g}") -> str:
    if value is None:
        return _MISSING
    return form.format(value) if abs(value) < 1000 else f"{value:,.0f}"
