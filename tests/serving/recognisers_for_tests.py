"""Recognisers that misbehave on demand: the first pixel says how."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np

from digitrec.inference import DigitPrediction, Reading

WAIT, CRASH, RAISE, SLEEP_FOREVER = 1, 2, 3, 4
WAIT_SECONDS = 0.05


class Misbehaving:
    """Answers the second pixel's value, after doing what the first one says."""

    def predict_rows(self, X: Any) -> list[DigitPrediction]:
        for kind in {int(row[0]) for row in X}:
            if kind == WAIT:
                time.sleep(WAIT_SECONDS)
            elif kind == CRASH:
                os._exit(1)
            elif kind == RAISE:
                raise RuntimeError("a secret of the server")
            elif kind == SLEEP_FOREVER:
                time.sleep(600)
        return [self._answer(int(row[1])) for row in X]

    def predict_digit(self, image: Any) -> DigitPrediction:
        return self._answer(0)

    def predict_digits(self, images: Any) -> list[DigitPrediction]:
        return [self._answer(0) for _ in images]

    def read(self, image: Any) -> Reading:
        return Reading(text="", lines=[], digits=[], boxes=[])

    @staticmethod
    def _answer(digit: int) -> DigitPrediction:
        return DigitPrediction(digit=digit % 10, confidence=1.0, probabilities=np.full(10, 0.1))
