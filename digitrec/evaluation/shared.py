"""Files that the jobs of a run share: the images, and the features of each split.

Every entry is computed by the first who needs it, written under a temporary name and moved into
place, and opened memory-mapped by everybody else.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cloudpickle
import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from digitrec._code import cache_key, describe_value
from digitrec._environment import available_cores
from digitrec._files import create_array
from digitrec.datasets import Dataset
from digitrec.evaluation.splits import validation_split
from digitrec.preprocessing import FEATURES, FeatureSpec, FixedFeatures, fixed_features
from digitrec.preprocessing.augmentation import augment

if TYPE_CHECKING:
    from digitrec.evaluation.job import Job

_ARRAYS = ("X_train", "y_train", "X_test", "y_test")

# Chosen rows of more bytes than this go to a file that is memory-mapped: nine copies of each of
# MNIST's images have 3.3 GB of features, whose pages the system can then take back.
_MOST_BYTES_COPIED = 2**28
_CHUNK_ROWS = 8192


@dataclass(frozen=True, kw_only=True, eq=False)
class SplitFeatures:
    """Features to fit a model on, and those to score it on.

    Attributes
    ----------
    X_fit, X_score : ndarray of float32, shape (n_samples, n_features)
        Read-only rows, memory-mapped.
    y_fit, y_score : ndarray of int64, shape (n_samples,)
        Their labels.
    transformer : sklearn.pipeline.Pipeline
        The fitted way from the fixed features to these.
    seconds : float
        Wall time that fitting and transforming took, when it was done.
    fixed_seconds : float
        Wall time that the fixed features of all rows took, when they were computed.
    """

    X_fit: NDArray[np.float32]
    y_fit: NDArray[np.int64]
    X_score: NDArray[np.float32]
    y_score: NDArray[np.int64]
    transformer: Pipeline
    seconds: float
    fixed_seconds: float


class SharedData:
    """Files that processes share.

    Parameters
    ----------
    root : path-like
        Folder of the cache; every process that runs jobs should see it.
    n_jobs : int or None
        Threads for computing features; None means all cores.
    """

    def __init__(self, root: str | Path, *, n_jobs: int | None = None) -> None:
        self.root = Path(root)
        self.n_jobs = available_cores() if n_jobs is None else n_jobs

    def put(self, dataset: Dataset) -> None:
        """Write a dataset's arrays, where they are not there yet."""
        _make_folder(self._images(dataset), lambda folder: _write_dataset(dataset, folder))

    def get(self, name: str, fingerprint: str) -> Dataset | None:
        """Return a dataset that was put here, memory-mapped; None where it is not there."""
        folder = self.root / "images" / f"{name}-{fingerprint}"
        if not folder.exists():
            return None
        facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
        # JSON has lists for the tuples.
        facts = {k: tuple(v) if isinstance(v, list) else v for k, v in facts.items()}
        arrays: dict[str, Any] = {array: _open(folder / f"{array}.npy") for array in _ARRAYS}
        return Dataset(**facts, **arrays)

    def with_copies(self, dataset: Dataset, n_copies: int, random_state: int) -> Dataset:
        """Return the dataset with distorted copies of its training images behind the images.

        Copy k of training row i is row ``i + k * n_train``, k counted from 1.
        """
        if not n_copies:
            return dataset
        facts = {"data": dataset.fingerprint, "copies": n_copies, "seed": random_state}
        fingerprint = cache_key(facts, augment)
        labels = np.tile(dataset.y_train, n_copies + 1)
        # The images are written apart, chunk by chunk: all copies may not fit into memory.
        shown = dataclasses.replace(dataset, y_train=labels, fingerprint=fingerprint)

        def write(folder: Path) -> None:
            _write_dataset(shown, folder)
            _write_copies(dataset, n_copies, random_state, folder / "X_train.npy", self.n_jobs)

        _make_folder(self._images(shown), write)
        found = self.get(dataset.name, fingerprint)
        assert found is not None, "a folder that was just made is there"
        return found

    def fixed(self, dataset: Dataset, spec: FeatureSpec) -> FixedFeatures:
        """Return the part of a feature set that learns nothing, of all images of a dataset."""
        return fixed_features(dataset, spec, self.root / "features", n_jobs=self.n_jobs)

    def features(
        self,
        dataset: Dataset,
        features: str | FeatureSpec,
        *,
        validation_seed: int | None,
        n_copies: int = 0,
        copies_seed: int = 0,
    ) -> SplitFeatures:
        """Return features to fit on and to score on.

        Parameters
        ----------
        dataset : Dataset
            The images, without copies.
        features : str or FeatureSpec
            Key of `digitrec.preprocessing.FEATURES`, or a record like those there.
        validation_seed : int or None
            Seed of the validation split: features are fitted on the rows it leaves, and the
            held-out rows are to be scored. None means to fit on all training rows and to score
            the test set.
        n_copies, copies_seed : int
            Random copies of each image to fit on, and their seed; copies are never scored.
        """
        spec = features if isinstance(features, FeatureSpec) else FEATURES[features]
        source = self.with_copies(dataset, n_copies, copies_seed)
        fixed = self.fixed(source, spec)
        rows = _Rows.choose(dataset, n_copies, validation_seed)
        train, test = _plain(fixed.train), _plain(fixed.test)
        pipeline = spec.build_fitted()
        learns = any(step != "passthrough" for _, step in pipeline.steps)
        seconds = 0.0
        labels = np.asarray(source.y_train)
        y_fit, y_score = rows.to_fit(labels), rows.to_score(labels, np.asarray(dataset.y_test))
        stem = fixed.train_path.name.split(".")[0]
        split = "all" if validation_seed is None else f"seed{validation_seed}"
        folder = fixed.train_path.with_name(f"{stem}-{split}-{_fitted_key(pipeline)}")
        if learns:
            _make_folder(
                folder, lambda made: _write_fitted(pipeline, rows, train, test, y_fit, made)
            )
            pipeline = joblib.load(folder / "transformer.joblib")
            seconds = json.loads((folder / "seconds.json").read_text(encoding="utf-8"))
            X_fit, X_score = _open(folder / "X_fit.npy"), _open(folder / "X_score.npy")
        elif rows.n_bytes(train) > _MOST_BYTES_COPIED:
            _make_folder(folder, lambda made: rows.write(train, made / "X_fit.npy"))
            X_fit, X_score = _open(folder / "X_fit.npy"), rows.to_score(train, test)
        else:
            X_fit, X_score = rows.to_fit(train), rows.to_score(train, test)
        return SplitFeatures(
            X_fit=X_fit,
            y_fit=y_fit,
            X_score=X_score,
            y_score=y_score,
            transformer=pipeline,
            seconds=seconds,
            fixed_seconds=fixed.seconds,
        )

    def features_of(self, dataset: Dataset, job: Job, *, hold_out: bool = True) -> SplitFeatures:
        """Return the features of a job: to fit without the validation rows, or on all rows."""
        return self.features(
            dataset,
            job.feature_spec,
            validation_seed=job.random_state if hold_out else None,
            n_copies=job.augment,
            copies_seed=job.random_state,
        )

    def _images(self, dataset: Dataset) -> Path:
        return self.root / "images" / f"{dataset.name}-{dataset.fingerprint}"


