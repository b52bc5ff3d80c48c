"""Search for better parameters of each model: candidates are jobs, chosen on validation rows.

Each candidate is fitted on the training rows and scored on the validation rows, in a process like
any other job; the test rows see only the chosen one, once. Its validation score is the best of
many, whose validation accuracy is optimistic: the gain is measured on the test rows.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digitrec.datasets import Dataset
from digitrec.errors import ConfigurationError
from digitrec.evaluation.job import Job, Part, make_part_job
from digitrec.evaluation.result import Result, Run
from digitrec.evaluation.runner import run_part_jobs
from digitrec.models import ModelSpec

__all__ = ["Tuning", "check_space", "draw_candidates", "tune_model", "tuning_rows"]

# Candidates of a model in a search that is bounded by its time alone.
MAX_CANDIDATES = 200


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """What a search over one model on one feature set gave.

    Attributes
    ----------
    chosen : ModelSpec or None
        The model with the best parameters; None where no candidate beat the default.
    record : dict
        JSON-safe: ``model``, ``features``, ``random_state``, ``tuned`` (name of the chosen, or
        None), ``default`` and ``best`` (validation accuracy, 0–1), ``seconds`` (of all fits),
        ``candidates``: ``parameters``, ``accuracy``, ``fit_seconds``, ``status`` of each, the
        best first.
    """

    chosen: ModelSpec | None
    record: dict[str, Any]


def check_space(model: str, space: Mapping[str, Any]) -> None:
    """Refuse a search space that cannot be drawn from.

    Parameters
    ----------
    model : str
        Name, for the message.
    space : mapping
        For each parameter a list of values, ``("log", low, high)``, ``("uniform", low, high)``,
        or a distribution of `scipy.stats`.

    Raises
    ------
    ConfigurationError
        If a parameter has none of these.
    """
    for name, values in space.items():
        if (isinstance(values, (list, tuple)) and len(values)) or hasattr(values, "rvs"):
            continue
        raise ConfigurationError(
            f"the search space of {model}.{name} is {values!r}; give a list of values, "
            '("log", low, high), ("uniform", low, high) or a distribution of scipy.stats'
        )


def draw_candidates(space: Mapping[str, Any], n: int, random_state: int) -> list[dict[str, Any]]:
    """Return parameters drawn from a search space, at most `n`, none twice."""
    from scipy.stats import loguniform, uniform
    from sklearn.model_selection import ParameterSampler

    known = {"log": loguniform, "uniform": lambda low, high: uniform(low, high - low)}
    spaces = {
        name: known[values[0]](*values[1:])
        if isinstance(values, tuple) and values and values[0] in known
        else list(values)
        if isinstance(values, (list, tuple))
        else values
        for name, values in space.items()
    }
    if all(isinstance(values, list) for values in spaces.values()):
        n = min(n, math.prod(len(values) for values in spaces.values()))
    drawn = ParameterSampler(spaces, n, random_state=random_state)
    return [{name: _plain(value) for name, value in sorted(c.items())} for c in drawn]


def tune_model(
    parent: Job,
    make: Callable[[Mapping[str, Any]], Job],
    space: Mapping[str, Any],
    dataset: Dataset,
    *,
    n_candidates: int,
    n_workers: int,
    seconds: float | None = None,
) -> Tuning:
    """Search the parameters of one model on one feature set.

    Parameters
    ----------
    parent : Job
        The job of the model with its own parameters, which is the first candidate.
    make : callable
        ``make(parameters) -> Job`` of the model with some parameters replaced.
    space : mapping
        See `check_space`.
    dataset : Dataset
        The data.
    n_candidates : int
        Candidates to draw.
    n_workers : int
        Jobs at a time.
    seconds : float, optional
        Wall time after which no candidate is fitted any more.
    """
    started = time.monotonic()
    drawn = draw_candidates(space, n_candidates, parent.random_state)
    part = Part(kind="validation")
    jobs = [make_part_job(parent, part, timeout=parent.limits.timeout)]
    jobs += [
        make_part_job(job, part, timeout=job.limits.timeout) for job in (make(p) for p in drawn)
    ]
    results = run_part_jobs(
        jobs,
        dataset,
        n_workers=n_workers,
        deadline=None if seconds is None else started + seconds,
    )
    rows: list[dict[str, Any]] = [
        {
            "parameters": parameters,
            "accuracy": result.validation_accuracy,
            "fit_seconds": result.fit_seconds,
            "status": result.status,
        }
        for parameters, result in zip([{}, *drawn], results, strict=True)
    ]
    default = rows[0]["accuracy"]
    # Of equal candidates the first drawn: the same in every run.
    ranked = sorted(rows, key=lambda row: -(-1.0 if row["accuracy"] is None else row["accuracy"]))
    best = ranked[0]
    chosen = None
    if best is not rows[0] and best["accuracy"] is not None and best["accuracy"] > (default or 0):
        spec = parent.model_spec
        replaced = {**parent.overrides, **best["parameters"]}
        chosen = dataclasses.replace(
            spec,
            name=f"{spec.name}_tuned",
            title=f"{spec.title}, tuned",
            estimator=spec.build(None, replaced),
        )
    record = {
        "model": parent.model,
        "features": parent.features,
        "random_state": parent.random_state,
        "tuned": None if chosen is None else chosen.name,
        "default": default,
        "best": best["accuracy"],
        "seconds": float(sum(row["fit_seconds"] or 0.0 for row in rows)),
        "candidates": ranked,
    }
    return Tuning(chosen=chosen, record=record)


def tuning_rows(
    run: Run, predictions: Callable[[Result], tuple[NDArray[Any], NDArray[Any]]]
) -> list[dict[str, Any]]:
    """Return one row a search, with the gain on the test rows and its 95 % interval.

    Parameters
    ----------
    run : Run
        A run with searches.
    predictions : callable
        ``predictions(result) -> (y_true, y_pred)`` of the test rows.
    """
    from digitrec.statistics.paired import paired_difference_interval

    found = {(r.model, r.features, r.random_state): r for r in run.results if r.ok}
    rows = []
    for record in run.tuning:
        row = {name: record[name] for name in ("model", "features", "tuned")}
        row["n_candidates"] = len(record["candidates"])
        row |= {name: record[name] for name in ("seconds", "default", "best")}
        row["parameters"] = record["candidates"][0]["parameters"]
        gain: float | None = None
        low: float | None = None
        high: float | None = None
        where = (record["features"], record["random_state"])
        before = found.get((record["model"], *where))
        after = found.get((record["tuned"], *where)) if record["tuned"] else None
        if before is not None and after is not None:
            y_true, old = predictions(before)
            new = predictions(after)[1]
            only_new = int(np.sum((new == y_true) & (old != y_true)))
            only_old = int(np.sum((old == y_true) & (new != y_true)))
            gain = (only_new - only_old) / len(y_true)
            low, high = paired_difference_interval(only_new, only_old, len(y_true))
        rows.append({**row, "test_gain": gain, "test_low": low, "test_high": high})
    return rows


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
