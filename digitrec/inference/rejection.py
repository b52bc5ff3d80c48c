"""Whether what was found is a digit: by its shape on the page and by the classifier."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from digitrec.inference.locate import Located
from digitrec.inference.parameters import DECISION
from digitrec.inference.prediction import DigitPrediction

DEFAULT_THRESHOLD = 0.5
"""Least confidence to accept a digit. The risk–coverage curve of other choices is part of
``python -m benchmarks.real_images``."""
UNEVEN_STROKES = "stroke width varies too much for handwriting"
TOO_SMALL = "the ink is too small to be a digit"
FILLED_AREA = "the ink is a filled area, not strokes"
DOTTED = "an upright stroke with a dot is a letter or a mark"
UNSURE = "confidence"
"""How a reason begins that names the threshold, and nothing that speaks against a digit."""


def only_unsure(prediction: DigitPrediction) -> bool:
    """Return whether a prediction is accepted, or would be with a lower threshold.

    What is looked at again is decided by this, not by acceptance: then the same answers, with the
    same confidences, are accepted at each threshold that they reach.
    """
    return prediction.accepted or prediction.reason.startswith(f"{UNSURE} ")


def refuse_by_shape(found: Located, unevenness: float, thickness: float, digit: int) -> str:
    """Return why ink cannot be a digit, or an empty string.

    These are checks that no digit in a picture of a digit fails: not a speck, not in crumbs,
    not drowned in other ink, not a filled area, drawn with one pen.

    Parameters
    ----------
    found : Located
    unevenness : float
        Greatest over typical stroke width.
    thickness : float
        Greatest stroke width over the longer side of the ink.
    digit : int
        What the classifier reads.
    """
    inked = found.strength > 0.4 * found.contrast
    if found.fill < DECISION.min_fill:
        return TOO_SMALL
    if found.pieces > DECISION.max_pieces:
        return "the ink is in too many pieces"
    if found.clutter > DECISION.max_clutter:
        return "there is far more ink around than in any one place"
    if found.filled or (digit == 1 and thickness > DECISION.max_one_thickness):
        return FILLED_AREA
    if unevenness > DECISION.max_unevenness:
        return UNEVEN_STROKES
    height, width = inked.shape
    if digit == 1 and found.pieces > 1 and _largest_gap(found.strength) > DECISION.max_gap:
        return DOTTED
    if min(height, width) > 0.35 * max(height, width) and inked.mean() > DECISION.max_ink_share:
        return FILLED_AREA
    return ""


def _largest_gap(strength: NDArray[np.float32]) -> float:
    """Return the height of the largest gap between the rows of ink, over that of the ink."""
    inked = np.flatnonzero((strength > 0).any(axis=1))
    return float((np.diff(inked).max(initial=1) - 1) / (np.ptp(inked) + 1)) if inked.size else 0.0


def refuse_by_probability(
    probabilities: NDArray[np.float64], confidence: float, threshold: float, *, trained: bool
) -> str:
    """Return why the classifier's answer is not believed, or an empty string.

    Parameters
    ----------
    probabilities : ndarray, shape (10,)
        Probability of each digit, given a digit.
    confidence : float
        Probability of the best digit, "not a digit" counted in.
    threshold : float
        Least confidence.
    trained : bool
        Whether the model knows the class "not a digit". Others are asked for a lead too.
    """
    if confidence < threshold:
        # As many decimals as distinguish the two.
        decimals = next((k for k in (2, 3, 4) if round(confidence, k) < round(threshold, k)), 6)
        return f"{UNSURE} {confidence:.{decimals}f} is below the threshold {threshold:.{decimals}f}"
    if not trained:
        second, first = np.partition(probabilities, -2)[-2:]
        if first - second < DECISION.min_margin:
            return "two digits are about as likely as each other"
    return ""
