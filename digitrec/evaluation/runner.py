"""Run many jobs: reuse what is stored, the longest first, and tell how far it is."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field, replace
from typing import Literal

from digitrec.evaluation.executors import outcome
from digitrec.evaluation.isolation import execute
from digitrec.evaluation.job import Job, Limits
from digitrec.evaluation.result import Result, Status
from digitrec.evaluation.store import JobStore

__all__ = ["Event", "RunningJob", "Snapshot", "estimate_seconds", "run_jobs", "split_stored"]

_POLL_SECONDS = 0.2
# What a job takes besides its two fits: predictions, latency, files.
_OVERHEAD_SECONDS = 4.0


@dataclass(frozen=True)
class RunningJob:
    """A job that is running: what it does now, and for how long the job has been running."""

    job: Job
    stage: str
    elapsed: float


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """How far a run is.

    Attributes
    ----------
    done, total : int
        Jobs, reused ones included.
    running : tuple of RunningJob
        What is going on.
    elapsed : float
        Seconds since the first job was started.
    eta : float or None
        Seconds that the rest will take, roughly; None where nothing can be said.
    """

    done: int
    total: int
    running: tuple[RunningJob, ...] = ()
    elapsed: float = 0.0
    eta: float | None = None


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened in a run, and how far the run is after it."""

    kind: Literal["reused", "started", "finished", "tick"]
    snapshot: Snapshot
    job: Job | None = None
    result: Result | None = None


@dataclass
class _State:
    """Jobs of a run that are neither done nor given up."""

    total: int
    done: int
    n_workers: int
    estimates: Mapping[str, float]
    begun: float = field(default_factory=time.monotonic)
    waiting: dict[Future[Result], Job] = field(default_factory=dict)
    started: dict[str, float] = field(default_factory=dict)
    # Seconds that finished jobs took, and that they were expected to take.
    spent: float = 0.0
    expected: float = 0.0

    def snapshot(self, store: JobStore) -> Snapshot:
        now = time.monotonic()
        running = tuple(
            RunningJob(job, store.read_stage(job) or "", now - self.started[job.key])
            for job in self.waiting.values()
            if job.key in self.started
        )
        return Snapshot(
            done=self.done,
            total=self.total,
            running=running,
            elapsed=now - self.begun,
            eta=self._eta(now),
        )

    def _eta(self, now: float) -> float | None:
        if not self.waiting:
            return 0.0
        # The estimates know the proportions between models; finished jobs tell the machine's pace.
        pace = self.spent / self.expected if self.expected else 1.0
        left = [
            max(0.0, self.estimates[job.key] * pace - (now - self.started.get(job.key, now)))
            for job in self.waiting.values()
        ]
        return max(max(left), sum(left) / self.n_workers)


def split_stored(
    jobs: Iterable[Job], store: JobStore, *, force: bool = False, only_failed: bool = False
) -> tuple[dict[str, Result], list[Job]]:
    """Separate the jobs whose stored result will do from those to run.

    A stored failure will do, too, unless it was an interruption or the job now has more time or
    memory than it had.

    Parameters
    ----------
    jobs : iterable of Job
        What is wanted.
    store : JobStore
        Where finished jobs lie.
    force : bool
        Run everything again.
    only_failed : bool
        Run again what failed.

    Returns
    -------
    reused : dict of str to Result
        By `Job.key`.
    to_run : list of Job
        The others.
    """
    reused, to_run = {}, []
    for job in jobs:
        stored = None if force else store.find(job)
        if stored is None or (not stored[0].ok and (only_failed or _worth_a_try(job, *stored))):
            to_run.append(job)
        else:
            reused[job.key] = stored[0]
    return reused, to_run


def _worth_a_try(job: Job, result: Result, limits: Limits) -> bool:
    def more(now: float | None, then: float | None) -> bool:
        return then is not None and (now is None or now > then)

    return (
        result.status in ("interrupted", "not_run")
        or (result.status == "timeout" and more(job.limits.timeout, limits.timeout))
        or (result.status == "out_of_memory" and more(job.limits.max_memory, limits.max_memory))
    )


