"""Words and numbers that the sections on further analyses share."""

from __future__ import annotations

from digitrec.reporting.context import ReportContext
from digitrec.reporting.markdown import MISSING, percent

__all__ = ["interval", "join_words", "p_value", "points", "shown_labels"]


def shown_labels(context: ReportContext) -> dict[str, str]:
    """Return the name of each model by the `Result.stem` that stands for it in analyses."""
    return {row.shown.stem: context.label(row) for row in context.ok_rows}


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


def join_words(words: list[str]) -> str:
    """Return words as an enumeration: ``a, b and c``."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"
