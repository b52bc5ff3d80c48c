"""Run many jobs: reuse stored results, start the longest first, and publish progress."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from typing import TYPE_CHECKING

from digitrec.evaluation.executors import KillablePool, execute, outcome
from digitrec.evaluation.job import Job, Limits
from digitrec.evaluation.job_store import JobStore
from digitrec.evaluation.progress import Event, Kind, RunningJob, Snapshot, publish
from digitrec.evaluation.result import Result

if TYPE_CHECKING:
    from digitrec.datasets import Dataset

_POLL_SECONDS = 0.2
# Time of a job in addition to its two fits: predictions, latency, files.
_OVERHEAD_SECONDS = 4.0


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
) -> tuple[dict[str, Result], bool]:
    """Run jobs, the longest first, and store what each gave.

    With a deadline the quickest come first, those of the default models before the others; what
    does not fit gets the status ``"not_run"``.

    Ctrl-C ends what is running; it and what is waiting become results with the status
    ``"interrupted"``, and the function returns. Subscribers get an `Event` for everything that
    happens, several times a second; see `digitrec.evaluation.progress`.

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

    Returns
    -------
    results : dict of str to Result
        By `Job.key`.
    interrupted : bool
        Whether Ctrl-C ended the run.
    """
    run = _Run(jobs, store, n_workers, len(jobs) if total is None else total, deadline)
    interrupted = False
    try:
        while run.waiting or run.left:
            run.submit(executor)
            done, _ = wait(run.waiting, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED)
            run.note_started()
            for future in done:
                run.finish(future)
            run.tell("tick")
    except KeyboardInterrupt:
        interrupted = True
        run.deadline = None
        # The interruption may have come in the middle of taking down what a job gave.
        for future in [future for future in run.waiting if future.done()]:
            run.finish(future)
        executor.shutdown(wait=True, cancel_futures=True)
        run.give_up()
    except BaseException:
        executor.shutdown(wait=True, cancel_futures=True)
        raise
    else:
        executor.shutdown(wait=True)
    return run.results, interrupted


class _Run:
    """Jobs that wait, that run and that are done."""

    def __init__(
        self,
        jobs: Sequence[Job],
        store: JobStore,
        n_workers: int,
        total: int,
        deadline: float | None,
    ) -> None:
        self.store = store
        self.n_workers = n_workers
        self.total, self.done = total, total - len(jobs)
        self.deadline = deadline
        self.begun = time.monotonic()
        self.estimates = estimate_seconds(jobs, store)
        self.waiting: dict[Future[Result], Job] = {}
        self.started: dict[str, float] = {}
        self.results: dict[str, Result] = {}
        # Seconds that finished jobs took, and that they were expected to take.
        self.spent = self.expected = 0.0
        self.left = [job for job in jobs if not job.problem]
        if deadline is None:
            self.left.sort(key=lambda job: -self.estimates[job.key])
        else:
            self.left.sort(key=lambda job: _worth(job) * self.estimates[job.key])
        for job in jobs:
            if job.problem:
                self.settle(job, job.failed("error", job.problem))

    def submit(self, executor: Executor) -> None:
        """Hand over all jobs; with a deadline, as they can start.

        The time that a job has left is known only then.
        """
        while self.left and (self.deadline is None or len(self.waiting) < self.n_workers):
            job = self.left.pop(0)
            limited = job
            if self.deadline is not None:
                seconds = self.deadline - time.monotonic()
                # Estimates are rough, so half the time will do.
                if seconds <= max(0.5 * self.estimates[job.key], 1.0):
                    self.settle(job, job.failed("not_run", "budget"))
                    continue
                timeout = job.limits.timeout
                limited = job.limited(timeout=seconds if timeout is None else min(timeout, seconds))
            self.waiting[executor.submit(execute, limited)] = job

    def note_started(self) -> None:
        """Look which jobs have begun."""
        for job in self.waiting.values():
            if job.key not in self.started and self.store.read_stage(job) is not None:
                self.started[job.key] = time.monotonic()
                self.tell("started", job)

    def finish(self, future: Future[Result]) -> None:
        """Take down what a job gave."""
        job = self.waiting[future]
        result = outcome(job, future)
        now = time.monotonic()
        if self.deadline is not None and result.status == "timeout":
            limit = job.limits.timeout
            if limit is None or now - self.started.get(job.key, 0.0) < limit:
                result = job.failed("not_run", "stopped when the budget was used up")
        self._record(job, result)
        del self.waiting[future]
        self.done += 1
        if job.key in self.started:
            self.spent += now - self.started[job.key]
            self.expected += self.estimates[job.key]
        self.tell("finished", job, result)

    def settle(self, job: Job, result: Result) -> None:
        """Give a job a result without running it."""
        self._record(job, result)
        self.done += 1
        self.tell("finished", job, result)

    def give_up(self) -> None:
        """Turn what did not finish into results with the status "interrupted"."""
        for future, job in list(self.waiting.items()):
            del self.waiting[future]
            stored = self.store.find(job)
            if stored is not None and stored[0].ok:
                # It ended between the last look and the interruption.
                self.results[job.key] = stored[0]
                continue
            where = "while it ran" if job.key in self.started else "before it started"
            result = job.failed("interrupted", f"the run was stopped {where}")
            self._record(job, result)
            self.tell("finished", job, result)
        for job in self.left:
            reason = "the run was stopped before it started"
            self.settle(job, job.failed("interrupted", reason))

    def tell(self, kind: Kind, job: Job | None = None, result: Result | None = None) -> None:
        """Publish an event."""
        now = time.monotonic()
        running = tuple(
            RunningJob(job, self.store.read_stage(job) or "", now - self.started[job.key])
            for job in self.waiting.values()
            if job.key in self.started
        )
        snapshot = Snapshot(
            done=self.done,
            total=self.total,
            running=running,
            elapsed=now - self.begun,
            eta=self._eta(now),
        )
        publish(Event(kind=kind, snapshot=snapshot, job=job, result=result))

    def _eta(self, now: float) -> float | None:
        if not self.waiting:
            return 0.0
        # Estimates give the proportions between models; finished jobs, the speed of the machine.
        pace = self.spent / self.expected if self.expected else 1.0
        left = [
            max(0.0, self.estimates[job.key] * pace - (now - self.started.get(job.key, now)))
            for job in self.waiting.values()
        ]
        return max(max(left), sum(left) / self.n_workers)

    def _record(self, job: Job, result: Result) -> None:
        self.results[job.key] = result
        self.store.clear_stage(job)
        if not result.ok:
            # A disk that is full loses the note of a failure, which is then simply tried again.
            with contextlib.suppress(OSError):
                self.store.write_result(result, job.limits)


def _worth(job: Job) -> float:
    """Return the factor on a job's time in the order of a run that has a budget."""
    from digitrec.models import DEFAULT_MODELS

    # The defaults are the most accurate for their time: they precede others of a fifth of it.
    return 0.2 if job.model in DEFAULT_MODELS else 1.0


