"""The corruptions of MNIST-C."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import zoom
from skimage.feature import canny
from sklearn.datasets import load_digits

from digitrec.errors import ConfigurationError
from digitrec.preprocessing.corruptions import CORRUPTIONS, _plasma, corrupt_images

MNIST_C = [
    *("shot_noise", "impulse_noise", "glass_blur", "motion_blur", "shear", "scale", "rotate"),
    *("brightness", "translate", "stripe", "fog", "spatter", "dotted_line", "zigzag"),
    "canny_edges",
]
SHAPE = (28, 28)


@pytest.fixture(scope="module")
def X():
    small = load_digits().images[:50] * 255 / 16
    digits = zoom(small, (1, 2.5, 2.5), order=1)
    return np.pad(digits, ((0, 0), (4, 4), (4, 4))).reshape(50, -1).astype(np.uint8)


def images(rows):
    return rows.reshape(-1, *SHAPE).astype(int)


def test_every_kind_of_mnist_c_is_there():
    assert list(CORRUPTIONS) == MNIST_C
    assert all(corruption.summary for corruption in CORRUPTIONS.values())


@pytest.mark.parametrize("kind", MNIST_C)
def test_corruptions_change_images_reproducibly(kind, X):
    before = X.copy()
    corrupted = corrupt_images(X, SHAPE, kind)
    assert (corrupted.shape, corrupted.dtype) == (X.shape, np.uint8)
    assert np.array_equal(X, before)
    assert np.array_equal(corrupted, corrupt_images(X, SHAPE, kind))
    changed = (corrupted != X).any(axis=1)
    assert changed.all()
    # The digit is still there: what was ink stays brighter than what was not.
    ink, paper = corrupted[X > 200].mean(), corrupted[X == 0].mean()
    assert ink > paper if kind not in ("stripe", "canny_edges") else ink != paper


@pytest.mark.parametrize("kind", sorted({*MNIST_C} - {"brightness", "scale", "stripe"}))
def test_other_seeds_give_other_images(kind, X):
    same = np.array_equal(
        corrupt_images(X, SHAPE, kind), corrupt_images(X, SHAPE, kind, random_state=1)
    )
    assert same == (kind == "canny_edges")


@pytest.mark.parametrize("kind", MNIST_C)
@pytest.mark.parametrize("shape", [(8, 8), (20, 32)])
def test_other_shapes_work(kind, shape):
    X = load_digits().data[:20] * 15.9
    if shape != (8, 8):
        X = np.random.default_rng(0).integers(0, 256, size=(20, 640))
    corrupted = corrupt_images(X, shape, kind)
    assert corrupted.shape == X.shape
    assert (corrupted != X.astype(np.uint8)).any()


def test_brightness_stripe_and_shift_by_hand(X):
    bright = corrupt_images(X, SHAPE, "brightness")
    assert np.abs(bright - np.minimum(X + 127.5, 255)).max() <= 1
    striped = images(corrupt_images(X, SHAPE, "stripe"))
    assert np.array_equal(striped[:, :, :7], 255 - images(X)[:, :, :7])
    assert np.array_equal(striped[:, :, 7:21], images(X)[:, :, 7:21])
    assert np.array_equal(striped[:, :, 21:], 255 - images(X)[:, :, 21:])
    dot = np.zeros((1, 784), dtype=np.uint8)
    dot[0, 14 * 28 + 14] = 255
    (row,), (column,) = np.nonzero(corrupt_images(dot, SHAPE, "translate")[0].reshape(SHAPE))
    assert {abs(row - 14), abs(column - 14)} == {3}


def test_scale_shrinks_about_the_centre(X):
    mass = images(X).sum(axis=(1, 2))
    scaled = images(corrupt_images(X, SHAPE, "scale"))
    assert scaled.sum(axis=(1, 2)) / mass == pytest.approx(0.7**2, rel=0.05)
    rows = np.arange(28)
    before = (images(X).sum(axis=2) * rows).sum(axis=1) / mass - 13.5
    after = (scaled.sum(axis=2) * rows).sum(axis=1) / scaled.sum(axis=(1, 2)) - 13.5
    assert after == pytest.approx(0.7 * before, abs=0.2)


def test_noise_has_the_documented_strength():
    grey = np.full((50, 784), 128, dtype=np.uint8)
    noisy = corrupt_images(grey, SHAPE, "impulse_noise")
    assert np.mean((noisy == 0) | (noisy == 255)) == pytest.approx(0.17, abs=0.01)
    white = np.full((50, 784), 255, dtype=np.uint8)
    shot = corrupt_images(white, SHAPE, "shot_noise")
    assert set(np.unique(shot)) == {0, 85, 170, 255}
    # A Poisson variable of mean 3 is 0 with probability exp(-3).
    assert np.mean(shot == 0) == pytest.approx(np.exp(-3), abs=0.01)


def test_edges_side_by_side_are_those_image_by_image(X):
    edges = corrupt_images(X, SHAPE, "canny_edges").reshape(-1, *SHAPE) > 0
    alone = np.array([canny(image.astype(np.float32) / 255) for image in X.reshape(-1, *SHAPE)])
    # A tie between neighbours may be rounded to the other side.
    assert np.count_nonzero(edges != alone) <= 3


def test_plasma_is_smooth_and_uses_the_whole_range():
    maps = _plasma(3, np.random.default_rng(0))
    assert maps.min(axis=(1, 2)).tolist() == [0, 0, 0]
    assert maps.max(axis=(1, 2)).tolist() == [1, 1, 1]
    steps = np.abs(np.diff(maps, axis=2)).mean()
    assert steps < 0.5 * np.abs(maps - np.roll(maps, 128, axis=2)).mean()


def test_unknown_kinds_are_named():
    with pytest.raises(ConfigurationError, match="shot_noise"):
        corrupt_images(np.zeros((1, 784)), SHAPE, "snow")
