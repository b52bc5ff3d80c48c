"""Score a recogniser on labelled images of digits, strings, sheets and other things."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digitrec.errors import DatasetError, DigitrecError
from digitrec.inference.image_io import ImageSource, read_image
from digitrec.inference.prediction import DigitPrediction
from digitrec.inference.recognizer import Recognizer

KINDS = ("single", "string", "sheet", "negative")
"""Kinds of images that are scored; others are left out."""


@dataclass(frozen=True, eq=False)
class LabelledImage:
    """An image and what it says.

    Attributes
    ----------
    name : str
        Path inside the folder, or another name for messages.
    source : path, bytes, array or PIL image
        As `read_image` takes it.
    label : str
        The digits; ``|`` separates rows; empty for a negative.
    kind : str
        One of `KINDS`.
    tag : str
        Where the image comes from, such as ``photo`` or ``scan``.
    """

    name: str
    source: ImageSource
    label: str
    kind: str
    tag: str


@dataclass(frozen=True, eq=False)
class Trial:
    """What a recogniser made of one image.

    Attributes
    ----------
    image : LabelledImage
    guess : str
        Best guess: the likeliest digit, accepted or not, or all that was read.
    accepted : bool
        Whether any digit was accepted.
    confidence : float
        Of the single digit; the least one for strings; 0 where nothing was found.
    naive_guess : str
        What the same classifier says of the image squeezed into 28x28.
    naive_accepted : bool
        Whether it would accept that.
    seconds : float
        Processor time from the file to the answer.
    megapixels : float
    error : str
        Why the image could not be read, if so.
    predictions : list of DigitPrediction
    """

    image: LabelledImage
    guess: str
    accepted: bool
    confidence: float
    naive_guess: str
    naive_accepted: bool
    seconds: float
    megapixels: float
    error: str
    predictions: list[DigitPrediction]

    @property
    def right(self) -> bool:
        """Whether the guess is the label; for a negative, whether it was rejected."""
        if self.image.kind == "negative":
            return not self.accepted
        return self.guess == self.image.label

    @property
    def naive_right(self) -> bool:
        """Whether the naive baseline is right."""
        if self.image.kind == "negative":
            return not self.naive_accepted
        return self.naive_guess == self.image.label


def read_labels(folder: Path) -> list[LabelledImage]:
    """Read ``labels.csv`` of a folder: columns path, label, kind and tag, others ignored.

    Raises
    ------
    DatasetError
        If the file is missing or lacks a column.
    """
    path = Path(folder) / "labels.csv"
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"cannot read {path}: {error}") from error
    needed = {"path", "label", "kind", "tag"}
    if missing := needed - set(reader.fieldnames or ()):
        raise DatasetError(f"{path} has no column {', '.join(sorted(missing))}")
    return [
        LabelledImage(row["path"], path.parent / row["path"], row["label"], row["kind"], row["tag"])
        for row in rows
        if row["kind"] in KINDS
    ]


def assess(
    recognizer: Recognizer,
    images: Iterable[LabelledImage],
    *,
    context: str | None = None,
) -> list[Trial]:
    """Recognise labelled images one by one.

    `context` is what `Recognizer.predict_digit` gets for images of one digit.
    """
    return [
        _try(recognizer, image, context if image.kind == "single" else None) for image in images
    ]


def _try(recognizer: Recognizer, image: LabelledImage, context: str | None) -> Trial:
    started = time.process_time()
    guess, accepted, confidence, error = "", False, 0.0, ""
    predictions: list[DigitPrediction] = []
    try:
        if image.kind in ("single", "negative"):
            prediction = recognizer.predict_digit(image.source, context=context)
            predictions = [prediction]
            accepted, confidence = prediction.accepted, prediction.confidence
            if prediction.normalised is not None:
                guess = str(int(prediction.probabilities.argmax()))
        else:
            reading = recognizer.read(image.source)
            predictions = [*reading.digits, *reading.rejected]
            guess, accepted = "|".join(reading.lines), bool(reading.digits)
            confidence = min((p.confidence for p in reading.digits), default=0.0)
    except DigitrecError as failure:
        error = str(failure)
    seconds = time.process_time() - started
    naive_guess, naive_accepted, megapixels = "", False, 0.0
    if not error:
        pixels = read_image(image.source)
        megapixels = pixels.shape[0] * pixels.shape[1] / 1e6
        joint = recognizer.model.probabilities(naive_row(pixels)[None])[0, :10]
        naive_guess = str(int(joint.argmax()))
        naive_accepted = bool(joint.max() >= recognizer.threshold)
    return Trial(
        image,
        guess,
        accepted,
        confidence,
        naive_guess,
        naive_accepted,
        seconds,
        megapixels,
        error,
        predictions,
    )


def naive_row(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the baseline's 784 values: grey, squeezed to 28x28, inverted where bright."""
    grey = Image.fromarray(pixels).convert("L").resize((28, 28), Image.Resampling.BILINEAR)
    values = np.asarray(grey)
    return (255 - values if values.mean() > 127 else values).reshape(784)


def edit_distance(a: str, b: str) -> int:
    """Return the least number of insertions, deletions and replacements from `a` to `b`."""
    row = list(range(len(b) + 1))
    for i, left in enumerate(a, 1):
        previous, row[0] = row[0], i
        for j, right in enumerate(b, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (left != right))
    return row[-1]


def risk_coverage(
    trials: Iterable[Trial], thresholds: Iterable[float]
) -> list[dict[str, float | None]]:
    """Return for each threshold what is accepted of digits and negatives, and how much is wrong.

    Single digits and negatives count; what the shape checks refuse stays refused.

    Returns
    -------
    list of dict
        ``threshold``, ``coverage`` (share of digits accepted), ``risk`` (share of wrong ones
        among them) and ``negatives_rejected``; None where there is nothing to count.
    """
    trials = list(trials)
    singles = [t for t in trials if t.image.kind == "single" and not t.error]
    negatives = [t for t in trials if t.image.kind == "negative" and not t.error]
    rows: list[dict[str, float | None]] = []
    for threshold in thresholds:
        taken = [t for t in singles if _passes(t, threshold)]
        wrong = sum(t.guess != t.image.label for t in taken)
        refused = sum(not _passes(t, threshold) for t in negatives)
        rows.append(
            {
                "threshold": float(threshold),
                "coverage": len(taken) / len(singles) if singles else None,
                "risk": wrong / len(taken) if taken else None,
                "negatives_rejected": refused / len(negatives) if negatives else None,
            }
        )
    return rows


def _passes(trial: Trial, threshold: float) -> bool:
    by_score = bool(trial.predictions) and trial.predictions[0].reason.startswith(
        ("confidence", "two digits")
    )
    return (trial.accepted or by_score) and trial.confidence >= threshold
