"""Removal of the background: clean digits stay, changed ones come back."""

import numpy as np
import pytest

from digitrec.datasets import load_dataset
from digitrec.preprocessing import RemoveBackground


@pytest.fixture(scope="module")
def digits():
    data = load_dataset("mnist_5k")
    return data.X_train[:200].reshape(-1, 28, 28).astype(np.float32) / 255


def clean(images):
    return RemoveBackground().fit_transform(images.reshape(len(images), -1)).reshape(images.shape)


def distance(a, b):
    """Mean over images of the root mean squared difference."""
    return np.sqrt(((a - b) ** 2).mean(axis=(1, 2))).mean()


def test_clean_digits_stay_nearly_as_they_are(digits):
    assert distance(clean(digits), digits) < 0.05


def halves(images):
    changed = images.copy()
    changed[:, :, :11] = 1 - changed[:, :, :11]
    return changed


def bands(images):
    changed = images.copy()
    changed[:, 9:16] = 1 - changed[:, 9:16]
    return changed


def salt_and_pepper(images):
    draws = np.random.default_rng(0).random(images.shape)
    return np.where(draws < 0.05, 0, np.where(draws > 0.95, 1, images)).astype(np.float32)


CHANGES = {
    "inverted": lambda images: 1 - images,
    "brighter": lambda images: np.minimum(images + 0.5, 1),
    "paler": lambda images: 0.4 + 0.2 * images,
    "ramp": lambda images: 0.5 * images + np.linspace(0, 0.5, 28, dtype=np.float32),
    "halves": halves,
    "bands": bands,
    "salt_and_pepper": salt_and_pepper,
}


@pytest.mark.parametrize("name", CHANGES)
def test_changed_digits_come_back(name, digits):
    changed = CHANGES[name](digits).astype(np.float32)
    assert distance(clean(changed), clean(digits)) < 0.5 * distance(changed, digits)
    assert distance(clean(changed), clean(digits)) < 0.15


@pytest.mark.parametrize("value", [0, 0.5, 1])
def test_images_without_ink_stay_without_ink(value):
    flat = np.full((2, 28, 28), value, dtype=np.float32)
    assert clean(flat).max() == 0
