"""The record of an analysis, what it gets, and running several with their cache."""

from __future__ import annotations

import importlib
import json
import logging
import pkgutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from digitrec._code import cache_key, describe_value
from digitrec._files import write_json
from digitrec.errors import ConfigurationError, DigitrecError, check_choice
from digitrec.evaluation.result import Result, Tuning
from digitrec.rendering.markdown import one_line

_log = logging.getLogger(__name__)

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

    from digitrec.analyses._report_context import ReportContext
    from digitrec.datasets import Dataset
    from digitrec.evaluation.job import Job, Part
    from digitrec.evaluation.job_store import JobPredictions, JobStore
    from digitrec.rendering.section import Content


@dataclass(frozen=True, kw_only=True, eq=False)
class AnalysisContext:
    """What an analysis may use.

    Attributes
    ----------
    dataset : Dataset
        The data of the run.
    results : tuple of Result
        Results of the jobs that succeeded.
    winner : str or None
        `Result.key` of the winner.
    store : JobStore
        Where predictions and fitted Pipelines of the jobs lie.
    random_state : int
        Seed of the run.
    n_jobs : int
        Cores that the analysis may use.
    options : mapping
        Settings of the command line by name, JSON-safe; see `Analysis.options`.
    cache : pathlib.Path
        Folder for what is shared between processes, such as features.
    overrides : mapping of str to mapping
        Parameters by model that replace the registry's.
    jobs : mapping of str to Job
        The job of each result by `Result.key`: its `model_spec` and `feature_spec` build the model
        and the features again, those of the caller included.
    unknown_jobs : mapping of str to str
        Why the job of a result of a saved comparison is not known, by `Result.key`.
    failed : tuple of Result
        Results of the jobs that failed.
    tuning : tuple of Tuning
        Records of the searches over parameters.
    deadline : float or None
        `time.monotonic` after which no model may be fitted: the end of the run's budget.
    """

    dataset: Dataset
    results: tuple[Result, ...]
    winner: str | None
    store: JobStore
    random_state: int
    n_jobs: int
    cache: Path
    options: Mapping[str, Any] = field(default_factory=dict)
    overrides: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    jobs: Mapping[str, Job] = field(default_factory=dict)
    unknown_jobs: Mapping[str, str] = field(default_factory=dict)
    failed: tuple[Result, ...] = ()
    tuning: tuple[Tuning, ...] = ()
    deadline: float | None = None

    @property
    def out_of_time(self) -> bool:
        """Whether the budget of the run is used up."""
        return self.deadline is not None and time.monotonic() > self.deadline

    def check_budget(self) -> None:
        """Raise `OutOfBudget` where the budget of the run is used up."""
        if self.out_of_time:
            raise OutOfBudget

    @cached_property
    def one_per_model(self) -> list[Result]:
        """One result of each model and feature set: the winner, else the lowest seed.

        The best on the validation rows comes first.
        """
        chosen: dict[tuple[str, str], Result] = {}
        for result in sorted(self.results, key=lambda r: (r.key != self.winner, r.random_state)):
            if result.ok:
                chosen.setdefault((result.features, result.model), result)
        # What the metric of the run cannot score stands last.
        return sorted(
            chosen.values(),
            key=lambda r: (r.ranking_score is None, -(r.ranking_score or 0.0), r.stem),
        )

    @property
    def winning_result(self) -> Result | None:
        """The winner's result, or None where there is none."""
        return next((result for result in self.results if result.key == self.winner), None)

    def predictions(self, result: Result) -> JobPredictions:
        """Return the predictions of a result on the test and validation rows."""
        return self.store.read_predictions(result)

    def labels(self) -> dict[str, NDArray[np.integer]]:
        """Return the test predictions of one result of each model, by `Result.stem`."""
        return {r.stem: self.predictions(r).y_test_pred for r in self.one_per_model}

    def pipeline(self, result: Result) -> Pipeline:
        """Return the saved Pipeline of a result; it takes raw pixels."""
        return self.store.read_pipeline(result)

    def job_of(self, result: Result) -> Job:
        """Return the job that gave a result.

        Raises
        ------
        DigitrecError
            If it is not known; the message says why.
        """
        if result.key not in self.jobs:
            reason = self.unknown_jobs.get(result.key, "its job is not known")
            raise DigitrecError(f"{result.stem} cannot be fitted again: {reason}")
        return self.jobs[result.key]

    def run_parts(
        self, parts: Sequence[Part], timeout: Callable[[Result], float]
    ) -> Iterator[tuple[Result, list[Result]]]:
        """Fit every model on parts of the training rows; yield its result and those of the parts.

        `timeout` returns the seconds that a part of a model may take.
        """
        from digitrec.evaluation.job import make_part_job
        from digitrec.evaluation.runner import run_part_jobs

        jobs = [
            make_part_job(self.job_of(result), part, timeout=timeout(result))
            for result in self.one_per_model
            for part in parts
        ]
        found = iter(
            run_part_jobs(jobs, self.dataset, n_workers=self.n_jobs, deadline=self.deadline)
        )
        return ((result, [next(found) for _ in parts]) for result in self.one_per_model)


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """One analysis of a run: what it computes and how it is shown.

    Attributes
    ----------
    name : str
        Registry key, and the stem of its module.
    title : str
        Heading of its section: the field's term.
    question : str
        What it answers, one sentence; the section starts with it.
    order : int
        Place in the report, ascending; see `digitrec.reporting.report_sections`.
    run : callable
        ``run(context: AnalysisContext) -> dict``, JSON-safe; kept in `Run.analyses`.
    frame : callable
        ``frame(output) -> pandas.DataFrame``: the numbers of an output of `run`, tidy. Models
        stand in the column ``name`` by `Result.stem`.
    section : callable
        ``section(context: ReportContext) -> Content or None``; None where the run has nothing
        for it.
    in_fast, in_full : bool
        Whether the profiles of these names have it.
    options : tuple of str
        Settings in `AnalysisContext.options` that change the output.
    depends_on : callable
        ``depends_on(context)`` returns further facts, JSON-safe, that determine the output.
    needs_images : bool
        Whether rows must be images.
    version : int
        Raised when the same input gives another output, so that cached output is left.
    """

    name: str
    title: str
    question: str
    order: int
    run: Callable[[AnalysisContext], dict[str, Any]]
    frame: Callable[[Mapping[str, Any]], pd.DataFrame]
    section: Callable[[ReportContext], Content | None]
    in_fast: bool = False
    in_full: bool = True
    options: tuple[str, ...] = ()
    depends_on: Callable[[AnalysisContext], Any] = lambda context: None
    needs_images: bool = False
    version: int = 1

    @property
    def heading(self) -> str:
        """Title and question as Markdown: the start of the section."""
        return f"## {self.title}\n\n{self.question}"


