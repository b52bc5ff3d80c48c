from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont
from sklearn.neighbors import KNeighborsClassifier

from benchmarks._scenes import make_scene
from digitrec.datasets import load_dataset
from digitrec.errors import ConfigurationError, ImageError, ModelFileError
from digitrec.inference import Recognizer
from digitrec.persistence import save_model


def test_single_digits_of_made_up_scenes(recognizer, digits):
    images, labels = digits
    rng = np.random.default_rng(0)
    right = 0
    for index in range(50):
        scene = make_scene([(images[index : index + 1], str(labels[index]))], rng)
        prediction = recognizer.predict_digit(scene.pixels)
        right += str(prediction.digit) == scene.text
    assert right >= 44


@pytest.mark.parametrize(
    "traits",
    [("framed",), ("barred",), ("framed", "light-on-dark", "jpeg"), ("ruled", "turned")],
    ids="+".join,
)
def test_frames_bars_and_rulings_are_not_read(recognizer, digits, traits):
    images, labels = digits
    rng = np.random.default_rng(5)
    right = strings = 0
    for index in range(10):
        scene = make_scene([(images[index : index + 1], str(labels[index]))], rng, traits=traits)
        right += str(recognizer.predict_digit(scene.pixels).digit) == scene.text
        chosen = slice(4 * index, 4 * index + 4)
        text = "".join(str(label) for label in labels[chosen])
        scene = make_scene([(images[chosen], text)], rng, traits=traits)
        strings += recognizer.read(scene.pixels).text == text
    assert right >= 8
    assert strings >= 6


def test_many_images_are_recognised_as_each_alone(recognizer, digits):
    images, labels = digits
    rng = np.random.default_rng(3)
    scenes = [make_scene([(images[i : i + 1], str(labels[i]))], rng).pixels for i in range(18)]
    # A blank page between two blocks, and noise that is looked at a second time.
    scenes[8:8] = [np.full((50, 60, 3), 240, np.uint8)]
    scenes.append(rng.integers(0, 90, (60, 90), dtype=np.uint8))
    together = recognizer.predict_digits(iter(scenes))
    assert len(together) == len(scenes)
    for scene, one in zip(scenes, together, strict=True):
        alone = recognizer.predict_digit(scene)
        assert (one.digit, one.box, one.accepted) == (alone.digit, alone.box, alone.accepted)
        assert one.confidence == pytest.approx(alone.confidence, abs=2e-5)
    assert recognizer.predict_digits([]) == []


def test_strings_of_made_up_scenes(recognizer, digits):
    images, labels = digits
    rng = np.random.default_rng(0)
    right = 0
    for _ in range(20):
        chosen = rng.integers(len(images), size=4)
        text = "".join(str(label) for label in labels[chosen])
        scene = make_scene([(images[chosen], text)], rng, traits=("noise", "gradient"))
        right += recognizer.read(scene.pixels).text == text
    assert right >= 15


