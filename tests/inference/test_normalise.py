from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageDraw
from scipy import ndimage as ndi

from digitrec.inference.normalise import STROKE_RATIO, normalise_digit, stroke_ratio


def ring(width: int, side: int = 200) -> np.ndarray:
    image = Image.new("L", (side, side))
    box = (side * 0.25, side * 0.1, side * 0.75, side * 0.9)
    ImageDraw.Draw(image).ellipse(box, outline=255, width=width)
    return np.asarray(image)


@pytest.mark.parametrize("width", [1, 3, 8, 16, 28, 45])
def test_strokes_come_into_the_range_of_mnist(width):
    image = normalise_digit(ring(width))
    assert STROKE_RATIO[0] - 0.03 < stroke_ratio(image) < STROKE_RATIO[1] + 0.04


def test_the_frame_is_that_of_mnist():
    image = normalise_digit(ring(14))
    rows = np.flatnonzero((image > 30).any(axis=1))
    assert 19 <= np.ptp(rows) + 1 <= 21
    assert ndi.center_of_mass(image) == pytest.approx((14, 14), abs=0.6)
    assert image.dtype == np.uint8
    assert image.max() == 255


def test_digits_of_mnist_stay_as_they_are(digits):
    images, _ = digits
    change = [
        np.abs(normalise_digit(image) / 255 - image).mean() / image.mean() for image in images[:40]
    ]
    assert np.median(change) < 0.35


@given(
    arrays(
        np.float32,
        st.tuples(st.integers(1, 40), st.integers(1, 40)),
        elements=st.floats(0, 255, width=32),
    )
)
def test_anything_gives_28_by_28_bytes(strength):
    image = normalise_digit(strength)
    assert image.shape == (28, 28)
    assert image.dtype == np.uint8


def test_no_ink_gives_an_empty_image():
    assert not normalise_digit(np.zeros((9, 9))).any()
