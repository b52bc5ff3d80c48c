"""A fitted Pipeline on disk: one joblib file and a JSON file that vouches for it."""

from __future__ import annotations

import datetime
import json
import os
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import joblib
import sklearn
from sklearn.base import BaseEstimator
from sklearn.exceptions import InconsistentVersionWarning

from digitrec._environment import library_versions
from digitrec._files import atomic_path, sha256_file, write_json
from digitrec.errors import ModelFileError, ModelFileWarning

__all__ = [
    "FORMAT",
    "load_model",
    "metadata_path",
    "read_metadata",
    "save_model",
    "write_metadata",
]

FORMAT = 1


def metadata_path(path: str | os.PathLike[str]) -> Path:
    """Return the path of the JSON file that belongs to a model file."""
    return Path(path).with_suffix(".json")


def save_model(
    model: BaseEstimator, path: str | os.PathLike[str], metadata: Mapping[str, Any] | None = None
) -> Path:
    """Write a fitted Pipeline and its metadata.

    Parameters
    ----------
    model : estimator
        Fitted, from raw pixels to labels.
    path : path-like
        The joblib file to write; its metadata go beside it with the suffix ``.json``.
    metadata : mapping, optional
        JSON-safe facts to keep, such as metrics, label names and the data fingerprint.
        The file's sha256, the versions and the date are added.

    Returns
    -------
    pathlib.Path
        `path`.
    """
    path = Path(path)
    with atomic_path(path) as temporary:
        joblib.dump(model, temporary, compress=("zlib", 1))
    write_metadata(path, metadata)
    return path


def write_metadata(path: str | os.PathLike[str], metadata: Mapping[str, Any] | None = None) -> None:
    """Write the metadata of a model file that is already there.

    Parameters
    ----------
    path : path-like
        The model file.
    metadata : mapping, optional
        As `save_model` takes it.
    """
    path = Path(path)
    write_json(
        metadata_path(path),
        {
            **(metadata or {}),
            "format": FORMAT,
            "sha256": sha256_file(path),
            "bytes": path.stat().st_size,
            "versions": library_versions(),
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
        What `save_model` wrote.

    Raises
    ------
    ModelFileError
        If the metadata are missing, damaged or of a newer format.
    """
    source = metadata_path(path)
    if not source.exists():
        raise ModelFileError(
            f"{source} is missing, so {Path(path).name} cannot be checked; "
            "copy the .json file along with the model, or train the model again"
        )
    try:
        metadata = json.loads(source.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelFileError(f"{source} is damaged ({error}); train the model again") from error
    if not isinstance(metadata, dict) or "sha256" not in metadata or "format" not in metadata:
        raise ModelFileError(f"{source} is not the metadata of a digitrec model")
    if metadata["format"] > FORMAT:
        raise ModelFileError(
            f"{source} has format {metadata['format']}, this digitrec reads up to {FORMAT}; "
            "upgrade digitrec"
        )
    return metadata


def load_model(path: str | os.PathLike[str]) -> Any:
    """Load a model file after checking that it is the file its metadata describe.

    A joblib file can run any code while it is loaded: load only files from sources you trust.
    The sha256 guards against damage and mix-ups, not against someone who rewrites both files.

    Parameters
    ----------
    path : path-like
        A file that `save_model` wrote.

    Returns
    -------
    Pipeline
        Takes raw pixels, shape (n_samples, height * width), values 0–255.

    Raises
    ------
    ModelFileError
        If the file is missing, damaged, altered, foreign or of a newer format.

    Warns
    -----
    ModelFileWarning
        If another scikit-learn version wrote the file.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelFileError(
            f"no model file at {path}; make one with: python -m benchmarks.run_all"
        )
    metadata = read_metadata(path)
    digest = sha256_file(path)
    if digest != metadata["sha256"]:
        raise ModelFileError(
            f"{path} is not the file its metadata describe (sha256 {digest[:12]}…, recorded "
            f"{str(metadata['sha256'])[:12]}…): it is damaged or was replaced; "
            "restore it or train it again"
        )
    written_by = metadata.get("versions", {}).get("scikit-learn")
    if written_by != sklearn.__version__:
        warnings.warn(
            f"{path} was written by scikit-learn {written_by}, this is {sklearn.__version__}; "
            "predictions may differ, or fail: train it again or install that version",
            ModelFileWarning,
            stacklevel=2,
        )
    try:
        with warnings.catch_warnings():
            # The metadata's versions were compared above, with a remedy in the message.
            warnings.simplefilter("ignore", InconsistentVersionWarning)
            return joblib.load(path)
    except (
        pickle.UnpicklingError,
        EOFError,
        ValueError,
        KeyError,
        IndexError,
        AttributeError,
        ImportError,
        TypeError,
        OSError,
    ) as error:
        raise ModelFileError(
            f"{path} cannot be loaded ({type(error).__name__}: {error}); "
            "install the versions named in its .json file, or train it again"
        ) from error