def estimate_seconds(jobs: Sequence[Job], store: JobStore) -> dict[str, float]:
    """Return the rough wall time of each job, by `Job.key`.

    From earlier results of the same model on the same features where there are any, else from
    the registry; scaled to the number of rows.
    """
    known: dict[tuple[str, str], float] = {}
    for result in store.all_results():
        if result.ok and result.fit_seconds is not None:
            both = result.fit_seconds + (result.validation_fit_seconds or 0.0)
            rows = result.n_train + result.n_validation
            known[result.model, result.features] = both / rows
    # A model is fitted twice, the second time on all rows; the registry's seconds are of 60,000.
    return {
        job.key: _OVERHEAD_SECONDS
        + known.get((job.model, job.features), 1.8 * job.model_spec.seconds / 60_000)
        * (job.n_train + job.n_validation)
        * (1 + job.augment)
        for job in jobs
    }


def run_jobs(
    jobs: Sequence[Job],
    store: JobStore,
    executor: Executor,
    *,
    n_workers: int,
    total: int | None = None,
    deadline: float | None = None,
    on_event: Callable[[Event], None] = lambda event: None,
) -> tuple[dict[str, Result], bool]:
    """Run jobs, the longest first, and store what each gave.

    With a deadline the quickest come first, those of the default models before the others; what
    does not fit gets the status ``"not_run"``.

    Ctrl-C ends what is running; it and what is waiting become results with the status
    ``"interrupted"``, and the function returns.

    Parameters
    ----------
    jobs : sequence of Job
        What to run.
    store : JobStore
        Where failures are stored; jobs that succeed store their own files.
    executor : concurrent.futures.Executor
        Where the jobs run. It is shut down at the end.
    n_workers : int
        Jobs at a time, for the estimate of the time left.
    total : int, optional
        Jobs of the whole run, reused ones included.
    deadline : float, optional
        `time.monotonic` after which nothing may run.
    on_event : callable
        Called with each event, several times a second.

    Returns
    -------
    results : dict of str to Result
        By `Job.key`.
    interrupted : bool
        Whether Ctrl-C ended the run.
    """
    total = len(jobs) if total is None else total
    estimates = estimate_seconds(jobs, store)
    state = _State(total, total - len(jobs), n_workers, estimates)
    results: dict[str, Result] = {}
    interrupted = False
    for job in jobs:
        if job.problem:
            _settle(job, "error", job.problem, state, store, results, on_event)
    runnable = [job for job in jobs if not job.problem]
    left = sorted(runnable, key=lambda job: -estimates[job.key])
    if deadline is not None:
        left = sorted(runnable, key=lambda job: _worth(job) * estimates[job.key])
    try:
        while state.waiting or left:
            # Without a deadline all jobs are handed over at once; with one, as they can start,
            # since the time that a job has left is known only then.
            while left and (deadline is None or len(state.waiting) < n_workers):
                job = left.pop(0)
                if deadline is not None and not _fits(estimates[job.key], deadline):
                    _settle(job, "not_run", "budget", state, store, results, on_event)
                    continue
                state.waiting[executor.submit(execute, _until(job, deadline))] = job
            if not state.waiting:
                continue
            done, _ = wait(state.waiting, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED)
            _note_started(state, store, on_event)
            for future in done:
                _finish(future, state, store, results, on_event, deadline)
            on_event(Event(kind="tick", snapshot=state.snapshot(store)))
    except KeyboardInterrupt:
        interrupted = True
        # The interruption may have come in the middle of taking down what a job gave.
        for future in [future for future in state.waiting if future.done()]:
            _finish(future, state, store, results, on_event)
        executor.shutdown(wait=True, cancel_futures=True)
        _give_up(state, store, results, on_event)
        reason = "the run was stopped before it started"
        for job in left:
            _settle(job, "interrupted", reason, state, store, results, on_event)
    except BaseException:
        executor.shutdown(wait=True, cancel_futures=True)
        raise
    else:
        executor.shutdown(wait=True)
    return results, interrupted