class _Analyses(Mapping[str, Analysis]):
    """The record ``ANALYSIS`` of each public module of this package, by the module's name.

    The command line offers the names at each start; a module is imported when its record is asked
    for.
    """

    @cached_property
    def _names(self) -> list[str]:
        names = (module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
        return sorted(name for name in names if not name.startswith("_"))

    def __getitem__(self, name: str) -> Analysis:
        if name not in self._names:
            raise KeyError(name)
        record: Analysis = importlib.import_module(f"digitrec.analyses.{name}").ANALYSIS
        return record

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


ANALYSES = _Analyses()


def check_options(options: Iterable[str], *names: str) -> None:
    """Refuse settings that no analysis reads, of those named or of all.

    Raises
    ------
    ConfigurationError
    """
    known = [option for name in names or ANALYSES for option in ANALYSES[name].options]
    for option in options:
        if option not in known:
            raise ConfigurationError(
                f"no option {option!r} of {', '.join(names) or 'the analyses'}; "
                f"there are: {', '.join(known) or 'none'}"
            )


# Analyses of every run.
EVERY_RUN = ("checks",)


def selected_analyses(profile: str | None, names: Iterable[str] = ()) -> list[Analysis]:
    """Return the analyses of a profile, those of `EVERY_RUN` and those asked for by name.

    Parameters
    ----------
    profile : {"fast", "full"} or None
        Bundle of analyses; None for none.
    names : iterable of str
        Analyses to add.

    Returns
    -------
    list of Analysis
        In report order.

    Raises
    ------
    ConfigurationError
        If there is no analysis of a name.
    """
    wanted = {check_choice("analysis", name, ANALYSES) for name in names}
    wanted |= set(EVERY_RUN)
    if profile is None:  # Records that are not needed are not imported.
        return sorted((ANALYSES[name] for name in wanted), key=lambda record: record.order)
    chosen = [
        record
        for record in ANALYSES.values()
        if record.name in wanted
        or (profile == "fast" and record.in_fast)
        or (profile == "full" and record.in_full)
    ]
    return sorted(chosen, key=lambda record: record.order)


class OutOfBudget(Exception):
    """The budget of the run was used up before an analysis, or in the middle of it."""


class AnalysisOutcome(NamedTuple):
    """What became of analyses.

    Attributes
    ----------
    outputs : dict
        Output of each that succeeded, by name.
    failures : dict of str to str
        Why the others have none, in one line, by name.
    """

    outputs: dict[str, Any]
    failures: dict[str, str]


def run_analyses(
    records: Iterable[Analysis], context: AnalysisContext, folder: Path, *, force: bool = False
) -> AnalysisOutcome:
    """Run analyses, reusing the output of those that ran on the same input.

    Parameters
    ----------
    records : iterable of Analysis
        What to run.
    context : AnalysisContext
        What they get.
    folder : pathlib.Path
        Where outputs are kept, one JSON file each.
    force : bool
        Run again what is there.

    Returns
    -------
    AnalysisOutcome
    """
    outputs: dict[str, Any] = {}
    failures: dict[str, str] = {}
    for record in records:
        if record.needs_images and context.dataset.image_shape is None:
            failures[record.name] = "needs images; the rows of this dataset have no image shape"
            continue
        path = folder / f"{record.name}-{_input_key(record, context)}.json"
        output = None if force else _read(path)
        if output is None:
            try:
                context.check_budget()
                _log.info("%s …", record.title)
                output = record.run(context)
            except OutOfBudget:
                failures[record.name] = "not run: budget"
                continue
            except Exception as error:  # One failed analysis must not cost the report.
                failures[record.name] = one_line(f"{type(error).__name__}: {error}")
                _log.info("%s failed: %s", record.title, failures[record.name])
                continue
            # What ended with the budget may lack models, which a run with more time has.
            if not context.out_of_time:
                write_json(path, output)
            # As it is read the next time: JSON has no tuples.
            output = json.loads(json.dumps(output))
        outputs[record.name] = output
    return AnalysisOutcome(outputs, failures)


def _input_key(record: Analysis, context: AnalysisContext) -> str:
    """Return 16 hexadecimal digits of all that determines the output of an analysis."""
    facts = {
        "analysis": record.name,
        "version": record.version,
        "data": context.dataset.fingerprint,
        # The time separates a job from the same job run again, whose times are others.
        "results": sorted([result.key, result.finished_at] for result in context.results),
        "winner": context.winner,
        "random_state": context.random_state,
        "options": {name: describe_value(context.options.get(name)) for name in record.options},
        "overrides": describe_value(context.overrides),
        "failed": sorted([result.key, result.status] for result in context.failed),
        "further": record.depends_on(context),
    }
    return cache_key(facts, record.run)


def _read(path: Path) -> Any:
    """Return the content of a JSON file, or None where it is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
