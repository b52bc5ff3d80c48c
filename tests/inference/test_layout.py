"""Pieces, lines and cuts: the geometry of pages."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from digitrec.inference.lines import group_lines, page_slope
from digitrec.inference.pieces import find_frames, find_pieces, union_box
from digitrec.inference.ruled_lines import (
    find_pale_lines,
    remove_broken_lines,
    remove_lines,
)
from digitrec.inference.splitting import cut_piece, find_seams


def test_pieces_have_boxes_areas_and_borders():
    mask = np.zeros((20, 30), bool)
    mask[0:4, 0:5] = True
    mask[10:15, 12:20] = True
    pieces = find_pieces(mask)
    np.testing.assert_array_equal(pieces.boxes, [[0, 0, 5, 4], [12, 10, 20, 15]])
    np.testing.assert_array_equal(pieces.areas, [20, 40])
    np.testing.assert_array_equal(pieces.borders_touched, [2, 0])
    assert union_box(pieces.boxes) == (0, 0, 20, 15)
    np.testing.assert_array_equal(pieces.mask([1]), np.where(pieces.labels == 2, True, False))


def test_rulings_go_and_the_strokes_across_them_stay():
    mask = np.zeros((100, 200), bool)
    mask[20:80, 90:98] = True
    with_line = mask.copy()
    with_line[49:51] = True
    left = remove_lines(with_line, (150, 90))
    assert (left == mask).mean() > 0.99
    assert len(find_pieces(left)) == 1


def test_without_a_line_nothing_is_removed():
    mask = np.zeros((60, 60), bool)
    mask[10:50, 28:32] = True
    assert remove_lines(mask, (50, 50)) is mask


@pytest.mark.parametrize("slope", [0.02, -0.06, 0.12])
@pytest.mark.parametrize("upright", [False, True])
def test_slanted_rulings_go_too(slope, upright):
    mask = np.zeros((200, 300), bool)
    mask[60:140, 140:152] = True
    mask[60:72, 140:200] = True
    with_lines = mask.copy()
    x = np.arange(300)
    for start in (45, 100, 155):
        for thickness in range(2):
            with_lines[np.rint(start + slope * (x - 150)).astype(int) + thickness, x] = True
    if upright:
        mask, with_lines = mask.T, with_lines.T
    left = remove_lines(with_lines, (0.9 * mask.shape[1], 0.9 * mask.shape[0]))
    assert (left & ~mask).sum() < 0.03 * (with_lines & ~mask).sum()
    assert (mask & ~left).sum() < 0.05 * mask.sum()


def test_a_thick_slanted_stroke_is_no_ruling():
    mask = np.zeros((200, 100), bool)
    for row in range(200):
        mask[row, 40 + row // 8 : 52 + row // 8] = True
    assert remove_lines(mask, (97, 194)) is mask


def box_with(content: bool, degrees: float, side: int = 100) -> np.ndarray:
    """Draw the outline of a box in an image twice its side, and a bar in it."""
    image = Image.new("L", (2 * side, 2 * side))
    draw = ImageDraw.Draw(image)
    edges = (side // 2, side // 2, 3 * side // 2, 3 * side // 2)
    draw.rectangle(edges, outline=255, width=4)
    if content:
        draw.rectangle((side - 4, side - 20, side + 4, side + 20), fill=255)
    return np.asarray(image.rotate(degrees)) > 127


@pytest.mark.parametrize("degrees", [0, 3, -8])
def test_a_box_is_a_frame_if_something_is_in_it(degrees):
    pieces = find_pieces(box_with(content=True, degrees=degrees))
    (frame,) = find_frames(pieces)
    assert pieces.widths[frame] == pieces.widths.max()
    assert not find_frames(find_pieces(box_with(content=False, degrees=degrees)))


def test_a_zero_with_a_dot_is_no_frame():
    image = Image.new("L", (200, 200))
    draw = ImageDraw.Draw(image)
    draw.ellipse((60, 40, 140, 160), outline=255, width=8)
    draw.ellipse((85, 80, 115, 120), fill=255)
    assert not find_frames(find_pieces(np.asarray(image) > 127))


def test_a_circle_as_large_as_the_image_is_a_frame():
    image = Image.new("L", (200, 200))
    draw = ImageDraw.Draw(image)
    draw.ellipse((5, 5, 195, 195), outline=255, width=6)
    draw.rectangle((95, 60, 105, 140), fill=255)
    assert len(find_frames(find_pieces(np.asarray(image) > 127))) == 1


@pytest.mark.parametrize("width", [100, 160])
def test_a_circle_or_an_ellipse_around_a_digit_is_a_frame(width):
    image = Image.new("L", (400, 400))
    draw = ImageDraw.Draw(image)
    draw.ellipse((200 - width // 2, 150, 200 + width // 2, 250), outline=255, width=5)
    draw.rectangle((195, 170, 205, 230), fill=255)
    pieces = find_pieces(np.asarray(image) > 127)
    (frame,) = find_frames(pieces)
    assert pieces.widths[frame] == width + 1


def boxes_on_lines(slope: float, n_rows: int = 3, n: int = 6) -> np.ndarray:
    return np.array(
        [
            [40 * i, 70 * row + slope * 40 * i, 40 * i + 20, 70 * row + slope * 40 * i + 30]
            for row in range(n_rows)
            for i in range(n)
        ]
    )


@pytest.mark.parametrize("slope", [-0.2, -0.05, 0.0, 0.1, 0.25])
def test_slope_and_rows_are_found(slope):
    boxes = boxes_on_lines(slope)
    assert page_slope(boxes, 30) == pytest.approx(slope, abs=0.01)
    order = np.random.default_rng(0).permutation(len(boxes))
    lines = group_lines(boxes[order], 30, slope)
    assert [[int(order[i]) for i in line] for line in lines] == [
        list(range(row * 6, row * 6 + 6)) for row in range(3)
    ]


@given(st.lists(st.tuples(*[st.floats(0, 1000)] * 2), max_size=12))
def test_every_box_is_in_one_row(corners):
    boxes = np.array([[x, y, x + 20, y + 30] for x, y in corners]).reshape(-1, 4)
    lines = group_lines(boxes, 30, page_slope(boxes, 30))
    assert sorted(i for line in lines for i in line) == list(range(len(boxes)))


def two_bars() -> np.ndarray:
    strength = np.zeros((40, 60), np.float32)
    strength[:, 5:15] = 200
    strength[:, 45:55] = 200
    strength[20:22, 15:45] = 200
    return strength


def test_seams_run_from_top_to_bottom_between_the_bars():
    seams = find_seams(two_bars(), 40)
    assert any(((seam > 15) & (seam < 45)).all() for seam in seams)
    for seam in seams:
        assert len(seam) == 40
        assert np.abs(np.diff(seam)).max() <= 1


def test_a_piece_is_cut_where_the_parts_score_better():
    def narrow_is_good(crops):
        widths = [np.ptp(np.flatnonzero(crop.any(axis=0))) + 1 for crop in crops]
        return np.array([0.95 if width < 40 else 0.05 for width in widths])

    parts = cut_piece(two_bars(), 40, narrow_is_good)
    assert parts is not None
    assert len(parts) == 2
    np.testing.assert_allclose(sum(parts), two_bars())
    assert cut_piece(two_bars(), 40, lambda crops: np.full(len(crops), 0.9)) is None
    told = cut_piece(two_bars(), 40, lambda crops: np.full(len(crops), 0.9), parts=2)
    assert told is not None
    assert len(told) == 2


def test_digits_at_different_heights_are_one_row_where_none_stands_above_another():
    tops = [40, 60, 25, 55, 30]
    boxes = np.array([[50.0 * i, top, 50 * i + 30, top + 40] for i, top in enumerate(tops)])
    assert group_lines(boxes, 40) == [[0, 1, 2, 3, 4]]
    below = np.array([[60.0, 130, 90, 170]])
    assert len(group_lines(np.concatenate([boxes, below]), 40)) > 1


@pytest.mark.parametrize("upright", [False, True])
def test_broken_lines_go_and_the_strokes_across_them_stay(upright):
    mask = np.zeros((200, 400), bool)
    mask[60:140, 190:202] = True
    stroke = mask.copy()
    for start in range(0, 400, 20):
        mask[100 + start // 40, start : start + 14] = True
    alone = mask.copy()
    alone[60:140, 180:220] = False
    if upright:
        mask, stroke, alone = mask.T, stroke.T, alone.T
    left = remove_broken_lines(mask, find_pieces(mask).boxes)
    assert not (left & ~stroke).any()
    assert (left & stroke).sum() > 0.95 * stroke.sum()
    # A row of dashes that covers little of the page stays: they may be strokes of digits.
    few = np.zeros((200, 400), bool)
    few[100, :40] = few[100, 60:100] = True
    assert remove_broken_lines(few, find_pieces(few).boxes) is few


def test_pale_fragments_of_ruled_lines_are_told_from_ones():
    mask = np.zeros((200, 300), bool)
    strength = np.zeros(mask.shape, np.float32)
    for index in range(8):
        mask[20:80, 30 * index + 10 : 30 * index + 12] = True
    strength[mask] = 40
    mask[120:160, 40:70] = mask[120:160, 120:124] = True
    strength[120:160] = 160 * mask[120:160]
    pieces = find_pieces(mask)
    pale = find_pale_lines(pieces, strength)
    assert len(pale) == 8
    assert (pieces.boxes[pale, 3] <= 80).all()
    assert not find_pale_lines(pieces, np.where(mask, np.float32(100), 0)).size
