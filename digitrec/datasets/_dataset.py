"""`Dataset`: images and labels, split into training and test rows."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """Images and labels, split into training and test rows.

    Attributes
    ----------
    name : str
        Registry key, or the stem of the path the data came from; doubles as a folder name.
    X_train, X_test : ndarray of uint8, shape (n_samples, height * width)
        Raw pixel values, 0 (background) to 255 (ink), row-major. For a table: numbers, shape
        (n_samples, n_columns).
    y_train, y_test : ndarray of int64, shape (n_samples,)
        Labels, indices into `label_names`.
    image_shape : tuple of int, or None
        ``(height, width)``; None for a table whose rows are not images.
    label_names : tuple of str
        Names of the classes.
    source : str
        Where this copy was taken from, such as ``"mirror: https://…"``.
    license : str
        Licence of the data.
    has_fixed_test : bool
        Whether the split into training and test rows is the source's own.
    groups_train : ndarray of int64, shape (n_train,), or None
        Writer of each training row, where known.
    warnings : tuple of str
        What a reader of a report must know about this data, such as a fallback.
    label_values : tuple
        The classes as the caller gave them, such as ``True`` or ``7``, in the order of
        `label_names`; empty where they are 0, 1, 2, …
    merged_parts : tuple of str
        Where parts were joined into one: `part_fingerprint` of each, before.
    pixel_range : tuple of float, or None
        The values that became 0 and 255 when the rows were loaded, where one image does not show
        them: ``(0, 16)`` for scikit-learn's digits as arrays. Saved models take such rows too.
    fingerprint : str
        First 16 hexadecimal digits of a sha256 over images, labels, shape and `pixel_range`.
    """

    name: str
    X_train: NDArray[np.uint8]
    y_train: NDArray[np.int64]
    X_test: NDArray[np.uint8]
    y_test: NDArray[np.int64]
    image_shape: Any  # tuple[int, int] | None: most code is for images and takes it as a tuple
    label_names: tuple[str, ...]
    source: str
    license: str
    has_fixed_test: bool
    groups_train: NDArray[np.int64] | None = None
    warnings: tuple[str, ...] = ()
    label_values: tuple[Any, ...] = ()
    merged_parts: tuple[str, ...] = ()
    pixel_range: tuple[float, float] | None = None
    fingerprint: str = field(default="")

    def __post_init__(self) -> None:
        if not self.fingerprint:
            arrays: list[NDArray] = [self.X_train, self.y_train, self.X_test, self.y_test]
            if self.pixel_range is not None:
                arrays.append(np.array(self.pixel_range))
            object.__setattr__(self, "fingerprint", fingerprint_arrays(self.image_shape, *arrays))

    @cached_property
    def test_fingerprint(self) -> str:
        """`part_fingerprint` of the test rows."""
        return self.part_fingerprint("test")

    def part_fingerprint(self, part: str) -> str:
        """Return 16 hexadecimal digits that identify the rows of one part.

        Parameters
        ----------
        part : {"train", "test"}
            The part.
        """
        rows, labels = getattr(self, f"X_{part}"), getattr(self, f"y_{part}")
        return fingerprint_arrays(self.image_shape, np.asarray(rows), np.asarray(labels))


def fingerprint_arrays(image_shape: tuple[int, int] | None, *arrays: NDArray) -> str:
    """Return 16 hexadecimal digits that identify an image shape and the content of arrays."""
    shape = None if image_shape is None else tuple(image_shape)
    digest = hashlib.sha256(repr(shape).encode())
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]
