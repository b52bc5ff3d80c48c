"""The page that lists every run in a folder of reports."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from digitrec._files import write_text
from digitrec.errors import DigitrecError
from digitrec.evaluation.result import Run, read_run
from digitrec.reporting.context import ReportContext
from digitrec.reporting.markdown import MISSING, code, escape, percent, seconds, table
from digitrec.reporting.names import dataset_title, model_title

__all__ = ["render_index", "write_index"]


def render_index(runs: Mapping[str, Run], pages: Mapping[str, str] | None = None) -> str:
    """Return the Markdown page that lists runs.

    Parameters
    ----------
    runs : mapping of str to Run
        By folder name.
    pages : mapping of str to str, optional
        Titles of other pages in the folder, by file name.
    """
    parts = ["# Reports"]
    if runs:
        rows = [_row(folder, run) for folder, run in runs.items()]
        headers = ["dataset", "training images", "test images", "models", "winner"]
        headers += ["test error, %", "95 % interval of accuracy, %", "run, s", "made"]
        parts.append(table(headers, rows, "lrrrlrrrl"))
        parts.append(
            "The winner is the model with the best validation accuracy; the test images chose "
            "nothing. `report.html` beside each report is the same in one file."
        )
    else:
        parts.append("No runs yet. Make one with `python -m benchmarks.run_all`.")
    if pages:
        parts.append("Other measurements:")
        parts.append("\n".join(f"- [{escape(title)}]({name})" for name, title in pages.items()))
    return "\n\n".join(parts) + "\n"


def write_index(output_dir: Path) -> Path:
    """Write ``README.md`` over all runs found in ``<output_dir>/*/results.json``.

    Folders whose results cannot be read are left out.

    Returns
    -------
    pathlib.Path
        The page.
    """
    output_dir = Path(output_dir)
    runs = {}
    for path in sorted(output_dir.glob("*/results.json")):
        try:
            runs[path.parent.name] = read_run(path)
        except DigitrecError:
            continue
    pages = {
        path.name: _title(path)
        for path in sorted(output_dir.glob("*.md"))
        if path.name != "README.md"
    }
    write_text(output_dir / "README.md", render_index(runs, pages))
    return output_dir / "README.md"


def _row(folder: str, run: Run) -> list[str]:
    context = ReportContext(run=run)
    best = run.winning_result
    link = f"[{escape(dataset_title(run.dataset['name']))}]({folder}/report.md)"
    if run.dataset.get("warnings"):
        link += " (with a warning)"
    counts = [f"{run.dataset['n_train']:,}", f"{run.dataset['n_test']:,}"]
    n_models = str(len({row.model for row in context.ok_rows}))
    tail = [seconds(run.total_seconds), escape(run.created_at[:10])]
    if best is None or best.test_accuracy_low is None or best.test_accuracy_high is None:
        return [link, *counts, n_models, MISSING, MISSING, MISSING, *tail]
    interval = f"{percent(best.test_accuracy_low)}–{percent(best.test_accuracy_high)}"
    winner = f"{escape(model_title(best.model))} on {code(best.features)}"
    return [link, *counts, n_models, winner, percent(best.test_error), interval, *tail]


def _title(path: Path) -> str:
    """Return the first heading of a Markdown page, else its stem."""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("# "):
            return line[2:].strip()
    return path.stem
