"""Images of few pixels, however they were enlarged, are read or refused."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits

from digitrec.inference import Recognizer
from digitrec.inference.image_io import load_image
from digitrec.inference.small_images import with_single_pixels

N_IMAGES = 20


@pytest.fixture(scope="module", params=[8, 12, 16])
def small(request: pytest.FixtureRequest) -> tuple[list[NDArray[np.uint8]], NDArray[np.int64]]:
    """Digits of few pixels: scikit-learn's, and MNIST's reduced."""
    if request.param == 8:
        found = load_digits()
        images = np.rint(found.images[:N_IMAGES] * 255 / 16).astype(np.uint8)
        return list(images), found.target[:N_IMAGES]
    from digitrec.datasets import load_dataset

    dataset = load_dataset("mnist_5k")
    rows = [Image.fromarray(row.reshape(28, 28)) for row in dataset.X_test[: 50 * N_IMAGES : 50]]
    size = (request.param, request.param)
    reduced = [np.asarray(image.resize(size, Image.Resampling.BOX)) for image in rows]
    return reduced, dataset.y_test[: 50 * N_IMAGES : 50]


def _nearest(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.NEAREST))


def _smooth(image: NDArray[np.uint8], side: int, kernel: Image.Resampling) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(image).resize((side, side), kernel))


def _jpeg(image: NDArray[np.uint8], quality: int = 60) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return file.getvalue()


def _cut(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.kron(image, np.ones((9, 9), np.uint8))[2:-3, 4:-1]


ENLARGED = {
    "as it is": lambda a: a,
    "inverted": lambda a: 255 - a,
    "whole factor": lambda a: np.kron(a, np.ones((10, 10), np.uint8)),
    "fractional factor": lambda a: _nearest(a, 90, 90),
    "small fractional factor": lambda a: _nearest(a, 44, 44),
    "reduced when read": lambda a: _nearest(a, 700, 700),
    "stretched": lambda a: _nearest(a, 100, 140),
    "JPEG": lambda a: _jpeg(_nearest(a, 100, 100)),
    "large JPEG": lambda a: _jpeg(_nearest(255 - a, 1000, 1000)),
    "bilinear": lambda a: _smooth(a, 97, Image.Resampling.BILINEAR),
    "bilinear, reduced when read": lambda a: _smooth(255 - a, 900, Image.Resampling.BILINEAR),
    "bicubic": lambda a: _smooth(a, 50, Image.Resampling.BICUBIC),
    "bicubic JPEG": lambda a: _jpeg(_smooth(255 - a, 300, Image.Resampling.BICUBIC), 75),
    "cut": _cut,
    "colours": lambda a: np.stack([255 - _nearest(a, 120, 120)] * 3, axis=-1),
}


@pytest.mark.parametrize("change", ENLARGED)
def test_small_images_are_read_or_refused(recognizer: Recognizer, small: Any, change: str) -> None:
    images, labels = small
    answers = [p.digit for p in recognizer.predict_digits(map(ENLARGED[change], images))]
    assert [d for d, y in zip(answers, labels, strict=True) if d not in (None, y)] == []
    assert answers.count(None) <= 0.15 * N_IMAGES


@pytest.mark.parametrize("side", [6, 8, 16])
def test_small_images_of_no_digit_are_refused(recognizer: Recognizer, side: int) -> None:
    rng = np.random.default_rng(0)
    dot = np.zeros((side, side), np.uint8)
    dot[2, 2] = 255
    images = [dot, dot + 255, dot * 0, np.indices((side, side)).sum(axis=0) % 2 * np.uint8(255)]
    images += list(rng.integers(0, 256, (10, side, side), dtype=np.uint8))
    images += [_smooth(i.astype(np.uint8), 100, Image.Resampling.BICUBIC) for i in images]
    assert [p.digit for p in recognizer.predict_digits(images)] == [None] * len(images)


def test_images_that_were_not_enlarged_stay(digits: Any) -> None:
    images = np.rint(np.asarray(digits[0][:50]) * 255).astype(np.uint8)
    large = [_smooth(image, 90, Image.Resampling.BICUBIC) for image in images]
    for image in (*images, *images[:, ::2, ::2], *large):
        loaded = load_image(np.asarray(image), 640, look_side=256)
        assert with_single_pixels(loaded) is loaded


@pytest.mark.parametrize("thickness", [10, 13, 15])
def test_a_frame_around_a_photograph_is_not_a_grid_of_pixels(digits: Any, thickness: int) -> None:
    rng = np.random.default_rng(thickness)
    for image in digits[0][:5]:
        page = np.zeros((124, 165))
        page[12:112, 32:132] = np.asarray(Image.fromarray(image).resize((100, 100)))
        paper = 250 - 120 * page + rng.normal(0, 2, page.shape)
        framed = np.pad(paper.clip(0, 255), thickness, constant_values=10).astype(np.uint8)
        loaded = load_image(framed)
        assert with_single_pixels(loaded) is loaded


@pytest.mark.parametrize("size", [(1, 1), (30, 1), (1, 1000), (1000, 1), (3, 1000), (2000, 9)])
def test_images_of_any_shape_are_looked_at(recognizer: Recognizer, size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
    slope = np.linspace(0, 255, noise.size).astype(np.uint8).reshape(size)
    for image in (noise, slope, np.full(size, 128, np.uint8)):
        assert recognizer.predict_digit(image).digit is None
        assert recognizer.read(image).text == ""
