"""From judged pieces of ink in rows to a text."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from digitrec.inference.parameters import ROW
from digitrec.inference.prediction import DigitPrediction, Reading


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
    """Reject the digits of a row that is mostly none."""
    if len(row) < ROW.min_pieces:
        share = sum(p.accepted for p in row) / max(1, len(row))
        words = share < ROW.min_digits
    else:
        # A blot, a mark or one careless digit makes no words of a row of digits.
        best = sorted((p.confidence for p in row), reverse=True)
        best = best[: math.ceil(ROW.best_share * len(row))]
        words = sum(best) / len(best) < ROW.min_best
    if not words:
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
    if len(sure) < 2 or len(sure) < ROW.min_accepted * len(row):
        return row
    height = float(np.median([p.box[3] - p.box[1] for p in sure if p.box is not None]))
    return [
        replace(p, digit=int(p.probabilities.argmax()), accepted=True, reason="")
        if not p.accepted
        and p.box is not None
        and p.confidence >= ROW.min_confidence
        and ROW.min_height * height <= p.box[3] - p.box[1] <= ROW.max_height * height
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
