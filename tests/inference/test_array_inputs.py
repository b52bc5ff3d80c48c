"""Arrays in the scales and shapes that people have: the same digits, or a refusal that helps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from digitrec.errors import ImageError, PixelError

SCALES = {
    "0-255": lambda a: a,
    "float 0-255": lambda a: a.astype(np.float32),
    "0-1": lambda a: a / 255,
    "0-1 and a hair": lambda a: a / 255 * 1.0000002,
    "float32 0-1": lambda a: (a / 255).astype(np.float32),
    "-1 to 1": lambda a: a / 127.5 - 1,
    "int64": lambda a: a.astype(np.int64),
    "16 bits": lambda a: a.astype(np.uint16) * 257,
}
BINARY = {
    "boolean": lambda a: a > 127,
    "0 and 1": lambda a: (a > 127).astype(int),
    "uint8 0 and 1": lambda a: (a > 127).astype(np.uint8),
    "float 0 and 1": lambda a: (a > 127).astype(float),
}
SHAPES = {
    "(28, 28)": lambda a: a,
    "(28, 28, 1)": lambda a: a[..., None],
    "(1, 28, 28)": lambda a: a[None],
}


@pytest.fixture(scope="module")
def images(digits) -> tuple[np.ndarray, np.ndarray]:
    images, labels = digits
    return np.rint(images[:60] * 255).astype(np.uint8), labels[:60]


@pytest.mark.parametrize("scale", [*SCALES, *BINARY])
def test_rows_of_any_scale(recognizer, images, scale):
    pixels, _ = images
    convert = SCALES.get(scale) or BINARY[scale]
    plain = pixels if scale in SCALES else (pixels > 127).astype(np.uint8) * np.uint8(255)
    expected = [p.digit for p in recognizer.predict_rows(plain)]
    for shaped in (convert(pixels).reshape(60, 784), convert(pixels), convert(pixels)[..., None]):
        assert [p.digit for p in recognizer.predict_rows(shaped)] == expected
    assert recognizer.predict_rows(convert(pixels[0]).ravel())[0].digit == expected[0]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scale", [*SCALES, *BINARY])
def test_images_of_any_scale_and_shape(recognizer, images, scale, shape):
    pixels, _ = images
    convert = SCALES.get(scale) or BINARY[scale]
    plain = pixels if scale in SCALES else (pixels > 127).astype(np.uint8) * np.uint8(255)
    expected = [recognizer.predict_digit(image).digit for image in plain[:3]]
    found = [recognizer.predict_digit(SHAPES[shape](convert(image))).digit for image in pixels[:3]]
    assert found == expected


def test_rows_given_as_an_image_are_refused_with_the_remedy(recognizer, images):
    rows = images[0].reshape(60, 784)
    others = [rows[:1], rows[:1].T, rows, rows.T, np.stack([rows[0]] * 28), rows[:2] / 255]
    for given_rows in others:
        for call in (recognizer.predict_digit, recognizer.read):
            with pytest.raises(PixelError, match="predict_rows"):
                call(given_rows)


@settings(max_examples=15)
@given(st.integers(0, 59), st.integers(28, 784), st.booleans())
def test_pictures_784_pixels_wide_are_pictures(recognizer, images, index, height, inverted):
    image = Image.fromarray(images[0][index]).resize((784, height), Image.Resampling.BICUBIC)
    pixels = np.asarray(image)
    prediction = recognizer.predict_digit(255 - pixels if inverted else pixels)
    left, top, right, bottom = prediction.box or (0, 0, 1, 1)
    assert 0 <= left < right <= 784
    assert 0 <= top < bottom <= height


@pytest.mark.parametrize(
    "shape", [(3, 40, 40), (5, 28, 28), (2, 28, 28, 3), (40, 40, 7), (0, 5), ()]
)
def test_other_shapes_are_refused(recognizer, shape):
    with pytest.raises(ImageError, match=r"\(.*give|has no pixels"):
        recognizer.predict_digit(np.zeros(shape, np.uint8))
