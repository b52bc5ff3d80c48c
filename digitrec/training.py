"""Train one model on one dataset and save it; score a saved model on a dataset."""

from __future__ import annotations

import csv
import dataclasses
import io
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from digitrec._environment import available_cores
from digitrec._files import check_output, write_text
from digitrec.datasets import Dataset, digits_of_names, read_kaggle_csv
from digitrec.errors import ConfigurationError, MissingExtraError, check_choice
from digitrec.evaluation.candidates import default_features
from digitrec.evaluation.fitting import Fit, fit_model, score_model
from digitrec.evaluation.job import describe_parameters
from digitrec.evaluation.metrics import Predictions
from digitrec.evaluation.result import RunDataset
from digitrec.evaluation.splits import validation_split
from digitrec.models import MODELS
from digitrec.persistence import ModelMetadata
from digitrec.preprocessing import FEATURES, join_pipelines

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, eq=False)
class Training:
    """A fitted model and what is known about it.

    Attributes
    ----------
    pipeline : Pipeline
        From raw pixels 0–255 to labels, fitted on all training rows.
    metadata : ModelMetadata
        Facts to save with it: model, features, parameters, seed, validation accuracy with its
        Wilson 95 % interval, fit time, data fingerprint and label names.
    held_out : Predictions
        What the model fitted without the validation rows said of them.
    fit_seconds : float
        Wall time of the fit on all rows.
    """

    pipeline: Pipeline
    metadata: ModelMetadata
    held_out: Predictions
    fit_seconds: float


def train_model(
    dataset: Dataset,
    model: str = "svm",
    features: str | None = None,
    *,
    parameters: Mapping[str, Any] | None = None,
    random_state: int = 0,
) -> Training:
    """Fit a model, score it on held-out training rows, and refit it on all training rows.

    Parameters
    ----------
    dataset : Dataset
        The test rows are not touched.
    model : str
        Key of `MODELS`.
    features : str, optional
        Key of `FEATURES`; None means what suits the model and the dataset.
    parameters : mapping, optional
        Parameters that override the registry's.
    random_state : int
        Seed of the split and of the model.

    Returns
    -------
    Training

    Raises
    ------
    ConfigurationError
        If a name or parameter is unknown, or the model cannot take the features.
    MissingExtraError
        If the model's packages are not installed.
    """
    spec = MODELS[check_choice("model", model, MODELS)]
    features = check_choice("feature set", features or default_features(dataset, spec), FEATURES)
    if not spec.is_available:
        raise MissingExtraError(
            f"model {model!r} needs {spec.package!r}; run: pip install 'digitrec[{spec.extra}]'"
        )
    if spec.features and features not in spec.features:
        raise ConfigurationError(
            f"model {model!r} takes the features {', '.join(spec.features)}, not {features!r}"
        )

    # The part that learns nothing treats each image alone: once for both fits.
    _log.info(f"computing the features {features!r} of {len(dataset.X_train):,} images")
    fixed = FEATURES[features].build_fixed(dataset.image_shape)
    fixed_rows, y = fixed.transform(dataset.X_train), np.asarray(dataset.y_train)

    def fit(rows: NDArray[np.intp] | slice) -> Fit:
        learned = FEATURES[features].build_fitted()
        with joblib.parallel_config("threading", n_jobs=available_cores()):
            made = spec.build(random_state, parameters, features)
            return fit_model(made, fixed_rows[rows], y[rows], transformer=learned)

    split = validation_split(y, random_state)
    _log.info(f"fitting {spec.title} on {len(split.train):,} rows")
    candidate = fit(split.train)
    rows = candidate.transformer.transform(fixed_rows[split.validation])
    held_out = score_model(candidate.model, rows, y[split.validation])
    low, high = held_out.accuracy_interval
    _log.info(f"fitting {spec.title} on all {len(y):,} training rows")
    final = fit(slice(None))
    if final.reached_limit:
        _log.info(
            f"{spec.title} stopped before it converged; to allow more: "
            f"--set {model}.max_iter={2 * (final.iteration_limit or 100)}"
        )
    fixed = FEATURES[features].build_fixed(
        dataset.image_shape, X=dataset.X_train, pixel_range=dataset.pixel_range
    )
    pipeline = join_pipelines(fixed, final.transformer, model=final.model)
    metadata = dataclasses.replace(
        RunDataset.of(dataset).model_metadata(),
        model=model,
        title=spec.title,
        features=features,
        parameters=describe_parameters(final.model),
        random_state=random_state,
        metrics={
            "validation_accuracy": held_out.accuracy,
            "validation_accuracy_low": low,
            "validation_accuracy_high": high,
            "n_validation": len(split.validation),
            "fit_seconds": final.seconds,
        },
        other={"iterations": final.iterations, "reached_limit": final.reached_limit},
    )
    return Training(
        pipeline=pipeline, metadata=metadata, held_out=held_out, fit_seconds=final.seconds
    )


