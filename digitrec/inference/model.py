"""A classifier of 28x28 rows, wherever it came from, with probabilities of the ten digits."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray

from digitrec.errors import ConfigurationError
from digitrec.persistence import load_model, read_metadata

__all__ = ["DigitModel"]

_DIGITS = tuple(str(digit) for digit in range(10))
_SCORE_SLOPE = 3.0


class DigitModel:
    """Wrap a fitted pipeline that takes rows of 784 pixels and knows the ten digits.

    Parameters
    ----------
    pipeline : estimator
        Fitted; takes raw rows of 784 pixels, 0–255.
    metadata : mapping
        ``label_names``, where known; the names of the classes.
    name : str
        What to call the model in messages.

    Raises
    ------
    ConfigurationError
        If the model was made for other images or other classes.
    """

    def __init__(self, pipeline: Any, metadata: Mapping[str, Any], name: str) -> None:
        self.pipeline = pipeline
        self.metadata = dict(metadata)
        self.name = name
        if not callable(getattr(pipeline, "predict", None)):
            raise ConfigurationError(f"{name} is not a fitted model: it cannot predict")
        names = _label_names(metadata, pipeline)
        self.knows_non_digits = len(names) == 11
        if tuple(names[:10]) != _DIGITS or len(names) not in (10, 11):
            raise ConfigurationError(
                f"{name} does not recognise digits: its classes are {', '.join(names[:12])}; "
                "give a model trained on digits, such as reports/mnist/best_model.joblib"
            )
        n_features = getattr(pipeline, "n_features_in_", 784)
        if n_features != 784:
            raise ConfigurationError(
                f"{name} takes {n_features} values per image, not 28x28 = 784 pixels; "
                "give a model trained on a dataset of 28x28 images, such as MNIST"
            )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> DigitModel:
        """Load a model that digitrec saved; see `digitrec.load_model` for the risk of files."""
        return cls(load_model(path), read_metadata(path), repr(str(Path(path))))

    def probabilities(self, rows: NDArray[np.generic]) -> NDArray[np.float64]:
        """Return probabilities of the ten digits and of "not a digit", shape (n, 11).

        The last column is 0 for models that do not know that class.
        """
        rows = np.asarray(rows)
        if not len(rows):
            return np.zeros((0, 11))
        # The rows are checked by now; scikit-learn's own checks take longer than the model.
        with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
            return self._probabilities(rows)

    def _probabilities(self, rows: NDArray[np.generic]) -> NDArray[np.float64]:
        if hasattr(self.pipeline, "predict_proba"):
            values = np.asarray(self.pipeline.predict_proba(rows), dtype=np.float64)
        elif hasattr(self.pipeline, "decision_function"):
            scores = np.asarray(self.pipeline.decision_function(rows), dtype=np.float64)
            powers = np.exp(_SCORE_SLOPE * (scores - scores.max(axis=1, keepdims=True)))
            values = powers / powers.sum(axis=1, keepdims=True)
        else:
            labels = np.asarray(self.pipeline.predict(rows)).astype(int)
            out = np.zeros((len(rows), 11))
            out[np.arange(len(rows)), labels] = 1.0
            return out
        classes = np.asarray(getattr(self.pipeline, "classes_", np.arange(values.shape[1])))
        out = np.zeros((len(rows), 11))
        out[:, classes.astype(int)] = values
        return out


def _label_names(metadata: Mapping[str, Any], pipeline: Any) -> Sequence[str]:
    names = metadata.get("label_names")
    if isinstance(names, list | tuple) and names:
        return [str(name) for name in names]
    classes = getattr(pipeline, "classes_", range(10))
    return [str(label) for label in classes]