def _worth(job: Job) -> float:
    """Return the factor on a job's time in the order of a run that has a budget."""
    from digitrec.models import DEFAULT_MODELS

    # The defaults are the most accurate for their time: they go before others of a fifth of it.
    return 0.2 if job.model in DEFAULT_MODELS else 1.0


def _fits(estimate: float, deadline: float) -> bool:
    """Return whether a job is worth starting; estimates are rough, so half the time will do."""
    return deadline - time.monotonic() > max(0.5 * estimate, 1.0)


def _until(job: Job, deadline: float | None) -> Job:
    """Return a job whose time limit is what is left until the deadline, where that is less."""
    if deadline is None:
        return job
    left = max(deadline - time.monotonic(), 0.1)
    limit = left if job.limits.timeout is None else min(job.limits.timeout, left)
    return replace(job, limits=replace(job.limits, timeout=limit))


def _settle(
    job: Job,
    status: Status,
    reason: str,
    state: _State,
    store: JobStore,
    results: dict[str, Result],
    on_event: Callable[[Event], None],
) -> None:
    """Give a job a result without running it."""
    from digitrec.evaluation.worker import failed_result

    result = failed_result(job, status, reason)
    _record(job, result, store, results)
    state.done += 1
    on_event(Event(kind="finished", snapshot=state.snapshot(store), job=job, result=result))


def _note_started(state: _State, store: JobStore, on_event: Callable[[Event], None]) -> None:
    for job in state.waiting.values():
        if job.key not in state.started and store.read_stage(job) is not None:
            state.started[job.key] = time.monotonic()
            on_event(Event(kind="started", snapshot=state.snapshot(store), job=job))


def _finish(
    future: Future[Result],
    state: _State,
    store: JobStore,
    results: dict[str, Result],
    on_event: Callable[[Event], None],
    deadline: float | None = None,
) -> None:
    from digitrec.evaluation.worker import failed_result

    job = state.waiting[future]
    result = outcome(job, future)
    if deadline is not None and result.status == "timeout":
        limit = job.limits.timeout
        if limit is None or time.monotonic() - state.started.get(job.key, 0.0) < limit:
            result = failed_result(job, "not_run", "stopped when the budget was used up")
    _record(job, result, store, results)
    del state.waiting[future]
    state.done += 1
    if job.key in state.started:
        state.spent += time.monotonic() - state.started[job.key]
        state.expected += state.estimates[job.key]
    on_event(Event(kind="finished", snapshot=state.snapshot(store), job=job, result=result))


def _give_up(
    state: _State,
    store: JobStore,
    results: dict[str, Result],
    on_event: Callable[[Event], None],
) -> None:
    """Turn what did not finish into results with the status "interrupted"."""
    from digitrec.evaluation.worker import failed_result

    for future, job in list(state.waiting.items()):
        del state.waiting[future]
        stored = store.find(job)
        if stored is not None and stored[0].ok:
            # It ended between the last look and the interruption.
            results[job.key] = stored[0]
            continue
        where = "while it ran" if job.key in state.started else "before it started"
        result = failed_result(job, "interrupted", f"the run was stopped {where}")
        _record(job, result, store, results)
        on_event(Event(kind="finished", snapshot=state.snapshot(store), job=job, result=result))


def _record(job: Job, result: Result, store: JobStore, results: dict[str, Result]) -> None:
    results[job.key] = result
    store.clear_stage(job)
    if not result.ok:
        # A disk that is full loses the note of a failure, which is then simply tried again.
        with contextlib.suppress(OSError):
            store.write_result(result, job.limits)
