"""Reading a number of which something is known, from pages of real digits."""

from __future__ import annotations

import numpy as np
import pytest

from digitrec.inference.recognizer import Recognizer


@pytest.fixture(scope="module")
def clear(recognizer, digits):
    """Digits 0 to 9 that the small recogniser reads on their own."""
    images, labels = digits
    predictions = recognizer.predict_rows(images)
    found = [
        max(np.flatnonzero(labels == d), key=lambda i: predictions[i].probabilities[labels[i]])
        for d in range(10)
    ]
    return images[found]


@pytest.fixture(scope="module")
def number(clear, page):
    """A row of six digits, and what it says."""
    text = "317495"
    row = [(clear[int(d)], 40 + 50 * k, 40) for k, d in enumerate(text)]
    return page(row, 380, 110), text


def test_what_is_known_and_right_gives_the_number(recognizer, number):
    pixels, text = number
    others = [f"{(int(text) + 111_111 * k) % 10**6:06d}" for k in range(1, 5)]
    for options in ({"expected": 6}, {"pattern": "dd.dd-dd"}, {"allowed": [*others, text]}):
        reading = recognizer.read(pixels, **options)
        assert reading.lines == [text]
        assert reading.match.accepted
        assert reading.match.probability > 0.5
        assert reading.match.text.replace(".", "").replace("-", "") == text
        assert reading.to_dict()["match"]["text"] == reading.match.text
    assert (
        recognizer.read(pixels, pattern="dd.dd-dd").match.text
        == f"{text[:2]}.{text[2:4]}-{text[4:]}"
    )


def test_what_the_image_speaks_against_is_not_believed(recognizer, number):
    pixels, text = number
    far = "".join(str((int(c) + 5) % 10) for c in text)
    for options in ({"allowed": [far]}, {"pattern": "".join(f"[{c}]" for c in far)}):
        reading = recognizer.read(pixels, **options)
        assert (reading.text, reading.digits) == ("", [])
        assert not reading.match.accepted
        assert reading.match.probability < 0.1
        assert len(reading.rejected) >= 6


def test_a_doubtful_digit_is_decided_by_what_is_known(recognizer, number):
    pixels, text = number
    plain = recognizer.read(pixels)
    place = int(np.argmin([np.sort(p.probabilities)[-1] for p in plain.digits]))
    probabilities = plain.digits[place].probabilities
    second = int(np.argsort(probabilities)[-2])
    other = text[:place] + str(second) + text[place + 1 :]
    reading = recognizer.read(pixels, allowed=[other, text])
    assert reading.match.runner_up in (other, None)
    assert reading.match.text == text
    assert reading.match.runner_up_probability < reading.match.probability


def test_digits_that_touch_and_digits_in_two_pieces(recognizer, clear, page):
    touching = page([(clear[2], 40, 40), (clear[3], 58, 40), (clear[6], 110, 40)], 180, 110)
    assert recognizer.read(touching, allowed=["236", "000", "999"]).match.text == "236"
    image = clear[0].copy()
    image[:, 13:15] = 0
    broken = page([(image, 40, 40), (clear[8], 110, 40)], 180, 110)
    assert recognizer.read(broken, allowed=["08", "123", "456"]).match.text == "08"


def test_a_blank_page_has_no_number(recognizer):
    blank = np.full((200, 200), 255, np.uint8)
    for options in ({"expected": 3}, {"check": "luhn"}, {"allowed": [1, 2]}):
        reading = recognizer.read(blank, **options)
        assert reading.text == ""
        assert not reading.match.accepted
        assert reading.match.reason


def test_the_threshold_holds_for_numbers_too(recognizer_file, number):
    pixels, text = number
    reading = Recognizer(recognizer_file, threshold=1.0).read(pixels, pattern="d{6}")
    assert reading.match.text == text
    assert not reading.match.accepted
    assert "below the threshold" in reading.match.reason
