from __future__ import annotations

import numpy as np
import pytest

from benchmarks._pages import PAGE_KINDS, PageMaker


@pytest.mark.parametrize("kind", PAGE_KINDS)
def test_pages_of_each_kind_show_rows_of_digits(kind):
    rng = np.random.default_rng(2)
    digit = np.zeros((28, 28), np.float32)
    digit[4:24, 12:16] = 1

    def row(n: int) -> tuple[np.ndarray, str]:
        return np.stack([digit] * n), "1" * n

    scene = PageMaker(row, rng).make(kind)
    assert scene.pixels.dtype == np.uint8 and scene.pixels.shape[2] == 3
    assert set(scene.text) <= {"1", "\n"} and len(scene.text) >= 3
    assert scene.traits == (kind,)
    assert np.ptp(scene.pixels.astype(int)) > 60
