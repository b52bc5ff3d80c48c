"""Features computed once per dataset and kept on disk."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from digitrec._code import cache_key, describe_value
from digitrec._files import atomic_path, create_array, file_safe, write_json
from digitrec.preprocessing.features import FeatureSpec

if TYPE_CHECKING:
    from digitrec.datasets import Dataset

_log = logging.getLogger(__name__)

# Rows whose features are in memory at once: 1,552 columns of 20,000 images are 124 MB.
_CHUNK_ROWS = 20_000


@dataclass(frozen=True, kw_only=True, eq=False)
class FixedFeatures:
    """The features of one dataset before anything is fitted.

    Attributes
    ----------
    train, test : memmap of float32, shape (n_samples, n_features)
        Read-only features of the training and the test rows.
    train_path : pathlib.Path
        File of `train`.
    seconds : float
        Wall time that computing both took, when they were computed.
    """

    train: NDArray[np.float32]
    test: NDArray[np.float32]
    train_path: Path
    seconds: float


def fixed_features(
    dataset: Dataset, spec: FeatureSpec, root: Path, *, n_jobs: int | None = None
) -> FixedFeatures:
    """Compute the fixed part of a feature set, or read it from disk.

    It is found by the content of the dataset, the parameters of the transformers and all the code
    that they run; see `digitrec._code.cache_key`.

    Parameters
    ----------
    dataset : Dataset
        Images; training and test rows are transformed alike.
    spec : FeatureSpec
        The feature set.
    root : pathlib.Path
        Folder of the cache.
    n_jobs : int, optional
        Threads for computing; None means one.
    """
    key = _key(spec, dataset.image_shape)
    stem = root / f"{dataset.name}-{dataset.fingerprint}" / f"{file_safe(spec.name)}-{key}"
    n_rows = (len(dataset.X_train), len(dataset.X_test))
    found = _open(stem, n_rows)
    if found is not None:
        _log.debug("features %r: read from %s", spec.name, stem.parent)
        return found
    pipeline = spec.build_fixed(dataset.image_shape, n_jobs=n_jobs)
    started = time.perf_counter()
    for part, X in (("train", dataset.X_train), ("test", dataset.X_test)):
        with atomic_path(_path(stem, part)) as temporary:
            _write_features(pipeline, X, temporary)
    seconds = time.perf_counter() - started
    # Written last: its presence says that both arrays are whole.
    write_json(_path(stem, "meta"), {"seconds": seconds, "rows": n_rows})
    _log.info("features %r: %s images in %.1f s", spec.name, f"{sum(n_rows):,}", seconds)
    written = _open(stem, n_rows)
    assert written is not None, f"features at {stem} were removed while they were written"
    return written


def _path(stem: Path, part: str) -> Path:
    suffix = ".json" if part == "meta" else f".{part}.npy"
    return stem.with_name(stem.name + suffix)


def _open(stem: Path, n_rows: tuple[int, int]) -> FixedFeatures | None:
    """Return the features at `stem`, or None where they are missing or damaged."""
    train_path = _path(stem, "train")
    try:
        meta = json.loads(_path(stem, "meta").read_text(encoding="utf-8"))
        train = np.load(train_path, mmap_mode="r")
        test = np.load(_path(stem, "test"), mmap_mode="r")
        seconds = float(meta["seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if (len(train), len(test)) != n_rows:
        return None
    return FixedFeatures(train=train, test=test, train_path=train_path, seconds=seconds)


def _write_features(pipeline: Pipeline, X: NDArray, path: Path) -> None:
    """Write the features of images chunk by chunk: those of all may not fit into memory."""
    if len(X) <= _CHUNK_ROWS:
        np.save(path, pipeline.transform(X) if len(X) else _no_rows(pipeline, X))
        return
    first = np.asarray(pipeline.transform(X[:_CHUNK_ROWS]))
    written = create_array(path, first.dtype, (len(X), *first.shape[1:]))
    written[:_CHUNK_ROWS] = first
    for start in range(_CHUNK_ROWS, len(X), _CHUNK_ROWS):
        chunk = slice(start, start + _CHUNK_ROWS)
        written[chunk] = pipeline.transform(X[chunk])
    written.flush()


def _no_rows(pipeline: Pipeline, X: NDArray) -> NDArray[np.float32]:
    """Features of no images: scikit-learn's transformers refuse empty input."""
    blank = np.zeros((1, X.shape[1]), dtype=X.dtype)
    return pipeline.transform(blank)[:0]


def _key(spec: FeatureSpec, image_shape: tuple[int, int] | None) -> str:
    """Hash the transformers with their parameters, and the code that they run."""
    steps = spec.fixed_steps(image_shape, None)
    parameters = [
        [step, type(t).__name__, describe_value(dict(sorted(t.get_params().items())))]
        for step, t in steps
    ]
    return cache_key({"steps": parameters}, *(t for _, t in steps), length=12)
