"""Search for better parameters of each model: candidates are jobs, chosen on validation rows.

Each candidate is fitted on the training rows and scored on the validation rows, in a process like
any other job; the test rows see only the chosen one, once. Models whose fit takes long are
searched by successive halving: all candidates on few rows, the better third on three times as
many, and so on. The validation score of the best of many is biased upwards: a search records the
gain expected by chance, and the gain on the test rows.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digitrec.datasets import Dataset
from digitrec.errors import ConfigurationError
from digitrec.evaluation.job import Job, Part, describe_parameters, job_stem, make_part_job
from digitrec.evaluation.job_store import JobStore
from digitrec.evaluation.metrics import Predictions
from digitrec.evaluation.ranking import (
    metric_name,
    score_predictions,
    validation_predictions,
)
from digitrec.evaluation.result import Candidate, Result, Run, Tuning
from digitrec.evaluation.runner import run_part_jobs
from digitrec.evaluation.splits import validation_split
from digitrec.models import ModelSpec
from digitrec.statistics.chance_gain import chance_gain

# Candidates of a model in a search that is bounded by its time alone.
MAX_CANDIDATES = 200

# Successive halving: the better third goes on, with three times the rows.
HALVING_FACTOR = 3
# Least rows of the rarest class in the first round, so that candidates differ measurably.
MIN_CLASS_ROWS = 100
# Estimated seconds of one fit from which halving is used: below, a job costs more than its fit. Of
# 9 candidates of the SVM on mnist_5k (0.33 s each) it saves a third of the processor time.
MIN_HALVING_SECONDS = 0.3
# Groups of rows left out in turn, to estimate the variance of a score that is not a mean of rows.
N_GROUPS = 50


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
        If a parameter has none of these, or there is no parameter.
    """
    if not space:
        raise ConfigurationError(f"the search space of {model} names no parameter")
    for name, values in space.items():
        if _is_range(values):
            least = 0 if values[0] == "log" else -math.inf
            if len(values) == 3 and least < values[1] < values[2]:
                continue
        elif (isinstance(values, (list, tuple)) and len(values)) or hasattr(values, "rvs"):
            continue
        raise ConfigurationError(
            f"the search space of {model}.{name} is {values!r}; give a list of values, "
            '("log", low, high), ("uniform", low, high) or a distribution of scipy.stats; low is '
            "less than high, and with log above 0"
        )


