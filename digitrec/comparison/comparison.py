"""The result of a comparison, as tables, figures and files."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from digitrec.analyses import ANALYSES, AnalysisContext, check_options, run_analyses
from digitrec.comparison.saved import find_dataset, jobs_of, load_dataset_of
from digitrec.errors import ConfigurationError, DigitrecError, check_choice
from digitrec.evaluation.frames import Row, jobs_frame, leaderboard_frame, leaderboard_rows
from digitrec.evaluation.job_store import JobStore
from digitrec.evaluation.result import Result, Run, read_run
from digitrec.evaluation.tuning import candidate_rows, tuning_rows

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure
    from sklearn.pipeline import Pipeline

    from digitrec.analyses import ReportContext
    from digitrec.comparison.experiment import Experiment
    from digitrec.datasets import Dataset
    from digitrec.evaluation.job import Job


class Comparison:
    """Results of models on one dataset.

    Made by `digitrec.compare` and `digitrec.read_comparison`. Each further analysis of the
    registry is a method that computes it, or reads it where it was computed, and returns its
    main table: ``significance()``, ``calibration()``, and so on; see `analysis`.

    Attributes
    ----------
    run : Run
        The record of the run: results, winner, analyses.
    folder : pathlib.Path
        Where its files are.
    dataset : Dataset or None
        The data, where they are loaded.
    plot : Plots
        The figures.
    experiment : Experiment or None
        What was asked for; None where the comparison was read from a folder.
    jobs : list of Job
        One per result.
    n_reused : int
        Jobs whose stored result was taken.
    interrupted : bool
        Whether Ctrl-C ended the run early.
    """

    def __init__(
        self,
        run: Run,
        *,
        folder: Path,
        store: JobStore,
        dataset: Dataset | None = None,
        experiment: Experiment | None = None,
        jobs: list[Job] | None = None,
        n_reused: int = 0,
        interrupted: bool = False,
    ) -> None:
        self.run = run
        self.folder = Path(folder)
        self.dataset = dataset
        self.interrupted = interrupted
        self._store = store
        self.experiment = experiment
        self.jobs = jobs or []
        self.n_reused = n_reused

    @property
    def names(self) -> list[str]:
        """Names of the models, in the order of the leaderboard."""
        return [row.name for row in self._rows]

    @property
    def best_name(self) -> str | None:
        """Name of the winner, chosen on the validation rows; None where no model succeeded."""
        return next((row.name for row in self._rows if row.is_winner), None)

    @property
    def best_estimator(self) -> Pipeline:
        """The winner as a fitted Pipeline from raw rows to labels; see `estimator`."""
        return self._estimator(self._best())

    @property
    def plot(self) -> Plots:
        """The figures: ``plot.error()``, ``plot.confusion("svm")``, …; see `Plots`."""
        return Plots(self)

    def leaderboard(self) -> pd.DataFrame:
        """Return one row a model, the winner first, then by score on the validation rows.

        Returns
        -------
        DataFrame
            Indexed by name; the columns are `digitrec.evaluation.frames.LEADERBOARD_COLUMNS`,
            means over seeds. ``indistinguishable`` marks the models that do not differ
            significantly from the winner (McNemar's exact test on the test rows with Holm's
            correction, level 0.05).
        """
        frame = leaderboard_frame(self.run.results, self.run.winner)
        alike = [row.shown.stem in self._alike for row in self._rows]
        place = list(frame.columns).index("winner") + 1
        frame.insert(place, "indistinguishable", alike)
        return frame

    def to_frame(self) -> pd.DataFrame:
        """Return one row a job: model, features, seed; see `evaluation.frames.JOB_COLUMNS`."""
        return jobs_frame(self.run.results)

    def result(self, name: str) -> Result:
        """Return the record of a model: of its lowest seed, on its best features."""
        return self._row(name).shown

    def estimator(self, name: str) -> Pipeline:
        """Return a model as a fitted Pipeline from raw rows to labels.

        Parameters
        ----------
        name : str
            Of `names`; a model's name alone means the better of its feature sets.

        Returns
        -------
        sklearn.pipeline.Pipeline
            Fitted on training and validation rows; ``predict`` returns labels as they were given.
        """
        return self._estimator(self._ok(name))

    def _estimator(self, result: Result) -> Pipeline:
        from digitrec.comparison.relabel import relabel

        pipeline = self._store.read_pipeline(result)
        values = self._label_values()
        return pipeline if values is None else relabel(pipeline, values)

    def predictions(self, name: str) -> pd.DataFrame:
        """Return what a model said of the validation and test rows.

        Returns
        -------
        DataFrame
            ``split`` (validation or test), ``row`` (place in the training or the test rows),
            ``y_true``, ``y_pred`` (labels as they were given), ``confidence`` (probability of
            the prediction; missing without probabilities).
        """
        import pandas as pd  # slow to import, and needed for tables only

        result = self._ok(name)
        found = self._store.read_predictions(result)
        y_test, y_train = self._labels()
        parts = []
        if y_train is not None:
            parts.append(
                self._part(
                    "validation",
                    found.validation_index,
                    y_train[found.validation_index],
                    found.y_validation_pred,
                    found.validation_scores if found.has_probabilities else None,
                )
            )
        parts.append(
            self._part(
                "test",
                np.arange(len(y_test)),
                y_test,
                found.y_test_pred,
                found.test_scores if found.has_probabilities else None,
            )
        )
        return pd.concat(parts, ignore_index=True)

    def confusion_matrix(self, name: str) -> pd.DataFrame:
        """Return counts of the test rows: rows are true labels, columns are predictions."""
        import pandas as pd  # slow to import, and needed for tables only

        index = self._shown_labels()
        return pd.DataFrame(
            self._ok(name).confusion,
            index=pd.Index(index, name="true"),
            columns=pd.Index(index, name="predicted"),
        )

    def classification_report(self, name: str) -> pd.DataFrame:
        """Return precision, recall, F1 (0–1) and support of each class on the test rows."""
        import pandas as pd  # slow to import, and needed for tables only

        index = pd.Index(self._shown_labels(), name="class")
        return pd.DataFrame(self._ok(name).by_class._asdict(), index=index)

    def tuning(self) -> pd.DataFrame:
        """Return what the searches of ``tune=`` gained: one row a model.

        Returns
        -------
        DataFrame
            ``model``, ``features``, ``tuned`` (name of the chosen, or None where no candidate
            beat the default), ``metric``, ``n_candidates``, ``seconds``, ``default`` and ``best``
            (score on the validation rows, more is better), ``parameters`` of the best;
            ``chance_gain``, ``chance_high`` and ``p_value``: mean and 95th percentile of what the
            choice among as many candidates would gain over the default by chance, and how often
            that is at least the gain (`digitrec.statistics.chance_gain.chance_gain`);
            ``test_gain`` with ``test_low`` and ``test_high``: the difference on the test rows,
            which chose nothing, and its 95 % interval (paired).
        """
        import pandas as pd

        return pd.DataFrame(tuning_rows(self.run))

    def validation_curve(self, model: str | None = None) -> pd.DataFrame:
        """Return the candidates of the searches of ``tune=``, one row a searched parameter.

        Parameters
        ----------
        model : str, optional
            Name of the model that was tuned; None means all.

        Returns
        -------
        DataFrame
            ``model``, ``features``, ``candidate`` (0 is the best), ``parameter``, ``value``,
            ``score`` (by the metric, more is better), ``accuracy`` (0–1), ``rows`` fitted on,
            ``fit_seconds``, ``status``, ``is_default``.

        Raises
        ------
        ConfigurationError
            If the model was not tuned.
        """
        import pandas as pd

        if model is not None:
            check_choice("tuned model", model, [found.model for found in self.run.tuning])
        rows = [row for found in self.run.tuning for row in candidate_rows(found)]
        return pd.DataFrame([row for row in rows if model in (None, row["model"])])

    def analysis(self, name: str, **options: Any) -> Any:
        """Return the output of a further analysis, computed where it is not there yet.

        Parameters
        ----------
        name : str
            Key of the registry of analyses.
        **options
            Settings of the analysis, such as ``cv=5``.

        Returns
        -------
        dict
            JSON-safe, as the report reads it. The method of the same name returns it as a table.

        Raises
        ------
        ConfigurationError
            If it has no such setting.
        DigitrecError
            If it cannot be computed.
        """
        check_options(options, check_choice("analysis", name, ANALYSES))
        if not options and name in self.run.analyses:
            return self.run.analyses[name]
        context = self._analysis_context(options)
        outputs, failures = run_analyses([ANALYSES[name]], context, self.folder / "analyses")
        if name not in outputs:
            raise DigitrecError(f"{name} failed: {failures.get(name, 'no output')}")
        if not options:
            analyses = {**self.run.analyses, name: outputs[name]}
            self.run = dataclasses.replace(self.run, analyses=analyses)
        return outputs[name]

    def report(self, folder: str | os.PathLike[str] | None = None) -> Path:
        """Write the report: ``report.md``, ``report.html``, ``results.csv`` and figures.

        Parameters
        ----------
        folder : path-like, optional
            Where to; None means the folder of the comparison.

        Returns
        -------
        pathlib.Path
            The Markdown page.
        """
        from digitrec.reporting import write_report

        context = self._report_context()
        target = Path(folder) if folder is not None else self.folder
        page = write_report(self.run, target, context.predictions, self.dataset)
        if target.resolve() != self.folder.resolve() and self.best_name is not None:
            self.save_best(target / "best_model.joblib")
        return page

    def save_best(self, path: str | os.PathLike[str]) -> Path:
        """Write the winner as a model file, with its metadata and model card next to it.

        Parameters
        ----------
        path : path-like
            Such as ``best_model.joblib``.

        Returns
        -------
        pathlib.Path
            `path`.
        """
        from digitrec.evaluation.ranking import save_winner

        path = Path(path)
        save_winner(self.run, self._store.pipeline_path(self._best()), path)
        return path

    def __getattr__(self, name: str) -> Callable[..., pd.DataFrame]:
        if name.startswith("_") or name not in ANALYSES:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        spec = ANALYSES[name]

        def method(**options: Any) -> pd.DataFrame:
            return spec.frame(self.analysis(name, **options))

        method.__name__ = name
        method.__doc__ = f"{spec.title}, as a DataFrame; the keywords are settings of the analysis."
        return method

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *ANALYSES})

    def __repr__(self) -> str:
        from digitrec.comparison.display import render_text

        return render_text(self.run, self._alike)

    def _repr_html_(self) -> str:
        from digitrec.comparison.display import render_html

        return render_html(self.run, self._alike)

    @functools.cached_property
    def _rows(self) -> list[Row]:
        return leaderboard_rows(self.run.results, self.run.winner)

    @functools.cached_property
    def _alike(self) -> frozenset[str]:
        """Stems of the results that do not differ significantly from the winner."""
        if self.run.winner is None or sum(bool(row.results) for row in self._rows) < 2:
            return frozenset()
        from digitrec.analyses.significance import alike

        try:
            return alike(self.analysis("significance"))
        except DigitrecError:
            return frozenset()

    @property
    def _label_names(self) -> list[str]:
        return list(self.run.dataset.label_names)

    def _label_values(self) -> tuple[Any, ...] | None:
        """Return the classes as they were given; None where they are 0, 1, 2 and so on."""
        if self.dataset is not None and self.dataset.label_values:
            return self.dataset.label_values
        return self.run.dataset.label_values or None

    def _shown_labels(self) -> list[Any]:
        values = self._label_values()
        return list(values) if values is not None else self._label_names

    def _given(self, codes: np.ndarray) -> np.ndarray:
        values = self._label_values()
        if values is None:
            return codes.astype(np.int64)
        from digitrec.comparison.relabel import label_array

        return label_array(values)[codes.astype(np.int64)]

    def _labels(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the test labels and, where the data are loaded, the training labels."""
        if self.dataset is not None:
            return np.asarray(self.dataset.y_test), np.asarray(self.dataset.y_train)
        for found in self._report_context().predictions.values():
            return np.asarray(found.y_true), None
        raise DigitrecError(f"there are no predictions in {self.folder}")

    def _part(
        self,
        split: str,
        rows: np.ndarray,
        y_true: np.ndarray,
        y_pred: np.ndarray,
        probabilities: np.ndarray | None,
    ) -> pd.DataFrame:
        import pandas as pd  # slow to import, and needed for tables only

        confidence = np.full(len(rows), np.nan)
        if probabilities is not None:
            confidence = probabilities[np.arange(len(rows)), y_pred].astype(np.float64)
        return pd.DataFrame(
            {
                "split": split,
                "row": rows,
                "y_true": self._given(np.asarray(y_true)),
                "y_pred": self._given(np.asarray(y_pred)),
                "confidence": confidence,
            }
        )

    def _row(self, name: str) -> Row:
        for row in self._rows:
            if name in (row.name, row.model):
                return row
        raise ConfigurationError(
            f"no model {name!r} in this comparison; choose one of: {', '.join(self.names)}"
        )

    def _ok(self, name: str) -> Result:
        shown = self._row(name).shown
        if not shown.ok:
            raise DigitrecError(f"{name} has no predictions: {shown.status}, {shown.first_reason}")
        return shown

    def _best(self) -> Result:
        best = self.run.winning_result
        if best is None:
            reasons = (f"{r.name}: {r.shown.first_reason or r.shown.status}" for r in self._rows)
            raise DigitrecError(f"no model succeeded: {'; '.join(list(reasons)[:3])}")
        return best

    def _analysis_context(self, options: Mapping[str, Any]) -> AnalysisContext:
        from digitrec.comparison.execution import analysis_context
        from digitrec.comparison.experiment import Experiment

        experiment = self.experiment
        if experiment is None:
            seed = self.run.config.get("random_state", 0)
            experiment = Experiment(folder=self.folder, random_state=seed)
        if self.dataset is None:
            self.dataset = load_dataset_of(self.run)
        if self.jobs:
            jobs, reasons = {job.key: job for job in self.jobs}, dict[str, str]()
        else:
            jobs, reasons = jobs_of(self.run, self.dataset, self._store)
        experiment = dataclasses.replace(experiment, options={**experiment.options, **options})
        return analysis_context(
            experiment,
            self.dataset,
            jobs,
            self.run.results,
            self.run.winner,
            self._store,
            self.run.tuning,
            reasons,
        )

    def _report_context(self) -> ReportContext:
        from digitrec.analyses import ReportContext
        from digitrec.evaluation.job_store import read_predictions

        return ReportContext(
            run=self.run,
            predictions=read_predictions(self.run, self.folder),
            dataset=self.dataset,
            location=str(self.folder),
        )


