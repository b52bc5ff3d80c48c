"""What stands among the digits of a row and is none: words, slashes, brackets, lines."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from digitrec.inference.prediction import DigitPrediction
from digitrec.inference.printed import text_fonts
from digitrec.inference.reading import assemble
from digitrec.inference.stems import measure_stem, weigh_flags

HEIGHT = 40


@pytest.fixture(scope="module")
def hand(digits, recognizer):
    """For each digit the clearest of some images, as tall as `HEIGHT`."""
    images, labels = digits
    chosen = {}
    for digit in range(10):
        drawn = []
        for image in images[labels == digit][:8]:
            rows, columns = (np.flatnonzero((image > 0.3).any(axis=axis)) for axis in (1, 0))
            crop = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            width = max(4, round(crop.shape[1] * HEIGHT / crop.shape[0]))
            drawn.append(np.asarray(Image.fromarray(crop).resize((width, HEIGHT))).clip(0, 1))
        pictures = [Image.fromarray(np.uint8(255 - 255 * np.pad(ink, 20))) for ink in drawn]
        likely = [p.probabilities[digit] * p.accepted for p in recognizer.predict_digits(pictures)]
        chosen[digit] = drawn[int(np.argmax(likely))]
    return chosen


def stroke(points, width=4):
    """Draw a line through points, in pixels; returns ink and the top of its box."""
    xy = np.array(points, float)
    shift = xy.min(axis=0) - width
    size = np.ceil(xy.max(axis=0) - shift + width).astype(int)
    image = Image.new("L", tuple(size.tolist()))
    ImageDraw.Draw(image).line([tuple(p) for p in (xy - shift).tolist()], fill=255, width=width)
    return np.asarray(image, np.float32) / 255, round(float(shift[1]))


def word(text):
    font = ImageFont.truetype(next(f for f in text_fonts() if f.stem == "DejaVuSans"), HEIGHT)
    left, top, right, bottom = font.getbbox(text)
    image = Image.new("L", (right - left, bottom - top))
    ImageDraw.Draw(image).text((-left, -top), text, fill=255, font=font)
    return np.asarray(image, np.float32) / 255, HEIGHT - (bottom - top)


SLASH = stroke([(16, -5), (0, 46)])
OPENING = stroke([(8, -8), (2, 8), (0, 21), (2, 36), (8, 50)])
CLOSING = stroke([(0, -8), (6, 8), (8, 21), (6, 36), (0, 50)])
LINE = stroke([(0, -10), (0, 50)], width=2)
SIGNS = {"/": SLASH, "(": OPENING, ")": CLOSING, "|": LINE}


def lay(page, hand, parts, gap=14):
    """Lay digits, signs, and words in a row; a space is a wide gap."""
    placed, x = [], 30
    for part in parts:
        if part == " ":
            x += 16
            continue
        ink, top = SIGNS.get(part) or ((hand[int(part)], 0) if part.isdigit() else word(part))
        placed.append((ink, x, 40 + top))
        x += ink.shape[1] + gap
    return page(placed, x + 30, 130)


@pytest.mark.parametrize(
    "parts",
    [
        ["Room", " ", *"24680"],
        [*"3059", " ", "Amount"],
        [*"23/05/2048"],
        [*"(340)", " ", *"700463"],
        [*"5|6|4|2|8"],
    ],
    ids=["word before", "word behind", "slashes", "brackets", "column lines"],
)
def test_signs_among_digits_are_left_out(page, hand, recognizer, parts):
    reading = recognizer.read(lay(page, hand, parts))
    assert reading.text == "".join(c for c in "".join(parts) if c.isdigit())


@pytest.mark.parametrize("text", ["1234", "2112", "31415926", "7117"])
def test_ones_among_digits_stay(page, hand, recognizer, text):
    assert recognizer.read(lay(page, hand, text)).text == text


def test_specks_of_faint_ink_are_no_digits(page, hand, recognizer):
    pixels = lay(page, hand, "2468")
    pale = np.full_like(pixels, 255)
    pale[50:90, 60:64] = 190
    reading = recognizer.read(np.concatenate([pixels, pale]))
    assert reading.text == "2468"


def test_one_upright_stroke_beside_a_drawing_is_no_digit(recognizer):
    image = Image.new("RGB", (400, 300), "white")
    draw = ImageDraw.Draw(image)
    draw.polygon([(60, 120), (140, 40), (220, 120)], outline="black", width=5)
    draw.rectangle((75, 125, 205, 230), outline="black", width=5)
    draw.line([(290, 110), (290, 200)], fill="black", width=6)
    reading = recognizer.read(image)
    assert reading.text == ""
    assert any(p.guess == 1 and p.confidence > 0.9 for p in reading.rejected)


def normalised(points, lean):
    image = Image.new("L", (28, 28))
    xy = [(x + lean * (14 - y), y) for x, y in points]
    ImageDraw.Draw(image).line(xy, fill=255, width=2)
    return np.asarray(image)


@pytest.mark.parametrize("lean", [-0.1, 0.0, 0.2])
def test_a_hook_makes_no_seven_and_a_bar_does(lean):
    joint = np.full(11, 0.001)
    joint[[1, 7]] = 0.05, 0.94
    one = normalised([(11, 6), (14, 4), (14, 23)], lean)
    seven = normalised([(6, 4), (16, 4), (14, 23)], lean)
    assert weigh_flags(joint, one).argmax() == 1
    assert weigh_flags(joint, seven) is joint
    stem = measure_stem(one)
    assert stem is not None
    assert stem.lean == pytest.approx(lean, abs=0.05)


def test_where_a_one_is_out_of_question_its_flag_is_not_looked_at():
    joint = np.zeros(11)
    joint[7] = 1
    assert weigh_flags(joint, normalised([(11, 6), (14, 4), (14, 23)], 0.0)) is joint


@pytest.mark.parametrize("rows", [0, 5])
def test_low_ink_has_no_stem(rows):
    image = np.zeros((28, 28), np.uint8)
    image[12 : 12 + rows, 4:24] = 255
    assert measure_stem(image) is None


def pieces(texts, top, *, height=40):
    """Judged pieces of a row; what is no digit in the text was rejected."""
    return [
        DigitPrediction(
            digit=int(sign) if sign.isdigit() else None,
            confidence=float(sign.isdigit()),
            probabilities=np.eye(10)[int(sign) if sign.isdigit() else 0],
            box=(60 * k, top, 60 * k + 20, top + height),
            accepted=sign.isdigit(),
            reason="" if sign.isdigit() else "confidence 0.00 is below the threshold 0.50",
        )
        for k, sign in enumerate(texts)
    ]


@pytest.mark.parametrize(
    "row",
    [{"texts": "11x21"}, {"texts": "72x364", "height": 26}],
    ids=["upright strokes", "lower"],
)
@given(digits=st.text("023456789", min_size=3, max_size=8), above=st.booleans())
def test_text_beside_rows_of_digits_is_left_out(row, digits, above):
    rows = [pieces(digits, 200), pieces(top=100 if above else 300, **row)]
    rows = rows[::-1] if above else rows
    assert assemble(rows, 0.0).text == digits
    # A row that holds nothing else, and one beside nothing else, stay.
    plain = {**row, "texts": row["texts"].replace("x", "")}
    rows = [pieces(digits, 200), pieces(top=300, **plain)]
    assert assemble(rows, 0.0).lines == [digits, plain["texts"]]
    assert assemble([pieces(top=100, **row)], 0.0).text == plain["texts"]