def test_a_sheet_keeps_its_rows_and_boxes(recognizer, digits, page):
    images, labels = digits
    placed = [(images[i], 40 + 50 * (i % 4), 30 + 60 * (i // 4)) for i in range(8)]
    reading = recognizer.read(page(placed, 280, 160))
    text = "".join(str(label) for label in labels[:8])
    assert reading.lines == [text[:4], text[4:]]
    assert reading.text == f"{text[:4]}\n{text[4:]}"
    assert len(reading.boxes) == 8
    for (_, left, top), box in zip(placed, reading.boxes, strict=True):
        assert left <= box[0] < box[2] <= left + 29
        assert top <= box[1] < box[3] <= top + 29


def test_the_box_is_in_pixels_of_the_original(recognizer, digits, page):
    images, _ = digits
    large = np.kron(images[0], np.ones((8, 8), np.float32))
    pixels = page([(large, 900, 500)], 1600, 1200)
    prediction = recognizer.predict_digit(Image.fromarray(pixels))
    rows, columns = (np.flatnonzero((large > 0.5).any(axis=axis)) for axis in (1, 0))
    truth = (900 + columns[0], 500 + rows[0], 901 + columns[-1], 501 + rows[-1])
    assert prediction.box == pytest.approx(truth, abs=12)


def test_the_box_of_a_small_digit_in_a_photo_on_its_side(recognizer, digits, page, tmp_path):
    images, labels = digits
    index = int(np.flatnonzero(labels == 7)[0])
    large = np.kron(images[index], np.ones((8, 8), np.float32))
    upright = page([(large, 1500, 400)], 2000, 2600)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    photo = tmp_path / "photo.jpg"
    Image.fromarray(np.rot90(upright)).save(photo, exif=exif, quality=90)
    prediction = recognizer.predict_digit(photo)
    rows, columns = (np.flatnonzero((large > 0.5).any(axis=axis)) for axis in (1, 0))
    truth = (1500 + columns[0], 400 + rows[0], 1501 + columns[-1], 401 + rows[-1])
    assert prediction.box == pytest.approx(truth, abs=12)
    assert prediction.digit == 7


def test_a_region_and_a_rotation(recognizer, digits, page):
    images, labels = digits
    pixels = page([(images[i], 40 + 50 * i, 40) for i in range(4)], 280, 110)
    text = "".join(str(label) for label in labels[:4])
    part = recognizer.read(pixels, region=(80, 20, 190, 90))
    assert part.text == text[1:3]
    assert all(box[0] >= 80 and box[2] <= 190 for box in part.boxes)
    upside_down = recognizer.read(np.ascontiguousarray(pixels[::-1, ::-1]), rotation=180)
    assert upside_down.text == text
    with pytest.raises(ConfigurationError, match="region"):
        recognizer.read(pixels, region=(0, 0, 999, 9))
    with pytest.raises(ConfigurationError, match="rotation"):
        recognizer.read(pixels, rotation=1000)
    with pytest.raises(ConfigurationError, match="expected"):
        recognizer.read(pixels, expected=0)


def test_the_rings_of_a_binder_at_the_border_are_no_digits(recognizer, digits, page):
    images, labels = digits
    chosen = [int(np.flatnonzero(labels == digit)[5]) for digit in (7, 2, 5, 3, 2, 6)]
    placed = [(images[i], 70 + 60 * (n % 3), 40 + 62 * (n // 3)) for n, i in enumerate(chosen)]
    ring = np.zeros((28, 28), np.float32)
    ring[4:24, 3:24] = 1
    ring[8:20, 7:20] = 0
    rings = [(ring[:, 12:], 0, 12 + 34 * n) for n in range(5)]
    assert recognizer.read(page(placed + rings, 290, 190)).lines == ["725", "326"]


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_page_on_its_side_or_upside_down_is_noticed(recognizer, digits, page, turns):
    images, labels = digits
    chosen = [int(np.flatnonzero(labels == digit)[3]) for digit in (2, 3, 4, 5, 7, 2, 3, 4, 5, 7)]
    placed = [(images[i], 40 + 50 * (n % 5), 40 + 60 * (n // 5)) for n, i in enumerate(chosen)]
    turned = np.ascontiguousarray(np.rot90(page(placed, 330, 180), turns))
    reading = recognizer.read(turned)
    assert reading.lines == ["23457", "23457"]
    assert reading.angle == pytest.approx(360 - 90 * turns)
    height, width = turned.shape[:2]
    assert all(0 <= b[0] < b[2] <= width and 0 <= b[1] < b[3] <= height for b in reading.boxes)


def test_the_expected_number_of_digits_is_met(recognizer, digits, page):
    images, _ = digits
    pixels = page([(images[i], 40 + 50 * i, 40) for i in range(4)], 280, 110)
    for expected in (2, 4):
        reading = recognizer.read(pixels, expected=expected)
        assert len(reading.text) == expected
        assert len(reading.rejected) == 4 - expected


def test_what_is_no_digit_is_rejected(recognizer):
    blank = np.full((200, 200, 3), 240, np.uint8)
    prediction = recognizer.predict_digit(blank)
    assert prediction.digit is None
    assert not prediction.accepted
    assert prediction.box is None
    assert recognizer.read(blank).text == ""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (90, 90, 3), dtype=np.uint8)
    disc = np.full((100, 100), 255, np.uint8)
    disc[20:80, 20:80] = 0
    egg, letter = Image.new("L", (300, 170), 230), Image.new("L", (100, 160), 255)
    ImageDraw.Draw(egg).ellipse((110, 45, 190, 125), fill=60)
    ImageDraw.Draw(letter).ellipse((43, 20, 57, 34), fill=0)
    ImageDraw.Draw(letter).line((50, 50, 50, 140), fill=0, width=10)
    for pixels in (noise, disc, np.asarray(egg), np.asarray(letter)):
        prediction = recognizer.predict_digit(pixels)
        assert prediction.digit is None
        assert prediction.reason


SHAPES = {
    "ellipse": lambda draw, box, grey: draw.ellipse(box, fill=grey),
    "rounded rectangle": lambda draw, box, grey: draw.rounded_rectangle(box, 12, fill=grey),
    "rectangle": lambda draw, box, grey: draw.rectangle(box, fill=grey),
    "half disc": lambda draw, box, grey: draw.chord(box, 180, 360, fill=grey),
    "triangle": lambda draw, box, grey: draw.polygon(
        [(box[0], box[3]), ((box[0] + box[2]) / 2, box[1]), (box[2], box[3])], fill=grey
    ),
}


@given(
    size=st.sampled_from([(300, 170), (170, 170), (120, 170), (64, 64)]),
    width=st.floats(0.3, 0.8),
    aspect=st.floats(0.6, 1.4),
    grey=st.integers(20, 150),
    inverted=st.booleans(),
    noise=st.sampled_from([0, 0, 6]),
)
@pytest.mark.parametrize("shape", SHAPES)
@settings(max_examples=12)
def test_filled_shapes_are_no_digits(recognizer, shape, size, width, aspect, grey, inverted, noise):
    # Narrower and wider than the window that the paper is estimated in, which is 0.3 of the side.
    side = width * min(size)
    half = (side / 2, min(side / aspect, 0.85 * size[1]) / 2)
    image = Image.new("L", size, 230)
    box = [size[k % 2] / 2 + (-1) ** (k < 2) * half[k % 2] for k in range(4)]
    SHAPES[shape](ImageDraw.Draw(image), box, grey)
    pixels = np.asarray(image) + np.random.default_rng(0).normal(0, noise, size[::-1])
    pixels = pixels.clip(0, 255).astype(np.uint8)
    prediction = recognizer.predict_digit(255 - pixels if inverted else pixels)
    assert prediction.digit is None


@given(
    width=st.floats(0.3, 0.55),
    aspect=st.floats(0.6, 0.9),
    pen=st.floats(0.08, 0.22),
    dark=st.booleans(),
)
@settings(max_examples=15)
def test_outlined_ellipses_are_zeros(recognizer, width, aspect, pen, dark):
    side = width * 170
    image = Image.new("L", (300, 170), 230)
    box = (150 - side / 2, 85 - side / aspect / 2, 150 + side / 2, 85 + side / aspect / 2)
    ImageDraw.Draw(image).ellipse(box, outline=40, width=round(pen * side))
    pixels = np.asarray(image)
    assert recognizer.predict_digit(pixels if dark else 255 - pixels).digit == 0


def test_rows_are_taken_as_they_are(recognizer, digits):
    images, labels = digits
    rows = np.rint(images[:200] * 255)
    predictions = recognizer.predict_rows(rows.reshape(200, 784))
    right = sum(p.digit == label for p, label in zip(predictions, labels, strict=False))
    assert right >= 180
    assert recognizer.predict_rows(rows)[0].digit == predictions[0].digit
    assert predictions[0].box is None
    assert predictions[0].probabilities.sum() == pytest.approx(1)
    assert recognizer.predict_rows(np.zeros((0, 784))) == []
    assert not recognizer.predict_rows(np.zeros((1, 784)))[0].accepted
    for bad in (np.zeros((2, 5)), np.full((1, 784), np.nan), np.full((1, 784), 256)):
        with pytest.raises(ImageError):
            recognizer.predict_rows(bad)


def test_the_threshold_decides(recognizer_file, digits):
    images, _ = digits
    rows = images[:100] * 255
    accepted = [
        sum(p.accepted for p in Recognizer(recognizer_file, threshold=t).predict_rows(rows))
        for t in (0.0, 0.5, 0.999)
    ]
    assert accepted[0] == 100
    assert accepted[0] >= accepted[1] > accepted[2]
    with pytest.raises(ConfigurationError, match="threshold"):
        Recognizer(recognizer_file, threshold=2)


def test_a_model_without_the_class_of_non_digits(digit_model_file, digits):
    recognizer = Recognizer(digit_model_file)
    assert not recognizer.model.knows_non_digits
    images, labels = digits
    predictions = recognizer.predict_digits(images[:20])
    assert sum(p.digit == label for p, label in zip(predictions, labels, strict=False)) >= 17
    assert not recognizer.predict_digit(np.full((50, 50), 200, np.uint8)).accepted


def test_models_of_other_things_are_refused(tmp_path: Path):
    X, y = np.random.default_rng(0).random((20, 784)) * 255, np.arange(20) % 10
    model = KNeighborsClassifier(1).fit(X, y)
    names = ["T-shirt", "Trouser", "Pullover", "Dress", "Coat"]
    names += ["Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
    path = save_model(model, tmp_path / "fashion.joblib", {"label_names": names})
    with pytest.raises(ConfigurationError, match="does not recognise digits"):
        Recognizer(path)
    digits = load_dataset("digits")
    small = KNeighborsClassifier(1).fit(digits.X_train, digits.y_train)
    with pytest.raises(ConfigurationError, match="64 values"):
        Recognizer(small)
    with pytest.raises(ConfigurationError, match="cannot predict"):
        Recognizer(object())
    with pytest.raises(ModelFileError):
        Recognizer(tmp_path / "nothing.joblib")


@pytest.mark.parametrize(
    ("paper", "pen"),
    [((0, 200, 0), (220, 0, 0)), ((250, 230, 40), (20, 40, 220)), ((240, 60, 60), (0, 70, 90))],
    ids=["red on green", "blue on yellow", "teal on red"],
)
def test_ink_that_is_lighter_than_the_paper_in_some_colour(recognizer, digits, paper, pen):
    images, labels = digits
    for index in (np.flatnonzero(labels == d)[4] for d in (0, 4, 6, 8, 9)):
        ink = np.asarray(Image.fromarray(images[index]).resize((140, 140)))[..., None]
        pixels = np.rint(ink * pen + (1 - ink) * paper).clip(0, 255).astype(np.uint8)
        assert recognizer.predict_digit(pixels).digit == labels[index]


BITS = np.random.default_rng(3).integers(0, 2, 80).astype(bool)
PATTERNS = {
    "stripes": lambda x, y: x % 40 < 8,
    "grid": lambda x, y: (x % 40 < 8) | (y % 40 < 8),
    "dashes": lambda x, y: (x % 40 < 8) & (y % 80 < 40),
    "bar code": lambda x, y: BITS[x // 8 % len(BITS)] & (abs(y - 160) < 90),
    "ruler": lambda x, y: (x % 20 < 4) & (y < np.where(x % 100 < 20, 120, 70)) & (y > 20),
    "fence": lambda x, y: (x % 40 < 10) | (abs(y - 80) < 5) | (abs(y - 240) < 5),
}


@pytest.mark.parametrize("noise", [0, 12])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns_of_bars_are_not_ones(recognizer, pattern, noise):
    y, x = np.mgrid[:320, :400]
    levels = np.where(PATTERNS[pattern](x, y), 20, 235)
    levels = levels + np.random.default_rng(0).normal(0, noise, levels.shape)
    for page in (levels, np.pad(levels, 50, constant_values=235), 255 - levels):
        reading = recognizer.read(page.clip(0, 255).astype(np.uint8))
        assert reading.text == ""
        if any("bars" in piece.reason for piece in reading.rejected):
            assert "taken for a pattern" in reading.warnings[0]


def test_ones_that_are_written_or_printed_are_read(recognizer, digits):
    images, labels = digits
    ones = images[labels == 1][:12]
    by_hand = np.full((3 * 90, 4 * 80), 255, np.uint8)
    for place, one in enumerate(ones):
        large = Image.fromarray(np.uint8(255 - 255 * one)).resize(
            (70, 70), Image.Resampling.BICUBIC
        )
        top, left = 90 * (place // 4) + 10, 80 * (place % 4) + 5
        by_hand[top : top + 70, left : left + 70] = large
    assert recognizer.read(by_hand).text == "\n".join(["1111"] * 3)
    for name in ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSerif", "DejaVuSerif-Bold"):
        font = ImageFont.truetype(Path(matplotlib.get_data_path(), f"fonts/ttf/{name}.ttf"), 70)
        printed = Image.new("L", (700, 120), 255)
        ImageDraw.Draw(printed).text((20, 20), "11111111", font=font, fill=0)
        assert recognizer.read(printed).text == "11111111"


BARS = {"0": "abcdef", "1": "bc", "2": "abged", "3": "abgcd", "4": "fgbc"}
BARS |= {"5": "afgcd", "6": "afgedc", "7": "abc", "8": "abcdefg", "9": "abcdfg"}
ENDS = {"a": (0, 0, 1, 0), "g": (0, 1, 1, 1), "d": (0, 2, 1, 2), "f": (0, 0, 0, 1)}
ENDS |= {"b": (1, 0, 1, 1), "e": (0, 1, 0, 2), "c": (1, 1, 1, 2)}


@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("text", ["859904", "4672", "31"])
def test_bars_of_a_display_are_joined_to_digits(recognizer, text, inverted):
    image = Image.new("L", (60 + 80 * len(text), 170), 235)
    draw = ImageDraw.Draw(image)
    for place, digit in enumerate(text):
        for bar in BARS[digit]:
            x0, y0, x1, y1 = (
                40 + 80 * place * (i % 2 == 0) + 48 * v for i, v in enumerate(ENDS[bar])
            )
            u, v = (1, 0) if y0 == y1 else (0, 1)
            # Pointed ends, with 4 pixels between two of them.
            corners = [(x0, y0, 3, 0), (x0, y0, 9, 6), (x1, y1, -9, 6)]
            corners += [(x1, y1, -3, 0), (x1, y1, -9, -6), (x0, y0, 9, -6)]
            draw.polygon(
                [(x + u * s + v * t, y + v * s + u * t) for x, y, s, t in corners], fill=30
            )
    pixels = np.asarray(image)
    assert recognizer.read(255 - pixels if inverted else pixels).text == text