class Plots:
    """The figures of a comparison by name, as the report shows them.

    Figures of one model take its name: ``plot.confusion("svm")``, ``plot.mistakes("svm")``.
    ``dir()`` lists those that there are.
    """

    def __init__(self, comparison: Comparison) -> None:
        self._comparison = comparison

    def __call__(self, name: str, model: str | None = None) -> Figure:
        """Return a figure by name.

        Raises
        ------
        ConfigurationError
            If there is no such figure; the message lists those that there are.
        """
        specs = self._specs
        wanted = name
        if model is not None:
            wanted = f"{name}_{self._comparison._ok(model).stem}"
        if wanted not in specs:
            of_model = model if model is not None else self._comparison.best_name
            of_one_model = name in self._names and name not in specs
            hint = f"; {name!r} takes a model, such as {of_model!r}" if of_one_model else ""
            raise ConfigurationError(
                f"no figure {name!r}{hint}; choose one of: {', '.join(self._names)}"
            )
        return specs[wanted].draw()

    def __getattr__(self, name: str) -> Callable[..., Figure]:
        if name.startswith("_"):
            raise AttributeError(name)
        return functools.partial(self, name)

    def __dir__(self) -> list[str]:
        return self._names

    @functools.cached_property
    def _specs(self) -> Mapping[str, Any]:
        from digitrec.reporting import render_report

        report = render_report(self._comparison._report_context())
        return {figure.name: figure for figure in report.figures}

    @property
    def _names(self) -> list[str]:
        stems = [f"_{result.stem}" for result in self._comparison.run.results]
        names = []
        for name in self._specs:
            stem = next((stem for stem in stems if name.endswith(stem)), "")
            names.append(name.removesuffix(stem))
        return sorted(set(names))


def read_comparison(folder: str | os.PathLike[str]) -> Comparison:
    """Open the comparison that is saved in a folder.

    Parameters
    ----------
    folder : path-like
        What `digitrec.compare` was given as `output_dir`, or a folder of ``reports``.

    Returns
    -------
    Comparison
        With the data where they are in digitrec's cache. An analysis that needs them elsewhere
        loads them again, and one that fits models again does so with those of the registry; what
        cannot be computed raises an error that says why.

    Raises
    ------
    DigitrecError
        If there is none.
    """
    folder = Path(folder)
    run = read_run(folder / "results.json")
    jobs = folder / "jobs"
    if not jobs.exists() and folder.name.startswith("run-"):
        jobs = folder.parent / "jobs"  # a run in the cache, which shares its jobs
    return Comparison(run, folder=folder, store=JobStore(jobs), dataset=find_dataset(run))
