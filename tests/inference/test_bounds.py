"""Pages of noise: as many pieces of ink as an image can hold."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp

from digitrec.inference import Recognizer, pieces
from digitrec.inference.locate import locate_digit
from digitrec.inference.page import locate_digits
from digitrec.inference.parameters import LOOK
from digitrec.inference.pieces import find_pieces


@settings(max_examples=100)
@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=30)))
def test_boxes_of_many_pieces_are_those_of_few(mask):
    few = find_pieces(mask)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "_MANY_PIECES", -1)
        many = find_pieces(mask)
    np.testing.assert_array_equal(many.boxes, few.boxes)


def noise(kind: str, cell: int) -> np.ndarray:
    rng = np.random.default_rng(cell)
    shape = (1000 // cell, 1000 // cell)
    values = {
        "even": lambda: rng.integers(0, 256, shape),
        "binary": lambda: 255 * rng.integers(0, 2, shape),
        "specks": lambda: np.where(rng.random(shape) < 0.08, 0, 255),
        "normal": lambda: rng.normal(128, 40, shape).clip(0, 255),
    }[kind]()
    return np.kron(values.astype(np.uint8), np.ones((cell, cell), np.uint8))


@pytest.mark.parametrize("kind", ["even", "binary", "specks", "normal"])
@pytest.mark.parametrize("cell", [1, 3, 12])
def test_a_digit_in_noise_has_a_bounded_number_of_pieces(kind, cell):
    found = locate_digit(noise(kind, cell))
    assert found is None or found.pieces <= LOOK.max_candidates + 1


@pytest.mark.parametrize("kind", ["even", "binary", "specks", "normal"])
@pytest.mark.parametrize("cell", [2, 30])
def test_a_page_of_noise_has_a_bounded_number_of_candidates(kind, cell):
    page = locate_digits(noise(kind, cell))
    assert sum(map(len, page.lines)) <= 200


@pytest.mark.parametrize(("cell", "share"), [(1, 0.01), (2, 0.03), (3, 0.05), (4, 0.05)])
def test_a_page_of_specks_is_not_read_as_digits(cell, share):
    rng = np.random.default_rng(cell)
    specks = np.where(rng.random((2000 // cell, 2000 // cell)) < share, 0, 255).astype(np.uint8)
    reading = Recognizer().read(np.kron(specks, np.ones((cell, cell), np.uint8)))
    assert reading.text == ""
    # Specks of one pixel are smoothed away.
    assert cell == 1 or reading.warnings[0].startswith("nothing was read")


MEMORY = """
import numpy as np
from digitrec._platform import peak_memory_bytes
from digitrec.inference import Recognizer

recognizer = Recognizer()
pixels = np.random.default_rng(0).random((5000, 5000))
recognizer.predict_digit(pixels)
recognizer.read(pixels)
print(peak_memory_bytes() / 2**20)
"""


def test_the_largest_image_stays_within_its_memory():
    run = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    # Megabytes, with the array itself: 200.
    assert float(run.stdout) < 600
