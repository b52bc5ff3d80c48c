"""Rows that stand in the training set and in the test set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from digitrec.analyses.checks._check import Check, Finding

if TYPE_CHECKING:
    from digitrec.analyses import AnalysisContext

__all__ = ["CHECK", "identical_rows", "nearly_identical_images"]

# Correlation of the pixels of two images. The largest between any training and test image of
# MNIST is 0.98; the same image saved as JPEG, or with 2 % noise, has more than 0.997.
MIN_CORRELATION = 0.995
# The same of images averaged over blocks, which are searched first.
MIN_COARSE_CORRELATION = 0.99
COARSE_SIDE = 8  # pixels
MAX_PAIRS_SEARCHED = 6 * 10**8  # MNIST: all; 1 to 2 s on two cores
_BLOCK = 4000
_PAIRS_SHOWN = 8


def identical_rows(X_train: NDArray[Any], X_test: NDArray[Any]) -> list[tuple[int, int]]:
    """Return ``(test row, first training row)`` of each test row that is also a training row."""
    first: dict[bytes, int] = {}
    for row, values in enumerate(np.ascontiguousarray(X_train)):
        first.setdefault(values.tobytes(), row)
    test = np.ascontiguousarray(X_test, dtype=X_train.dtype)
    found = ((row, first.get(values.tobytes())) for row, values in enumerate(test))
    return [(row, twin) for row, twin in found if twin is not None]


def nearly_identical_images(
    X_train: NDArray[Any], X_test: NDArray[Any], image_shape: tuple[int, int]
) -> list[tuple[int, int]]:
    """Return ``(test row, training row)`` of images whose pixels correlate almost perfectly.

    Brighter and darker copies count. Of very many images a sample of the test images is
    compared.
    """
    n_test = min(len(X_test), max(1, MAX_PAIRS_SEARCHED // len(X_train)))
    rows = np.arange(len(X_test))
    if n_test < len(rows):
        rows = np.sort(np.random.default_rng(0).choice(rows, n_test, replace=False))
    test = _directions(_coarse(X_test[rows], image_shape))
    best = np.full(n_test, -1.0, dtype=np.float32)
    twin = np.zeros(n_test, dtype=np.intp)
    for start in range(0, len(X_train), _BLOCK):
        train = _directions(_coarse(X_train[start : start + _BLOCK], image_shape))
        correlation = test @ train.T
        place = correlation.argmax(axis=1)
        value = correlation[np.arange(n_test), place]
        better = value > best
        best[better], twin[better] = value[better], place[better] + start
    near = np.flatnonzero(best >= MIN_COARSE_CORRELATION)
    full = np.sum(
        _directions(np.asarray(X_test[rows[near]], dtype=np.float32))
        * _directions(np.asarray(X_train[twin[near]], dtype=np.float32)),
        axis=1,
    )
    return [(int(rows[i]), int(twin[i])) for i in near[full >= MIN_CORRELATION]]


def _coarse(X: NDArray[Any], image_shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return images averaged over blocks, to about `COARSE_SIDE` pixels a side."""
    images = np.asarray(X, dtype=np.float32).reshape(-1, *image_shape)
    step = max(1, round(max(image_shape) / COARSE_SIDE))
    height, width = (max(1, side // step) for side in image_shape)
    step_y, step_x = min(step, image_shape[0]), min(step, image_shape[1])
    blocks = images[:, : height * step_y, : width * step_x]
    blocks = blocks.reshape(len(images), height, step_y, width, step_x)
    return blocks.mean(axis=(2, 4)).reshape(len(images), -1)


def _directions(X: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return rows of mean 0 and length 1: their products are correlations."""
    centred = X - X.mean(axis=1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    return centred / np.where(length > 0, length, 1)


def run(context: AnalysisContext) -> Finding | None:
    """Look for identical rows, and among images for nearly identical ones."""
    dataset = context.dataset
    X_train, X_test = np.asarray(dataset.X_train), np.asarray(dataset.X_test)
    same = identical_rows(X_train, X_test)
    near: list[tuple[int, int]] = []
    if dataset.image_shape is not None:
        known = {row for row, _ in same}
        found = nearly_identical_images(X_train, X_test, dataset.image_shape)
        near = [pair for pair in found if pair[0] not in known]
    if not same and not near:
        return None
    y_train, y_test = np.asarray(dataset.y_train), np.asarray(dataset.y_test)
    n_other_label = sum(int(y_test[row] != y_train[twin]) for row, twin in [*same, *near])
    parts = [f"{len(same):,} identical"] if same else []
    parts += [f"{len(near):,} nearly identical"] if near else []
    sentence = (
        f"{len(same) + len(near):,} of {len(X_test):,} test rows repeat a training row "
        f"({' and '.join(parts)}"
        + (f"; {n_other_label:,} with another label" if n_other_label else "")
        + "): there a model that stores its training rows looks better than it is."
    )
    names = [str(name) for name in dataset.label_names]
    pictures = []
    if dataset.image_shape is not None:
        for row, twin in [*same, *near][:_PAIRS_SHOWN]:
            pictures.append(("test", row, f"test {row}\n{names[y_test[row]]}"))
            pictures.append(("train", twin, f"training {twin}\n{names[y_train[twin]]}"))
    return Finding(
        sentence=sentence,
        advice="Remove them from the training rows, or split so that copies stay together.",
        numbers={
            "identical": len(same),
            "nearly_identical": len(near),
            "other_label": n_other_label,
            "rows": [list(pair) for pair in [*same, *near][:100]],
        },
        pictures=pictures,
    )


CHECK = Check(
    name="duplicates",
    severity="warning",
    title="Identical or nearly identical rows in training and test set",
    run=run,
)
