"""What a recogniser answers: one digit, or the digits of a page."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["Box", "DigitPrediction", "Reading"]

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels of the upright image; right and bottom are exclusive."""


@dataclass(frozen=True, kw_only=True, eq=False)
class DigitPrediction:
    """One digit, or the reason why there is none.

    Attributes
    ----------
    digit : int or None
        0 to 9; None where nothing was accepted as a digit.
    confidence : float
        Calibrated probability, 0–1, that `digit` (or the best guess, where `digit` is None)
        is right and that there is a digit at all.
    probabilities : ndarray of float64, shape (10,)
        Probability of each digit, given that there is a digit; sums to 1.
    box : tuple of int or None
        Where the digit is (see `Box`); None where no ink was found, and for rows given as 28x28.
    normalised : ndarray of uint8, shape (28, 28), or None
        What the classifier was shown: light ink on black, as in MNIST.
    accepted : bool
        Whether the digit is good enough to be believed.
    reason : str
        Why not, where `accepted` is false; else empty.
    """

    digit: int | None
    confidence: float
    probabilities: NDArray[np.float64]
    box: Box | None = None
    normalised: NDArray[np.uint8] | None = None
    accepted: bool = True
    reason: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Reading:
    """The digits of an image in reading order.

    Attributes
    ----------
    text : str
        The digits; a line break between rows. Empty where nothing was read.
    lines : list of str
        The digits of each row, top to bottom.
    digits : list of DigitPrediction
        The accepted digits in reading order.
    boxes : list of tuple of int
        The box of each entry of `digits`.
    angle : float
        Degrees by which the page was turned counter-clockwise to make its rows level.
    rejected : list of DigitPrediction
        What was found but is not believed to be a digit.
    """

    text: str
    lines: list[str]
    digits: list[DigitPrediction]
    boxes: list[Box]
    angle: float = 0.0
    rejected: list[DigitPrediction] = field(default_factory=list)
