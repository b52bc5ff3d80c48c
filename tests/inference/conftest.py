from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from digitrec.datasets import load_dataset
from digitrec.inference import Recognizer
from digitrec.inference.network import BUNDLED_WEIGHTS


@pytest.fixture(scope="session")
def digits() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Digits that the small recogniser was not trained on, ink 0–1, and their labels."""
    data = load_dataset("mnist_5k")
    images = data.X_test.reshape(-1, 28, 28).astype(np.float32) / np.float32(255)
    return images, data.y_test


@pytest.fixture(scope="session")
def recognizer_file() -> Path:
    """The weights that come with the package, as a file of an own recogniser."""
    return BUNDLED_WEIGHTS


@pytest.fixture(scope="session")
def recognizer() -> Recognizer:
    return Recognizer()


@pytest.fixture(scope="session")
def page() -> Callable[..., NDArray[np.uint8]]:
    """Lay digits on white paper, in black, at places given."""

    def lay(
        placed: list[tuple[NDArray[np.float32], int, int]], width: int, height: int
    ) -> NDArray[np.uint8]:
        ink = np.zeros((height, width), np.float32)
        for image, left, top in placed:
            view = ink[top : top + image.shape[0], left : left + image.shape[1]]
            np.maximum(view, image, out=view)
        return np.repeat(np.rint(255 * (1 - ink)).astype(np.uint8)[..., None], 3, axis=2)

    return lay
