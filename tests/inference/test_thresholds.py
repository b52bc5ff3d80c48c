"""Order statistics and thresholds of grey levels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from digitrec.inference.thresholds import median, otsu_threshold, quantile


@given(
    arrays(np.float32, st.integers(1, 40), elements=st.integers(-1000, 1000).map(float)),
    st.floats(0, 1),
)
def test_quantiles_are_those_of_numpy(values, share):
    expected = np.quantile(values.astype(np.float64), share)
    assert quantile(values, share) == pytest.approx(expected, abs=1e-6)
    assert median(values) == np.median(values)


def test_quantiles_of_bytes_in_two_dimensions():
    levels = np.random.default_rng(0).integers(0, 256, (31, 17), dtype=np.uint8)
    assert quantile(levels[::2, ::3], 0.95) == pytest.approx(np.quantile(levels[::2, ::3], 0.95))


def test_otsu_lies_between_two_levels():
    values = np.concatenate([np.full(900, 20.0), np.full(100, 180.0)]).astype(np.float32)
    assert 20 < otsu_threshold(values) < 180


@pytest.mark.parametrize("values", [np.zeros(0), np.zeros(10), np.full((3, 3), 77.0)])
def test_otsu_of_one_level_or_none_is_no_threshold(values):
    assert otsu_threshold(values.astype(np.float32)) == 0


def test_otsu_maximises_the_variance_between_the_classes():
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.normal(60, 15, 3000), rng.normal(150, 30, 1000)])
    levels = values.clip(0, 255).astype(np.uint8)

    def between(threshold: float) -> float:
        low, high = levels[levels < threshold], levels[levels >= threshold]
        return len(low) * len(high) * (low.mean() - high.mean()) ** 2

    best = max(np.arange(levels.min() + 1, levels.max()), key=between)
    assert abs(otsu_threshold(values.astype(np.float32)) - best) <= 1
