"""Digits from any image: locate, normalise, classify, accept or reject."""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from digitrec.errors import ConfigurationError, check_choice
from digitrec.inference.constraints import Constraints, make_constraints
from digitrec.inference.image_io import ImageSource, LoadedImage
from digitrec.inference.known_numbers import read_known_number
from digitrec.inference.locate import (
    Located,
    crop_views,
    load_look,
    locate_digit,
    smoothed,
)
from digitrec.inference.model import DigitModel
from digitrec.inference.normalise import normalise_and_measure, normalise_digit
from digitrec.inference.page import Page, check_rotation, load_page, locate_digits
from digitrec.inference.parameters import DECISION, LOOK, PAGE, ROW
from digitrec.inference.prediction import Box, DigitPrediction, Match, Reading
from digitrec.inference.reading import DRAWING, IN_WORD, assemble, reject
from digitrec.inference.rejection import (
    DEFAULT_THRESHOLD,
    FILLED_AREA,
    TOO_SMALL,
    UNEVEN_STROKES,
    only_unsure,
    refuse_by_probability,
    refuse_by_shape,
)
from digitrec.inference.row_layout import check_row_layout
from digitrec.inference.small_images import find_small_digit, is_small
from digitrec.inference.stems import weigh_flags
from digitrec.inference.threshold_file import read_threshold
from digitrec.pixels import to_rows, to_uint8

NO_INK = "no ink was found"
SEVERAL = "the image shows several digits; read them with --read or Recognizer.read"
FAINT = "the ink is much fainter than that of the other digits"
TEXT = "other signs stand beside it: the image shows text"
CONTEXTS = ("crop",)
"""What a caller may know of an image of one digit."""
BATCH_SIZE = 8
"""Images of one digit that are held and classified at one time."""