@dataclass(frozen=True)
class _Rows:
    """Which training rows are fitted on and which scored; None means all, and the test set."""

    fit: NDArray[np.intp] | None
    score: NDArray[np.intp] | None

    @classmethod
    def choose(cls, dataset: Dataset, n_copies: int, validation_seed: int | None) -> _Rows:
        if validation_seed is None:
            return cls(None, None)
        split = validation_split(dataset.y_train, validation_seed)
        n_train = len(dataset.y_train)
        # Copies of a held-out image must not be learned from.
        fit = np.concatenate([split.train + k * n_train for k in range(n_copies + 1)])
        return cls(fit, split.validation)

    def to_fit(self, train: NDArray[Any]) -> NDArray[Any]:
        """Return the rows to fit on, in ascending order."""
        return train if self.fit is None else train[self.fit]

    def to_score(self, train: NDArray[Any], test: NDArray[Any]) -> NDArray[Any]:
        """Return the rows to score, in ascending order."""
        return test if self.score is None else train[self.score]

    def n_bytes(self, train: NDArray[Any]) -> int:
        """Return the size of a copy of the rows to fit on; 0 where they are all rows."""
        return 0 if self.fit is None else len(self.fit) * train[:1].nbytes

    def write(self, train: NDArray[Any], path: Path) -> None:
        """Write the rows to fit on, without holding all of them in memory."""
        assert self.fit is not None
        shape = (len(self.fit), *train.shape[1:])
        rows = create_array(path, train.dtype, shape)
        for start in range(0, len(rows), _CHUNK_ROWS):
            rows[start : start + _CHUNK_ROWS] = train[self.fit[start : start + _CHUNK_ROWS]]
        rows.flush()