def draw_candidates(space: Mapping[str, Any], n: int, random_state: int) -> list[dict[str, Any]]:
    """Return parameters drawn from a search space, at most `n`, none twice."""
    from scipy.stats import loguniform, uniform
    from sklearn.model_selection import ParameterSampler

    known = {"log": loguniform, "uniform": lambda low, high: uniform(low, high - low)}
    spaces = {
        name: known[values[0]](*values[1:])
        if _is_range(values)
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
    metric: str | Callable[..., float] = "accuracy",
    seconds: float | None = None,
) -> tuple[ModelSpec | None, Tuning]:
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
    metric : str or callable
        What chooses; see `digitrec.evaluation.ranking`.
    seconds : float, optional
        Wall time after which no candidate is fitted any more; each round has an equal part of it.

    Returns
    -------
    chosen : ModelSpec or None
        The model with the best parameters; None where no candidate beat the default.
    tuning : Tuning
        The record of the search.
    """
    started = time.monotonic()
    drawn = draw_candidates(space, n_candidates, parent.random_state)
    parts = _rounds(parent, dataset, len(drawn))
    search = _Search([parent, *(make(parameters) for parameters in drawn)], dataset, metric)
    alive = list(range(1, len(drawn) + 1))
    for place, part in enumerate(parts):
        given = None if seconds is None else started + seconds * (place + 1) / len(parts)
        scored = search.run_round(
            place,
            part,
            alive,
            n_workers=n_workers,
            deadline=given,
        )
        best_first = sorted(scored, key=lambda i: search.tried[i].rank)
        alive = sorted(best_first[: math.ceil(len(alive) / HALVING_FACTOR)])
        if not alive:
            break
    tried = search.tried
    last = max((found.place for found in tried[1:]), default=-1)
    # The default counts where the candidates were last compared with it.
    default = search.default_at(last)
    tried[0] = dataclasses.replace(tried[0], place=last, score=default)
    # Of equal candidates the first drawn: the same in every run.
    ranked = sorted(range(len(tried)), key=lambda i: tried[i].rank)
    first, score = ranked[0], tried[ranked[0]].score
    chosen = None
    if first and score is not None:
        spec = parent.model_spec
        chosen = dataclasses.replace(
            spec,
            name=f"{spec.name}_tuned",
            title=f"{spec.title}, tuned",
            estimator=spec.build(None, {**parent.overrides, **drawn[first - 1]}, parent.features),
            feature_parameters={},  # those of the features stand in the estimator
        )
    chance = None
    if search.differences and default is not None and score is not None:
        columns = np.column_stack(list(search.differences.values()))
        chance = chance_gain(columns, score - default, parent.random_state)
    own = describe_parameters(parent.build_model())
    return chosen, Tuning(
        model=parent.model,
        features=parent.features,
        random_state=parent.random_state,
        stem=job_stem(parent.features, parent.model, parent.random_state),
        metric=metric_name(metric),
        tuned=None if chosen is None else chosen.name,
        default=default,
        best=score,
        n_validation=parent.n_validation,
        seconds=search.seconds,
        rounds=search.rounds,
        chance=chance,
        reason=search.reason,
        log=[name for name, values in space.items() if _is_log(values)],
        defaults={name: own.get(name) for name in space},
        candidates=[tried[i].candidate(drawn[i - 1] if i else {}) for i in ranked],
    )


def add_test_gain(
    tuning: Tuning,
    results: Sequence[Result],
    store: JobStore,
    metric: str | Callable[..., float],
    dataset: Dataset,
) -> Tuning:
    """Add what a search gained on the test rows, which chose nothing.

    The interval is paired by rows: Tango's for the accuracy, else the jackknife's over groups of
    rows. `results` are those of the run; without both the default's and that of the chosen model
    the record stays as it is.
    """
    from digitrec.statistics.paired import paired_difference_interval

    found = {
        r.model: r
        for r in results
        if r.ok and (r.features, r.random_state) == (tuning.features, tuning.random_state)
    }
    pair = [found[name] for name in (tuning.model, tuning.tuned) if name in found]
    if len(pair) < 2:
        return tuning
    y_true = np.asarray(dataset.y_test)
    scored = []
    for result in pair:
        said = store.read_predictions(result)
        rows = Predictions(y_true, said.y_test_pred, said.test_scores, said.has_probabilities)
        scored.append(_score_units(rows, metric, dataset))
    (before, old), (after, new) = scored
    difference = new - old
    gain = after - before
    if metric == "accuracy":
        only_new, only_old = int(np.sum(difference > 0)), int(np.sum(difference < 0))
        low, high = paired_difference_interval(only_new, only_old, len(y_true))
    else:
        from scipy.stats import t

        n = len(difference)
        half = float(t.ppf(0.975, n - 1) * difference.std(ddof=1) / math.sqrt(n))
        low, high = gain - half, gain + half
    return dataclasses.replace(tuning, test_gain=gain, test_low=low, test_high=high)


def tuning_rows(run: Run) -> list[dict[str, Any]]:
    """Return one row a search; see `digitrec.comparison.comparison.Comparison.tuning`."""
    return [
        {
            **{name: getattr(found, name) for name in ("model", "features", "tuned", "metric")},
            "n_candidates": len(found.candidates),
            **{name: getattr(found, name) for name in ("seconds", "default", "best")},
            "parameters": found.candidates[0].parameters,
            "chance_gain": found.chance and found.chance.mean,
            "chance_high": found.chance and found.chance.high,
            "p_value": found.chance and found.chance.p_value,
            **{name: getattr(found, name) for name in ("test_gain", "test_low", "test_high")},
        }
        for found in run.tuning
    ]


def candidate_rows(tuning: Tuning) -> list[dict[str, Any]]:
    """Return one row a candidate and searched parameter: what a validation curve shows."""
    shared = ("score", "accuracy", "rows", "fit_seconds", "status")
    return [
        {
            "model": tuning.model,
            "features": tuning.features,
            "candidate": place,
            "parameter": name,
            "value": (candidate.parameters or tuning.defaults).get(name),
            **{field: getattr(candidate, field) for field in shared},
            "is_default": not candidate.parameters,
        }
        for place, candidate in enumerate(tuning.candidates)
        for name in tuning.defaults
    ]


@dataclass
class _Tried:
    """How far a candidate came: its last round, and what it scored there."""

    place: int = -1
    score: float | None = None
    result: Result | None = None
    status: str = "not_run"

    @property
    def rank(self) -> tuple[int, float]:
        """Ascending: the best first."""
        return -self.place, -(self.score if self.score is not None else -math.inf)

    def candidate(self, parameters: dict[str, Any]) -> Candidate:
        found = Candidate(parameters=parameters, score=self.score, status=self.status)
        if self.result is None:
            return found
        return dataclasses.replace(
            found,
            accuracy=self.result.validation_accuracy,
            rows=self.result.n_train,
            fit_seconds=self.result.fit_seconds,
        )


class _Search:
    """The candidates of a search, the default first, and the result of each round."""

    def __init__(self, jobs: list[Job], dataset: Dataset, metric: Any) -> None:
        self.jobs = jobs
        self.dataset = dataset
        self.metric = metric
        self.tried = [_Tried() for _ in jobs]
        self.differences: dict[int, NDArray[np.float64]] = {}
        self.rounds: list[dict[str, int]] = []
        self.reason = ""
        self.seconds = 0.0
        self._defaults: dict[int, tuple[float, NDArray[np.float64]]] = {}

    def default_at(self, place: int) -> float | None:
        """Return the score of the default in a round."""
        return self._defaults[place][0] if place in self._defaults else None

    def run_round(self, place: int, part: Part, alive: list[int], **how: Any) -> list[int]:
        """Fit the default and the candidates that are left; return those that have a score."""
        chosen = [0, *alive]
        jobs = [
            make_part_job(self.jobs[i], part, timeout=self.jobs[i].limits.timeout) for i in chosen
        ]
        results = run_part_jobs(jobs, self.dataset, **how)
        n_rows = part.sizes[part.index] if part.sizes else self.jobs[0].n_train
        self.rounds.append({"rows": n_rows, "candidates": len(alive)})
        labels = np.asarray(self.dataset.y_train)
        for i, job, result in zip(chosen, jobs, results, strict=True):
            self.tried[i].status = result.status
            self.seconds += result.fit_seconds or 0.0
            if not result.ok:
                continue
            said = validation_predictions(JobStore(job.folder).read_predictions(result), labels)
            try:
                score, units = _score_units(said, self.metric, self.dataset)
            except (ValueError, AttributeError) as error:
                self.reason = self.reason or str(error).splitlines()[0]
                continue
            self.tried[i] = _Tried(place, score, result, result.status)
            if i == 0:
                self._defaults[place] = score, units
            elif place in self._defaults:
                self.differences[i] = units - self._defaults[place][1]
        return [i for i in alive if self.tried[i].place == place]


def _rounds(parent: Job, dataset: Dataset, n_candidates: int) -> list[Part]:
    """Return the rows of each round; the last has all that are not held out."""
    labels = np.asarray(dataset.y_train)[
        validation_split(dataset.y_train, parent.random_state).train
    ]
    n_rows = len(labels) * (1 + parent.augment)
    sizes: list[int] = []
    if parent.model_spec.seconds * n_rows / 60_000 >= MIN_HALVING_SECONDS:
        rarest = int(np.unique(labels, return_counts=True)[1].min())
        fraction = HALVING_FACTOR
        while fraction <= n_candidates and rarest / fraction >= MIN_CLASS_ROWS:
            sizes.insert(0, n_rows // fraction)
            fraction *= HALVING_FACTOR
    seed = parent.random_state
    samples = [
        Part(kind="validation", seed=seed, sizes=tuple(sizes), index=index)
        for index in range(len(sizes))
    ]
    return [*samples, Part(kind="validation")]


def _score_units(
    said: Predictions, metric: str | Callable[..., float], dataset: Dataset
) -> tuple[float, NDArray[np.float64]]:
    """Return a score and the values of which it is the mean: one a row, or a group of rows.

    A score that is not a mean over rows has the pseudo-values of the jackknife over `N_GROUPS`
    groups with all classes in each.
    """
    if metric == "accuracy":
        right = (said.y_true == said.y_pred).astype(np.float64)
        return float(right.mean()), right
    score = score_predictions(said, metric, dataset)
    n_groups = min(N_GROUPS, max(2, len(said.y_true) // 5))
    group = np.empty(len(said.y_true), dtype=np.intp)
    group[np.argsort(said.y_true, kind="stable")] = np.arange(len(group)) % n_groups
    without = [
        score_predictions(said.take(np.flatnonzero(group != g)), metric, dataset)
        for g in range(n_groups)
    ]
    return score, n_groups * score - (n_groups - 1) * np.array(without)


def _is_range(values: Any) -> bool:
    return isinstance(values, tuple) and values[:1] in (("log",), ("uniform",))


def _is_log(values: Any) -> bool:
    name = getattr(getattr(values, "dist", None), "name", "")
    return name in ("loguniform", "reciprocal") or (_is_range(values) and values[0] == "log")


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
