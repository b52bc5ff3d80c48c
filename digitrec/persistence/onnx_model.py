"""An ONNX file as a classifier with scikit-learn's methods."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.metaestimators import available_if

from digitrec._optional import import_optional
from digitrec.errors import ModelFileError
from digitrec.persistence.onnx_graph import INPUT, LABEL, ONNX_FORMAT, PROBABILITIES, PROPERTY
from digitrec.persistence.onnx_graph import SCORES as DECISIONS

# Rows a call of the runtime works on: what the operators pass on stays in the cache.
_CHUNK_ROWS = 64

# ONNX Runtime's level for errors only: its warnings are about graphs that still run.
_LOG_ERRORS = 3


class OnnxClassifier:
    """A classifier that ONNX Runtime evaluates.

    Parameters
    ----------
    content : bytes
        An ONNX model that `build_onnx` made.
    n_jobs : int, default=1
        Threads for many rows at once; each works on its own rows. May be set later.

    Attributes
    ----------
    classes_ : ndarray
        Labels.
    n_features_in_ : int
        Pixels per image.

    Raises
    ------
    ModelFileError
        If the model is not one of digitrec's, or of a newer format.
    """

    def __init__(self, content: bytes, *, n_jobs: int = 1) -> None:
        self.n_jobs = n_jobs
        self._content = content
        runtime = import_optional("onnxruntime", extra="onnx")
        options = runtime.SessionOptions()
        # Operators on a chunk are too small to share among threads: chunks are shared instead.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = _LOG_ERRORS
        self._session = runtime.InferenceSession(
            content,
            sess_options=options,
            providers=["CPUExecutionProvider"],
            enable_fallback=0,  # else a damaged file is tried twice, with prints
        )
        # Without it, nodes that only the other output needs would run too.
        self._run_options = runtime.RunOptions()
        self._run_options.only_execute_path_to_fetches = True
        facts = _read_facts(self._session.get_modelmeta().custom_metadata_map)
        self.classes_ = np.array(facts["classes"])
        self.n_features_in_ = int(self._session.get_inputs()[0].shape[1])
        self._values = self._session.get_outputs()[1].name

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self._content, self.n_jobs)

    def predict(self, X: ArrayLike) -> NDArray:
        """Return the label of each row.

        Parameters
        ----------
        X : array-like, shape (n_samples, n_pixels)
            Any numeric type, values 0–255.

        Returns
        -------
        ndarray, shape (n_samples,)
        """
        return self._run(LABEL, X)

    @available_if(lambda self: self._values == PROBABILITIES)
    def predict_proba(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return the probabilities of the classes; there where the exported model had them.

        Parameters
        ----------
        X : array-like, shape (n_samples, n_pixels)
            Any numeric type, values 0–255.

        Returns
        -------
        ndarray of float32, shape (n_samples, n_classes)
        """
        return self._run(PROBABILITIES, X)

    @available_if(lambda self: self._values == DECISIONS)
    def decision_function(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return the decision values; there where the exported model has no probabilities.

        Parameters
        ----------
        X : array-like, shape (n_samples, n_pixels)
            Any numeric type, values 0–255.

        Returns
        -------
        ndarray of float32, shape (n_samples, n_classes) or (n_samples,)
            For two classes the value of the second, as scikit-learn has it.
        """
        decisions = self._run(DECISIONS, X)
        return decisions[:, 1] if len(self.classes_) == 2 else decisions

    def _run(self, output: str, X: ArrayLike) -> NDArray:
        rows = np.asarray(X)
        if rows.ndim != 2 or rows.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X must have shape (n_samples, {self.n_features_in_}), not {rows.shape}"
            )

        if not len(rows):
            # Operators refuse empty input: the answers to one row have the right shape.
            return self._run(output, np.zeros((1, self.n_features_in_)))[:0]

        def work(start: int) -> NDArray:
            chunk = np.ascontiguousarray(rows[start : start + _CHUNK_ROWS], dtype=np.float32)
            return np.asarray(self._session.run((output,), {INPUT: chunk}, self._run_options)[0])

        starts = range(0, len(rows), _CHUNK_ROWS)
        n_threads = min(self.n_jobs, len(starts))
        if n_threads <= 1:
            parts = [work(start) for start in starts]
        else:
            with ThreadPoolExecutor(n_threads) as pool:
                parts = list(pool.map(work, starts))
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


def load_onnx(file: BinaryIO) -> OnnxClassifier:
    """Load a model from an open file; raises as `OnnxClassifier` does."""
    return OnnxClassifier(file.read())


def _restore(content: bytes, n_jobs: int) -> OnnxClassifier:
    return OnnxClassifier(content, n_jobs=n_jobs)


def _read_facts(properties: dict[str, str]) -> dict[str, Any]:
    if PROPERTY not in properties:
        raise ModelFileError(
            "is an ONNX model, but not one of digitrec's; make one with: digitrec export"
        )
    facts: dict[str, Any] = json.loads(properties[PROPERTY])
    if facts["format"] > ONNX_FORMAT:
        raise ModelFileError(
            f"has ONNX format {facts['format']}, this digitrec reads up to {ONNX_FORMAT}; "
            "upgrade digitrec"
        )
    return facts
