"""Boxes of forms and sheets on tables: what is read is in the boxes, or on the sheet."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from digitrec.inference.cells import find_cell_digits
from digitrec.inference.image_io import load_image
from digitrec.inference.printed import text_fonts
from digitrec.inference.sheet import without_surroundings


def form(images, *, gap: int, colour, angle: float = 0.0, n: int = 5) -> np.ndarray:
    """Draw a row of boxes with digits in them, and a printed address with a number above."""
    pixels = Image.new("RGB", (520, 300), (245, 245, 240))
    drawing = ImageDraw.Draw(pixels)
    face = ImageFont.truetype(str(text_fonts()[0]), 24)
    drawing.text((200, 30), "12 rue de Paris", fill=(40, 40, 40), font=face)
    drawing.text((200, 70), "75020 Platz", fill=(40, 40, 40), font=face)
    for index in range(n):
        left = 60 + index * (44 + gap)
        drawing.rectangle((left, 180, left + 44, 236), outline=colour, width=2)
        ink = np.asarray(Image.fromarray(images[index]).resize((42, 42)))
        shade = Image.fromarray(np.rint(255 * np.clip(ink, 0, 1)).astype(np.uint8))
        pixels.paste((20, 30, 110), (left + 2, 188), shade)
    return np.asarray(pixels.rotate(angle, Image.Resampling.BICUBIC, fillcolor=(245, 245, 240)))


@pytest.mark.parametrize("gap", [0, 14])
@pytest.mark.parametrize("colour", [(230, 120, 40), (30, 30, 30)])
@pytest.mark.parametrize("angle", [0.0, 3.0])
def test_boxes_are_read_and_print_beside_them_is_left_out(recognizer, digits, gap, colour, angle):
    images, labels = digits
    reading = recognizer.read(form(images, gap=gap, colour=colour, angle=angle))
    assert reading.text == "".join(map(str, labels[:5]))
    left, top, right, bottom = reading.boxes[0]
    assert 40 < left < right < 125 and 150 < top < bottom < 260


def test_a_digit_that_touches_its_box_is_found():
    mask = np.zeros((120, 400), bool)
    for left in (20, 80, 140, 200, 260):
        mask[30:90, [left, left + 1, left + 50, left + 51]] = True
        mask[[30, 31, 88, 89], left : left + 52] = True
        # From the top to the bottom of the second and the last box.
        mask[30 : 90 if left in (80, 260) else 70, left + 24 : left + 28] = True
    (row,) = find_cell_digits(mask)
    assert [window[1].start for window, _ in row] == pytest.approx([44, 104, 164, 224, 284], abs=2)


def test_empty_boxes_and_squared_paper_are_no_form():
    mask = np.zeros((200, 300), bool)
    mask[::20] = mask[:, ::20] = True
    mask[45:75, 65:70] = True
    assert find_cell_digits(mask) == []
    assert find_cell_digits(np.zeros((50, 50), bool)) == []


def test_digits_on_squared_paper_are_read_where_few_stand_in_a_square(recognizer, digits, page):
    images, labels = digits
    # The lower rows cross the lines, so that their squares are not found as boxes.
    placed = [(images[i], 46 + 40 * (i % 4), (46, 106, 186)[i // 4]) for i in range(12)]
    pixels = page(placed, 260, 240)
    lines = np.full_like(pixels, 255)
    lines[::40] = lines[:, ::40] = 150
    reading = recognizer.read(np.minimum(pixels, lines))
    assert reading.lines == ["".join(map(str, labels[i : i + 4])) for i in (0, 4, 8)]


def test_a_sheet_on_a_table_is_read_as_if_it_filled_the_picture(recognizer, digits, page):
    images, labels = digits
    row = [(images[i], 40 + 45 * i, 60) for i in range(4)]
    sheet = Image.fromarray(page(row, 280, 200)).resize((560, 400))
    grain = np.random.default_rng(0).normal(0, 8, (700, 800, 1))
    table = Image.fromarray((130 + grain).repeat(3, axis=2).astype(np.uint8))
    table.paste(
        sheet.rotate(12, expand=True),
        (100, 90),
        Image.new("L", sheet.size, 255).rotate(12, expand=True),
    )
    pixels = np.asarray(table)
    found = without_surroundings(load_image(pixels))
    assert found.pixels.shape[1] < 700 and found.pixels.shape[0] < 600
    assert found.pixels.min(axis=2)[:, 0].min() > 150
    assert recognizer.read(pixels).text == "".join(map(str, labels[:4]))


def test_shadows_and_plain_pages_are_no_sheets(page, digits):
    images, _ = digits
    plain = page([(images[0], 100, 100)], 300, 300)
    shaded = plain.copy()
    shaded[:, 150:] = shaded[:, 150:] // 2
    for pixels in (plain, shaded):
        loaded = load_image(pixels)
        assert without_surroundings(loaded) is loaded
