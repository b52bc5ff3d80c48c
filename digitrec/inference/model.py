"""A classifier of 28x28 rows, wherever it came from, with probabilities of the ten digits."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digitrec.errors import ConfigurationError
from digitrec.inference.classifier import RecognizerNetworks
from digitrec.inference.network import BUNDLED_WEIGHTS

_DIGITS = [str(digit) for digit in range(10)]
_NOT_A_DIGIT = 10
# fmt: off
_NOT_A_DIGIT_NAMES = frozenset(
    {"not a digit", "no digit", "non digit", "nondigit", "not digit", "none", "nothing", "other",
     "others", "background", "blank", "empty", "unknown", "negative", "noise", "reject", "junk",
     "garbage", "outlier", "1"}
)
# fmt: on
"""Names of an eleventh class, in lower case and without punctuation: "-1" is one."""
_SCORE_SLOPE = 3.0
# Every tenth of the 1,000 bundled test digits tells the scale. Fitted on 500 rows of 0–1, an SVM
# reads 83 points more of them at 0–1 than at 0–255, neighbours 28, logistic regression 13, and
# models that read both scales at most 3; fitted on 0–255, none of seven reads more at 0–1.
_PROBE_STEP = 10
_PROBE_GAIN = 0.1


def _digits_of(names: Sequence[str]) -> Sequence[int | None]:
    """Return the digits that names of classes mean, None for those that mean none."""
    if list(names[:10]) == _DIGITS:
        # The recogniser of the package, without the second that importing pandas takes.
        return [*range(10), *(None for _ in names[10:])]
    from digitrec.datasets.labels import digits_of_names

    return digits_of_names(names)


def _refuse_no_classifier(pipeline: Any, name: str) -> None:
    """Refuse an estimator of one's own that is not fitted, or predicts no classes.

    Raises
    ------
    ConfigurationError
    """
    from sklearn.base import BaseEstimator, is_clusterer, is_outlier_detector, is_regressor
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    if not isinstance(pipeline, BaseEstimator):
        return
    try:
        check_is_fitted(pipeline)
    except NotFittedError as error:
        raise ConfigurationError(f"{name} is not fitted: call fit(X, y) first") from error
    if any(is_one(pipeline) for is_one in (is_regressor, is_outlier_detector, is_clusterer)):
        raise ConfigurationError(
            f"{name} predicts numbers, outliers or clusters, not classes; give a classifier of the "
            "ten digits"
        )


def _refuse_other_scale(pipeline: Any, columns: Mapping[Any, int], name: str) -> None:
    """Refuse an estimator of one's own that was fitted on pixels of 0–1: it reads all others wrong.

    Raises
    ------
    ConfigurationError
        If it reads the bundled digits much better at 0–1 than at 0–255.
    """
    from digitrec.datasets import load_dataset

    digits = load_dataset("mnist_5k")
    X, y = digits.X_test[::_PROBE_STEP], digits.y_test[::_PROBE_STEP]

    def accuracy(rows: NDArray[Any]) -> float:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return float(np.mean([columns.get(label) for label in pipeline.predict(rows)] == y))

    if accuracy(X / 255) > accuracy(X) + _PROBE_GAIN:
        raise ConfigurationError(
            f"{name} was fitted on pixels of 0–1, but images are read as 0–255; fit "
            "make_pipeline(digitrec.preprocessing.PixelScaler(), model) on pixels of 0–255"
        )


class DigitModel:
    """Wrap a fitted pipeline that takes rows of 784 pixels and knows the ten digits.

    Parameters
    ----------
    pipeline : estimator
        Fitted; takes raw rows of 784 pixels, 0–255.
    name : str
        What to call the model in messages.
    label_names : sequence of str, optional
        Names of the classes, empty where a file does not have them; None for an estimator of
        one's own, which is checked more closely.
    datasets : mapping
        Fingerprints of the data that it learned from, by name, where known.

    Raises
    ------
    ConfigurationError
        If the model was made for other images or other classes.
    """

    def __init__(
        self,
        pipeline: Any,
        name: str,
        label_names: Sequence[str] | None = None,
        datasets: Mapping[str, str] | None = None,
    ) -> None:
        self.pipeline = pipeline
        self.name = name
        self.datasets = dict(datasets or {})
        if not callable(getattr(pipeline, "predict", None)):
            raise ConfigurationError(f"{name} is not a fitted model: it cannot predict")
        if label_names is None:
            _refuse_no_classifier(pipeline, name)
        labels, names = _labels_and_names(label_names, pipeline)
        digits = _digits_of(names)
        others = [name for name, digit in zip(names, digits, strict=True) if digit is None]
        self.knows_non_digits = bool(others)
        if set(digits) - {None} != set(range(10)) or len(names) not in (10, 11):
            shown = ", ".join(name[:20] for name in names[:12])
            raise ConfigurationError(
                f"{name} does not recognise digits: its classes are {shown}; "
                "give a model trained on digits, such as reports/mnist/best_model.joblib"
            )
        if (
            others
            and " ".join(re.findall(r"[^\W_]+", others[0].casefold())) not in _NOT_A_DIGIT_NAMES
        ):
            raise ConfigurationError(
                f"{name} has the class {others[0][:20]!r} beside the ten digits; name it "
                "'not a digit' if that is what it means, or train without it"
            )
        self._columns = {
            label: _NOT_A_DIGIT if digit is None else digit
            for label, digit in zip(labels, digits, strict=True)
        }
        n_features = getattr(pipeline, "n_features_in_", 784)
        if n_features != 784:
            raise ConfigurationError(
                f"{name} takes {n_features} values per image, not 28x28 = 784 pixels; "
                "give a model trained on a dataset of 28x28 images, such as MNIST"
            )
        if label_names is None:
            _refuse_other_scale(pipeline, self._columns, name)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> DigitModel:
        """Load a model that digitrec saved, or the ``.npz`` of a trained recogniser.

        See `digitrec.load_model` for the risk of files other than ``.npz``.
        """
        name = repr(str(Path(path)))
        if Path(path).suffix == ".npz":
            return cls._of_networks(path, name)
        from digitrec.persistence import load_model, read_metadata

        return cls(load_model(path), name, read_metadata(path).label_names)

    @classmethod
    def bundled(cls) -> DigitModel:
        """Return the recogniser that comes with the package."""
        return cls._of_networks(BUNDLED_WEIGHTS, "the default recogniser")

    @classmethod
    def _of_networks(cls, path: str | os.PathLike[str], name: str) -> DigitModel:
        networks, facts = RecognizerNetworks.read(path)
        return cls(networks, name, facts.label_names, facts.datasets)

    def crop_probabilities(self, crops: NDArray[np.float32]) -> NDArray[np.float64] | None:
        """Return probabilities as `probabilities` does, of the central digit of crops.

        Parameters
        ----------
        crops : ndarray of float32, shape (n, CROP_SIDE, CROP_SIDE)
            As `frame_crop` returns them.

        Returns
        -------
        ndarray or None
            None for models that were not trained on crops.
        """
        if isinstance(self.pipeline, RecognizerNetworks):
            return self.pipeline.crop_probabilities(crops)
        return None

    def probabilities(self, rows: NDArray[np.generic]) -> NDArray[np.float64]:
        """Return probabilities of the ten digits and of "not a digit", shape (n, 11).

        The last column is 0 for models that do not know that class.
        """
        rows = np.asarray(rows)
        if not len(rows):
            return np.zeros((0, 11))
        if isinstance(self.pipeline, RecognizerNetworks):
            return self.pipeline.predict_proba(rows)
        import sklearn

        # The rows are checked by now; scikit-learn's own checks take longer than the model.
        with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
            return self._probabilities(rows)

    def _probabilities(self, rows: NDArray[np.generic]) -> NDArray[np.float64]:
        if hasattr(self.pipeline, "predict_proba"):
            values = np.asarray(self.pipeline.predict_proba(rows), dtype=np.float64)
        elif hasattr(self.pipeline, "decision_function"):
            scores = np.asarray(self.pipeline.decision_function(rows), dtype=np.float64)
            if scores.shape[1] != len(self._columns):
                scores = _scores_of_classes(scores)
            powers = np.exp(_SCORE_SLOPE * (scores - scores.max(axis=1, keepdims=True)))
            values = powers / powers.sum(axis=1, keepdims=True)
        else:
            chosen = [
                self._columns[label] for label in np.asarray(self.pipeline.predict(rows)).tolist()
            ]
            out = np.zeros((len(rows), 11))
            out[np.arange(len(rows)), chosen] = 1.0
            return out
        classes = getattr(self.pipeline, "classes_", None)
        labels = list(self._columns) if classes is None else np.asarray(classes).tolist()
        out = np.zeros((len(rows), 11))
        out[:, [self._columns[label] for label in labels]] = values
        return out


def _scores_of_classes(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Combine one-vs-one scores, as ``SVC(decision_function_shape="ovo")`` has them, per class.

    Votes, with the sums of the scores to decide between equal ones: the same as "ovr" gives.
    """
    from digitrec.models._classes import pair_votes

    n_classes = round((1 + np.sqrt(1 + 8 * scores.shape[1])) / 2)
    if n_classes * (n_classes - 1) // 2 != scores.shape[1]:
        raise ConfigurationError(f"the model gives {scores.shape[1]} scores an image for 10 digits")
    return pair_votes(scores, n_classes)


def _labels_and_names(
    names: Sequence[str] | None, pipeline: Any
) -> tuple[list[Any], Sequence[str]]:
    """Return the labels that a pipeline answers with, and what they are called."""
    labels = np.asarray(getattr(pipeline, "classes_", range(10)))
    if isinstance(names, list | tuple) and names and labels.dtype.kind in "biuf":
        # Labels of digitrec's models count the names; a model need not know all of them.
        return list(range(len(names))), [str(name) for name in names]
    return labels.tolist(), [str(label) for label in labels]
