"""Write a saved model in another format, and keep the file only if its predictions agree."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import logging
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digitrec._files import atomic_path
from digitrec.datasets import load_dataset
from digitrec.errors import ConfigurationError, DigitrecError, ModelFileError, check_choice
from digitrec.persistence.model_file import load_model, read_metadata, write_metadata
from digitrec.persistence.onnx_graph import build_onnx
from digitrec.persistence.onnx_model import OnnxClassifier
from digitrec.persistence.skops_file import load_skops, write_skops

_log = logging.getLogger(__name__)


TOLERANCE = 1e-4
"""Largest difference of a probability, or of a decision value, that is taken as none."""

CHECK_ROWS = 10_000
"""Images that both models are compared on."""


@dataclass(frozen=True, kw_only=True)
class Parity:
    """How the answers of two models differ on the same images.

    Attributes
    ----------
    images : str
        Where the images come from.
    n_rows : int
        Images.
    n_other_labels : int
        Images that got another label.
    max_difference : float
        Largest absolute difference of a probability, or of a decision value relative to the
        largest one.
    n_beyond : int
        Images with a difference above `tolerance`.
    tolerance : float
        Largest difference allowed.
    """

    images: str
    n_rows: int
    n_other_labels: int
    max_difference: float
    n_beyond: int
    tolerance: float

    @property
    def holds(self) -> bool:
        """Whether all labels agree and no value differs by more than the tolerance."""
        return not self.n_other_labels and not self.n_beyond

    def __str__(self) -> str:
        return (
            f"{self.n_rows - self.n_other_labels:,} of {self.n_rows:,} labels agree on "
            f"{self.images}, largest difference {self.max_difference:.1e} "
            f"({self.n_beyond:,} images beyond {self.tolerance:g})"
        )


@dataclass(frozen=True, kw_only=True)
class Export:
    """A model file that was written and checked."""

    path: Path
    format: str
    n_bytes: int
    parity: Parity


def export_model(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    format: str = "onnx",
    check_rows: int = CHECK_ROWS,
    tolerance: float = TOLERANCE,
) -> Export:
    """Write a saved model as ONNX or skops, and check it before it is kept.

    Parameters
    ----------
    source : path-like
        A joblib file that `save_model` wrote.
    output : path-like, optional
        File to write; None puts it next to `source`, with the suffix of the format.
    format : {"onnx", "skops"}
        ``"onnx"`` is one graph from pixels to probabilities, for ONNX Runtime. ``"skops"``
        is the same scikit-learn Pipeline, in a file that runs no code when it is loaded.
    check_rows : int
        Test images of the model's dataset that both models are compared on; all there are
        where there are fewer.
    tolerance : float
        Largest difference of a probability; labels must agree always.
    report : callable
        Called with each step as a line.

    Returns
    -------
    Export

    Raises
    ------
    ConfigurationError
        If the format or an option is unknown, or a part of the model has no form in it.
    ModelFileError
        If the source cannot be loaded, or the answers differ; then nothing is written.
    MissingExtraError
        If the packages of the format are not installed.
    """
    check_choice("format", format, EXPORT_FORMATS)
    if check_rows < 1:
        raise ConfigurationError(f"check_rows must be at least 1, not {check_rows!r}")
    source = Path(source)
    suffix = f".{format}"
    target = Path(output) if output is not None else source.with_suffix(suffix)
    if target.suffix != suffix:
        raise ConfigurationError(f"the output {str(target)!r} must end in {suffix}")
    model, metadata = load_model(source), read_metadata(source)
    if isinstance(model, OnnxClassifier):
        raise ConfigurationError(f"{source} is an ONNX file; export from the .joblib file")
    X, images = _check_images(metadata.dataset, int(model.n_features_in_), check_rows)
    with atomic_path(target) as temporary:
        candidate = EXPORT_FORMATS[format](model, temporary)
        _log.info("comparing both models on %s images (%s)", f"{len(X):,}", images)
        parity = compare_models(model, candidate, X, images=images, tolerance=tolerance)
        if not parity.holds:
            raise ModelFileError(
                f"{target} was not written: it would not answer as {source.name} does "
                f"({parity}){_reason(model, parity)}"
            )
        write_metadata(
            target,
            dataclasses.replace(
                metadata,
                versions=_versions(format),
                other={
                    **metadata.other,
                    "exported_from": {"file": source.name, "sha256": metadata.sha256},
                    "parity": dataclasses.asdict(parity),
                },
            ),
            content=temporary,
        )
    return Export(path=target, format=format, n_bytes=target.stat().st_size, parity=parity)


def compare_models(
    model: Any,
    candidate: Any,
    X: NDArray,
    *,
    images: str = "the images given",
    tolerance: float = TOLERANCE,
) -> Parity:
    """Compare the labels and the probabilities of two models on the same images.

    Parameters
    ----------
    model, candidate : classifier
        Both with ``predict_proba``, or both with ``decision_function``.
    X : ndarray, shape (n, n_pixels)
        Raw pixels.
    images : str
        Where they come from, in words.
    tolerance : float
        Largest difference allowed.

    Returns
    -------
    Parity
    """
    expected = _values(model, X)
    difference = np.abs(np.asarray(_values(candidate, X), dtype=np.float64) - expected)
    if not hasattr(model, "predict_proba"):
        difference /= max(1.0, float(np.abs(expected).max(initial=0)))
    by_row = difference.reshape(len(X), -1).max(axis=1, initial=0)
    return Parity(
        images=images,
        n_rows=len(X),
        n_other_labels=int(np.sum(model.predict(X) != candidate.predict(X))),
        max_difference=float(by_row.max(initial=0)),
        # Written so that a value that is not a number counts as different.
        n_beyond=int(np.sum(~(by_row <= tolerance))),
        tolerance=tolerance,
    )


def _values(model: Any, X: NDArray) -> NDArray:
    method = "predict_proba" if hasattr(model, "predict_proba") else "decision_function"
    return np.asarray(getattr(model, method)(X))


def _write_onnx(model: Any, path: Path) -> OnnxClassifier:
    content = build_onnx(model).SerializeToString()
    path.write_bytes(content)
    return OnnxClassifier(content)


def _write_skops(model: Any, path: Path) -> Any:
    write_skops(model, path)
    with path.open("rb") as file:
        return load_skops(file)


EXPORT_FORMATS: dict[str, Callable[[Any, Path], Any]] = {
    "onnx": _write_onnx,
    "skops": _write_skops,
}
"""How each format is written and read back."""

_PACKAGES = {"onnx": ("onnx", "onnxruntime"), "skops": ("skops",)}


def _versions(format: str) -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in _PACKAGES[format]}


_BUNDLED = "mnist_5k"
"""Images that come with the package."""


def _check_images(name: str | None, n_pixels: int, n_rows: int) -> tuple[NDArray, str]:
    """Return test images of the model's dataset, or others of that size, and their source."""
    if isinstance(name, str):
        try:
            dataset = load_dataset(name)
        except DigitrecError as error:
            _log.info("no images from %r: %s", name, error)
        else:
            if len(dataset.X_test) and dataset.X_test.shape[1] == n_pixels:
                return dataset.X_test[:n_rows], f"test images of {dataset.name}"
    bundled = load_dataset(_BUNDLED)
    if bundled.X_test.shape[1] == n_pixels:
        return bundled.X_test[:n_rows], f"test images of {bundled.name}"
    side = math.isqrt(n_pixels)
    if side * side == n_pixels:
        # Digits rather than noise: on noise many classes tie, and rounding breaks ties.
        images = bundled.X_test[:n_rows].reshape(-1, *bundled.image_shape)
        resized = [np.asarray(Image.fromarray(image).resize((side, side))) for image in images]
        return np.stack(resized).reshape(-1, n_pixels), f"resized test images of {_BUNDLED}"
    rng = np.random.default_rng(0)
    inked = rng.random((min(n_rows, 1000), n_pixels)) < 0.2
    return inked * rng.integers(0, 256, inked.shape, dtype=np.uint8), "random images"


def _reason(model: Any, parity: Parity) -> str:
    from digitrec.persistence.onnx_graph.trees import TREES

    if parity.n_other_labels or type(model[-1]) not in TREES:
        return ""
    return (
        "; a feature value that is rounded to the other side of a tree's threshold changes the "
        f"vote of that tree: pass a tolerance of {1.1 * parity.max_difference:.2g} to accept this "
        "difference"
    )
