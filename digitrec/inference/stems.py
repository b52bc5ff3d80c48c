"""Straight strokes: what of them tells a one with a flag, a seven and a slash apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from digitrec.inference.parameters import STEM

_ONE, _SEVEN = 1, 7


@dataclass(frozen=True)
class Stem:
    """The stroke that the lower part of a normalised digit consists of.

    Attributes
    ----------
    lean : float
        Columns to the right per row up.
    bend : float
        Greatest distance of its middle from a straight line, over the digit's height.
    width : float
        Greatest width, over the digit's height.
    flag : float
        How far the upper part reaches to the left of the stroke, over the digit's height.
    """

    lean: float
    bend: float
    width: float
    flag: float

    @property
    def is_straight(self) -> bool:
        """Whether the lower part is one straight stroke, without a foot."""
        return self.bend < STEM.max_bend and self.width < STEM.max_width


def measure_stem(image: NDArray[np.uint8]) -> Stem | None:
    """Measure the lower part of a normalised digit as if it were one upright stroke.

    Parameters
    ----------
    image : ndarray of uint8, shape (28, 28)

    Returns
    -------
    Stem or None
        None where the ink is low or has gaps between its rows.
    """
    mask = image > STEM.min_ink
    rows = np.flatnonzero(mask.any(axis=1))
    if len(rows) < STEM.min_rows or np.ptp(rows) + 1 > len(rows):
        return None
    mask = mask[rows]
    left = mask.argmax(axis=1)
    right = mask.shape[1] - 1 - mask[:, ::-1].argmax(axis=1)
    height = len(rows)
    top = round(STEM.top_share * height)
    middle, y = (left + right) / 2, np.arange(height)
    slope, place = np.polyfit(y[top:], middle[top:], 1)
    line = slope * y + place
    width = right - left + 1
    return Stem(
        lean=float(-slope),
        bend=float(np.abs(middle - line)[top:].max()) / height,
        width=float(width[top:].max()) / height,
        flag=float((line - left)[:top].max() - np.median(width[top:]) / 2) / height,
    )


def weigh_flags(joint: NDArray[np.float64], image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return probabilities with those of one and seven exchanged where a seven has no bar.

    Of the training rows of MNIST most ones are bare strokes, so that a hook at the top of an
    upright stroke passes for the bar of a seven.

    Parameters
    ----------
    joint : ndarray, shape (11,)
        Of the ten digits and of no digit.
    image : ndarray of uint8, shape (28, 28)
        The normalised digit.
    """
    if joint[:10].argmax() != _SEVEN or joint[_ONE] < STEM.min_one:
        return joint
    stem = measure_stem(image)
    if stem is None or not stem.is_straight or stem.flag > STEM.max_flag:
        return joint
    joint = joint.copy()
    joint[[_ONE, _SEVEN]] = joint[[_SEVEN, _ONE]]
    return joint
