"""What the sections of a report are made from: a run, its predictions, and its images."""

from __future__ import annotations

import statistics
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from digitrec.errors import DigitrecError
from digitrec.evaluation.result import Result, Run
from digitrec.rendering.style import short_names

if TYPE_CHECKING:
    from digitrec.datasets import Dataset


def model_title(name: str) -> str:
    """Return the title of a model of the registry; another name as it is."""
    from digitrec.models import MODELS

    return MODELS[name].title if name in MODELS else name


def dataset_title(name: str) -> str:
    """Return the title of a dataset of the registry; another name as it is."""
    from digitrec.datasets import DATASETS

    return DATASETS[name].title if name in DATASETS else name


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions of one model on the test images.

    Attributes
    ----------
    y_true, y_pred : ndarray of int, shape (n_test,)
        Labels, indices into the label names.
    scores : ndarray of float32, shape (n_test, n_classes), or None
        Probabilities, or decision values where the model has no probabilities.
    has_probabilities : bool
        Whether `scores` are probabilities.
    """

    y_true: NDArray[np.integer]
    y_pred: NDArray[np.integer]
    scores: NDArray[np.float32] | None = None
    has_probabilities: bool = False

    @cached_property
    def confidence(self) -> NDArray[np.float32] | None:
        """How sure the model is of each prediction, shape (n_test,); None without scores.

        The probability of the predicted class, or, for decision values, its lead over the
        next class.
        """
        if self.scores is None:
            return None
        rows = np.arange(len(self.y_pred))
        top = self.scores[rows, self.y_pred]
        if self.has_probabilities:
            return top
        others = self.scores.copy()
        others[rows, self.y_pred] = -np.inf
        return top - others.max(axis=1)

    @cached_property
    def mistakes(self) -> NDArray[np.intp]:
        """Rows that the model got wrong, the surest first."""
        wrong = np.flatnonzero(self.y_true != self.y_pred)
        if self.confidence is None:
            return wrong
        return wrong[np.argsort(-self.confidence[wrong], kind="stable")]


@dataclass(frozen=True)
class Row:
    """The results of one model on one feature set, over all seeds: a row of the table.

    Attributes
    ----------
    features, model : str
        Registry keys.
    results : tuple of Result
        Results that succeeded, by seed.
    failures : tuple of Result
        Results that did not.
    is_winner : bool
        Whether the winner of the run is among the results.
    shown : Result
        The result whose details stand for the row: the winner, else the lowest seed.
    """

    features: str
    model: str
    results: tuple[Result, ...]
    failures: tuple[Result, ...]
    is_winner: bool
    shown: Result

    @property
    def title(self) -> str:
        """Name of the model."""
        return model_title(self.model)

    def mean(self, name: str) -> float | None:
        """Return the mean over seeds of a measurement; None where no seed has it."""
        values = self._values(name)
        return statistics.fmean(values) if values else None

    def spread(self, name: str) -> float | None:
        """Return the standard deviation over seeds; None with fewer than two values."""
        values = self._values(name)
        return statistics.stdev(values) if len(values) > 1 else None

    def _values(self, name: str) -> list[float]:
        found = (getattr(result, name) for result in self.results)
        return [value for value in found if value is not None]


@dataclass(frozen=True, kw_only=True, eq=False)
class ReportContext:
    """All that a section may use.

    Attributes
    ----------
    run : Run
        Results, and analyses of them.
    predictions : mapping of str to Predictions
        By `Result.key`; models without predictions have fewer sections.
    dataset : Dataset or None
        The images, where they can be loaded.
    location : str
        Folder of the report as a reader types it.
    """

    run: Run
    predictions: Mapping[str, Predictions] = field(default_factory=dict)
    dataset: Dataset | None = None
    location: str = ""

    @cached_property
    def rows(self) -> list[Row]:
        """Rows of the table: the best validation accuracy first, failures last."""
        groups: dict[tuple[str, str], list[Result]] = {}
        for result in sorted(self.run.results, key=lambda result: result.random_state):
            groups.setdefault((result.features, result.model), []).append(result)
        rows = [self._row(*key, results) for key, results in groups.items()]

        # A failed seed leaves its row at the accuracy of the others.
        def place(row: Row) -> tuple[bool, bool, bool, float]:
            score = row.mean("ranking_score")
            return not row.results, not row.is_winner, score is None, -(score or 0.0)

        return sorted(rows, key=place)

    @cached_property
    def ok_rows(self) -> list[Row]:
        """Rows that have at least one result."""
        return [row for row in self.rows if row.results]

    @cached_property
    def model_rows(self) -> list[Row]:
        """The best row of each model, by validation accuracy."""
        best: dict[str, Row] = {}
        for row in self.ok_rows:
            best.setdefault(row.model, row)
        return list(best.values())

    @cached_property
    def feature_names(self) -> list[str]:
        """Feature sets of the run, in the order in which they were run."""
        return list(dict.fromkeys(result.features for result in self.run.results))

    @property
    def label_names(self) -> list[str]:
        """Names of the classes."""
        return [str(name) for name in self.run.dataset["label_names"]]

    @cached_property
    def short_label_names(self) -> list[str]:
        """Names of the classes for captions in figures."""
        return short_names(self.label_names, limit=14)

    @cached_property
    def winning_row(self) -> Row | None:
        """The row of the winner, or None where there is none."""
        return next((row for row in self.ok_rows if row.is_winner), None)

    @cached_property
    def labels(self) -> dict[str, str]:
        """The name of each model by the `Result.stem` that stands for it in analyses."""
        return {row.shown.stem: self.label(row) for row in self.ok_rows}

    def output(self, analysis: str) -> dict[str, Any] | None:
        """Return the output of an analysis, or None where the run has none."""
        return self.run.analyses.get(analysis) or None

    def models_of(self, analysis: str) -> list[dict[str, Any]]:
        """Return the entries ``models`` of an output whose model is a row of the run."""
        models = (self.output(analysis) or {}).get("models", [])
        return [model for model in models if model["name"] in self.labels]

    @cached_property
    def same_dataset(self) -> Dataset | None:
        """The dataset, where it is given, is the one of the run and has images."""
        dataset = self.dataset
        if dataset is None or dataset.image_shape is None:
            return None
        return dataset if dataset.fingerprint == self.run.dataset["fingerprint"] else None

    def label(self, row: Row) -> str:
        """Return a row's name, with its features where the run has several sets."""
        return f"{row.title} ({row.features})" if len(self.feature_names) > 1 else row.title

    def images(self, predictions: Predictions) -> NDArray[np.uint8] | None:
        """Return the test images that predictions are about, shape (n_test, height, width).

        None where the dataset is not given or is not the one that was predicted.
        """
        dataset = self.dataset
        if (
            dataset is None
            or dataset.image_shape is None
            or dataset.name != self.run.dataset["name"]
            or not np.array_equal(dataset.y_test, predictions.y_true)
        ):
            return None
        return dataset.X_test.reshape(-1, *dataset.image_shape)

    def _row(self, features: str, model: str, results: list[Result]) -> Row:
        ok = tuple(result for result in results if result.ok)
        winner = [result for result in ok if result.key == self.run.winner]
        return Row(
            features=features,
            model=model,
            results=ok,
            failures=tuple(result for result in results if not result.ok),
            is_winner=bool(winner),
            shown=(winner or ok or results)[0],
        )


def read_predictions(run: Run, report_dir: Path) -> dict[str, Predictions]:
    """Read the stored predictions of a run; results without any are left out.

    Parameters
    ----------
    run : Run
        The run.
    report_dir : pathlib.Path
        Folder of the report; predictions lie in ``predictions/<stem>.npz`` with the arrays
        ``y_true``, ``y_pred``, ``scores`` and ``has_probabilities``.

    Returns
    -------
    dict of str to Predictions
        By `Result.key`.

    Raises
    ------
    DigitrecError
        If a file is damaged.
    """
    found = {}
    for result in run.results:
        path = report_dir / "predictions" / f"{result.stem}.npz"
        if not result.ok or not path.exists():
            continue
        try:
            with np.load(path, allow_pickle=False) as arrays:
                scores = arrays.get("scores")
                found[result.key] = Predictions(
                    y_true=arrays["y_true"],
                    y_pred=arrays["y_pred"],
                    scores=scores if scores is not None and scores.size else None,
                    has_probabilities=bool(arrays["has_probabilities"]),
                )
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise DigitrecError(
                f"stored predictions {path} are damaged ({error}); run the benchmark again"
            ) from error
    return found
