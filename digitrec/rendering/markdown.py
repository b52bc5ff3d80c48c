"""Text as GitHub-flavoured Markdown: escaping, tables and numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tabulate import tabulate

MISSING = "–"
_SPECIAL = re.compile(r"([\\`*_\[\]<>|~#$&!])")


def escape(text: object) -> str:
    """Return text that Markdown shows literally, on one line and within a table cell."""
    return _SPECIAL.sub(r"\\\1", " ".join(str(text).split()))


def code(text: object) -> str:
    """Return text as an inline code span that may stand in a table cell."""
    line = " ".join(str(text).split()).replace("|", r"\|")
    if not line:
        return ""
    longest = max((len(run) for run in re.findall("`+", line)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def code_block(text: str, language: str = "") -> str:
    """Return text as a fenced block of code."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> str:
    """Return a table.

    Parameters
    ----------
    headers : sequence of str
        Head of each column, as Markdown.
    rows : sequence of sequences of str
        Cells, as Markdown; use `escape` for text that comes from outside.
    align : str
        One letter per column: ``l``, ``r`` or ``c``.
    """
    names = {"l": "left", "r": "right", "c": "center"}
    return tabulate(
        rows,
        headers,
        tablefmt="pipe",
        disable_numparse=True,
        colalign=[names[letter] for letter in align],
    )


def table_of(
    rows: Iterable[Any],
    columns: Mapping[str, str | Callable[[Any], object]],
    align: str = "",
) -> str:
    """Return a table with one line for each row.

    Parameters
    ----------
    rows : iterable
        Mappings, or other objects where all columns are functions.
    columns : mapping
        By heading, the cell: a format of the values of a row, or a function of the row.
    align : str
        As for `table`; by default the first column is left-aligned, the others right.

    Examples
    --------
    >>> rows = [{"name": "svm", "seconds": 2.46}]
    >>> print(table_of(rows, {"model": "{name}", "s": "{seconds:.1f}"}))
    | model   |   s |
    |:--------|----:|
    | svm     | 2.5 |
    """
    lines = [
        [
            cell.format(**row) if isinstance(cell, str) else str(cell(row))
            for cell in columns.values()
        ]
        for row in rows
    ]
    return table(list(columns), lines, align or "l" + "r" * (len(columns) - 1))


def anchor(heading: str) -> str:
    """Return the fragment under which GitHub and report.html place a heading."""
    kept = re.sub(r"[^\w\- ]", "", heading.lower())
    return kept.replace(" ", "-")


def number(value: float | None, digits: int, spread: float | None = None) -> str:
    """Return a number with a fixed count of decimals, with its spread where there is one."""
    if value is None:
        return MISSING
    text = f"{value:,.{digits}f}"
    return text if spread is None else f"{text} ± {spread:.{digits}f}"


def percent(value: float | None, spread: float | None = None) -> str:
    """Return a fraction as per cent without the sign, to two decimals."""
    if value is None:
        return MISSING
    return number(100 * value, 2, None if spread is None else 100 * spread)


def short_percent(value: float | None) -> str:
    """Return a fraction as per cent with the sign, to one decimal."""
    return MISSING if value is None else f"{100 * value:.1f} %"


def seconds(value: float | None, spread: float | None = None) -> str:
    """Return a duration or size with as many decimals as its magnitude deserves."""
    if value is None:
        return MISSING
    size = abs(value)
    digits = 4 if size < 0.01 else 3 if size < 0.1 else 2 if size < 10 else 1 if size < 100 else 0
    return number(value, digits, spread)


def p_value(value: float | None) -> str:
    """Return a p-value to three decimals, and very small ones as such."""
    if value is None:
        return MISSING
    return "< 0.001" if value < 0.0005 else f"{value:.3f}"


def points(difference: float) -> str:
    """Return a difference of fractions in percentage points, with its sign."""
    text = f"{100 * difference:+.2f}".replace("-", "−")
    return "0.00" if text in ("+0.00", "−0.00") else text


def interval(low: float, high: float, *, signed: bool = False) -> str:
    """Return an interval of fractions, in per cent or in percentage points."""
    if signed:
        return f"{points(low)} to {points(high)}"
    return f"{percent(low)}–{percent(high)}"


def join_words(words: list[str], limit: int | None = None) -> str:
    """Return words as an enumeration: ``a, b and c``; beyond `limit`, ``a, b and 7 more``."""
    if limit is not None and len(words) > limit:
        return f"{', '.join(words[:limit])} and {len(words) - limit} more"
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def one_line(text: str) -> str:
    r"""Return the first line of a message, without addresses of objects and folders of files.

    Examples
    --------
    >>> one_line("cannot read <_io.BytesIO object at 0x7f00aa> in /tmp/x/a.npz\nTraceback")
    'cannot read <_io.BytesIO object> in a.npz'
    """
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    line = re.sub(r" at 0x[0-9a-fA-F]+", "", line)
    line = re.sub(r"(?<![\w.:/])(?:/[^\s/:'\"]+)+/", "", line)
    return line if len(line) <= 300 else line[:299] + "…"
