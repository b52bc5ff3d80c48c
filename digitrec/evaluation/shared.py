"""What the jobs of a run share through files: the images, and the features of each split.

Every entry is computed by the first who needs it, written under a temporary name and moved into
place, and opened memory-mapped by everybody else.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from digitrec.datasets import Dataset
from digitrec.evaluation.splits import validation_split
from digitrec.preprocessing import FEATURES, FeatureStore

__all__ = ["SharedData", "SplitFeatures"]

_ARRAYS = ("X_train", "y_train", "X_test", "y_test")


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
        self.n_jobs = n_jobs

    def put(self, dataset: Dataset) -> None:
        """Write a dataset's arrays, where they are not there yet."""
        folder = self._images(dataset.name, dataset.fingerprint)
        if folder.exists():
            return
        facts = {
            "name": dataset.name,
            "image_shape": list(dataset.image_shape),
            "label_names": list(dataset.label_names),
            "source": dataset.source,
            "license": dataset.license,
            "has_fixed_test": dataset.has_fixed_test,
            "warnings": list(dataset.warnings),
        }

        def write(temporary: Path) -> None:
            for name in _ARRAYS:
                np.save(temporary / f"{name}.npy", getattr(dataset, name))
            (temporary / "facts.json").write_text(json.dumps(facts), encoding="utf-8")

        _make_folder(folder, write)

    def get(self, name: str, fingerprint: str) -> Dataset | None:
        """Return a dataset that was put here, memory-mapped; None where it is not there."""
        folder = self._images(name, fingerprint)
        if not folder.exists():
            return None
        facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
        facts["image_shape"] = tuple(facts["image_shape"])
        for fact in ("label_names", "warnings"):
            facts[fact] = tuple(facts[fact])
        arrays = {array: _open(folder / f"{array}.npy") for array in _ARRAYS}
        return Dataset(fingerprint=fingerprint, **facts, **arrays)

    def with_copies(self, dataset: Dataset, n_copies: int, random_state: int) -> Dataset:
        """Return the dataset with random copies of its training images after the images.

        Copy k of training row i is row ``i + k * n_train``, k counted from 1.
        """
        if not n_copies:
            return dataset
        identity = f"{dataset.fingerprint} {n_copies} copies, seed {random_state}"
        fingerprint = hashlib.sha256(identity.encode()).hexdigest()[:16]
        found = self.get(dataset.name, fingerprint)
        if found is not None:
            return found
        from digitrec.preprocessing import augment

        # The images come first, copy after copy behind them.
        X, row_of = augment(
            dataset.X_train, dataset.image_shape, n_copies=n_copies, random_state=random_state
        )
        self.put(
            Dataset(
                name=dataset.name,
                X_train=np.concatenate([dataset.X_train, X]),
                y_train=np.concatenate([dataset.y_train, dataset.y_train[row_of]]),
                X_test=dataset.X_test,
                y_test=dataset.y_test,
                image_shape=dataset.image_shape,
                label_names=dataset.label_names,
                source=dataset.source,
                license=dataset.license,
                has_fixed_test=dataset.has_fixed_test,
                fingerprint=fingerprint,
            )
        )
        found = self.get(dataset.name, fingerprint)
        assert found is not None
        return found

    def features(
        self,
        dataset: Dataset,
        name: str,
        *,
        validation_seed: int | None,
        n_copies: int = 0,
        copies_seed: int = 0,
        report: Callable[[str], None] | None = None,
    ) -> SplitFeatures:
        """Return features to fit on and to score on.

        Parameters
        ----------
        dataset : Dataset
            The images, without copies.
        name : str
            Key of `digitrec.preprocessing.FEATURES`.
        validation_seed : int or None
            Seed of the validation split: features are fitted on the rows it leaves, and the
            held-out rows are to be scored. None means to fit on all training rows and to score
            the test set.
        n_copies, copies_seed : int
            Random copies of each image to fit on, and their seed; copies are never scored.
        report : callable, optional
            Told in one line what was computed.
        """
        n_train = len(dataset.y_train)
        source = self.with_copies(dataset, n_copies, copies_seed)
        store = FeatureStore(self.root / "features", n_jobs=self.n_jobs)
        fixed = store.fixed(source, name, report)
        fixed_train, fixed_test = _plain(fixed.train), _plain(fixed.test)
        if validation_seed is None:
            fit_rows = np.arange(len(source.y_train))
            score_rows = None
            split = "all"
        else:
            train, score_rows = validation_split(dataset.y_train, validation_seed)
            fit_rows = np.concatenate([train + k * n_train for k in range(n_copies + 1)])
            split = f"seed{validation_seed}"
        y_fit = source.y_train[fit_rows]
        y_score = dataset.y_test if score_rows is None else dataset.y_train[score_rows]
        pipeline = FEATURES[name].build_fitted(dataset.image_shape)
        if all(step == "passthrough" for _, step in pipeline.steps):
            started = time.perf_counter()
            X_fit = fixed_train if score_rows is None else fixed_train[fit_rows]
            X_score = fixed_test if score_rows is None else fixed_train[score_rows]
            seconds = time.perf_counter() - started
        else:
            folder = fixed.train_path.with_name(
                f"{fixed.train_path.name.split('.')[0]}-{split}-{_code_key(pipeline)}"
            )

            def compute(temporary: Path) -> None:
                started = time.perf_counter()
                # Rows stay in their order, so that one seed gives one result.
                rows = fixed_train if score_rows is None else fixed_train[fit_rows]
                X = pipeline.fit_transform(rows)
                held_out = fixed_test if score_rows is None else fixed_train[score_rows]
                np.save(temporary / "X_fit.npy", X)
                np.save(temporary / "X_score.npy", pipeline.transform(held_out))
                joblib.dump(pipeline, temporary / "transformer.joblib")
                seconds = time.perf_counter() - started
                (temporary / "seconds.json").write_text(json.dumps(seconds))

            if not folder.exists():
                _make_folder(folder, compute)
            pipeline = joblib.load(folder / "transformer.joblib")
            seconds = json.loads((folder / "seconds.json").read_text())
            X_fit, X_score = _open(folder / "X_fit.npy"), _open(folder / "X_score.npy")
        return SplitFeatures(
            X_fit=X_fit,
            y_fit=np.asarray(y_fit),
            X_score=X_score,
            y_score=np.asarray(y_score),
            transformer=pipeline,
            seconds=seconds,
            fixed_seconds=fixed.seconds,
        )

    def _images(self, name: str, fingerprint: str) -> Path:
        return self.root / "images" / f"{name}-{fingerprint}"


def _make_folder(folder: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary folder, then move it into place.

    Of two processes that make the same folder the first wins; both made the same content.
    """
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


def _code_key(pipeline: Pipeline) -> str:
    """Hash the parameters of transformers and the code that they run."""
    digest = hashlib.sha256()
    for name, step in pipeline.steps:
        digest.update(f"{name} {type(step).__name__} {sorted(step.get_params().items())}".encode())
        digest.update(Path(inspect.getfile(type(step))).read_bytes())
    return digest.hexdigest()[:12]
