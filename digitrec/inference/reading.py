"""From judged pieces of ink in rows to a text."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from digitrec.inference.parameters import ROW
from digitrec.inference.prediction import DigitPrediction, Reading
from digitrec.inference.stems import Stem, measure_stem

IN_WORD = "it is a letter of a word"
_SIGN = "a stroke taller than the digits of its row is a slash or a bracket"
DRAWING = "most of the page is no digits"
_LINE = "it is a line between digits"
_TEXT = "its row is text beside rows of digits"
_EXPLAINED = (IN_WORD, _SIGN, _LINE)
"""Reasons for which a piece of a row of digits may be no digit."""
BARS = "it is one of many upright bars, as in stripes, bar codes and rulers"


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
        rows = [_read_row(row, angle) for row in _drop_column_lines(rows, angle)]
        # A page of bars, then a row of them on a page of digits.
        (page,) = _drop_bars([[p for row in rows for p in row]])
        pieces = iter(page)
        rows = _drop_bars([[next(pieces) for _ in row] for row in rows])
        rows = _drop_text(rows, angle)
        if _is_drawing(rows):
            rows = [[reject(p, DRAWING) for p in row] for row in rows]
    n_bars = sum(p.reason == BARS for row in rows for p in row)
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
        warnings=(f"{n_bars} upright bars were taken for a pattern, not for ones",)
        if n_bars
        else (),
    )


def _drop_text(rows: list[list[DigitPrediction]], angle: float) -> list[list[DigitPrediction]]:
    """Reject rows of text beside rows of digits: formulas, printed words.

    Some of their pieces are like no digit; those that are like one are mostly upright strokes, or
    lower than the digits of the other rows.
    """
    heights = [np.zeros(0) for _ in rows]
    mixed, text = np.zeros(len(rows), bool), np.zeros(len(rows), bool)
    for index, row in enumerate(rows):
        accepted = np.array([p.accepted for p in row], bool)
        if not accepted.any():
            continue
        own = np.diff(_boxes(row, angle)[:, 1::2], axis=1)[:, 0]
        heights[index] = own[accepted]
        strays = np.array([not p.accepted and p.reason not in _EXPLAINED for p in row], bool)
        least = ROW.min_stray_height * np.median(heights[index])
        mixed[index] = bool((own[strays] > least).any())
        ones = np.mean([p.digit == 1 for p in row if p.accepted])
        text[index] = ones >= ROW.min_text_ones
    text &= mixed
    low = text.copy()
    for index in np.flatnonzero(mixed & ~text).tolist():
        others = [own for at, own in enumerate(heights) if at != index and not text[at]]
        usual = np.concatenate([np.zeros(0), *others])
        low[index] = usual.size > 0 and np.median(heights[index]) < ROW.max_text_height * np.median(
            usual
        )
    if not any(own.size and not is_text for own, is_text in zip(heights, low, strict=True)):
        return rows
    return [
        [reject(p, _TEXT) for p in row] if is_text else row
        for row, is_text in zip(rows, low, strict=True)
    ]


def _is_drawing(rows: list[list[DigitPrediction]]) -> bool:
    """Return whether what is read as digits is a stray piece or two of a drawing or of text."""
    pieces = [p for row in rows for p in row if p.reason != IN_WORD]
    areas = [(p.box[2] - p.box[0]) * (p.box[3] - p.box[1]) for p in pieces if p.box is not None]
    share = sum(a for a, p in zip(areas, pieces, strict=True) if p.accepted) / max(1, sum(areas))
    all_ones = all(p.digit == 1 for p in pieces if p.accepted)
    longest = max((sum(p.accepted for p in row) for row in rows), default=0)
    return longest < ROW.min_row and share < (ROW.min_ones_area if all_ones else ROW.min_area)


def reject(piece: DigitPrediction, reason: str) -> DigitPrediction:
    """Return a piece as rejected for a reason; one that was rejected before as it is."""
    return replace(piece, digit=None, accepted=False, reason=reason) if piece.accepted else piece


def _boxes(row: list[DigitPrediction], angle: float) -> NDArray[np.float64]:
    """Return the boxes of a row, shape (n, 4), as the page lies after quarter turns."""
    x0, y0, x1, y1 = np.array([p.box for p in row], dtype=np.float64).reshape(-1, 4).T
    for _ in range(round(angle / 90) % 4):
        x0, y0, x1, y1 = y0, -x1, y1, -x0
    return np.stack([x0, y0, x1, y1], axis=1)


def _upright_stroke(piece: DigitPrediction) -> Stem | None:
    """Return the measures of a piece that is read as a one and is one straight stroke."""
    if piece.normalised is None or piece.probabilities.argmax() != 1:
        return None
    stem = measure_stem(piece.normalised)
    return stem if stem is not None and stem.is_straight else None


def _drop_column_lines(
    rows: list[list[DigitPrediction]], angle: float
) -> list[list[DigitPrediction]]:
    """Reject thin upright strokes that part all digits of a row, and rows of such strokes alone."""
    thin = [
        np.array([_is_thin(p, box) for p, box in zip(row, _boxes(row, angle), strict=True)])
        for row in rows
    ]
    parted = [_parts_all(lines) for lines in thin]
    if not any(parted):
        return rows
    return [
        [reject(p, _LINE) if at else p for p, at in zip(row, lines, strict=True)]
        if parts or lines.all()
        else row
        for row, lines, parts in zip(rows, thin, parted, strict=True)
    ]


def _parts_all(lines: NDArray[np.bool_]) -> bool:
    """Return whether there are lines between all neighbouring digits of a row."""
    digits = np.flatnonzero(~lines)
    return len(digits) > ROW.min_lines <= lines.sum() and bool((np.diff(digits) > 1).all())


def _is_thin(piece: DigitPrediction, box: NDArray[np.float64]) -> bool:
    stem = _upright_stroke(piece)
    if stem is None or abs(stem.lean) > ROW.max_line_lean:
        return False
    return bool(box[2] - box[0] <= ROW.max_line_width * (box[3] - box[1]))


def _read_row(row: list[DigitPrediction], angle: float) -> list[DigitPrediction]:
    """Reject words and signs of a row, and accept doubtful digits among clear ones."""
    boxes = _boxes(row, angle)
    out = list(row)
    left = np.array([i for i, p in enumerate(row) if p.reason != _LINE], np.int64)
    for find, reason in ((_find_words, IN_WORD), (_find_signs, _SIGN)):
        found = find([row[i] for i in left], boxes[left])
        for index in left[found]:
            # A letter that was rejected before counts as part of the word, too.
            out[index] = replace(row[index], digit=None, accepted=False, reason=reason)
        left = np.delete(left, found)
    kept = _trust_neighbours(_drop_words([row[i] for i in left]))
    for index, piece in zip(left, kept, strict=True):
        out[index] = piece
    return out


def _find_words(row: list[DigitPrediction], boxes: NDArray[np.float64]) -> list[int]:
    """Return which pieces of a row are letters of words beside a number.

    Words are parted from digits by a gap; their letters stand close, are of two heights, and
    some of them are like no digit.
    """
    if len(row) < ROW.min_pieces:
        return []
    heights = boxes[:, 3] - boxes[:, 1]
    typical = float(np.quantile(heights, 0.75))
    gaps = (boxes[1:, 0] - boxes[:-1, 2]) / typical
    rejected = np.array([not p.accepted for p in row])
    unlike = rejected | (heights < ROW.max_letter_height * typical)
    words, n_clear = [], 0
    for part in np.split(np.arange(len(row)), np.flatnonzero(gaps >= ROW.min_word_gap) + 1):
        inner = gaps[part[:-1]]
        if not unlike[part].any():
            n_clear += len(part)
        elif (
            rejected[part].any()
            and len(part) > 1
            and unlike[part].mean() >= ROW.min_unlike
            and np.median(inner) <= ROW.max_letter_gap
        ):
            words += part.tolist()
    return words if n_clear >= ROW.min_clear_digits else []


def _find_signs(row: list[DigitPrediction], boxes: NDArray[np.float64]) -> list[int]:
    """Return which pieces of a row, read as ones, are slashes between digits or brackets."""
    strokes = {i: stem for i, p in enumerate(row) if p.accepted and (stem := _upright_stroke(p))}
    others = [i for i, p in enumerate(row) if p.accepted and p.digit != 1]
    if len(others) < 2 or not strokes:
        return []
    heights = boxes[:, 3] - boxes[:, 1]
    tall = heights / float(np.median(heights[others]))
    brackets = [i for i in strokes if tall[i] >= ROW.min_bracket_height]
    if len(brackets) == 2:
        # Below their tops they lean away from each other.
        opening, closing = (strokes[i].lean for i in brackets)
        if max(opening, -closing) <= -ROW.min_slash_lean:
            return brackets
    slashes = [
        i
        for i, stem in strokes.items()
        if tall[i] >= ROW.min_slash_height
        and stem.lean >= ROW.min_slash_lean
        and abs(stem.flag) <= ROW.max_slash_flag
    ]
    groups = np.diff([-1, *slashes, len(row)]) - 1
    if len(row) < ROW.min_slash_row or len(slashes) > 2 or groups.min() < 3 - len(slashes):
        return []
    return slashes


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
    return [reject(p, "its row is mostly not digits") for p in row]


def _drop_bars(rows: list[list[DigitPrediction]]) -> list[list[DigitPrediction]]:
    """Reject the ones of each row where they are bars: stripes, a bar code, a ruler, bricks."""
    return [
        [reject(p, BARS) if p.digit == 1 else p for p in row] if _are_bars(row) else row
        for row in rows
    ]


def _are_bars(row: list[DigitPrediction]) -> bool:
    ones = [p.normalised for p in row if p.accepted and p.digit == 1 and p.normalised is not None]
    if len(ones) < ROW.min_bars:
        return False
    images = np.stack(ones).astype(np.float64)
    # An upright rectangle is the product of a column and a row of levels.
    squares = np.linalg.svd(images, compute_uv=False) ** 2
    residuals = 1 - squares[:, 0] / np.maximum(squares.sum(axis=1), 1)
    # A printed 1 with serifs nearly is, too.
    widths = [width[width > 0] for width in (images > 64).sum(axis=2)]
    is_even = [width.max() <= ROW.max_bar_width * np.median(width) for width in widths]
    bars = (residuals <= ROW.max_bar_residual) & is_even
    return bool(bars.mean() >= ROW.bar_share)


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
        and p.box[2] - p.box[0] <= ROW.max_height * height
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