def _write_dataset(dataset: Dataset, folder: Path) -> None:
    facts = {
        "name": dataset.name,
        "image_shape": dataset.image_shape,
        "label_names": dataset.label_names,
        "source": dataset.source,
        "license": dataset.license,
        "has_fixed_test": dataset.has_fixed_test,
        "warnings": dataset.warnings,
        "pixel_range": dataset.pixel_range,
        "fingerprint": dataset.fingerprint,
    }
    for name in _ARRAYS:
        np.save(folder / f"{name}.npy", getattr(dataset, name))
    (folder / "facts.json").write_text(json.dumps(facts), encoding="utf-8")


def _write_copies(
    dataset: Dataset, n_copies: int, random_state: int, path: Path, n_jobs: int
) -> None:
    n_train, n_pixels = dataset.X_train.shape
    images = create_array(path, np.uint8, (n_train * (n_copies + 1), n_pixels))
    images[:n_train] = dataset.X_train
    position = n_train
    for chunk in augment(
        np.asarray(dataset.X_train),
        dataset.image_shape,
        n_copies,
        random_state,
        n_jobs=n_jobs,
    ):
        images[position : position + len(chunk)] = chunk
        position += len(chunk)
    images.flush()


def _write_fitted(
    pipeline: Pipeline,
    rows: _Rows,
    train: NDArray[Any],
    test: NDArray[Any],
    y_fit: NDArray[Any],
    folder: Path,
) -> None:
    started = time.perf_counter()
    copied = folder / "rows.npy"
    if rows.n_bytes(train) > _MOST_BYTES_COPIED:
        rows.write(train, copied)
        X_fit = _open(copied)
    else:
        X_fit = rows.to_fit(train)
    np.save(folder / "X_fit.npy", _dense(pipeline.fit_transform(X_fit, y_fit)))
    del X_fit  # before its file, which some systems keep while it is mapped
    copied.unlink(missing_ok=True)
    np.save(folder / "X_score.npy", _dense(pipeline.transform(rows.to_score(train, test))))
    seconds = time.perf_counter() - started
    with (folder / "transformer.joblib").open("wb") as file:
        # By value where a class is the caller's own, of a notebook, say.
        cloudpickle.dump(pipeline, file)
    (folder / "seconds.json").write_text(json.dumps(seconds), encoding="utf-8")


def _make_folder(folder: Path, write: Callable[[Path], None]) -> None:
    """Make a folder, where it is not there yet: `write` fills a temporary one, which is renamed.

    Of two processes that make the same folder the first wins; both made the same content.
    """
    if folder.exists():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        write(temporary)
        try:
            temporary.rename(folder)
        except OSError:
            if not folder.exists():
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _open(path: Path) -> NDArray[Any]:
    return _plain(np.load(path, mmap_mode="r"))


def _plain(array: NDArray[Any]) -> NDArray[Any]:
    """View a memory map as a plain array, which estimators pickle as data, not as a path."""
    return array.view(np.ndarray)


def _dense(features: Any) -> NDArray[Any]:
    return features.toarray() if hasattr(features, "toarray") else np.asarray(features)


def _fitted_key(pipeline: Pipeline) -> str:
    """Hash the parameters of unfitted transformers and the code that they run."""
    facts = {
        name: describe_value(value)
        for name, value in sorted(pipeline.get_params(deep=True).items())
        if name.rpartition("__")[2] != "n_jobs"
    }
    return cache_key(facts, "digitrec.evaluation.splits", pipeline, length=12)
