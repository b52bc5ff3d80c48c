"""Arrays in files: NumPy's ``.npz`` (keras' ``mnist.npz`` among them) and MATLAB's ``.mat``."""

from __future__ import annotations

import math
import re
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digitrec.datasets._dataset import Dataset
from digitrec.datasets.assemble import RawPart, assemble_dataset, check_memory
from digitrec.datasets.columns import shorten, square_shape
from digitrec.datasets.emnist import name_classes
from digitrec.errors import DatasetError

ARRAY_SUFFIXES = (".npz", ".npy", ".mat")
IMAGE_KEYS = ("x", "images", "image", "data", "features", "pixels", "inputs", "arr0")
LABEL_KEYS = ("y", "labels", "label", "targets", "target", "classes", "class", "digits", "arr1")
_PARTS = {"train": "train", "training": "train", "tr": "train", "test": "test", "te": "test"}
_PARTS |= {"val": "validation", "valid": "validation", "validation": "validation"}
GREY_WEIGHTS = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in the brightness (ITU-R BT.601), as Pillow has them."""

Arrays = dict[tuple[str, str], NDArray[Any]]


def load_array_file(path: Path) -> Dataset:
    """Load images and labels from a file of named arrays.

    Parameters
    ----------
    path : pathlib.Path
        ``.npz`` or ``.mat`` with images (X, images, data, …) and labels (y, labels, target, …),
        and for fixed parts with train, val or test in those names (``x_train``,
        ``test_labels``). Images are rows, (n, height, width), or (height, width, n); colours
        become grey. Validation images join the training images.

    Raises
    ------
    DatasetError
        If the file is damaged, has other arrays, or is too large.
    """
    suffix = path.suffix.lower()
    if suffix == ".npy":
        raise DatasetError(
            f"{path} holds one array, without labels; save both: numpy.savez(path, X=X, y=y)"
        )
    arrays, mapping = (_read_npz(path), None) if suffix == ".npz" else _read_mat(path)
    notes: list[str] = []
    parts = {
        part: _make_part(path, arrays, part)
        for part in ("train", "validation", "test", "")
        if ("images", part) in arrays
    }
    if not parts:
        raise DatasetError(
            f"{path} has no arrays of images and labels, such as X and y or x_train and y_train"
        )
    if "" in parts and len(parts) > 1:
        raise DatasetError(f"{path} has images with and without a name for their part")
    train = parts.pop("", None) or parts.pop("train", None)
    if train is None:
        raise DatasetError(f"{path} has no training images")
    test = parts.pop("test", None)
    validation = parts.pop("validation", None)
    if validation is not None and test is None:
        test = validation
        notes.append("The validation images are the test images.")
    elif validation is not None:
        train = _joined(path, train, validation)
        notes.append("The validation images were added to the training images.")
    named, class_notes = name_classes([train] if test is None else [train, test], path, mapping)
    return assemble_dataset(
        named,
        name=path.stem,
        source=f"file: {path.name}",
        where=str(path),
        notes=list(dict.fromkeys([*notes, *class_notes])),
    )


def _read_npz(path: Path) -> Arrays:
    try:
        with zipfile.ZipFile(path) as archive:
            check_memory(2 * sum(info.file_size for info in archive.infolist()), str(path))
        with np.load(path, allow_pickle=False) as file:
            return _by_role(path, {key: file[key] for key in file.files if find_role(key)})
    except (OSError, EOFError, ValueError, MemoryError, zlib.error, zipfile.BadZipFile) as error:
        if "allow_pickle" in str(error):
            raise DatasetError(
                f"{path} holds Python objects, which are not loaded; save plain arrays of numbers"
            ) from error
        raise DatasetError(f"cannot read {path}: {shorten(error, 80)[1:-1]}") from error


def _read_mat(path: Path) -> tuple[Arrays, dict[int, str] | None]:
    """Return the arrays by role, and the characters of EMNIST's labels where they are given."""
    from scipy import io

    with path.open("rb") as file:
        if file.read(128).startswith((b"MATLAB 7.3", b"\x89HDF")):
            raise DatasetError(f"{path} has the format 7.3 of MATLAB; save it with -v7, or as .npz")
    try:
        check_memory(2 * path.stat().st_size, str(path))
        # Compressed arrays: the headers say how many values there are, one byte each at least.
        check_memory(2 * sum(math.prod(shape) for _, shape, _ in io.whosmat(path)), str(path))
        found = io.loadmat(path, squeeze_me=False, struct_as_record=True)
    except DatasetError:
        raise
    except Exception as error:  # damaged files raise errors of many kinds
        raise DatasetError(f"cannot read {path}: {shorten(error, 80)[1:-1]}") from error
    flat: dict[str, NDArray[Any]] = {}
    for name, value in found.items():
        if not name.startswith("__"):
            _unpack(name, value, flat)
    table = flat.pop("mapping", np.zeros(0))
    is_mapping = table.ndim == 2 and table.shape[1] in (2, 3) and table.dtype.kind in "iuf"
    mapping = {int(row[0]): chr(int(row[1])) for row in table} if is_mapping else None
    return _by_role(path, flat), mapping


