"""One digit among pieces of others, several digits, tiny and dithered pictures."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage as ndi

from digitrec.errors import ConfigurationError
from digitrec.inference import Recognizer
from digitrec.inference.crops import Sources, make_crops
from digitrec.inference.printed import text_fonts
from digitrec.inference.recognizer import SEVERAL


def picture(image: np.ndarray, side: int) -> Image.Image:
    """A digit of MNIST as dark ink on white, at a size."""
    ink = Image.fromarray(np.rint(image * 255).astype(np.uint8))
    return Image.fromarray(255 - np.asarray(ink.resize((side, side), Image.Resampling.BICUBIC)))


def crop(images: np.ndarray, rng: np.random.Generator) -> Image.Image:
    """The middle one of three digits, with pieces of the others, a full stop and a line."""
    paper = Image.new("L", (240, 120), 235)
    for place, image in zip((0, 66, 132), images, strict=True):
        own = picture(image, 100)
        paper.paste(Image.fromarray(np.minimum(np.asarray(own), 235)), (place, 8))
    pixels = np.array(paper)
    pixels[104:107] = 120
    pixels[86:93, 152:159] = 40
    left, right = int(rng.integers(52, 70)), int(rng.integers(160, 176))
    return Image.fromarray(pixels[4:114, left:right])


def test_the_middle_digit_of_a_crop_is_read(recognizer, digits):
    images, labels = digits
    rng = np.random.default_rng(0)
    right = {None: 0, "crop": 0}
    for _ in range(50):
        chosen = rng.integers(len(images), size=3)
        cut = crop(images[chosen], rng)
        for context in right:
            guess = recognizer.predict_digit(cut, context=context).probabilities.argmax()
            right[context] += int(guess == labels[chosen[1]])
    assert right["crop"] >= 42
    assert right[None] >= 38


def test_what_the_first_look_rejects_is_accepted_where_the_crop_shows_a_digit(recognizer, digits):
    images, labels = digits
    crops = make_crops(Sources(images, labels), np.arange(60), np.random.default_rng(0))
    # Crops fill the height or the width of their frame.
    cuts = [crop[crop.any(axis=1)][:, crop.any(axis=0)] for crop in crops]
    pictures = [np.uint8(235 - 200 * ndi.zoom(cut, 3, order=1)) for cut in cuts]
    predictions = recognizer.predict_digits(pictures)
    known = [p for p, label in zip(predictions, labels[:60], strict=True) if p.guess == label]
    assert len(known) >= 50
    assert np.mean([p.accepted for p in known]) > 0.92


def test_a_plain_digit_may_be_called_a_crop(recognizer, digits):
    images, labels = digits
    cuts = [picture(image, 120) for image in images[::60]]
    predictions = recognizer.predict_digits(cuts, context="crop")
    right = [p.digit == label for p, label in zip(predictions, labels[::60], strict=True)]
    assert np.mean(right) > 0.85
    assert recognizer.predict_digit(np.full((60, 60), 255, np.uint8), context="crop").digit is None
    with pytest.raises(ConfigurationError, match="context"):
        recognizer.predict_digit(cuts[0], context="cell")


def test_models_without_a_network_of_crops_take_the_hint(digit_model_file, digits):
    images, labels = digits
    prediction = Recognizer(digit_model_file).predict_digit(picture(images[0], 120), context="crop")
    assert prediction.probabilities.argmax() == labels[0]


@pytest.mark.parametrize("count", [3, 5])
def test_several_digits_are_no_single_one(recognizer, digits, count):
    images, _ = digits
    rng = np.random.default_rng(count)
    refused = []
    for _ in range(12):
        strip = Image.new("L", (110 * count, 140), 255)
        for place, index in enumerate(rng.integers(len(images), size=count)):
            strip.paste(picture(images[index], 110), (110 * place, 15))
        prediction = recognizer.predict_digit(strip)
        assert not prediction.accepted
        refused.append(prediction.reason)
    assert refused.count(SEVERAL) >= 10


def test_a_word_with_a_letter_like_a_digit_is_no_digit(recognizer):
    font = ImageFont.truetype(str(text_fonts()[0]), 60)
    for word in ("bath", "Sorry", "Item", "gnat"):
        page = Image.new("L", (260, 120), 255)
        ImageDraw.Draw(page).text((20, 20), word, fill=0, font=font)
        assert not recognizer.predict_digit(page).accepted, word


@pytest.mark.parametrize("side", [8, 10, 12, 16])
def test_tiny_pictures(recognizer, digits, side):
    images, labels = digits
    predictions = recognizer.predict_digits([picture(image, side) for image in images[::20]])
    right = sum(p.digit == label for p, label in zip(predictions, labels[::20], strict=True))
    wrong = sum(p.accepted for p in predictions) - right
    assert right >= (0.7 if side < 10 else 0.85) * len(predictions)
    assert wrong <= 0.15 * len(predictions)
    for prediction in predictions:
        assert prediction.box is None or max(prediction.box) <= side


@pytest.mark.parametrize("repeats", [2, 7])
def test_repeated_pixels_change_nothing(recognizer, digits, repeats):
    images, _ = digits
    for image in images[::90]:
        small = np.asarray(picture(image, 20))
        plain = recognizer.predict_digit(small)
        large = recognizer.predict_digit(np.kron(small, np.ones((repeats, repeats), np.uint8)))
        assert large.digit == plain.digit
        assert large.confidence == pytest.approx(plain.confidence)
        expected = tuple(repeats * end for end in plain.box)
        assert large.box == pytest.approx(expected, abs=repeats)  # whole pixels


@pytest.mark.parametrize("side", [56, 90, 140])
def test_dithered_scans(recognizer, digits, side):
    images, labels = digits
    scans = [picture(image, side).convert("1") for image in images[::40]]
    predictions = recognizer.predict_digits(scans)
    right = sum(p.digit == label for p, label in zip(predictions, labels[::40], strict=True))
    assert right >= 0.85 * len(predictions)


@pytest.mark.parametrize("step", [20, 50, 80])
def test_squared_paper(recognizer, digits, step):
    images, labels = digits
    right = 0
    for image, label in zip(images[::80], labels[::80], strict=True):
        paper = np.full((400, 400), 255, np.uint8)
        for line in range(0, 400, step):
            paper[line : line + 2] = paper[:, line : line + 2] = 120
        view = paper[40:360, 40:360]
        np.minimum(view, np.asarray(picture(image, 320)), out=view)
        right += recognizer.predict_digit(paper).digit == label
    assert right >= 0.8 * len(images[::80])
