"""The further analyses of a run: their registry, what they get, and their cache."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from digitrec._environment import library_versions
from digitrec._files import write_json
from digitrec.evaluation import entries
from digitrec.evaluation.result import Result

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from digitrec.datasets import Dataset
    from digitrec.evaluation.store import JobPredictions, JobStore

__all__ = ["ANALYSES", "AnalysisContext", "AnalysisSpec", "run_analyses", "selected_analyses"]


@dataclass(frozen=True, kw_only=True, eq=False)
class AnalysisContext:
    """What an analysis may use.

    Attributes
    ----------
    dataset : Dataset
        The data of the run.
    results : tuple of Result
        Results of the jobs that ended well.
    winner : str or None
        `Result.key` of the winner.
    store : JobStore
        Where predictions and fitted Pipelines of the jobs lie.
    random_state : int
        Seed of the run.
    n_jobs : int
        Cores that the analysis may use.
    options : mapping
        Settings of the command line by name, JSON-safe; see `AnalysisSpec.options`.
    report : callable
        ``report(line)`` tells the user what is going on.
    cache : pathlib.Path
        Folder for what is shared between processes, such as features.
    overrides : mapping of str to mapping
        Parameters by model that replace the registry's.
    """

    dataset: Dataset
    results: tuple[Result, ...]
    winner: str | None
    store: JobStore
    random_state: int
    n_jobs: int
    cache: Path
    options: Mapping[str, Any] = field(default_factory=dict)
    report: Callable[[str], None] = lambda line: None
    overrides: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def predictions(self, result: Result) -> JobPredictions:
        """Return what the model of a result said about the test and validation rows."""
        return self.store.read_predictions(result)

    def pipeline(self, result: Result) -> Pipeline:
        """Return the saved Pipeline of a result; it takes raw pixels."""
        return self.store.read_pipeline(result)


@dataclass(frozen=True, kw_only=True)
class AnalysisSpec:
    """One entry of the registry of analyses.

    Attributes
    ----------
    name : str
        Registry key; key of the output in `Run.analyses`.
    title : str
        Name for the progress view.
    run : callable
        ``run(context) -> dict``, JSON-safe.
    in_fast, in_full : bool
        Whether the profiles of these names have it.
    options : tuple of str
        Settings in `AnalysisContext.options` that change the output.
    version : int
        Raised when the same input gives another output, so that cached output is left.
    """

    name: str
    title: str
    run: Callable[[AnalysisContext], dict[str, Any]]
    in_fast: bool = False
    in_full: bool = True
    options: tuple[str, ...] = ()
    version: int = 1


# Entries hold functions that import what they need when they run: the registry is read by every
# start of the command line.
ANALYSES: dict[str, AnalysisSpec] = {
    spec.name: spec
    for spec in (
        AnalysisSpec(
            name="significance",
            title="Significance of the differences",
            run=entries.significance,
            in_fast=True,
        ),
        AnalysisSpec(
            name="calibration",
            title="Calibration and rejection",
            run=entries.calibration,
            in_fast=True,
        ),
        AnalysisSpec(name="pareto", title="Error against cost", run=entries.pareto, in_fast=True),
        AnalysisSpec(
            name="confused_pairs",
            title="Confused pairs of classes",
            run=entries.confused_pairs,
            in_fast=True,
        ),
        AnalysisSpec(
            name="lenses", title="Parts of MNIST's test set", run=entries.lenses, in_fast=True
        ),
        AnalysisSpec(
            name="robustness",
            title="Robustness to corrupted images",
            run=entries.robustness,
            options=("mnist_c",),
        ),
        AnalysisSpec(
            name="interpretation", title="What the models learned", run=entries.interpretation
        ),
        AnalysisSpec(
            name="learning_curves",
            title="Learning curves",
            run=entries.learning_curves,
            options=("augment",),
        ),
        AnalysisSpec(
            name="cross_validation",
            title="Repeated cross-validation",
            run=entries.cross_validation,
            options=("cv", "repeats", "rope", "cv_groups"),
        ),
    )
}


def selected_analyses(profile: str | None, names: Iterable[str] = ()) -> list[AnalysisSpec]:
    """Return the analyses of a profile and those asked for by name, in registry order.

    Parameters
    ----------
    profile : {"fast", "full"} or None
        Bundle of analyses; None for none.
    names : iterable of str
        Analyses to add.
    """
    wanted = set(names)
    return [
        spec
        for spec in ANALYSES.values()
        if spec.name in wanted
        or (profile == "fast" and spec.in_fast)
        or (profile == "full" and spec.in_full)
    ]


def run_analyses(
    specs: Iterable[AnalysisSpec], context: AnalysisContext, folder: Path, *, force: bool = False
) -> dict[str, Any]:
    """Run analyses, reusing the output of those that ran on the same input.

    Parameters
    ----------
    specs : iterable of AnalysisSpec
        What to run.
    context : AnalysisContext
        What they get.
    folder : pathlib.Path
        Where outputs are kept, one JSON file each.
    force : bool
        Run again what is there.

    Returns
    -------
    dict
        Output by name. An analysis that failed is left out, and `context.report` says why.
    """
    outputs: dict[str, Any] = {}
    for spec in specs:
        path = folder / f"{spec.name}-{_input_key(spec, context)}.json"
        output = None if force else _read(path)
        if output is None:
            context.report(f"{spec.title} …")
            try:
                output = spec.run(context)
            except Exception as error:  # One failed analysis must not cost the report.
                context.report(f"{spec.title} failed: {type(error).__name__}: {error}")
                continue
            write_json(path, output)
        outputs[spec.name] = output
    return outputs


def _input_key(spec: AnalysisSpec, context: AnalysisContext) -> str:
    """Return 16 hexadecimal digits of all that determines the output of an analysis."""
    identity = {
        "analysis": spec.name,
        "version": spec.version,
        "data": context.dataset.fingerprint,
        # The time separates a job from the same job run again, whose times are others.
        "results": sorted((result.key, result.finished_at) for result in context.results),
        "winner": context.winner,
        "random_state": context.random_state,
        "options": {name: context.options.get(name) for name in spec.options},
        "overrides": {model: dict(values) for model, values in context.overrides.items()},
        "digitrec": library_versions()["digitrec"],
    }
    text = json.dumps(identity, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _read(path: Path) -> Any:
    """Return the content of a JSON file, or None where it is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
