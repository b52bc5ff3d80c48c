"""The pages that list every report in a folder, for readers of Markdown and for browsers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape as escape_html
from pathlib import Path

from digitrec._files import write_text
from digitrec.analyses import ReportContext, dataset_title
from digitrec.errors import DigitrecError
from digitrec.evaluation.frames import result_title
from digitrec.evaluation.result import Run, read_run
from digitrec.rendering.markdown import MISSING, code, escape, percent, seconds, table
from digitrec.reporting.html import html_page, read_asset

MARKDOWN_MARK = "<!-- list of reports, written by digitrec -->"
HTML_MARK = '<meta name="generator" content="digitrec">'
# First line of the pages that were written before they carried a mark.
_EARLIER_START = "# Reports\n\n"
MAX_SUMMARY_LENGTH = 260  # characters; the sentence that exceeds it is left out


@dataclass(frozen=True)
class Page:
    """A report, as a list of reports shows it.

    Attributes
    ----------
    title : str
        Its first heading.
    summary : str
        Its first sentences, as plain text.
    figure : str
        Path of its first figure, relative to the page's folder; empty without one.
    """

    title: str
    summary: str = ""
    figure: str = ""


def render_index(runs: Mapping[str, Run], pages: Mapping[str, Page] | None = None) -> str:
    """Return the Markdown page that lists reports.

    Parameters
    ----------
    runs : mapping of str to Run
        By folder, relative to that of the page.
    pages : mapping of str to Page, optional
        Other reports, by the path of their Markdown file.
    """
    parts = ["# Reports", MARKDOWN_MARK]
    if runs:
        rows = [_row(folder, run) for folder, run in runs.items()]
        headers = ["dataset", "folder", "training images", "test images", "models", "winner"]
        headers += ["test error, %", "95 % interval of accuracy, %", "run, s", "made"]
        parts.append(table(headers, rows, "llrrrlrrrl"))
        parts.append(
            "The winner is the model with the best validation accuracy. `report.html` next to each "
            "report lets you explore the test images; `index.html` shows all reports as cards."
        )
    else:
        parts.append("No runs yet. Make one with `python -m benchmarks.run_all`.")
    if pages:
        parts.append("Other measurements:")
        lines = [
            f"- [{escape(page.title)}]({path})" + f": {escape(page.summary)}" * bool(page.summary)
            for path, page in pages.items()
        ]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def render_cards(
    runs: Mapping[str, Run], pages: Mapping[str, Page], has_html: Sequence[str] = ()
) -> str:
    """Return the HTML page that shows reports as cards with their main figure.

    Parameters
    ----------
    runs : mapping of str to Run
        By folder, relative to that of the page.
    pages : mapping of str to Page
        Reports, those of runs included, by the path of their Markdown file.
    has_html : sequence of str
        Paths of `pages` with a ``.html`` of the same name next to them.
    """
    cards = []
    for path, page in pages.items():
        folder = path.rpartition("/")[0]
        title = page.title
        if folder in runs:
            title = _run_title(folder, runs[folder])
        target = path.removesuffix(".md") + ".html" if path in has_html else path
        figure = ""
        if page.figure:
            source = f"{folder}/{page.figure}" if folder else page.figure
            figure = f'<img src="{escape_html(source)}" alt="" loading="lazy">'
        cards.append(
            f'<li><a href="{escape_html(target)}"><h2>{escape_html(title)}</h2></a>'
            f"<p>{escape_html(page.summary)}</p>{figure}</li>"
        )
    lines = "\n".join(cards)
    body = f'<ul class="cards">\n{lines}\n</ul>' if cards else "<p>No reports yet.</p>"
    styles = read_asset("report.css") + read_asset("index.css")
    main = f"<main>\n<h1>Reports</h1>\n{body}\n</main>\n"
    return html_page("Reports", styles, main, f"{HTML_MARK}\n")


def find_runs(folder: Path) -> dict[str, Run]:
    """Return the runs up to two folders below a folder; those that cannot be read are left out.

    Returns
    -------
    dict of str to Run
        By folder, relative to `folder`; those nearer first.
    """
    runs = {}
    for path in _find(folder, "results.json"):
        if path.parent == folder:
            continue
        try:
            runs[path.parent.relative_to(folder).as_posix()] = read_run(path)
        except DigitrecError:
            continue
    return runs


def find_pages(folder: Path) -> dict[str, Page]:
    """Return the Markdown pages of a folder, and the ``report.md`` up to two folders below it.

    Returns
    -------
    dict of str to Page
        By path, relative to `folder`.
    """
    own = sorted(path for path in folder.glob("*.md") if not _is_list(path))
    return {
        path.relative_to(folder).as_posix(): _read_page(path)
        for path in [*own, *_find(folder, "report.md")]
    }


def write_index(output_dir: Path) -> Path:
    """Write ``README.md`` and ``index.html`` over all reports in a folder.

    A file of one of these names that digitrec has not written stays as it is: the list goes to
    ``REPORTS.md`` or ``reports.html`` instead.

    Returns
    -------
    pathlib.Path
        The Markdown page.
    """
    output_dir = Path(output_dir)
    runs, pages = find_runs(output_dir), find_pages(output_dir)
    others = {path: page for path, page in pages.items() if path.rpartition("/")[0] not in runs}
    has_html = [path for path in pages if (output_dir / path).with_suffix(".html").exists()]
    target = output_dir / "README.md"
    if target.exists() and not _is_list(target):
        target = output_dir / "REPORTS.md"
    write_text(target, render_index(runs, others))
    cards = output_dir / "index.html"
    if cards.exists() and HTML_MARK not in cards.read_text(encoding="utf-8", errors="replace"):
        cards = output_dir / "reports.html"
    write_text(cards, render_cards(runs, pages, has_html))
    return target


def _find(folder: Path, name: str) -> list[Path]:
    found = [*sorted(folder.glob(f"*/{name}")), *sorted(folder.glob(f"*/*/{name}"))]
    return [
        path
        for path in found
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]


def _is_list(path: Path) -> bool:
    text = path.read_text(encoding="utf-8", errors="replace")
    return MARKDOWN_MARK in text or (path.name == "README.md" and text.startswith(_EARLIER_START))


def _run_title(folder: str, run: Run) -> str:
    title = dataset_title(run.dataset.name)
    return title if "/" not in folder else f"{title}, {folder.partition('/')[0]}"


def _row(folder: str, run: Run) -> list[str]:
    context = ReportContext(run=run)
    best = run.winning_result
    link = f"[{escape(dataset_title(run.dataset.name))}]({folder}/report.md)"
    if run.dataset.warnings:
        link += " (with a warning)"
    counts = [f"{run.dataset.n_train:,}", f"{run.dataset.n_test:,}"]
    head = [link, code(folder), *counts, str(len({row.model for row in context.ok_rows}))]
    tail = [seconds(run.total_seconds), escape(run.created_at[:10])]
    if best is None or best.test_accuracy_low is None or best.test_accuracy_high is None:
        return [*head, MISSING, MISSING, MISSING, *tail]
    interval = f"{percent(best.test_accuracy_low)}–{percent(best.test_accuracy_high)}"
    winner = f"{escape(result_title(best))} on {code(best.features)}"
    return [*head, winner, percent(best.test_error), interval, *tail]


def _read_page(path: Path) -> Page:
    """Return the first heading, the first sentences and the first figure of a Markdown page."""
    text = path.read_text(encoding="utf-8", errors="replace")
    title = re.search(r"^# +(.+)$", text, re.MULTILINE)
    figure = re.search(r"^!\[[^\n]*\]\((?!https?:)([^)\n]+)\)", text, re.MULTILINE)
    summary = ""
    for block in re.split(r"\n\s*\n", text[title.end() if title else 0 :]):
        block = block.strip()
        if block and block[0] not in "#|!>-<`":
            summary = _plain(block)
            break
    name = _plain(title[1]) if title else path.stem
    exists = figure is not None and (path.parent / figure[1]).exists()
    return Page(name, _shortened(summary), figure[1] if figure is not None and exists else "")


def _plain(markdown: str) -> str:
    """Return Markdown of one paragraph as plain text."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", " ".join(markdown.split()))
    text = re.sub(r"(\*\*|`)(.+?)\1", r"\2", text)
    return re.sub(r"\\([\\`*_\[\]<>|~#$&!])", r"\1", text)


def _shortened(text: str) -> str:
    """Return as many whole sentences as `MAX_SUMMARY_LENGTH` has room for, at least one."""
    kept = ""
    for sentence in re.split(r"(?<=[.!?]) +", text):
        if kept and len(kept) + len(sentence) > MAX_SUMMARY_LENGTH:
            break
        kept = f"{kept} {sentence}".strip()
    return kept
