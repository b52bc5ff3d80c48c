from __future__ import annotations

import numpy as np
import pytest

from digitrec.inference.crops import Sources, make_crops
from digitrec.inference.normalise import CROP_SIDE
from digitrec.inference.printed import constructed_digits, printed_digits
from digitrec.inference.strokes import DIGIT_STROKES, SIGN_STROKES, draw_strokes, random_scribbles
from digitrec.inference.synthesis import distort, make_digits, make_non_digits, marked_digits


def test_strokes_are_drawn_inside_the_frame():
    rng = np.random.default_rng(0)
    for template in [t for _, t in DIGIT_STROKES] + SIGN_STROKES:
        images = draw_strokes(template, 2, rng)
        assert images.shape == (2, 28, 28)
        assert images.max() > 0.9
        assert not images[:, [0, -1]].any()
        assert not images[:, :, [0, -1]].any()
    assert {digit for digit, _ in DIGIT_STROKES} == set(range(10))
    assert random_scribbles(9, rng).shape == (9, 28, 28)


def test_distorted_digits_keep_the_frame_of_mnist(digits):
    images, _ = digits
    varied = distort(images[:200], np.random.default_rng(0))
    y = (varied * np.arange(28)[None, :, None]).sum(axis=(1, 2)) / varied.sum(axis=(1, 2))
    assert np.abs(y - 14).mean() < 1
    heights = [np.ptp(np.flatnonzero((image > 0.3).any(axis=1))) for image in varied]
    assert np.median(heights) == pytest.approx(19, abs=2)
    assert 0 <= varied.min() <= varied.max() <= 1


def test_generated_material_is_seeded_and_of_the_right_shape(digits):
    images, labels = digits
    made = [make_non_digits(60, images, labels, np.random.default_rng(3)) for _ in range(2)]
    np.testing.assert_array_equal(*made)
    # Of each sign one at least.
    assert 45 < len(made[0]) <= 60 + len(SIGN_STROKES)
    drawn, drawn_labels = make_digits(100, np.random.default_rng(0))
    assert len(drawn) == len(drawn_labels)
    printed, printed_labels = printed_digits()
    assert printed.shape[1:] == (28, 28)
    assert set(printed_labels) == set(range(10))


def test_printed_digits_and_letters(recognizer):
    printed, labels = printed_digits()
    joint = recognizer.model.probabilities(printed.reshape(len(printed), -1) * 255)
    assert (joint.argmax(axis=1) == labels).mean() > 0.9


def test_digits_of_displays_stencils_and_stamps_are_read(recognizer):
    made = [constructed_digits(240, np.random.default_rng(2)) for _ in range(2)]
    for first, second in zip(*made, strict=True):
        np.testing.assert_array_equal(first, second)
    images, labels = made[0]
    assert images.shape == (240, 28, 28)
    assert images.dtype == np.uint8
    assert set(labels) == set(range(10))
    joint = recognizer.model.probabilities(images.reshape(len(images), -1))
    assert (joint.argmax(axis=1) == labels).mean() > 0.9


def test_marks_are_added_to_digits_and_leave_them_legible(recognizer, digits):
    images, labels = digits[0][:300], digits[1][:300]
    marked = marked_digits(images, labels, np.random.default_rng(2))
    np.testing.assert_array_equal(marked, marked_digits(images, labels, np.random.default_rng(2)))
    assert marked.shape == images.shape
    assert 0 <= marked.min() <= marked.max() <= 1
    joint = recognizer.model.probabilities(marked.reshape(len(marked), -1) * 255)
    assert (joint.argmax(axis=1) == labels).mean() > 0.9


def test_a_stroke_with_a_dot_is_not_a_one(recognizer):
    # Exclamation mark, semicolon, i.
    dotted = [t for t in SIGN_STROKES if len(t) == 2 and min(map(_height, t)) < 0.15 < _gap(t)]
    assert len(dotted) >= 3
    drawn = np.concatenate([draw_strokes(t, 20, np.random.default_rng(4)) for t in dotted])
    joint = recognizer.model.probabilities(drawn.reshape(len(drawn), -1) * 255)
    # Of thick strokes some dots have run into them.
    assert (joint[:, :10].max(axis=1) < 0.5).mean() > 0.8


def _height(stroke):
    return np.ptp([y for _, y in stroke])


def _gap(template):
    upper, lower = sorted(template, key=lambda stroke: stroke[0][1])
    return min(y for _, y in lower) - max(y for _, y in upper)


def test_crops_are_seeded_and_show_their_centre(digits):
    images, labels = digits
    sources = Sources(images[:300], labels[:300])
    centres = np.arange(120)
    made = [make_crops(sources, centres, np.random.default_rng(4)) for _ in range(2)]
    np.testing.assert_array_equal(*made)
    crops = made[0]
    assert crops.shape == (120, CROP_SIDE, CROP_SIDE)
    assert 0 <= crops.min() <= crops.max() <= 1
    middle = crops[:, 9:27, 9:27].mean(axis=(1, 2))
    assert (middle > 0.05).mean() > 0.95
    # Beside, above and below the digit there is ink of others in many crops.
    border = np.concatenate([crops[:, :, :4], crops[:, :, -4:]], axis=2).max(axis=(1, 2))
    assert (border > 0.6).mean() > 0.3
    assert make_crops(sources, centres[:0], np.random.default_rng(0)).shape[0] == 0
