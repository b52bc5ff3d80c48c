"""Save a fitted Pipeline with its metadata, and load a model file of any format once checked."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import joblib
import sklearn
from sklearn.base import BaseEstimator
from sklearn.exceptions import InconsistentVersionWarning

from digitrec._environment import library_versions
from digitrec._files import atomic_path, check_output, sha256_file, write_json
from digitrec.errors import ConfigurationError, DigitrecError, ModelFileError, ModelFileWarning
from digitrec.persistence.onnx_model import load_onnx
from digitrec.persistence.skops_file import load_skops

_STARTS = (b"x\x01", b"\x80")
"""First bytes of files of joblib: zlib, and a pickle that is not compressed."""
_LOADERS: dict[str, Callable[[BinaryIO], Any]] = {".onnx": load_onnx, ".skops": load_skops}

FORMAT = 1

# Of these, earlier versions wrote the metadata under the full name, too.
_ALWAYS_FULL_NAME = (".onnx", ".skops")


@dataclass(frozen=True, kw_only=True)
class ModelMetadata:
    """What the JSON file next to a model file says of it; what is not known is left out there.

    Attributes
    ----------
    key, finished_at : str
        Job of the comparison that fitted the model, and when it ended.
    model, title, features : str
        Registry name and title of the model, and name of its features.
    parameters : mapping
        Parameters of the fitted estimator.
    random_state : int
        Seed of the model.
    dataset, data_fingerprint, data_source : str
        Name, fingerprint and origin of the data.
    label_names : sequence of str
        Names of the classes; empty where they are not known.
    image_shape : sequence of int or None
        Height and width; None for rows of tables, empty where it is not known.
    n_columns, n_train : int
        Columns of a row, and rows that the model was fitted on.
    seen : sequence of str
        Fingerprints of the parts of the data that the model was fitted on.
    test_fingerprint : str
        That of the rows held out of the same data.
    metrics : mapping
        Scores and times by the names that `digitrec.evaluation.result.Result` has for them, with
        ``_low`` and ``_high`` for the ends of 95 % intervals.
    format : int
        Version of these metadata.
    sha256, bytes : str and int
        Digest and size of the model file.
    versions : mapping
        Versions of the packages that wrote it.
    saved_at : str
        When it was written, in UTC.
    other : mapping
        Further facts, JSON-safe, which stand in the file beside these and which exports keep.
    """

    key: str | None = None
    finished_at: str | None = None
    model: str | None = None
    title: str | None = None
    features: str | None = None
    parameters: Mapping[str, Any] | None = None
    random_state: int | None = None
    dataset: str | None = None
    data_fingerprint: str | None = None
    data_source: str | None = None
    label_names: Sequence[str] = ()
    image_shape: Sequence[int] | None = ()
    n_columns: int | None = None
    n_train: int | None = None
    seen: Sequence[str] = ()
    test_fingerprint: str | None = None
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    format: int | None = None
    sha256: str | None = None
    bytes: int | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    saved_at: str | None = None
    other: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> ModelMetadata:
        """Return the record of what a file says; what has no field of its own is in `other`.

        Examples
        --------
        >>> metadata = ModelMetadata.from_dict({"model": "svm", "writer": "me"})
        >>> metadata.model, metadata.other
        ('svm', {'writer': 'me'})
        """
        names = {one.name for one in dataclasses.fields(cls)} - {"other"}
        return cls(
            **{name: value for name, value in facts.items() if name in names},
            other={name: value for name, value in facts.items() if name not in names},
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` takes, without what is not known."""
        unknown = vars(ModelMetadata())
        known = {name: value for name, value in vars(self).items() if value != unknown[name]}
        known.pop("other", None)
        return {**known, **self.other}


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
    metadata: ModelMetadata | Mapping[str, Any] | None = None,
    *,
    content: Path | None = None,
) -> None:
    """Write the metadata of a model file.

    Parameters
    ----------
    path : path-like
        The model file.
    metadata : ModelMetadata or mapping, optional
        What is known of the model, such as metrics, label names and the data fingerprint. A
        mapping may hold further facts, JSON-safe. The file's sha256 and size, the versions and
        the date are added.
    content : path, optional
        The file that will take that path next: where the disk has no room for the metadata, the
        old file stays with the old ones. None means that the model file is there.
    """
    path = Path(path)
    content = path if content is None else content
    if not isinstance(metadata, ModelMetadata):
        metadata = ModelMetadata.from_dict(metadata or {})
    metadata = dataclasses.replace(
        metadata,
        format=FORMAT,
        sha256=sha256_file(content),
        bytes=content.stat().st_size,
        versions={**metadata.versions, **library_versions()},
        saved_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )
    write_json(metadata_path(path), metadata.to_dict())


