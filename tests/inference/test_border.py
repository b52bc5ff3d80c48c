"""Rims of images: bars, frames and margins, and what is none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from digitrec.inference.border import content_box


def paper(height: int, width: int, level: int = 230) -> np.ndarray:
    pixels = np.full((height, width, 3), level, np.uint8)
    pixels[height // 3 : 2 * height // 3, width // 2 : width // 2 + max(2, width // 20)] = 40
    return pixels


def surround(pixels: np.ndarray, rows: int, columns: int, level: int) -> np.ndarray:
    margins = ((rows, rows), (columns, columns), (0, 0))
    return np.pad(pixels, margins, constant_values=level)


@pytest.mark.parametrize(("rows", "columns"), [(20, 0), (0, 30), (3, 3), (15, 40)])
@pytest.mark.parametrize("level", [0, 120])
def test_bars_and_frames_are_left_out(rows, columns, level):
    image = surround(paper(90, 120), rows, columns, level)
    left, top, right, bottom = content_box(image)
    # At the edge of a border one more pixel may go, for it may be a mixture.
    for found, true in zip(
        (left, top, right, bottom),
        (columns, rows, columns + 120, rows + 90),
        strict=True,
    ):
        assert abs(found - true) <= 1
    assert left >= columns and top >= rows and right <= columns + 120 and bottom <= rows + 90


def test_a_frame_goes_with_the_margin_around_it():
    image = surround(surround(paper(90, 120), 2, 2, 30), 12, 12, 230)
    assert content_box(image) == pytest.approx((14, 14, 134, 104), abs=2)


def test_a_photo_on_a_white_page():
    image = surround(paper(90, 120, level=180), 25, 25, 255)
    assert content_box(image) == pytest.approx((25, 25, 145, 115), abs=1)


def test_lines_at_two_sides():
    image = paper(90, 120)
    image[-3:] = 30
    image[:, :3] = 30
    assert content_box(image) == pytest.approx((3, 0, 120, 87), abs=1)


@pytest.mark.parametrize("kind", ["plain", "ruled", "seven", "eleven", "one"])
def test_what_is_no_rim_stays(kind):
    image = paper(90, 120)
    if kind == "ruled":
        image[[10, 11, 40, 41, 70, 71]] = 120
    elif kind == "seven":
        image[:] = 230
        image[:8] = 30
        for row in range(90):
            image[row, max(0, 110 - row) : 120 - row] = 30
    elif kind == "eleven":
        image[:] = 230
        image[:, :10] = image[:, -10:] = 30
    elif kind == "one":
        image[:] = 30
    assert content_box(image) == (0, 0, 120, 90)


@given(
    hnp.arrays(
        np.uint8,
        st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3)),
        elements=st.sampled_from([0, 10, 128, 255]),
        fill=st.sampled_from([0, 255]),
    )
)
def test_something_is_always_left(pixels):
    left, top, right, bottom = content_box(pixels)
    assert 0 <= left < right <= pixels.shape[1]
    assert 0 <= top < bottom <= pixels.shape[0]
