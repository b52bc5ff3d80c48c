"""Read a page of which the caller knows something: a graph of its readings, and the likeliest."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from digitrec.inference.constraints import Constraints
from digitrec.inference.lattice import Edge, Lattice, Solution, Step, solve
from digitrec.inference.locate import Located
from digitrec.inference.parameters import NUMBER
from digitrec.inference.prediction import DigitPrediction, Match, Reading
from digitrec.inference.rejection import only_unsure
from digitrec.inference.splitting import Scorer, cut_piece

Judge = Callable[[list[Located]], list[DigitPrediction]]


@dataclass(frozen=True, eq=False)
class _Piece:
    found: Located
    prediction: DigitPrediction
    line: int


@dataclass(frozen=True, eq=False)
class _Item:
    """A piece, a part of one or two joined; what a step of the graph stands for."""

    prediction: DigitPrediction
    line: int
    pieces: range


def read_known_number(
    lines: list[list[Located]],
    rows: list[list[DigitPrediction]],
    known: Constraints,
    *,
    angle: float,
    threshold: float,
    judge: Judge,
    score: Scorer,
) -> Reading | None:
    """Return the likeliest reading of a page that meets what is known of its number.

    Parameters
    ----------
    lines, rows : list of list of Located and of DigitPrediction
        Pieces of ink in reading order, and what the classifier says of each.
    known : Constraints
    angle : float
        Degrees by which the page was turned.
    threshold : float
        Least probability of a number that is believed.
    judge : callable
        Classifies pieces.
    score : callable
        As `cut_piece` takes it.

    Returns
    -------
    Reading or None
        None where no reading meets what is known.
    """
    pieces = [
        _Piece(found, prediction, index)
        for index, (line, row) in enumerate(zip(lines, rows, strict=True))
        for found, prediction in zip(line, row, strict=True)
    ]
    if len(pieces) > NUMBER.max_pieces:
        shares = np.array([_of_digits(piece.prediction).sum() for piece in pieces])
        likeliest = np.argsort(-shares, kind="stable")[: NUMBER.max_pieces]
        pieces = [pieces[i] for i in np.sort(likeliest)]
    if not pieces:
        return None
    lattice, items = _build(pieces, angle, judge, score)
    solution = solve(lattice, known)
    if solution is None:
        return None
    return _reading(solution, items, pieces, known, angle, threshold)


def _build(
    pieces: list[_Piece], angle: float, judge: Judge, score: Scorer
) -> tuple[Lattice, list[_Item]]:
    items = [_Item(piece.prediction, piece.line, range(i, i + 1)) for i, piece in enumerate(pieces)]
    height = float(np.median([piece.found.strength.shape[0] for piece in pieces]))
    others = _cuts(pieces, height, score)
    if abs(angle) < NUMBER.max_join_turn:
        others += _joins(pieces, height)
    judged = iter(judge([part for _, parts, _ in others for part in parts]))
    digits = [_of_digits(piece.prediction) for piece in pieces]
    lattice = Lattice(np.array([1 - values.sum() for values in digits]))
    left = np.ones(len(pieces))
    for covered, parts, prior in others:
        steps = []
        for _ in parts:
            prediction = next(judged)
            steps.append(Step(_of_digits(prediction), len(items)))
            items.append(_Item(prediction, pieces[covered.start].line, covered))
        if len(covered) == 1:
            left[covered.start] -= prior
        lattice.edges.append(Edge(covered.start, covered.stop, tuple(steps), prior))
    for i, values in enumerate(digits):
        lattice.edges.append(Edge(i, i + 1, (Step(values, i),), float(left[i])))
    return lattice, items


def _of_digits(prediction: DigitPrediction) -> NDArray[np.float64]:
    """Return the probability of each digit, what speaks against any digit counted in."""
    given = prediction.probabilities
    joint = given * (prediction.confidence / max(float(given.max()), 1e-12))
    return joint * (1.0 if only_unsure(prediction) else NUMBER.shape_factor)


_Others = list[tuple[range, list[Located], float]]
"""Pieces covered, the digits that they may be, and the probability of that beforehand."""


def _cuts(pieces: list[_Piece], height: float, score: Scorer) -> _Others:
    shapes = np.array([piece.found.strength.shape for piece in pieces], dtype=float)
    widths = shapes[:, 1] / np.minimum(shapes[:, 0], height)
    found: _Others = []
    for i in np.argsort(-widths, kind="stable")[: NUMBER.max_cut].tolist():
        for parts, prior in ((2, NUMBER.cut_prior), (3, NUMBER.cut_prior**2)):
            if widths[i] < (parts - 1) * NUMBER.min_cut_width:
                continue
            item = pieces[i].found
            crops = cut_piece(item.strength, min(shapes[i, 0], height), score, parts=parts)
            if crops is not None:
                found.append((range(i, i + 1), [_part(item, crop) for crop in crops], prior))
    return found


def _part(item: Located, crop: NDArray[np.float32]) -> Located:
    rows, columns = (np.flatnonzero((crop > 0).any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return replace(item, strength=crop)
    left, top, right, bottom = item.box
    across, down = (right - left) / crop.shape[1], (bottom - top) / crop.shape[0]
    box = (
        int(left + across * columns[0]),
        int(top + down * rows[0]),
        int(np.ceil(left + across * (columns[-1] + 1))),
        int(np.ceil(top + down * (rows[-1] + 1))),
    )
    part = crop[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return replace(item, strength=part, box=box)


def _joins(pieces: list[_Piece], height: float) -> _Others:
    found: _Others = []
    for i, (first, second) in enumerate(itertools.pairwise(pieces)):
        if first.line != second.line:
            continue
        joined = _join(first.found, second.found, height)
        if joined is not None:
            found.append((range(i, i + 2), [joined], NUMBER.join_prior))
    return found


def _join(first: Located, second: Located, height: float) -> Located | None:
    """Return two pieces as one, None where they are too far apart or too wide for a digit."""
    # Pixels of the original for one of the strength, which has a border of a pixel.
    scale = (first.box[3] - first.box[1]) / max(1, first.strength.shape[0] - 2)
    if scale <= 0:
        return None
    left, top = (min(first.box[k], second.box[k]) for k in (0, 1))
    corners = [
        (round((item.box[1] - top) / scale), round((item.box[0] - left) / scale))
        for item in (first, second)
    ]
    sizes = [item.strength.shape for item in (first, second)]
    rows, columns = (
        max(corner[k] + size[k] for corner, size in zip(corners, sizes, strict=True))
        for k in (0, 1)
    )
    gap = (second.box[0] - first.box[2]) / scale
    if (
        gap > NUMBER.max_join_gap * height
        or columns > NUMBER.max_join_width * height
        or rows > 1.5 * height
    ):
        return None
    strength = np.zeros((rows, columns), np.float32)
    for (y, x), item in zip(corners, (first, second), strict=True):
        view = strength[y : y + item.strength.shape[0], x : x + item.strength.shape[1]]
        np.maximum(view, item.strength, out=view)
    right, bottom = (max(first.box[k], second.box[k]) for k in (2, 3))
    return replace(
        first,
        strength=strength,
        box=(left, top, right, bottom),
        pieces=first.pieces + second.pieces,
    )


def _reading(
    solution: Solution,
    items: list[_Item],
    pieces: list[_Piece],
    known: Constraints,
    angle: float,
    threshold: float,
) -> Reading:
    # The caller may be wrong: then the image is more likely to be read as something else.
    trust = solution.fit / (solution.fit + NUMBER.mistaken)
    probability = solution.probability * trust
    accepted = probability >= threshold
    reason = (
        ""
        if accepted
        else (f"probability {probability:.2f} of the number is below the threshold {threshold:.2f}")
    )
    match = Match(
        text=known.format(solution.digits),
        probability=probability,
        runner_up=None if solution.runner_up is None else known.format(solution.runner_up),
        runner_up_probability=solution.runner_up_probability * trust,
        accepted=accepted,
        reason=reason,
    )
    # Doubt between numbers that fit is reported; a number that contradicts the image is not.
    shown = accepted or known.only_length or trust >= NUMBER.min_trust
    used = {piece for item, _ in solution.steps for piece in items[item].pieces}
    chosen: dict[int, list[DigitPrediction]] = {}
    for index, digit in solution.steps:
        item = items[index]
        confidence = float(_of_digits(item.prediction)[digit])
        prediction = replace(
            item.prediction,
            digit=digit if shown else None,
            confidence=confidence,
            accepted=shown,
            reason="" if shown else reason,
        )
        chosen.setdefault(item.line, []).append(prediction)
    others = [
        replace(
            piece.prediction,
            digit=None,
            accepted=False,
            reason=piece.prediction.reason or "the number is complete without it",
        )
        for i, piece in enumerate(pieces)
        if i not in used
    ]
    digits = [prediction for line in sorted(chosen) for prediction in chosen[line]]
    if not shown:
        return Reading(
            text="",
            lines=[],
            digits=[],
            boxes=[],
            angle=angle,
            rejected=[*digits, *others],
            match=match,
        )
    lines = ["".join(str(p.digit) for p in chosen[line]) for line in sorted(chosen)]
    return Reading(
        text="\n".join(lines),
        lines=lines,
        digits=digits,
        boxes=[p.box for p in digits if p.box is not None],
        angle=angle,
        rejected=others,
        match=match,
    )