def run_part_jobs(
    jobs: list[Job],
    dataset: Dataset,
    *,
    n_workers: int,
    deadline: float | None = None,
) -> list[Result]:
    """Run jobs on folds, samples or candidates, side by side; return results in the same order.

    Parameters
    ----------
    jobs : list of Job
        See `make_part_job`.
    dataset : Dataset
        The data, which are put where the processes find them.
    n_workers : int
        Jobs at a time, and cores.
    deadline : float, optional
        `time.monotonic` after which nothing may run.

    Raises
    ------
    KeyboardInterrupt
        If Ctrl-C ended them; what is finished is stored.
    """
    from digitrec.evaluation.shared import SharedData
    from digitrec.preprocessing import FEATURES

    if not jobs:
        return []
    cache = jobs[0].cache
    store = JobStore(jobs[0].folder)
    with store.lock(wait=True):
        found, to_run = split_stored(jobs, store)
        if to_run:
            n_cores, n_workers = n_workers, max(1, min(len(to_run), n_workers))
            n_threads = max(1, n_cores // n_workers)
            executor = KillablePool(n_workers, n_threads)
            try:
                shared = SharedData(cache, n_jobs=n_cores)
                shared.put(dataset)
                of_kind = {(job.features, job.part and job.part.kind): job for job in to_run}
                for (name, kind), job in of_kind.items():
                    if name in FEATURES and kind == "validation":
                        shared.features_of(dataset, job)
                    elif name in FEATURES:
                        shared.fixed(dataset, FEATURES[name])
            except BaseException:
                executor.shutdown(cancel_futures=True)
                raise

            ran, interrupted = run_jobs(
                [job.limited(n_threads=n_threads) for job in to_run],
                store,
                executor,
                n_workers=n_workers,
                total=len(jobs),
                deadline=deadline,
            )
            if interrupted:
                raise KeyboardInterrupt
            found |= ran
    return [found[job.key] for job in jobs]