def _unpack(name: str, value: Any, flat: dict[str, NDArray[Any]], depth: int = 0) -> None:
    """Take the arrays out of structures such as EMNIST's ``dataset.train.images``."""
    if not isinstance(value, np.ndarray) or depth > 3:
        return
    if value.dtype.names and value.size == 1:
        for key in value.dtype.names:
            prefix = "" if name == "dataset" else f"{name}_"
            _unpack(f"{prefix}{key}", value.item()[value.dtype.names.index(key)], flat, depth + 1)
    elif find_role(name) or name == "mapping":
        flat[name] = value


def find_role(key: str) -> tuple[str, str] | None:
    """Return ``(images or labels, part)`` for the name of an array; None for others."""
    words = re.findall(r"[a-z]+\d*|\d+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key).lower())
    part = next((_PARTS[word] for word in words if word in _PARTS), "")
    rest = "".join(word for word in words if word not in _PARTS)
    if rest in IMAGE_KEYS:
        return "images", part
    if rest in LABEL_KEYS:
        return "labels", part
    # trainX, xtrain
    for end in ("train", "test", "val"):
        short = rest.removesuffix(end) if rest.endswith(end) else rest.removeprefix(end)
        if short != rest and short in ("x", "y"):
            return ("images" if short == "x" else "labels"), _PARTS[end]
    return None


def _by_role(path: Path, arrays: Mapping[str, NDArray[Any]]) -> Arrays:
    found: Arrays = {}
    for key, array in arrays.items():
        role = find_role(key)
        if role is None:
            continue
        if role in found:
            raise DatasetError(f"{path} has two arrays of {role[1]} {role[0]}; keep one of them")
        found[role] = array
    return found


def _make_part(path: Path, arrays: Arrays, part: str) -> RawPart:
    images, labels = arrays["images", part], arrays.get(("labels", part))
    what = f"{part} images".strip()
    if labels is None:
        raise DatasetError(f"{path} has {what}, but no labels of them")
    if labels.dtype == object:
        labels = np.array([str(np.asarray(value).squeeze()) for value in labels.ravel()])
    if labels.ndim == 2 and min(labels.shape) > 1:
        raise DatasetError(
            f"{path} has labels of shape {labels.shape}; give one number an image, such as "
            "labels.argmax(axis=1)"
        )
    labels = np.char.strip(labels.ravel()) if labels.dtype.kind in "US" else labels.ravel()
    n = len(labels)
    images = images_first(path, images, n)
    if images.ndim == 2:
        try:
            images = images.reshape(n, *square_shape(images.shape[1]))
        except DatasetError as error:
            raise DatasetError(f"{path}: {error}") from error
    return RawPart(images, labels)


def images_first(path: Path, images: NDArray[Any], n: int) -> NDArray[Any]:
    """Return grey images along the first axis."""
    shape = images.shape
    if images.ndim >= 2 and shape[0] != n and shape[-1] == n:
        images = np.moveaxis(images, -1, 0)
    elif images.ndim < 2 or shape[0] != n:
        raise DatasetError(f"{path} has {n:,} labels for images of shape {shape}")
    if images.ndim == 4:
        if images.shape[3] == 3:
            grey = images @ np.array(GREY_WEIGHTS)
            is_whole = images.dtype.kind in "ui"
            images = np.rint(grey).astype(images.dtype) if is_whole else grey
        elif images.shape[1] == 1 or images.shape[3] == 1:
            images = images.reshape(
                n, *(images.shape[2:] if images.shape[1] == 1 else images.shape[1:3])
            )
    if images.ndim not in (2, 3):
        raise DatasetError(f"{path} has images of shape {shape}; give (n, height, width)")
    return images


def _joined(path: Path, first: RawPart, second: RawPart) -> RawPart:
    a, b = first.arrays[0], second.arrays[0]
    if a.shape[1:] != b.shape[1:]:
        raise DatasetError(f"{path}: validation images have another size than training images")
    return RawPart(
        np.concatenate([a, b]),
        np.concatenate([np.asarray(first.labels), np.asarray(second.labels)]),
    )
