"""The speed benchmark of preprocessing: the slow way computes the same, the report says so."""

import numpy as np
import pytest

from benchmarks._common import run_facts
from benchmarks.preprocessing import measure, naive_gradients, render
from digitrec.preprocessing import FEATURES


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    images = np.zeros((60, 28, 28), dtype=np.uint8)
    images[:, 6:22, 8:20] = rng.integers(0, 256, (60, 16, 12))
    images[0] = 0
    return images.reshape(60, -1)


def test_image_by_image_gives_the_same_features(images):
    expected = np.array([naive_gradients(image) for image in images])
    got = FEATURES["gradients"].build_fixed((28, 28)).transform(images)
    np.testing.assert_allclose(got, expected, atol=1e-5)


@pytest.mark.slow
def test_report_shows_what_was_measured(images):
    measured = measure(images, 20, n_jobs=1)
    assert measured["naive"]["largest_difference"] < 1e-5
    assert set(measured["features"]) == set(FEATURES)
    text = render(measured, run_facts("preprocessing"))
    assert f"{measured['naive']['ratio']:.0f} times faster" in text
    for name, row in measured["features"].items():
        assert row["peak_memory_bytes"] > 2**20
        assert f"| {name}" in text
