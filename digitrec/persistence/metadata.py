"""The JSON file next to a model file: its metadata, with the checksum of the file."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from digitrec._environment import library_versions
from digitrec._files import sha256_file, write_json
from digitrec.errors import ModelFileError

FORMAT = 1

# Of these, earlier versions wrote the metadata under the full name, too.
_ALWAYS_FULL_NAME = (".onnx", ".skops")


def metadata_path(path: str | os.PathLike[str]) -> Path:
    """Return the path of the JSON file that belongs to a model file.

    It is the model's whole name with ``.json`` added, so that no two models share it.

    Examples
    --------
    >>> metadata_path("best_model.joblib").name, metadata_path("svm.v1").name
    ('best_model.joblib.json', 'svm.v1.json')
    """
    path = Path(path)
    return path.with_name(f"{path.name}.json")


def _find_metadata(path: Path) -> Path:
    """Return the metadata file that is there; digitrec 0.1 wrote ``<stem>.json`` for joblib files.

    The jobs of a comparison still do: their result vouches for their model.
    """
    own = metadata_path(path)
    old = path.with_suffix(".json")
    if path.suffix not in _ALWAYS_FULL_NAME and not own.exists() and old != path and old.exists():
        return old
    return own


def write_metadata(
    path: str | os.PathLike[str],
    metadata: Mapping[str, Any] | None = None,
    *,
    content: Path | None = None,
) -> None:
    """Write the metadata of a model file.

    Parameters
    ----------
    path : path-like
        The model file.
    metadata : mapping, optional
        JSON-safe facts to keep, such as metrics, label names and the data fingerprint.
        The file's sha256 and size, the versions and the date are added.
    content : path, optional
        The file that will take that path next: where the disk has no room for the metadata, the
        old file stays with the old ones. None means that the model file is there.
    """
    path = Path(path)
    content = path if content is None else content
    facts = dict(metadata or {})
    write_json(
        metadata_path(path),
        {
            **facts,
            "format": FORMAT,
            "sha256": sha256_file(content),
            "bytes": content.stat().st_size,
            "versions": {**facts.get("versions", {}), **library_versions()},
            "saved_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        },
    )


def read_metadata(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the metadata of a model file.

    Parameters
    ----------
    path : path-like
        The model file.

    Returns
    -------
    dict
        What `write_metadata` wrote.

    Raises
    ------
    ModelFileError
        If the metadata are missing, damaged or of a newer format.
    """
    source = _find_metadata(Path(path))
    if not source.exists():
        raise ModelFileError(
            f"{source} is missing, so {Path(path).name} cannot be checked; "
            "copy the .json file along with the model, or train the model again"
        )
    try:
        metadata = json.loads(source.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelFileError(f"{source} is damaged ({error}); train the model again") from error
    if (
        not isinstance(metadata, dict)
        or not isinstance(metadata.get("sha256"), str)
        or not isinstance(metadata.get("format"), int)
    ):
        raise ModelFileError(
            f"{source} is not the metadata of a digitrec model; train the model again"
        )
    if metadata["format"] > FORMAT:
        raise ModelFileError(
            f"{source} has format {metadata['format']}, this digitrec reads up to {FORMAT}; "
            "upgrade digitrec"
        )
    if not isinstance(metadata.get("versions", {}), dict):
        raise ModelFileError(f"{source} is damaged (its versions); train the model again")
    return metadata
