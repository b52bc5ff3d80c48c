"""A folder of images, one sub-folder per class."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from digitrec.datasets._dataset import Dataset
from digitrec.datasets.splits import split_rows
from digitrec.errors import DatasetError

__all__ = ["load_image_folder"]

_SPLITS = {"train": "train", "training": "train", "test": "test", "testing": "test"}


def load_image_folder(folder: Path) -> Dataset:
    """Load ``class_name/*`` with images in any format that Pillow reads.

    Images become grey and must have one size. Where the borders are bright, all images are taken
    for dark ink on light paper and inverted, which `Dataset.warnings` says. A folder that holds
    ``train`` and ``test`` (or ``training`` and ``testing``) has a fixed test set; of any other a
    stratified fifth is held out.

    Raises
    ------
    DatasetError
        If there are no classes or no images, an image is damaged, or one has another size than
        the first; the message names the file.
    """
    splits = {_SPLITS[path.name.lower()]: path for path in _folders(folder, among=_SPLITS)}
    fixed = len(splits) == 2
    roots = [splits["train"], splits["test"]] if fixed else [folder]
    names = sorted({path.name for root in roots for path in _folders(root)}, key=_natural_order)
    if not names:
        raise DatasetError(
            f"{folder} is not a dataset: it has neither the four IDX files nor class folders"
        )
    parts = [_read_classes(root, names) for root in roots]
    for (_, _, shape), root in zip(parts, roots, strict=True):
        if shape != parts[0][2]:
            raise DatasetError(f"{root} has images of another size than {roots[0]}")
    X, y, (height, width) = parts[0]
    if fixed:
        X_train, y_train, (X_test, y_test, _) = X, y, parts[1]
    else:
        try:
            train, test = split_rows(y, names)
        except DatasetError as error:
            raise DatasetError(f"{folder}: {error}") from error
        X_train, y_train, X_test, y_test = X[train], y[train], X[test], y[test]
    notes: tuple[str, ...] = ()
    if _border_mean(X_train, (height, width)) > 127:
        X_train, X_test = 255 - X_train, 255 - X_test
        notes = ("The images are dark on light; they were inverted (ink is 255).",)
    return Dataset(
        name=folder.resolve().name,
        X_train=X_train,
        y_train=y_train,
        X_test=X_test,
        y_test=y_test,
        image_shape=(height, width),
        label_names=tuple(names),
        source=f"image folder: {folder.resolve().name}",
        license="unknown",
        has_fixed_test=fixed,
        warnings=notes,
    )


def _folders(folder: Path, among: dict[str, str] | None = None) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_dir()
        and not path.name.startswith(".")
        and (among is None or path.name.lower() in among)
    )


def _natural_order(name: str) -> list[tuple[int, str]]:
    """Sort ``"2"`` before ``"10"``."""
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def _read_classes(
    root: Path, names: Sequence[str]
) -> tuple[NDArray[np.uint8], NDArray[np.int64], tuple[int, int]]:
    """Read the images of every class below `root`, in the order of `names` and file names."""
    suffixes = Image.registered_extensions()
    images: list[NDArray[np.uint8]] = []
    labels: list[int] = []
    first: Path | None = None
    for label, name in enumerate(names):
        files = sorted((root / name).iterdir()) if (root / name).is_dir() else []
        for path in files:
            if path.suffix.lower() not in suffixes or path.name.startswith("."):
                continue
            image = _read_grey(path)
            if images and image.shape != images[0].shape:
                raise DatasetError(
                    f"{path} has the size {image.shape[1]}x{image.shape[0]}, {first} has "
                    f"{images[0].shape[1]}x{images[0].shape[0]}; all images must have one size"
                )
            first = first or path
            images.append(image)
            labels.append(label)
    if not images:
        raise DatasetError(f"no images in the class folders {', '.join(names)} of {root}")
    height, width = images[0].shape
    return np.stack(images).reshape(len(images), -1), np.array(labels, np.int64), (height, width)


def _read_grey(path: Path) -> NDArray[np.uint8]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                return _grey(image)
    except UnidentifiedImageError as error:
        raise DatasetError(f"{path} is not an image, or is damaged") from error
    except Exception as error:  # Pillow's decoders raise almost anything on damaged data
        raise DatasetError(f"cannot read the image {path}: {error}") from error


def _grey(image: Image.Image) -> NDArray[np.uint8]:
    if image.mode.startswith("I"):  # 16 bits a pixel, which convert("L") would clip
        return (np.asarray(image).astype(np.float64) / 257).round().clip(0, 255).astype(np.uint8)
    if image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.asarray(image.convert("L"))


def _border_mean(X: NDArray[np.uint8], image_shape: tuple[int, int]) -> float:
    border = np.ones(image_shape, bool)
    border[1:-1, 1:-1] = False
    return float(X[:, border.ravel()].mean())
