"""The models that a service offers, by name."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from digitrec.errors import ConfigurationError

DEFAULT_MODEL = "default"
MODEL_SUFFIXES = (".joblib", ".onnx", ".skops")
_WINNER = "best_model"
_JOB_KEY = re.compile(r"-[0-9a-f]{6,64}$")


def find_models(paths: Iterable[str | os.PathLike[str]] = ()) -> dict[str, Path | None]:
    """Return model ids and their files; the first is the one used unless a client asks.

    Parameters
    ----------
    paths : iterable of path-like
        Model files, or folders of a run (``reports/<dataset>``), which offer the winner first
        and then every saved model of the run. Empty for the default recogniser.

    Returns
    -------
    dict
        Model id to path; None stands for the default recogniser.

    Raises
    ------
    ConfigurationError
        If a path does not exist, or a folder holds no model.
    """
    models: dict[str, Path | None] = {}
    for given in paths:
        path = Path(given)
        if path.is_dir():
            files = _files_of_run(path)
            if not files:
                raise ConfigurationError(
                    f"the folder {str(path)!r} holds no model files "
                    f"({', '.join(MODEL_SUFFIXES)}); give the folder of a finished run"
                )
        elif path.is_file():
            files = [path]
        else:
            raise ConfigurationError(f"there is no model file or folder {str(path)!r}")
        for file in files:
            if file not in models.values():
                models[_free_name(_model_name(file), models)] = file
    return models or {DEFAULT_MODEL: None}


def _files_of_run(folder: Path) -> list[Path]:
    files = [
        file
        for parent in (folder, folder / "jobs")
        if parent.is_dir()
        for file in sorted(parent.iterdir())
        if file.suffix in MODEL_SUFFIXES and not file.name.startswith(".")
    ]
    # One id per model: the formats of one model share it, joblib first.
    unique: dict[Path, Path] = {}
    for file in files:
        unique.setdefault(file.with_suffix(""), file)
        if file.suffix == ".joblib":
            unique[file.with_suffix("")] = file
    return sorted(unique.values(), key=lambda file: file.stem != _WINNER)


def _model_name(file: Path) -> str:
    stem = _JOB_KEY.sub("", file.stem)
    return re.sub(r"[^A-Za-z0-9._-]+", "_", stem) or "model"


def _free_name(name: str, taken: dict[str, Path | None]) -> str:
    candidate, n = name, 1
    while candidate in taken:
        n += 1
        candidate = f"{name}-{n}"
    return candidate
