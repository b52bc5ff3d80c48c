"""A comparison as a table, in a terminal and in a notebook."""

from __future__ import annotations

import html
from collections.abc import Collection, Sequence

from digitrec.analyses import dataset_title
from digitrec.evaluation.frames import Row, leaderboard_rows
from digitrec.evaluation.ranking import metric_name
from digitrec.evaluation.result import Run
from digitrec.rendering.markdown import MISSING, percent


def render_text(run: Run, alike: Collection[str] = ()) -> str:
    """Return the table as text; `alike` are the stems of results like the winner."""
    from tabulate import tabulate

    found = leaderboard_rows(run.results, run.winner)
    headers, rows = _table(run, found, alike)
    body = tabulate(
        rows, headers, tablefmt="simple", disable_numparse=True,
        colalign=("left", *["right"] * (len(headers) - 2), "left"),
    )  # fmt: skip
    return "\n".join([f"{_title(run)}\n", body, "", *_notes(found, alike)])


def render_html(run: Run, alike: Collection[str] = ()) -> str:
    """Return the table as HTML that takes the colours of its page, light or dark."""
    found = leaderboard_rows(run.results, run.winner)
    headers, rows = _table(run, found, alike)
    head = "".join(f'<th scope="col">{html.escape(header)}</th>' for header in headers)
    lines = []
    for row, (title, *cells) in zip(found, rows, strict=True):
        kind = "winner" if row.is_winner else "" if row.results else "failed"
        data = "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
        lines.append(f'<tr class="{kind}"><th scope="row">{html.escape(title)}</th>{data}</tr>')
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
        f"{dataset_title(data.name)}: {data.n_train:,} training and {data.n_test:,} test rows, "
        f"{len(data.label_names)} classes"
    )


def _table(
    run: Run, found: Sequence[Row], alike: Collection[str]
) -> tuple[list[str], list[list[str]]]:
    headers = ["model", "validation %", "test %", "95 % interval", "fit s", "row ms", "status"]
    by_score = run.metric != "accuracy"
    if by_score:
        headers.insert(1, metric_name(run.metric))
    rows = []
    for row in found:
        mark = "★ " if row.is_winner else "≈ " if row.shown.stem in alike else ""
        low, high = row.mean("test_accuracy_low"), row.mean("test_accuracy_high")
        cells = [
            mark + row.title + (f" ({row.features})" if row.name != row.model else ""),
            percent(row.mean("validation_accuracy"), row.spread("validation_accuracy")),
            percent(row.mean("test_accuracy"), row.spread("test_accuracy")),
            f"{percent(low)}–{percent(high)}" if low is not None else MISSING,
            _number(row.mean("fit_seconds")),
            _number(row.mean("latency_p50_ms")),
            _state(row),
        ]
        if by_score:
            cells.insert(1, _number(row.mean("validation_score"), "{:.4f}"))
        rows.append(cells)
    return headers, rows


def _state(row: Row) -> str:
    if row.results:
        return "iteration limit" if row.reached_limit else "ok"
    text = row.shown.status.replace("_", " ")
    if row.shown.first_reason:
        text += f": {row.shown.first_reason}"
    return text if len(text) <= 100 else text[:99] + "…"


def _notes(found: Sequence[Row], alike: Collection[str]) -> list[str]:
    notes = ["★ best on the validation rows."]
    if not any(row.is_winner for row in found):
        notes = ["No model succeeded."]
    if any(row.shown.stem in alike and not row.is_winner for row in found):
        notes.append(
            "≈ not significantly different from ★ on the test rows (McNemar, Holm, level 0.05)."
        )
    return notes + [_limit_remedy(row) for row in found if row.reached_limit]


def _limit_remedy(row: Row) -> str:
    """Return what to do about a model that stopped at its iteration limit."""
    result = next(result for result in row.results if result.reached_limit)
    if result.iteration_limit is None:
        return f"{row.title} stopped before it converged."
    return (
        f"{row.title} stopped at its limit of {result.iteration_limit} iterations; allow more: "
        f'parameters={{"{result.model}": {{"max_iter": {2 * result.iteration_limit}}}}}'
    )


def _number(value: float | None, form: str = "{:.3g}") -> str:
    if value is None:
        return MISSING
    return form.format(value) if abs(value) < 1000 else f"{value:,.0f}"