def read_metadata(path: str | os.PathLike[str]) -> ModelMetadata:
    """Read the metadata of a model file.

    Parameters
    ----------
    path : path-like
        The model file.

    Returns
    -------
    ModelMetadata
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
        facts = json.loads(source.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelFileError(f"{source} is damaged ({error}); train the model again") from error
    if (
        not isinstance(facts, dict)
        or not isinstance(facts.get("sha256"), str)
        or not isinstance(facts.get("format"), int)
    ):
        raise ModelFileError(
            f"{source} is not the metadata of a digitrec model; train the model again"
        )
    if facts["format"] > FORMAT:
        raise ModelFileError(
            f"{source} has format {facts['format']}, this digitrec reads up to {FORMAT}; "
            "upgrade digitrec"
        )
    if not isinstance(facts.get("versions", {}), dict):
        raise ModelFileError(f"{source} is damaged (its versions); train the model again")
    return ModelMetadata.from_dict(facts)


def check_model_path(path: str | os.PathLike[str]) -> Path:
    """Refuse a path that `save_model` could not write to; call it before a long training.

    Parameters
    ----------
    path : path-like
        The joblib file to write.

    Returns
    -------
    pathlib.Path
        `path`.

    Raises
    ------
    ConfigurationError
        If the name is that of metadata or of another format, or if the file or its folder
        cannot be one.

    Examples
    --------
    >>> check_model_path("model.joblib").name
    'model.joblib'
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix == ".json":
        raise ConfigurationError(
            f"{path.name!r} is the name of a JSON file, which is next to a model and describes "
            f"it; name the model file {path.stem}.joblib"
        )
    if suffix in _LOADERS:
        raise ConfigurationError(
            f"{path.name!r} would be a joblib file; name it .joblib, then run: "
            f"digitrec export --format {suffix[1:]}"
        )
    check_output(path, "saved model", _STARTS)
    if metadata_path(path).is_dir():
        raise ConfigurationError(f"{str(metadata_path(path))!r}, for the metadata, is a folder")
    parent = next(folder for folder in path.absolute().parents if folder.exists())
    if not parent.is_dir():
        raise ConfigurationError(f"cannot write {str(path)!r}: {str(parent)!r} is not a folder")
    if not os.access(parent, os.W_OK):
        raise ConfigurationError(f"cannot write {str(path)!r}: no permission in {str(parent)!r}")
    return path


def save_model(
    model: BaseEstimator,
    path: str | os.PathLike[str],
    metadata: ModelMetadata | Mapping[str, Any] | None = None,
) -> Path:
    """Write a fitted Pipeline and its metadata.

    Parameters
    ----------
    model : estimator
        Fitted, from raw pixels to labels.
    path : path-like
        The joblib file to write; its metadata go next to it under its name with ``.json`` added.
    metadata : ModelMetadata or mapping, optional
        As `write_metadata` takes them.

    Returns
    -------
    pathlib.Path
        `path`.

    Raises
    ------
    ConfigurationError
        As `check_model_path` raises it.
    """
    path = check_model_path(path)
    with atomic_path(path) as temporary:
        joblib.dump(model, temporary, compress=("zlib", 1))
        write_metadata(path, metadata, content=temporary)
    return path


def load_model(path: str | os.PathLike[str]) -> Any:
    """Load a model file after checking that it is the file its metadata describe.

    A joblib file can run any code while it is loaded: load only files from sources you trust.
    The sha256 guards against damage and mix-ups, not against someone who rewrites both files.
    ``.onnx`` and ``.skops`` files run no code of their own.

    Parameters
    ----------
    path : path-like
        A file that `save_model` or `digitrec.persistence.export_model` wrote: ``.onnx``,
        ``.skops``, else joblib.

    Returns
    -------
    Pipeline or OnnxClassifier
        Takes raw pixels, shape (n_samples, height * width), values 0–255.

    Raises
    ------
    ModelFileError
        If the file is missing, damaged, altered, not written by digitrec, or of a newer format.
    MissingExtraError
        If the packages that read the format are not installed.

    Warns
    -----
    ModelFileWarning
        If another scikit-learn version wrote the file; ONNX files do not depend on it.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelFileError(
            f"no model file at {path}; make one with: python -m benchmarks.run_all"
        )
    metadata = read_metadata(path)
    # What is hashed is what is loaded: the file may be replaced on disk in between.
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != metadata.sha256:
            raise ModelFileError(
                f"{path} is not the file its metadata describe (sha256 {digest[:12]}…, recorded "
                f"{str(metadata.sha256)[:12]}…): it is damaged or was replaced; "
                "restore it or train it again"
            )
        if path.suffix != ".onnx":
            _compare_versions(path, metadata.versions.get("scikit-learn"))
        file.seek(0)
        try:
            with warnings.catch_warnings():
                # The metadata's versions were compared above, with a remedy in the message.
                warnings.simplefilter("ignore", InconsistentVersionWarning)
                return _LOADERS.get(path.suffix, joblib.load)(file)
        except DigitrecError as error:
            if isinstance(error, ModelFileError):
                raise ModelFileError(f"{path} {error}") from error
            raise
        except Exception as error:  # a damaged file can make its reader fail in any way
            raise ModelFileError(
                f"{path} cannot be loaded ({type(error).__name__}: {_first_line(error)}); "
                "install the versions named in its .json file, or train it again"
            ) from error


def _compare_versions(path: Path, written_by: str | None) -> None:
    if written_by != sklearn.__version__:
        warnings.warn(
            f"{path} was written by scikit-learn {written_by}, this is {sklearn.__version__}; "
            "predictions may differ, or fail: train it again or install that version",
            ModelFileWarning,
            stacklevel=3,
        )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:300]