class Recognizer:
    """Recognise single digits and read rows of digits in images of any kind.

    Parameters
    ----------
    model : path, fitted estimator or None
        A model file that digitrec saved, or a fitted estimator from rows of 784 pixels to
        digits, or the ``.npz`` file of an own recogniser. None means the default recogniser,
        whose weights come with the package.
    threshold : float or path, optional
        Least confidence, 0–1, for a digit to be accepted; by default `DEFAULT_THRESHOLD`.
        Higher rejects more of what is no digit, and more digits; images of at most 16 pixels a
        side need at least 0.6, unless less than the default is given. A path is that of a file that
        ``digitrec calibrate`` wrote for this model.

    Raises
    ------
    ConfigurationError
        If the model does not take 28x28 images of digits, or the threshold is not in 0–1.
    ModelFileError
        If the file cannot be loaded.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | Any | None = None,
        *,
        threshold: float | str | os.PathLike[str] | None = None,
    ) -> None:
        if threshold is None:
            threshold = DEFAULT_THRESHOLD
        if not isinstance(threshold, str | os.PathLike) and not 0 <= threshold <= 1:
            raise ConfigurationError(f"threshold must lie in 0–1, not {threshold!r}")
        if model is None:
            self.model = DigitModel.bundled()
        elif isinstance(model, DigitModel):
            self.model = model
        elif isinstance(model, str | os.PathLike):
            self.model = DigitModel.load(model)
        else:
            self.model = DigitModel(model, type(model).__name__)
        self.threshold = (
            read_threshold(threshold, self.model)
            if isinstance(threshold, str | os.PathLike)
            else float(threshold)
        )

    def predict_digit(self, image: ImageSource, *, context: str | None = None) -> DigitPrediction:
        """Recognise the one digit that an image shows.

        Parameters
        ----------
        image : path, bytes, ndarray or PIL image
            As `read_image` takes it.
        context : {"crop"}, optional
            What is known of the image. ``"crop"``: it was cut around one digit, and pieces of
            other digits, full stops, ruled lines and borders of cells may be in it; the digit
            nearest its middle is read.

        Raises
        ------
        ImageError
            If the image cannot be read.
        ConfigurationError
            If the context is another.
        """
        return self.predict_digits([image], context=context)[0]

    def predict_digits(
        self, images: Iterable[ImageSource | LoadedImage], *, context: str | None = None
    ) -> list[DigitPrediction]:
        """Recognise the digit of each of several images; the classifier takes a block at a time.

        Parameters
        ----------
        images : iterable of path, bytes, ndarray, PIL image or LoadedImage
            As `read_image` takes them, or as `load_look` returns them.
        context : {"crop"}, optional
            As in `predict_digit`, of all of the images.

        Raises
        ------
        ImageError
            If an image cannot be read.
        ConfigurationError
            If the context is another.
        """
        if context is not None:
            check_choice("context", context, CONTEXTS)
        predictions: list[DigitPrediction] = []
        remaining = iter(images)
        while block := list(itertools.islice(remaining, BATCH_SIZE)):
            loaded = [i if isinstance(i, LoadedImage) else load_look(i) for i in block]
            small = [context is None and is_small(image) for image in loaded]
            found = [
                None if is_so else locate_digit(image)
                for image, is_so in zip(loaded, small, strict=True)
            ]
            judged = iter(self.judge([item for item in found if item is not None]))
            firsts = [_nothing(NO_INK) if item is None else next(judged) for item in found]
            for image, is_so, item, first in zip(loaded, small, found, firsts, strict=True):
                predictions.append(
                    self._read_small(image) if is_so else self._settle(image, item, first, context)
                )
        return predictions

    def _read_small(self, image: LoadedImage) -> DigitPrediction:
        """Return the answer to an image of few pixels, of which both views should show one digit.

        Where they disagree, both must allow the answer: the mean alone is wrong more often.
        """
        found = find_small_digit(image)
        if found is None:
            return _nothing(NO_INK)
        both = self.model.probabilities(found.views.reshape(2, -1))
        first, second = both[:, :10].argmax(axis=1)
        joint = both.mean(axis=0) if first == second else both.min(axis=0)
        threshold = self.threshold
        if threshold >= DEFAULT_THRESHOLD:
            threshold = max(threshold, found.min_confidence)
        reason = TOO_SMALL if found.too_small else ""
        return self._decide(joint, found.views[0], found.box, reason, threshold)

    def _settle(
        self,
        image: LoadedImage,
        found: Located | None,
        first: DigitPrediction,
        context: str | None,
    ) -> DigitPrediction:
        """Return the answer to an image of which the first look gave one."""
        alone = found is not None and found.alone
        if context is None or alone:
            answer = self._look_again(image, found, first)
            sure = only_unsure(answer) and answer.confidence >= DECISION.min_first_confidence
            # The network of crops is for digits among other ink, and for ink that crumbles.
            whole = (
                found is None or found.filled or (found.alone and answer.reason != UNEVEN_STROKES)
            )
            if context is None and (sure or whole):
                return self._refuse_several(found, answer)
            if sure:
                # One clear digit, with nothing beside it that the crop's border cuts.
                return answer
            first = answer
        if found is None:
            return first
        joint = self.model.crop_probabilities(crop_views(found))
        if joint is None:
            return first
        answer = self._decide_crop(joint.mean(axis=0), found, first, context)
        return answer if context == "crop" else self._refuse_several(found, answer)

    def _decide_crop(
        self,
        crop: NDArray[np.float64],
        found: Located,
        first: DigitPrediction,
        context: str | None,
    ) -> DigitPrediction:
        """Return the answer to a crop: what its network says, and the first look.

        The first look takes what stands close to the digit for a part of it; its main piece alone
        is looked at too. That both saw no digit counts for nothing where the caller knows that
        there is one.
        """
        share = first.confidence / first.probabilities.max()
        own = np.append(share * first.probabilities, 1 - share)
        if found.core is not None:
            core = self.model.probabilities(normalise_digit(found.core).reshape(1, -1))[0]
            own = core if core[:10].max() > own[:10].max() else own
        given = (crop[:10] + DECISION.crop_floor) * (own[:10] + DECISION.first_floor)
        share = crop[:10].sum()
        if context is None:
            # What its shape speaks against is no digit for the network of crops either.
            floor = DECISION.presence_floor if only_unsure(first) else DECISION.first_floor
            seen = (crop + DECISION.crop_floor) * (own + floor)
            share = seen[:10].sum() / seen.sum()
        joint = np.append(share * given / given.sum(), 1 - share)
        image = np.zeros((28, 28), np.uint8) if first.normalised is None else first.normalised
        return self._decide(joint, image, found.box, "")

    def _refuse_several(self, found: Located | None, answer: DigitPrediction) -> DigitPrediction:
        """Refuse an answer where other pieces of the image are digits too, or letters."""
        if found is None or not found.others or not only_unsure(answer):
            return answer
        images = np.stack([normalise_digit(other) for other in found.others])
        joint = self.model.probabilities(images.reshape(len(images), -1))
        if joint[:, :10].max() >= DECISION.min_other_confidence:
            return replace(answer, digit=None, accepted=False, reason=SEVERAL)
        if np.count_nonzero(joint[:, 10] > 0.5) >= DECISION.min_other_signs:
            return replace(answer, digit=None, accepted=False, reason=TEXT)
        return answer

    def _look_again(
        self, image: LoadedImage, found: Located | None, first: DigitPrediction
    ) -> DigitPrediction:
        """Return the first answer, or a clear one at other assumptions if that is in doubt."""
        if only_unsure(first) and first.confidence >= DECISION.min_first_confidence:
            return first
        # Look again, but believe only what is clear.
        dark = found.dark_on_light if found else True
        others = []
        if found is not None and found.fill > DECISION.min_box_side:
            # A box that the digit touches.
            others.append(locate_digit(image, dark_on_light=dark, least_line=DECISION.min_box_side))
        if found is None or not found.alone or first.reason == FILLED_AREA:
            # A shadow for ink, or paper for ink.
            others.append(locate_digit(image, kernel=LOOK.paper_window / 2, dark_on_light=dark))
            others.append(locate_digit(image, dark_on_light=not dark))
        if min(image.pixels.shape[:2]) >= DECISION.min_smoothed_side:
            # Dithered ink or coarse grain, which crumbles where it is not smoothed first.
            others.append(locate_digit(smoothed(image), dark_on_light=dark))
        most = DECISION.max_second_clutter
        again = self.judge([o for o in others if o is not None and o.clutter < most])
        best = max(again, key=lambda p: p.confidence, default=first)
        if only_unsure(best) and best.confidence >= DECISION.min_second_confidence:
            return best
        return first

    def predict_rows(self, X: ArrayLike) -> list[DigitPrediction]:
        """Recognise digits that are framed as MNIST frames them.

        Parameters
        ----------
        X : array-like, shape (n, 784) or (n, 28, 28), or of one image: (784,) or (28, 28)
            Values 0 (background) to 255 (ink); booleans and 0 to 1 are scaled, each image by
            itself. Further axes of length 1 do no harm.

        Raises
        ------
        PixelError
            If the shape, the type or the scale of the values is another one, or the values are
            the bytes of other arrays.
        """
        rows, _ = to_rows(X, what="rows")
        if rows.dtype == np.uint8:
            check_row_layout(rows)
        rows, _ = to_uint8(rows, what="rows", per_image=True)
        joint = self.model.probabilities(rows)
        images = rows.reshape(-1, 28, 28)
        return [
            self._decide(row, image, None, "" if image.any() else NO_INK)
            for row, image in zip(joint, images, strict=True)
        ]

    def read(
        self,
        image: ImageSource,
        *,
        region: Box | None = None,
        rotation: float | None = None,
        expected: int | None = None,
        pattern: str | None = None,
        check: str | None = None,
        allowed: Iterable[str | int] | None = None,
    ) -> Reading:
        """Read all digits of an image, row by row.

        Where something is known of the number, the likeliest reading that meets it is returned,
        with its probability and the runner-up in ``match``; digits that touch and digits in two
        pieces are tried both ways.

        Parameters
        ----------
        image : path, bytes, ndarray or PIL image
            As `read_image` takes it.
        region : tuple of int, optional
            Left, top, right, bottom of the part to read, in pixels of the upright image.
        rotation : float, optional
            Degrees to turn the page counter-clockwise first; None means that a mild slope of
            the rows is found and undone.
        expected : int, optional
            How many digits there are: the most likely that many are returned.
        pattern : str, optional
            Such as ``"ddddd"`` or ``"[0-3]d.[01]d.dddd"``; see
            `digitrec.inference.constraints.parse_pattern`.
        check : str, optional
            Check digit: luhn, ean, isbn, isbn10, isbn13, mod11 or mod97.
        allowed : iterable of str or int, optional
            The only numbers that are possible.

        Raises
        ------
        ImageError
            If the image cannot be read.
        ConfigurationError
            If the region does not lie in the image, or an option has no sense.
        """
        known = make_constraints(expected=expected, pattern=pattern, check=check, allowed=allowed)
        check_rotation(rotation)
        loaded = load_page(image, region)
        look = functools.partial(self._read_page, loaded, known=known)
        reading, dark_on_light = look(None, rotation=rotation)
        crowded = reading.warnings or len(reading.rejected) >= DECISION.max_rejected_pieces
        crowded = crowded or any(p.reason == DRAWING for p in reading.rejected)
        if not reading.digits and not crowded:
            # Paper taken for ink gives nothing: look again, but believe only what is clear.
            other, _ = look(not dark_on_light, rotation=rotation)
            # Doubtful digits among clear ones of their row speak neither for nor against it.
            sure = (p.confidence for p in other.digits if p.confidence >= self.threshold)
            least = min(sure, default=0.0)
            if least >= DECISION.min_first_confidence:
                return other
        if rotation is None:
            # A page that lies on its side or upside down.
            turn = self._likeliest_turn(reading)
            if turn:
                turned, _ = look(dark_on_light, rotation=turn)
                if _fit(turned) > _fit(reading) + DECISION.min_turn_gain:
                    return turned
        return reading

    def _likeliest_turn(self, reading: Reading) -> float:
        """Return at which quarter turn, in degrees, the pieces look most like digits.

        0 where they are digits as they are. Reading a page at each of three turns would take
        three times as long.
        """
        pieces = [p.normalised for p in (*reading.digits, *reading.rejected)]
        if not DECISION.min_turned_pieces <= len(pieces) < DECISION.max_rejected_pieces:
            return 0.0
        images = np.stack([image for image in pieces if image is not None])
        likeness = []
        for turns in range(4):
            rows = np.rot90(images, turns, axes=(1, 2)).reshape(len(images), -1)
            likeness.append(self.model.probabilities(rows)[:, :10].max(axis=1).mean())
        best = 1 + int(np.argmax(likeness[1:]))
        gain = likeness[best] - likeness[0]
        # On its side a page falls into other pieces: where it is hard to read, any turn may do.
        doubt = likeness[0] < DECISION.max_doubted_likeness
        return 90.0 * best if doubt or gain > DECISION.min_likeness_gain else 0.0

    def _read_page(
        self,
        loaded: LoadedImage,
        dark_on_light: bool | None,
        *,
        rotation: float | None,
        known: Constraints | None,
    ) -> tuple[Reading, bool]:
        n_digits = None if known is None else known.n_digits
        page = locate_digits(
            loaded,
            rotation=rotation,
            score=self._score,
            expected=n_digits,
            dark_on_light=dark_on_light,
        )
        judged = iter(self.judge([found for line in page.lines for found in line]))
        rows = [[next(judged) for _ in line] for line in page.lines]
        rows = _without_faint_rows(page, rows)
        if known is None:
            return _warned(assemble(rows, page.angle), page), page.dark_on_light
        reading = read_known_number(
            page.lines,
            rows,
            known,
            angle=page.angle,
            threshold=self.threshold,
            judge=self.judge,
            score=self._score,
        )
        if reading is None:
            reading = _unmet(assemble(rows, page.angle, n_digits), known)
        return _warned(reading, page), page.dark_on_light

    def _score(self, crops: list[NDArray[np.float32]]) -> NDArray[np.float64]:
        images = np.stack([normalise_digit(crop) for crop in crops])
        return self.model.probabilities(images.reshape(len(images), -1))[:, :10].max(axis=1)

    def judge(self, found: list[Located]) -> list[DigitPrediction]:
        """Classify pieces of ink that were located, and accept or reject each."""
        if not found:
            return []
        measured = [normalise_and_measure(item.strength) for item in found]
        images = np.stack([image for image, _, _ in measured])
        joint = self.model.probabilities(images.reshape(len(images), -1))
        joint = np.stack(
            [weigh_flags(row, image) for row, image in zip(joint, images, strict=True)]
        )
        return [
            self._decide(
                row,
                image,
                item.box,
                refuse_by_shape(item, unevenness, thickness, int(row[:10].argmax())),
            )
            for row, (image, unevenness, thickness), item in zip(
                joint, measured, found, strict=True
            )
        ]

    def _decide(
        self,
        joint: NDArray[np.float64],
        image: NDArray[np.uint8],
        box: Box | None,
        reason: str,
        threshold: float | None = None,
    ) -> DigitPrediction:
        threshold = self.threshold if threshold is None else threshold
        share = float(joint[:10].sum())
        given = joint[:10] / share if share > 0 else np.full(10, 0.1)
        best = int(given.argmax())
        confidence = float(joint[best])
        reason = reason or refuse_by_probability(
            given, confidence, threshold, trained=self.model.knows_non_digits
        )
        return DigitPrediction(
            digit=None if reason else best,
            confidence=confidence,
            probabilities=given,
            box=box,
            normalised=image,
            accepted=not reason,
            reason=reason,
        )


def _without_faint_rows(
    page: Page, rows: list[list[DigitPrediction]]
) -> list[list[DigitPrediction]]:
    """Reject rows whose ink is much fainter than that of the page's digits."""
    contrasts = [
        [item.contrast for item, p in zip(line, row, strict=True) if p.accepted]
        for line, row in zip(page.lines, rows, strict=True)
    ]
    inked = [contrast for row in contrasts for contrast in row]
    if len(inked) < ROW.min_inked:
        return rows
    least = ROW.min_contrast * float(np.median(inked))
    return [
        [reject(p, FAINT) for p in row] if max(row_contrasts, default=least) < least else row
        for row, row_contrasts in zip(rows, contrasts, strict=True)
    ]


