"""Folders of images, one sub-folder per class."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from digitrec.datasets._dataset import Dataset
from digitrec.datasets.assemble import RawPart, assemble_dataset, check_memory, natural_order
from digitrec.datasets.columns import shorten
from digitrec.datasets.labels import digit_of_name, digits_of_names
from digitrec.errors import DatasetError
from digitrec.pixels import decode_grey, warn_of_more_images

SPLITS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
"""What folders of these names, in any case, are."""
SYSTEM_NAMES = frozenset(
    {"__macosx", "@eadir", "thumbs.db", "desktop.ini", "$recycle.bin", "lost+found", "__pycache__"}
    | {"#recycle", "system volume information"}
)
"""Files and folders that operating systems and file servers leave behind, in lower case."""
UNREADABLE = {
    ".heic": "HEIC, as iPhones save: convert them to JPEG or PNG",
    ".heif": "HEIF: convert them to JPEG or PNG",
    ".pdf": "PDF: convert its pages to PNG",
    ".svg": "SVG: convert them to PNG",
    ".raw": "raw camera files: convert them to JPEG or PNG",
    ".dng": "raw camera files: convert them to JPEG or PNG",
}
"""Images by suffix that are not read, and what to do."""


def load_image_folder(folder: Path) -> Dataset:
    """Load ``class_name/**/*`` with images in any format that Pillow reads.

    Images become grey and upright, and must have one size; their scale and polarity are those of
    `digitrec.pixels`. A folder with ``train`` and ``test`` (or ``training``, ``testing``,
    ``val``, …) has a fixed test set; of any other a stratified fifth is held out. Validation
    images join the training images, or are the test images where there are no others. Folders of
    writers may lie above or below those of the classes. Hidden files, those of operating systems
    and folders without images are not classes; all else that is left out is counted in
    `Dataset.warnings`.

    Raises
    ------
    DatasetError
        If there are no classes or no images, an image is damaged, or one has another size than
        the first; the message names the file.
    """
    splits = split_folders(folder)
    notes: list[str] = []
    test_roots: list[Path] = []
    if "train" in splits and len(splits) > 1:
        roots = [splits.pop("train")]
        test_title = "test" if "test" in splits else "validation"
        test_roots = [splits.pop(test_title)]
        if test_title == "validation":
            notes.append(f"The images of {test_roots[0].name}/ are the test images.")
        if splits:
            roots.append(splits.pop("validation"))
            notes.append(f"The images of {roots[1].name}/ were added to the training images.")
        beside = [p for p in visible_folders(folder) if p not in (*roots, *test_roots)]
        notes += _left_out_folders([p for p in beside if count_images(p)])
    else:
        roots = [folder]
    part, found_notes = _read_part(roots)
    notes += found_notes
    test: _Files | None = None
    if test_roots:
        test, found_notes = _read_part(test_roots, may_lack_classes=True)
        notes += found_notes
        if not test.paths:
            notes.append(
                f"{test_roots[0].name}/ has no class folders with images; it was left out."
            )
            test = None
    if test and set(test.classes) != set(part.classes):
        notes += _agree_on_digits(part, test)
    names = _class_order({*part.classes, *(test.classes if test else ())})
    train_raw = _decode(part, names)
    if train_raw.writers is not None:
        listed = _listed(sorted(set(train_raw.writers), key=natural_order))
        notes.append(
            f"The folders {listed} were taken for the writers of the images (groups_train)."
        )
    return assemble_dataset(
        [train_raw, *([_decode(test, names)] if test else [])],
        name=folder.resolve().name,
        source=f"image folder: {folder.resolve().name}",
        where=str(folder),
        class_names=names,
        notes=notes,
    )


def visible_folders(folder: Path) -> list[Path]:
    """Return the sub-folders that are neither hidden nor left behind by a system, sorted."""
    try:
        inside = sorted(folder.iterdir(), key=lambda path: natural_order(path.name))
    except OSError as error:
        raise DatasetError(f"cannot read the folder {folder}: {error.strerror}") from error
    return [path for path in inside if path.is_dir() and not is_system_name(path.name)]


def is_system_name(name: str) -> bool:
    """Return whether a file or folder is hidden or was left behind by a system."""
    return name.startswith(".") or name.lower() in SYSTEM_NAMES


def split_folders(folder: Path) -> dict[str, Path]:
    """Return the sub-folders ``train``, ``validation`` and ``test``, by any of their names.

    Raises
    ------
    DatasetError
        If two folders have one meaning.
    """
    found: dict[str, Path] = {}
    for path in visible_folders(folder):
        split = SPLITS.get(path.name.lower())
        if split is None:
            continue
        if split in found and count_images(path) and count_images(found[split]):
            raise DatasetError(
                f"{folder} has two folders of {split} images: {found[split].name} and {path.name}"
            )
        if split not in found or not count_images(found[split]):
            found[split] = path
    return found


def image_files(folder: Path) -> tuple[list[Path], Counter[str]]:
    """Return the images below a folder, and the suffixes of the files that are none."""
    suffixes = image_suffixes()
    images: list[Path] = []
    others: Counter[str] = Counter()
    for path in sorted(folder.iterdir()):  # the order decides which rows are held out
        # A link to a folder above would bring the images of all classes in again.
        if is_system_name(path.name) or (
            path.is_symlink() and folder.resolve().is_relative_to(path.resolve())
        ):
            continue
        if path.is_dir():
            inside, left_out = image_files(path)
            images += inside
            others += left_out
        elif path.suffix.lower() in suffixes:
            images.append(path)
        else:
            others[path.suffix.lower()] += 1
    return images, others


def image_suffixes() -> frozenset[str]:
    """Return the suffixes of the formats that Pillow reads; it only writes some, such as PDF."""
    Image.init()
    return frozenset(
        suffix for suffix, kind in Image.registered_extensions().items() if kind in Image.OPEN
    )


def count_images(folder: Path) -> int:
    """Return the number of images below a folder."""
    return len(image_files(folder)[0])


@dataclass
class _Files:
    """Images of one part, by class."""

    roots: list[Path]
    paths: list[Path] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)  # of each path
    writers: list[str] = field(default_factory=list)  # of each path, where the layout shows them


def _read_part(roots: Sequence[Path], may_lack_classes: bool = False) -> tuple[_Files, list[str]]:
    """Find the images of each class below some folders."""
    files = _Files(list(roots))
    empty: list[str] = []
    others: Counter[str] = Counter()
    notes: list[str] = []
    suffixes = image_suffixes()
    for root in roots:
        folders = visible_folders(root)
        by_writer = _writer_folders(folders)
        if by_writer:
            notes.append(
                f"The folders {_listed([p.name for p in folders])} of {root.name}/ are not classes "
                "but hold the same class folders; their images were joined."
            )
            folders = by_writer
        for path in folders:
            images, left_out = image_files(path)
            others += left_out
            if images:
                files.paths += images
                files.classes += [path.name] * len(images)
                files.writers += [
                    path.parent.name if by_writer else "/".join(image.relative_to(path).parts[:-1])
                    for image in images
                ]
            else:
                empty.append(path.name)
        beside = [
            path for path in root.iterdir() if path.suffix.lower() in suffixes and path.is_file()
        ]
        beside = [path for path in beside if not is_system_name(path.name)]
        if beside and files.paths:
            notes.append(
                f"{len(beside):,} image(s) next to the class folders of {root.name}/ were left out."
            )
    if not files.paths and not may_lack_classes:
        if not empty:
            own = sum(path.suffix.lower() in suffixes for path in roots[0].iterdir())
            hint = f"; put its {own:,} images into one folder a class" if own else ""
            raise DatasetError(
                f"{roots[0]} is not a dataset: it has neither the four IDX files nor class "
                f"folders{hint}"
            )
        hint = f"; {_left_out_files(others)[0]}" if others else ""
        raise DatasetError(f"no images in the folders {_listed(empty)} of {roots[0]}{hint}")
    notes += _left_out_folders([Path(name) for name in empty], "without images")
    notes += _left_out_files(others)
    return files, notes


def _writer_folders(folders: Sequence[Path]) -> list[Path]:
    """Return the class folders where those of writers lie above them, else nothing."""
    if len(folders) < 2 or any(digit_of_name(path.name) is not None for path in folders):
        return []
    inside = [visible_folders(path) for path in folders]
    names = [{path.name for path in paths} for paths in inside]
    if not all(names) or len({name for group in names for name in group}) < 2:
        return []
    means_digits = all(digit_of_name(name) is not None for group in names for name in group)
    return [path for paths in inside for path in paths] if means_digits else []


def _left_out_folders(folders: Iterable[Path], why: str = "") -> list[str]:
    names = [path.name for path in folders]
    return [f"Folders {why + ' ' if why else ''}were left out: {_listed(names)}."] if names else []


def _left_out_files(others: Counter[str]) -> list[str]:
    notes = []
    named = [(suffix, count) for suffix, count in others.most_common() if suffix in UNREADABLE]
    for suffix, count in named:
        notes.append(f"{count:,} {suffix} file(s) were left out ({UNREADABLE[suffix]}).")
    rest = [(suffix, count) for suffix, count in others.most_common() if suffix not in UNREADABLE]
    if rest:
        listed = ", ".join(
            f"{count:,} {suffix or 'without a suffix'}" for suffix, count in rest[:5]
        )
        notes.append(f"Files that are not images were left out: {listed}.")
    return notes


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(shorten(name)[1:-1] for name in names[:5])
    return shown + (f", … ({len(names)} in all)" if len(names) > 5 else "")


def _agree_on_digits(part: _Files, test: _Files) -> list[str]:
    """Name the classes of both parts by digits where all names of either part mean digits."""
    renamed = []
    for files in (part, test):
        names = sorted(set(files.classes))
        digits = digits_of_names(names)
        if None in digits:
            return []
        renamed.append(dict(zip(names, map(str, digits), strict=True)))
    for files, by_name in zip((part, test), renamed, strict=True):
        files.classes = [by_name[name] for name in files.classes]
    return ["The class names were taken for digits, whose folders have other names in test images."]


def _class_order(names: Iterable[str]) -> list[str]:
    """Sort names by the digits that they mean, else in natural order."""
    by_name = sorted(names, key=natural_order)
    digits = digits_of_names(by_name)
    order = [index if digit is None else digit for index, digit in enumerate(digits)]
    return by_name if None in digits else [by_name[i] for i in np.argsort(order)]


def _has_writers(files: _Files) -> bool:
    """Return whether folders clearly are those of writers.

    They are if each image is in one, and at least two of them have several classes.
    """
    classes: dict[str, set[str]] = {}
    for writer, name in zip(files.writers, files.classes, strict=True):
        classes.setdefault(writer, set()).add(name)
    return len(classes) > 1 and "" not in classes and min(map(len, classes.values())) > 1


def _decode(files: _Files, names: Sequence[str]) -> RawPart:
    """Read images of one size, by the type of their values."""
    by_type: dict[str, list[NDArray[Any]]] = {}
    labels: dict[str, list[str]] = {}
    writers: dict[str, list[str]] = {}
    first: NDArray[Any] | None = None
    rank = {name: index for index, name in enumerate(names)}
    in_order = sorted(
        zip(files.paths, files.classes, files.writers, strict=True), key=lambda f: rank[f[1]]
    )
    for path, name, writer in in_order:
        image = _read_grey(path)
        if first is None:
            first = image
            check_memory(2 * image.nbytes * len(files.paths), str(files.roots[0]))
        if image.shape != first.shape:
            raise DatasetError(
                f"{path} has the size {image.shape[1]}x{image.shape[0]}, {in_order[0][0]} has "
                f"{first.shape[1]}x{first.shape[0]}; all images must have one size"
            )
        by_type.setdefault(image.dtype.str, []).append(image)
        labels.setdefault(image.dtype.str, []).append(name)
        writers.setdefault(image.dtype.str, []).append(writer)
    return RawPart(
        [np.stack(images) for images in by_type.values()],
        [name for group in labels.values() for name in group],
        [name for group in writers.values() for name in group] if _has_writers(files) else None,
    )


def _read_grey(path: Path) -> NDArray[Any]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                warn_of_more_images(image, path)
                return decode_grey(image)
    except UnidentifiedImageError as error:
        raise DatasetError(f"{path} is not an image, or is damaged") from error
    except Exception as error:  # Pillow's decoders raise almost anything on damaged data
        raise DatasetError(f"cannot read the image {path}: {error}") from error
