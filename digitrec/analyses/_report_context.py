"""Input of the sections of a report: a run, its predictions, and its images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from digitrec.evaluation.frames import Row, leaderboard_rows
from digitrec.evaluation.metrics import Predictions
from digitrec.evaluation.result import Run
from digitrec.rendering.style import short_names

if TYPE_CHECKING:
    from digitrec.datasets import Dataset


def dataset_title(name: str) -> str:
    """Return the title of a dataset of the registry; another name as it is."""
    from digitrec.datasets import DATASETS

    return DATASETS[name].title if name in DATASETS else name


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
        return leaderboard_rows(self.run.results, self.run.winner)

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
    def noun(self) -> str:
        """What a test row is called: an image, or a row where the data are a table."""
        return "image" if self.run.dataset.image_shape else "row"

    @property
    def label_names(self) -> list[str]:
        """Names of the classes."""
        return list(self.run.dataset.label_names)

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
        return dataset if dataset.fingerprint == self.run.dataset.fingerprint else None

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
            or dataset.name != self.run.dataset.name
            or not np.array_equal(dataset.y_test, predictions.y_true)
        ):
            return None
        return dataset.X_test.reshape(-1, *dataset.image_shape)
