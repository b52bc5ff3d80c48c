"""Any image in, the right digits out: read, locate, normalise, classify, reject.

``Recognizer(model=None, *, threshold=None)`` takes nothing (the default recogniser, whose
weights come with the package), the path of a saved model, or a fitted pipeline. Its methods:

- ``predict_digit(image, *, context=None) -> DigitPrediction``: an image of one digit, or with
  ``context="crop"`` one digit among pieces of others;
- ``predict_digits(images, *, context=None) -> list[DigitPrediction]``: many such images;
- ``predict_rows(X) -> list[DigitPrediction]``: rows of shape (n, 784), 0–255, as in MNIST;
- ``read(image, *, region=None, rotation=None, expected=None) -> Reading``: rows of digits.

An image is a path, bytes, an array or a PIL image.
"""

from __future__ import annotations

from digitrec.inference.image_io import read_image
from digitrec.inference.locate import Located, locate_digit
from digitrec.inference.normalise import normalise_digit
from digitrec.inference.page import Page, locate_digits
from digitrec.inference.prediction import Box, DigitPrediction, Reading
from digitrec.inference.recognizer import Recognizer

__all__ = [
    "Box",
    "DigitPrediction",
    "Located",
    "Page",
    "Reading",
    "Recognizer",
    "locate_digit",
    "locate_digits",
    "normalise_digit",
    "read_image",
]
