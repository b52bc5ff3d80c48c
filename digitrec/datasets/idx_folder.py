"""Folders of IDX files: those of MNIST, Kaggle, torchvision and EMNIST."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from digitrec.datasets._dataset import Dataset
from digitrec.datasets.assemble import RawPart, assemble_dataset
from digitrec.datasets.columns import shorten
from digitrec.datasets.emnist import name_classes
from digitrec.datasets.idx import IDX_FILES, read_idx
from digitrec.errors import DatasetError

_NAME = re.compile(
    r"^(?P<set>.*?)(?P<part>train|t10k|test)[-_. ]?(?P<what>images?|labels?)[-_. ]?"
    r"idx(?P<dimensions>[1-4])[-_.](?:u?byte|int)(?:\.gz)?$",
    re.IGNORECASE,
)
PREFERRED = "emnist-digits-"
"""The set that is taken from a folder of all EMNIST sets."""


def load_idx_folder(folder: Path) -> Dataset:
    """Load a folder of IDX files, plain or ``.gz``.

    The names are those of MNIST: ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``, the
    same with ``t10k`` or ``test``, with a dot for the hyphen before ``idx``, with the name of a
    set in front (``emnist-digits-train-…``), or within a folder of that name. Without test files
    a stratified fifth is held out. Labels get the characters of EMNIST's mapping file next to them.

    Raises
    ------
    DatasetError
        If a file is missing or damaged, training and test images differ in size, or the data are
        no dataset: one class, identical images, values without a clear scale.
    """
    found, notes = find_idx_files(folder)
    missing = [name for name in IDX_FILES if name not in found]
    if missing and missing != list(IDX_FILES[2:]):
        raise DatasetError(f"{folder} lacks {', '.join(missing)} (plain or .gz)")
    parts = [_read_part(found[IDX_FILES[0]], found[IDX_FILES[1]])]
    if missing:
        notes.append("There are no test files; a fifth of the images was held out for testing.")
    else:
        parts.append(_read_part(found[IDX_FILES[2]], found[IDX_FILES[3]]))
    parts, class_notes = name_classes(parts, found[IDX_FILES[1]])
    return assemble_dataset(
        parts,
        name=folder.resolve().name,
        source=f"folder: {folder.resolve().name}",
        where=str(folder),
        notes=[*notes, *class_notes],
    )


def has_idx_files(folder: Path) -> bool:
    """Return whether a folder has one of the four files."""
    return bool(_find_by_set(folder))


def find_idx_files(folder: Path) -> tuple[dict[str, Path], list[str]]:
    """Return the files in a folder by their names in `IDX_FILES`, and notes on what was left out.

    Raises
    ------
    DatasetError
        If there are several sets, none of which is EMNIST's digits or has no name of its own.
    """
    sets = _find_by_set(folder)
    whole = {name: files for name, files in sets.items() if len(files) == len(IDX_FILES)}
    candidates = whole or sets
    if not candidates:
        return {}, []
    if len(candidates) == 1:
        return next(iter(candidates.values())), []
    for name in ("", PREFERRED):
        if name in candidates:
            others = ", ".join(repr(other) for other in candidates if other != name)
            return candidates[name], [f"Other IDX files in the folder were left out: {others}."]
    raise DatasetError(
        f"{folder} holds several sets of IDX files: {', '.join(map(repr, candidates))}; "
        "give a folder with one of them"
    )


def _find_by_set(folder: Path) -> dict[str, dict[str, Path]]:
    """Return the files in a folder by the name of the set and their name in `IDX_FILES`."""
    sets: dict[str, dict[str, Path]] = {}
    # Plain files take precedence over compressed ones.
    for path in sorted(folder.iterdir(), key=lambda p: (p.name.lower().endswith(".gz"), p.name)):
        match = _NAME.match(path.name)
        if not match or path.name.startswith("."):
            continue
        if path.is_dir():  # Kaggle packs each file into a folder of its name
            inside = [p for p in sorted(path.iterdir()) if p.is_file() and _NAME.match(p.name)]
            if not inside:
                continue
            path = inside[0]
        part = "train" if match["part"].lower() == "train" else "t10k"
        what = "images-idx3" if match["what"].lower().startswith("image") else "labels-idx1"
        sets.setdefault(match["set"].lower(), {}).setdefault(f"{part}-{what}-ubyte", path)
    return sets


def _read_part(images_path: Path, labels_path: Path) -> RawPart:
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.ndim == 4 and 1 in (images.shape[1], images.shape[3]):
        images = images.reshape(len(images), *(side for side in images.shape[1:] if side > 1))
    if images.ndim != 3 or images.size == 0:
        raise DatasetError(
            f"{images_path} does not hold images: it has {images.dtype} values of shape "
            f"{images.shape}"
        )
    labels = _label_column(labels, labels_path)
    if len(images) != len(labels):
        raise DatasetError(
            f"counts disagree: {images_path} has {len(images)} images, "
            f"{labels_path} has {len(labels)} labels"
        )
    native = images.astype(images.dtype.newbyteorder("="), copy=False)
    return RawPart(native, labels)


def _label_column(labels: NDArray[np.generic], path: Path) -> NDArray[np.int64]:
    """Return one label a row; QMNIST has eight columns, of which the first is the class."""
    if labels.ndim == 2 and labels.shape[1] in (1, 8):
        labels = labels[:, 0]
    if labels.ndim != 1 or labels.dtype.kind not in "ui" or labels.size == 0:
        raise DatasetError(
            f"{path} does not hold labels: it has {labels.dtype} values of shape {labels.shape}"
        )
    values = labels.astype(np.int64)
    if values.min() < 0:
        row = int(np.argmin(values))
        raise DatasetError(f"{path} has the label {shorten(values[row])[1:-1]} at index {row}")
    return values
