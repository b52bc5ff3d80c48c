"""Pieces, lines and cuts: the geometry of pages."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from digitrec.inference.components import find_pieces, is_frame, remove_lines, union_box
from digitrec.inference.lines import group_lines, page_slope
from digitrec.inference.touching import cut_piece, find_seams


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


def test_a_frame_is_told_from_a_zero():
    frame = np.zeros((100, 100), bool)
    frame[5:95, 5:95] = True
    frame[8:92, 8:92] = False
    assert not is_frame(find_pieces(frame), 0)
    frame[30:70, 45:52] = True
    assert is_frame(find_pieces(frame), 0)


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
