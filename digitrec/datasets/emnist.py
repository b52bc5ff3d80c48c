"""Class names of the EMNIST sets, whose files hold numbers: by a mapping file or the set's name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import ascii_lowercase, ascii_uppercase, digits

import numpy as np

from digitrec.datasets.assemble import RawPart
from digitrec.datasets.labels import DIGIT_NAMES
from digitrec.errors import DatasetError

_MERGED = digits + ascii_uppercase + "abdefghnqrt"
SETS = {
    "letters": dict(enumerate(ascii_uppercase, start=1)),
    "byclass": dict(enumerate(digits + ascii_uppercase + ascii_lowercase)),
    "bymerge": dict(enumerate(_MERGED)),
    "balanced": dict(enumerate(_MERGED)),
}
"""Characters of the labels of each set that has more than digits."""
_LETTERS = re.compile(r"letters|alphabet|(?<![a-z])a[-_ ](?:to[-_ ])?z(?![a-z])")
_MAPPING = re.compile(r"(?P<set>.*?)[-_. ]?mapping\.txt$", re.IGNORECASE)


def name_classes(
    parts: Sequence[RawPart], path: Path, mapping: Mapping[int, str] | None = None
) -> tuple[list[RawPart], list[str]]:
    """Replace whole numbers as labels by the characters that they stand for.

    Parameters
    ----------
    parts : sequence of RawPart
        Training and test images, each as one array.
    path : pathlib.Path
        The file of the training labels. A ``*-mapping.txt`` of its set next to it, with a label
        and the code of its character in each line, says what the labels are; without one, names
        of files or folders that say letters, or one of EMNIST's sets, do.
    mapping : mapping from int to str, optional
        Characters of the labels, where the file itself has them.

    Returns
    -------
    parts : list of RawPart
        With characters as labels; as they were where nothing says what the labels are.
    notes : list of str

    Raises
    ------
    DatasetError
        If the mapping file cannot be read or lacks a label, or the names say letters and the
        labels are not those of letters.
    """
    arrays = [np.asarray(part.labels) for part in parts]
    if any(array.dtype.kind not in "iuf" for array in arrays):
        return list(parts), []
    if any(not np.isfinite(a).all() or (a != np.rint(a)).any() for a in arrays):
        return list(parts), []
    values = {int(value) for array in arrays for value in np.unique(array)}
    names = f"{path.parent.name}/{path.name}".lower()
    source = path.name
    if mapping is None and (file := find_mapping(path)) is not None:
        mapping, source = read_mapping(file), file.name
    elif mapping is None:
        said = next((name for name in SETS if "emnist" in names and name in names), "")
        said = said or ("letters" if _LETTERS.search(names) else "")
        if not said:
            return list(parts), []
        mapping, source = SETS[said], f"the name of {path.name}"
        if said == "letters" and 0 in values:
            mapping = {label - 1: name for label, name in mapping.items()}
    unknown = sorted(values - set(mapping))
    if unknown:
        raise DatasetError(
            f"{path}: the label {unknown[0]} is none of the {len(mapping)} classes that {source} "
            "gives; put the -mapping.txt of the set beside the file, or rename it"
        )
    found = {label: mapping[label] for label in sorted(values)}
    if all(name in DIGIT_NAMES for name in found.values()):
        named = [np.array([int(found[int(v)]) for v in np.unique(a)], np.int64) for a in arrays]
        notes = []
    else:
        named = [np.array([found[int(v)] for v in np.unique(a)]) for a in arrays]
        label, name = next(pair for pair in found.items() if str(pair[0]) != pair[1])
        notes = [f"The labels were replaced by characters, given by {source}: {label} is {name!r}."]
    result = [
        RawPart(part.images, labels[np.unique(array, return_inverse=True)[1]])
        for part, labels, array in zip(parts, named, arrays, strict=True)
    ]
    # Where all ten digits are there, they show how images are stored.
    if notes and "emnist" in names and not set(DIGIT_NAMES) <= set(found.values()):
        result = [RawPart([a.swapaxes(1, 2) for a in part.arrays], part.labels) for part in result]
        notes.append("EMNIST stores its images column by column; they were turned upright.")
    return result, notes


def find_mapping(path: Path) -> Path | None:
    """Return the mapping file of the set that a file belongs to; None where there is none."""
    folders = [path.parent]
    if re.search(r"idx\d", path.parent.name):  # Kaggle packs each file into a folder of its name
        folders.append(path.parent.parent)
    for folder in folders:
        for file in sorted(folder.iterdir()):
            match = _MAPPING.match(file.name)
            if match and file.is_file() and path.name.lower().startswith(match["set"].lower()):
                return file
    return None


def read_mapping(path: Path) -> dict[int, str]:
    """Read the characters of labels: a label and the code of its character in each line.

    Further columns, such as the lower case of letters, are not used.

    Raises
    ------
    DatasetError
        If a line is another one, or a label or a character occurs twice.
    """
    mapping: dict[int, str] = {}
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"cannot read {path}: {error}") from error
    for number, line in enumerate(lines, start=1):
        fields = re.split(r"[\s,;]+", line.strip())
        if fields == [""]:
            continue
        try:
            label, code = (int(field) for field in fields[:2])
            name = chr(code)
        except (ValueError, OverflowError):
            name = ""
        if not name.strip() or not name.isprintable():
            raise DatasetError(
                f"{path}, line {number}: {line.strip()[:40]!r} is not a label and the code of a "
                "character, such as 10 65 for A; correct the file or take it away"
            )
        if label in mapping or name in mapping.values():
            raise DatasetError(f"{path}, line {number}: {line.strip()[:40]!r} was there before")
        mapping[label] = name
    if not mapping:
        raise DatasetError(f"{path} is empty")
    return mapping
