"""How well fitted models read corrupted copies of the test images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from digitrec.datasets import Dataset
from digitrec.errors import DatasetError
from digitrec.evaluation.corruptions import CORRUPTIONS, corrupt_images
from digitrec.preprocessing import FEATURES

__all__ = ["FittedModel", "load_mnist_c", "score_robustness"]

# Name, feature set and saved Pipeline of a model.
FittedModel = tuple[str, str, Pipeline]
_CHUNK = 2500


def load_mnist_c(folder: Path, kind: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Read one kind of the published MNIST-C test set.

    Parameters
    ----------
    folder : pathlib.Path
        Holds ``<kind>/test_images.npy`` and ``<kind>/test_labels.npy``.
    kind : str
        Key of `CORRUPTIONS`.

    Returns
    -------
    X : ndarray of uint8, shape (n_samples, 784)
        Images.
    y : ndarray of int64, shape (n_samples,)
        Labels.

    Raises
    ------
    DatasetError
        If a file is missing, damaged, or holds something else.
    """
    arrays = []
    for name in ("test_images.npy", "test_labels.npy"):
        path = Path(folder) / kind / name
        try:
            arrays.append(np.load(path, allow_pickle=False))
        except FileNotFoundError as error:
            raise DatasetError(
                f"no MNIST-C array at {path}; the folder must hold <kind>/test_images.npy and "
                "<kind>/test_labels.npy"
            ) from error
        except (OSError, ValueError, EOFError) as error:
            raise DatasetError(f"MNIST-C array {path} is damaged: {error}") from error
    images, labels = arrays
    if images.dtype != np.uint8 or images.shape[1:3] != (28, 28) or labels.ndim != 1:
        raise DatasetError(
            f"{Path(folder) / kind} holds {images.dtype!r} images of shape {images.shape!r}; "
            "MNIST-C has uint8 of shape (n, 28, 28, 1)"
        )
    if len(images) != len(labels):
        raise DatasetError(
            f"{Path(folder) / kind} has {len(images)!r} images and {len(labels)!r} labels"
        )
    return images.reshape(len(images), -1), labels.astype(np.int64)


def score_robustness(
    dataset: Dataset,
    models: Iterable[FittedModel],
    clean_errors: Mapping[str, float],
    *,
    mnist_c: Path | None = None,
    random_state: int = 0,
    n_jobs: int | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Score models on every kind of corruption.

    The features that learn nothing are computed once per feature set and kind, for all models
    that share them.

    Parameters
    ----------
    dataset : Dataset
        Its test images are corrupted.
    models : iterable of FittedModel
        Name, feature set, and Pipeline that takes raw pixels.
    clean_errors : mapping of str to float
        Error of each model on the uncorrupted test images, 0–1.
    mnist_c : pathlib.Path, optional
        Folder of the published MNIST-C arrays to score on instead.
    random_state : int
        Seed of the corruptions.
    n_jobs : int, optional
        Threads for computing features; None means one.
    report : callable
        Told in one line what was scored.

    Returns
    -------
    dict
        JSON-safe. ``source``: ``"digitrec"`` or ``"MNIST-C"``; ``kinds``: ``name`` and
        ``summary`` of each; ``models``: ``name``, ``clean_error``, ``errors`` in the order of
        the kinds, ``mean_corruption_error`` (their mean) and ``n`` (images per kind).
    """
    models = list(models)
    fixed = {
        features: FEATURES[features].build_fixed(dataset.image_shape, n_jobs=n_jobs)
        for _, features, _ in models
    }
    heads = {name: _without_fixed(pipeline, fixed[features]) for name, features, pipeline in models}
    errors: dict[str, list[float]] = {name: [] for name, _, _ in models}
    n_images = len(dataset.y_test)
    for kind in CORRUPTIONS:
        if mnist_c is None:
            X_raw, truth = np.asarray(dataset.X_test), np.asarray(dataset.y_test)
            X = corrupt_images(X_raw, dataset.image_shape, kind, random_state=random_state)
        else:
            X, truth = load_mnist_c(mnist_c, kind)
            n_images = len(truth)
        wrong = dict.fromkeys(errors, 0)
        for start in range(0, len(X), _CHUNK):
            rows = slice(start, start + _CHUNK)
            shared = {features: steps.transform(X[rows]) for features, steps in fixed.items()}
            for name, features, _ in models:
                predicted = heads[name].predict(shared[features])
                wrong[name] += int(np.count_nonzero(predicted != truth[rows]))
        for name, count in wrong.items():
            errors[name].append(count / len(truth))
        report(f"robustness: {kind} ({len(errors[name])} of {len(CORRUPTIONS)})")
    return {
        "source": "digitrec" if mnist_c is None else "MNIST-C",
        "random_state": random_state,
        "n": n_images,
        "kinds": [{"name": kind.name, "summary": kind.summary} for kind in CORRUPTIONS.values()],
        "models": [
            {
                "name": name,
                "clean_error": clean_errors[name],
                "errors": values,
                "mean_corruption_error": float(np.mean(values)),
            }
            for name, values in errors.items()
        ],
    }


def _without_fixed(pipeline: Pipeline, fixed: Pipeline) -> Pipeline:
    """Return the steps of a saved Pipeline after those of its feature set that learn nothing."""
    n_fixed = len([step for _, step in fixed.steps if step != "passthrough"])
    return Pipeline(pipeline.steps[n_fixed:])
