"""From judged pieces of ink in rows to a text."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from digitrec.inference.prediction import DigitPrediction, Reading

__all__ = ["assemble"]

MIN_CONFIDENCE_IN_ROW = 0.2
"""Least confidence of a piece of their size among digits."""
MIN_ACCEPTED_SHARE = 0.6
"""Share of a row that must be accepted for the others to profit."""
MIN_DIGIT_SHARE = 0.5
"""A row of which fewer pieces are digits is words or drawing, and is left out whole."""


def assemble(
    rows: list[list[DigitPrediction]], angle: float, expected: int | None = None
) -> Reading:
    """Return what rows of judged pieces say.

    Parameters
    ----------
    rows : list of list of DigitPrediction
        Accepted and rejected, in reading order.
    angle : float
        Degrees the page was turned.
    expected : int, optional
        Number of digits: the most likely that many are taken, whatever the threshold.
    """
    if expected is not None:
        rows = _take_likeliest(rows, expected)
    else:
        rows = [_trust_neighbours(_drop_words(row)) for row in rows]
    accepted = [[p for p in row if p.accepted] for row in rows]
    accepted = [row for row in accepted if row]
    digits = [p for row in accepted for p in row]
    lines = ["".join(str(p.digit) for p in row) for row in accepted]
    return Reading(
        text="\n".join(lines),
        lines=lines,
        digits=digits,
        boxes=[p.box for p in digits if p.box is not None],
        angle=angle,
        rejected=[p for row in rows for p in row if not p.accepted],
    )


def _drop_words(row: list[DigitPrediction]) -> list[DigitPrediction]:
    share = sum(p.accepted for p in row) / max(1, len(row))
    if share >= MIN_DIGIT_SHARE:
        return row
    return [
        replace(p, digit=None, accepted=False, reason="its row is mostly not digits")
        if p.accepted
        else p
        for p in row
    ]


def _trust_neighbours(row: list[DigitPrediction]) -> list[DigitPrediction]:
    """Accept a doubtful piece in a row of digits: it is more likely to be one than elsewhere."""
    sure = [p for p in row if p.accepted and p.box is not None]
    if len(sure) < 2 or len(sure) < MIN_ACCEPTED_SHARE * len(row):
        return row
    height = float(np.median([p.box[3] - p.box[1] for p in sure if p.box is not None]))
    return [
        replace(p, digit=int(p.probabilities.argmax()), accepted=True, reason="")
        if not p.accepted
        and p.box is not None
        and p.confidence >= MIN_CONFIDENCE_IN_ROW
        and 0.6 * height <= p.box[3] - p.box[1] <= 1.5 * height
        else p
        for p in row
    ]


def _take_likeliest(
    rows: list[list[DigitPrediction]], expected: int
) -> list[list[DigitPrediction]]:
    ranked = sorted((p for row in rows for p in row), key=lambda p: -p.confidence)
    chosen = {id(p) for p in ranked[:expected]}
    return [
        [
            replace(p, digit=int(p.probabilities.argmax()), accepted=True, reason="")
            if id(p) in chosen
            else replace(p, digit=None, accepted=False, reason=p.reason or "more than expected")
            for p in row
        ]
        for row in rows
    ]
