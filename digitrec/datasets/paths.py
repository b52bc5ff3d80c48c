"""Load a dataset from a path: detect its layout, searching the folders below it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from digitrec.datasets._dataset import Dataset
from digitrec.datasets.array_files import ARRAY_SUFFIXES, load_array_file
from digitrec.datasets.idx_folder import has_idx_files, load_idx_folder
from digitrec.datasets.image_folder import (
    count_images,
    image_suffixes,
    is_system_name,
    load_image_folder,
    split_folders,
    visible_folders,
)
from digitrec.datasets.labels import digit_of_name
from digitrec.datasets.parquet import load_parquet
from digitrec.datasets.tables import has_label, load_tables
from digitrec.errors import DatasetError

MAX_DEPTH = 3
"""Levels that are searched for a dataset below the folder that was given."""
TABLE_SUFFIXES = (".csv", ".tsv", ".tab")
TEXT_SUFFIXES = (".txt", ".data", ".dat", ".tra", ".tes", ".train", ".test")
"""Of files that may be tables: taken for one where the file itself is given."""
PACKED_SUFFIXES = (".gz", ".bz2", ".xz", ".zip", ".zst", ".tar", ".tgz")
WORKBOOK_SUFFIXES = (".xlsx", ".xlsm", ".xls", ".ods", ".numbers")
ARCHIVE_SUFFIXES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".rar")
PLAIN_NAMES = ("raw", "processed", "gzip", "data", "images", "dataset", "matlab")
"""Names of folders that do not name a dataset, in lower case."""
LAYOUTS = (
    "a folder of class folders with images, a folder of IDX files, a table (.csv, .tsv, .txt, "
    "packed or not), .npz, .mat or .parquet"
)
_POINTER = b"version https://git-lfs"
_TRAIN, _TEST = re.compile(r"(^|[^a-z])train"), re.compile(r"(^|[^a-z])(test|t10k|val)")


def load_path(path: Path) -> Dataset:
    """Load the dataset at a path.

    Parameters
    ----------
    path : pathlib.Path
        A file or folder that exists. If a folder is not a dataset itself, but one of the
        folders below it does, that one is loaded.

    Raises
    ------
    DatasetError
        If there is no dataset, or there are several; the message names what to give.
    """
    if path.is_dir():
        return _load_folder(path)
    _refuse_pointers([path])
    if path.suffix.lower() in ARRAY_SUFFIXES:
        return load_array_file(path)
    if path.suffix.lower() == ".parquet":
        return load_parquet([path])
    if _is_table(path):
        return load_tables(path)
    if path.suffix.lower() in (".pkl", ".pickle", ".joblib") or ".pkl" in path.suffixes:
        raise DatasetError(
            f"{path} is a pickle, which can run any program when it is opened; save the arrays "
            "with numpy.savez(path, X=X, y=y)"
        )
    if path.suffix.lower() in WORKBOOK_SUFFIXES:
        raise DatasetError(f"{path} is a workbook; save its sheet as CSV and give that file")
    if "idx" in path.name:
        raise DatasetError(f"{path} is one of several files; give the folder {path.parent}")
    if path.suffix.lower() in ARCHIVE_SUFFIXES:
        raise DatasetError(f"{path} is an archive; unpack it and give the folder")
    raise DatasetError(f"{path} is not a dataset: {LAYOUTS} is needed")


def _load_folder(folder: Path) -> Dataset:
    found = _find(folder, MAX_DEPTH)
    if not found:
        return load_image_folder(folder)  # says what is missing
    if len(found) > 1:
        listed = ", ".join(str(path) for path, _ in found[:5])
        raise DatasetError(f"{folder} holds several datasets; give one of them: {listed}")
    path, load = found[0]
    _refuse_pointers(file for file in path.iterdir() if file.is_file())
    dataset = load()
    if path == folder:
        return dataset
    # data/MNIST/raw gets the name MNIST.
    inner = path
    while inner != folder and inner.name.lower() in PLAIN_NAMES:
        inner = inner.parent
    note = f"The dataset was found in {path.relative_to(folder)}/."
    return dataclasses.replace(
        dataset, name=inner.resolve().name, warnings=(note, *dataset.warnings)
    )


def _refuse_pointers(files: Iterable[Path]) -> None:
    """Refuse what Git has in place of large files that were not fetched."""
    for file in files:
        with file.open("rb") as opened:
            if opened.read(len(_POINTER)) == _POINTER:
                raise DatasetError(f"{file} is a pointer of Git LFS, not data; run: git lfs pull")


def _find(folder: Path, depth: int) -> list[tuple[Path, Callable[[], Dataset]]]:
    """Return the datasets at a folder: its own, or else those below it."""
    load = _recognise(folder)
    if load is not None:
        return [(folder, load)]
    if depth == 0:
        return []
    return [found for path in visible_folders(folder) for found in _find(path, depth - 1)]


def _recognise(folder: Path) -> Callable[[], Dataset] | None:
    """Return the loader of a folder that is a dataset, else None."""
    if has_idx_files(folder):
        return lambda: load_idx_folder(folder)
    if _is_image_folder(folder):
        return lambda: load_image_folder(folder)
    files = [p for p in sorted(folder.iterdir()) if p.is_file() and not is_system_name(p.name)]
    parquet = [p for p in files if p.suffix.lower() == ".parquet"] or [
        p for part in split_folders(folder).values() for p in sorted(part.glob("*.parquet"))
    ]
    if parquet:
        return lambda: _load_parquet_folder(folder, parquet)
    tables = [p for p in files if _is_table(p) and p.suffix.lower() not in TEXT_SUFFIXES]
    tables = [p for p in tables if "submission" not in p.name.lower()]
    if tables and (len(tables) == 1 or all(_parts(tables))):
        return lambda: _load_table_folder(folder, tables)
    arrays = [p for p in files if p.suffix.lower() in ARRAY_SUFFIXES]
    if len(arrays) == 1:
        return lambda: load_array_file(arrays[0])
    return None


def _is_image_folder(folder: Path) -> bool:
    """Return whether the folders below are classes or parts, and not datasets themselves."""
    splits = split_folders(folder)
    if "train" in splits and len(splits) > 1:
        return any(_is_image_folder(path) for path in splits.values())
    inside = [path for path in visible_folders(folder) if path not in splits.values()]
    with_images = [path for path in inside if count_images(path)]
    if not with_images:
        return False
    if any(has_own_images(path) or digit_of_name(path.name) is not None for path in with_images):
        return True
    # Neither images nor classes here: folders of writers, which hold the same classes.
    if splits or len(with_images) < 2:
        return False
    below = [visible_folders(path) for path in with_images]
    return all(paths and all(digit_of_name(p.name) is not None for p in paths) for paths in below)


def has_own_images(folder: Path) -> bool:
    """Return whether a folder has images itself, not only in its subfolders."""
    suffixes = image_suffixes()
    return any(
        path.suffix.lower() in suffixes and path.is_file() and not is_system_name(path.name)
        for path in folder.iterdir()
    )


def _load_table_folder(folder: Path, tables: list[Path]) -> Dataset:
    train, test = _parts(tables)
    for files, what in ((train, "training"), (test, "test")):
        if len(files) > 1:
            listed = ", ".join(path.name for path in files)
            raise DatasetError(f"{folder} has several tables of {what} rows: {listed}; give one")
    table = train[0] if train else tables[0]
    if test and test[0] != table and has_label(test[0]):
        return load_tables(table, test[0], name=_name(folder))
    dataset = load_tables(table, name=_name(folder))
    if test and test[0] != table:
        # Kaggle's test.csv.
        note = f"{test[0].name} has no labels; a fifth of {table.name} was held out for testing."
        dataset = dataclasses.replace(dataset, warnings=(note, *dataset.warnings))
    return dataset


def _load_parquet_folder(folder: Path, files: list[Path]) -> Dataset:
    train, test = _parts(files, folder)
    notes = []
    validation = [path for path in test if "val" in str(path.relative_to(folder)).lower()]
    if train and len(validation) < len(test):
        train += validation
        test = [path for path in test if path not in validation]
        if validation:
            notes.append("The validation images were added to the training images.")
    others = [path.name for path in files if path not in (*train, *test)] if train else []
    if others:
        notes.append(f"Left out: {', '.join(others[:5])}, neither training nor test rows by name.")
    dataset = load_parquet(train or files, test if train else (), name=_name(folder))
    return dataclasses.replace(dataset, warnings=(*notes, *dataset.warnings))


def _parts(paths: list[Path], folder: Path | None = None) -> tuple[list[Path], list[Path]]:
    """Return the files of training rows and those of test rows, by their names below a folder."""
    names = {p: (p.name if folder is None else str(p.relative_to(folder))).lower() for p in paths}
    train = [path for path in paths if _TRAIN.search(names[path])]
    test = [path for path in paths if path not in train and _TEST.search(names[path])]
    return train, test


def _name(folder: Path) -> str:
    return folder.resolve().name


def _is_table(path: Path) -> bool:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if not suffixes:
        return False
    known = TABLE_SUFFIXES + TEXT_SUFFIXES
    return suffixes[-1] in known or (
        suffixes[-1] in PACKED_SUFFIXES and any(suffix in known for suffix in suffixes[:-1])
    )