def _warned(reading: Reading, page: Page) -> Reading:
    """Return a reading that says how much ink of its page was not looked at."""
    if not page.n_left_out:
        return reading
    if page.lines:
        warning = (
            f"the {PAGE.max_page_pieces} largest pieces of ink were read, "
            f"{page.n_left_out:,} smaller ones were not; read the page in parts (region)"
        )
    else:
        warning = (
            f"nothing was read: {page.n_left_out:,} pieces of ink were not looked at, too many for "
            "a page of digits; read the part that holds digits (region)"
        )
    return replace(reading, warnings=(*reading.warnings, warning))


def _legibility(reading: Reading) -> float:
    """Return the confidence of the digits over the number of pieces that may be digits, 0-1."""
    pieces = len(reading.digits) + sum(p.reason != IN_WORD for p in reading.rejected)
    return sum(p.confidence for p in reading.digits) / pieces if pieces else 0.0


def _fit(reading: Reading) -> float:
    """Return how well a page can be read, 0-1; where a number is known, how likely it is that."""
    return _legibility(reading) if reading.match is None else reading.match.probability


def _unmet(reading: Reading, known: Constraints) -> Reading:
    """Return the reading of a page on which nothing meets what is known of the number."""
    reason = "no reading of the image meets what is known of the number"
    match = Match(text="", probability=0.0, accepted=False, reason=reason)
    if known.only_length:
        return replace(reading, match=match)
    left_out = [replace(p, digit=None, accepted=False, reason=reason) for p in reading.digits]
    return replace(
        reading,
        text="",
        lines=[],
        digits=[],
        boxes=[],
        rejected=[*left_out, *reading.rejected],
        match=match,
    )


def _nothing(reason: str) -> DigitPrediction:
    return DigitPrediction(
        digit=None,
        confidence=0.0,
        probabilities=np.full(10, 0.1),
        accepted=False,
        reason=reason,
    )