def choose_part(metadata: ModelMetadata, dataset: Dataset) -> str:
    """Return which rows of a dataset to score a model on.

    The test rows, except where the split is ours and the data are not those of the training: then
    all rows are new to the model.

    Parameters
    ----------
    metadata : ModelMetadata
        Those of the model file.
    dataset : Dataset
        What the model is to be scored on.

    Returns
    -------
    {"test", "all"}
    """
    if dataset.has_fixed_test or not metadata.test_fingerprint:
        return "test"
    same = metadata.test_fingerprint == dataset.part_fingerprint("test")
    seen = {dataset.part_fingerprint("train"), dataset.part_fingerprint("test")}
    return "test" if same or seen & set(metadata.seen) else "all"


def was_seen(metadata: ModelMetadata, dataset: Dataset, part: str) -> bool:
    """Return whether a model was fitted on the rows of a part of a dataset.

    The parameters are those of `choose_part`, and a part as `evaluate_model` takes it.
    """
    parts = ("train", "test") if part == "all" else (part,)
    return any(dataset.part_fingerprint(one) in metadata.seen for one in parts)


def check_input(metadata: ModelMetadata, dataset: Dataset) -> None:
    """Refuse a dataset whose images or classes are not those of the model.

    Parameters
    ----------
    metadata : ModelMetadata
        Those of the model file.
    dataset : Dataset
        What it is to be scored on.

    Raises
    ------
    ConfigurationError
        If the image shapes or the label names differ.
    """
    for name, expected, found in (
        ("image shape", metadata.image_shape, dataset.image_shape),
        ("label names", metadata.label_names, dataset.label_names),
    ):
        if expected and list(expected) != list(found or ()):
            raise ConfigurationError(
                f"the model was trained on {name} {list(expected)}, dataset {dataset.name!r} has "
                f"{found and list(found)}; choose a model trained on such data"
            )


def evaluate_model(model: Any, dataset: Dataset, *, part: str = "test") -> Predictions:
    """Score a fitted Pipeline on a dataset.

    Parameters
    ----------
    model : Pipeline
        Takes raw pixels.
    dataset : Dataset
        Data with the model's image shape and classes.
    part : {"test", "train", "all"}
        Rows to score.

    Returns
    -------
    Predictions
        Their `metrics` are those of a run's test rows.

    Raises
    ------
    ConfigurationError
        If `part` is unknown or has no rows.
    """
    check_choice("part", part, ("test", "train", "all"))
    if part == "all":
        dataset = with_all_rows(dataset)
    X, y = (
        (dataset.X_test, dataset.y_test) if part == "test" else (dataset.X_train, dataset.y_train)
    )
    if not len(y):
        raise ConfigurationError(f"dataset {dataset.name!r} has no {part} rows")
    return score_model(model, X, np.asarray(y), len(dataset.label_names))


def with_all_rows(dataset: Dataset) -> Dataset:
    """Return a dataset whose training rows are all of its rows, with no test rows left."""
    return dataclasses.replace(
        dataset,
        X_train=np.concatenate([dataset.X_train, dataset.X_test]),
        y_train=np.concatenate([dataset.y_train, dataset.y_test]),
        X_test=dataset.X_test[:0],
        y_test=dataset.y_test[:0],
        groups_train=None,
        merged_parts=(dataset.part_fingerprint("train"), dataset.part_fingerprint("test")),
        fingerprint="",
    )


def write_submission(
    model: Any,
    test_csv: str | Path,
    submission: str | Path,
    label_names: Sequence[str] = (),
) -> int:
    """Label an unlabelled Kaggle CSV and write ``ImageId,Label`` rows, counted from 1.

    Parameters
    ----------
    model : Pipeline
        Takes raw pixels.
    test_csv, submission : path-like
        File to read and file to write.
    label_names : sequence of str
        Names of the classes that the model numbers, as its metadata have them. Those that mean
        digits are written as digits, others as they are; without names the model's own labels
        are written.

    Returns
    -------
    int
        Rows written.

    Raises
    ------
    DatasetError
        If the CSV is damaged; the message names the row and column.
    ConfigurationError
        If the model takes images of another size, or `submission` is a file of another kind.
    """
    header = ("ImageId", "Label")
    check_output(submission, "submission", (",".join(header).encode(),))
    table = read_kaggle_csv(test_csv, labelled=False)
    expected = model.n_features_in_
    if table.X.shape[1] != expected:
        raise ConfigurationError(
            f"{test_csv} has {table.X.shape[1]} pixels a row, the model takes {expected}"
        )
    for line in table.warnings:
        _log.info(f"{test_csv}: {line}")
    labels = np.asarray(model.predict(table.X))
    if label_names and labels.dtype.kind in "iu":
        digits = digits_of_names(label_names)
        names = [
            name if digit is None else str(digit)
            for name, digit in zip(label_names, digits, strict=True)
        ]
        labels = np.array(names)[labels]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(enumerate(labels.tolist(), start=1))
    write_text(submission, text.getvalue())
    return len(labels)
