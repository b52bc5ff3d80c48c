"""What a recogniser answers: one digit, or the digits of a page."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels of the upright image; right and bottom are exclusive."""
_DECIMALS = 6
"""Decimal places of probabilities in JSON."""


@dataclass(frozen=True, kw_only=True, eq=False)
class DigitPrediction:
    """One digit, or the reason why there is none.

    Attributes
    ----------
    digit : int or None
        0 to 9; None where nothing was accepted as a digit.
    confidence : float
        Calibrated probability, 0–1, that `guess` is right and that there is a digit at all.
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

    @property
    def guess(self) -> int | None:
        """The most probable digit, accepted or not; None where there is no ink to guess from."""
        if self.digit is not None:
            return self.digit
        if self.normalised is None or not self.normalised.any():
            return None
        return int(self.probabilities.argmax())

    def to_dict(self, *, normalised: bool = False) -> dict[str, Any]:
        """Return the prediction as JSON has it, on the command line and over HTTP.

        Parameters
        ----------
        normalised : bool
            Add the 28x28 bytes that the classifier was shown, in base64.

        Returns
        -------
        dict
            ``digit``, ``guess``, ``confidence``, ``accepted``, ``reason``, ``probabilities``,
            ``box`` and, if asked for, ``normalised``.

        Examples
        --------
        >>> import numpy as np
        >>> prediction = DigitPrediction(digit=1, confidence=0.98, probabilities=np.eye(10)[1])
        >>> prediction.to_dict()["digit"]
        1
        """
        facts: dict[str, Any] = {
            "digit": self.digit,
            "guess": self.guess,
            "confidence": round(float(self.confidence), _DECIMALS),
            "accepted": self.accepted,
            "reason": self.reason,
            "probabilities": [round(p, _DECIMALS) for p in self.probabilities.tolist()],
            "box": None if self.box is None else [int(edge) for edge in self.box],
        }
        if normalised:
            pixels = self.normalised
            facts["normalised"] = (
                None if pixels is None else base64.b64encode(pixels.tobytes()).decode("ascii")
            )
        return facts


@dataclass(frozen=True, kw_only=True, eq=False)
class Match:
    """The likeliest reading that meets what the caller knows of the number.

    Attributes
    ----------
    text : str
        The number, as the pattern or the list of values writes it; empty where no reading of
        the image meets what is known.
    probability : float
        That it is the number, 0–1. Small where the image speaks against what is known.
    runner_up : str or None
        The next likely number that meets what is known.
    runner_up_probability : float
    accepted : bool
        Whether it is probable enough to be believed.
    reason : str
        Why not; else empty.
    """

    text: str
    probability: float
    runner_up: str | None = None
    runner_up_probability: float = 0.0
    accepted: bool = True
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the match as JSON has it."""
        return {
            "text": self.text,
            "probability": round(self.probability, _DECIMALS),
            "runner_up": self.runner_up,
            "runner_up_probability": round(self.runner_up_probability, _DECIMALS),
            "accepted": self.accepted,
            "reason": self.reason,
        }


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
    match : Match or None
        What meets the pattern, check digit, values or number of digits that the caller gave;
        None where none was given. Where the image speaks against what was given, it is not
        accepted, and `text` is empty.
    warnings : tuple of str
        What was left out of the reading.
    """

    text: str
    lines: list[str]
    digits: list[DigitPrediction]
    boxes: list[Box]
    angle: float = 0.0
    rejected: list[DigitPrediction] = field(default_factory=list)
    match: Match | None = None
    warnings: tuple[str, ...] = ()

    def to_dict(self, *, normalised: bool = False) -> dict[str, Any]:
        """Return the reading as JSON has it, on the command line and over HTTP.

        Parameters
        ----------
        normalised : bool
            Add the 28x28 bytes of each digit, in base64.

        Returns
        -------
        dict
            ``text``, ``lines``, ``digits``, ``rejected`` (as `DigitPrediction.to_dict` has
            them), ``angle``, ``warnings`` and, where something was known of the number,
            ``match``.
        """
        facts: dict[str, Any] = {
            "text": self.text,
            "lines": list(self.lines),
            "digits": [digit.to_dict(normalised=normalised) for digit in self.digits],
            "rejected": [digit.to_dict(normalised=normalised) for digit in self.rejected],
            "angle": round(float(self.angle), 3),
            "warnings": list(self.warnings),
        }
        if self.match is not None:
            facts["match"] = self.match.to_dict()
        return facts

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each digit, then one for each piece of ink that was rejected.

        Returns
        -------
        pandas.DataFrame
            ``line`` and ``position`` count from 0 (missing where rejected), ``digit`` (missing
            where rejected) and ``guess`` are 0–9, ``confidence`` is 0–1; ``accepted`` and
            ``reason`` as in `DigitPrediction`; ``left``, ``top``, ``right`` and ``bottom`` are
            pixels of the upright image.

        Examples
        --------
        >>> Reading(text="", lines=[], digits=[], boxes=[]).to_frame().empty
        True
        """
        import pandas as pd

        places: list[tuple[int | None, int | None]] = [
            (line, position)
            for line, text in enumerate(self.lines)
            for position in range(len(text))
        ]
        places += [(None, None)] * len(self.rejected)
        rows = [
            {
                "line": line,
                "position": position,
                "digit": p.digit,
                "guess": p.guess,
                "confidence": p.confidence,
                "accepted": p.accepted,
                "reason": p.reason,
                **dict(zip(_EDGES, p.box or (None,) * 4, strict=True)),
            }
            for (line, position), p in zip(places, [*self.digits, *self.rejected], strict=True)
        ]
        whole = dict.fromkeys(("line", "position", "digit", "guess", *_EDGES), "Int64")
        types = {**whole, "confidence": "float64", "accepted": "bool", "reason": "object"}
        columns = [
            "line",
            "position",
            "digit",
            "guess",
            "confidence",
            "accepted",
            "reason",
            *_EDGES,
        ]
        return pd.DataFrame(rows, columns=columns).astype(types)


_EDGES = ("left", "top", "right", "bottom")
