"""Progress events of a run, their subscriber, and the lines that describe them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

from digitrec.evaluation.job import Job
from digitrec.evaluation.result import Result

Kind = Literal["reused", "started", "finished", "tick"]


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

    kind: Kind
    snapshot: Snapshot
    job: Job | None = None
    result: Result | None = None


Subscriber = Callable[[Event], object]
_SUBSCRIBER: ContextVar[Subscriber | None] = ContextVar("subscriber", default=None)


@contextlib.contextmanager
def subscribed(subscriber: Subscriber) -> Iterator[None]:
    """Have a function called with each `Event` of the jobs that are run within the block."""
    token = _SUBSCRIBER.set(subscriber)
    try:
        yield
    finally:
        _SUBSCRIBER.reset(token)


def publish(event: Event) -> None:
    """Tell the subscriber, where there is one."""
    subscriber = _SUBSCRIBER.get()
    if subscriber is not None:
        subscriber(event)


def render_event(event: Event) -> str | None:
    """Return an event as a line; None where it is not worth one."""
    if event.job is None or event.kind in ("tick", "started"):
        return None
    place = f"[{event.snapshot.done}/{event.snapshot.total}] {event.job.title}: "
    if event.result is None:
        return place + event.kind
    text = place + _describe(event.result)
    if event.kind == "reused":
        return f"{text} (stored)"
    if event.snapshot.eta:
        text += f"; about {format_seconds(event.snapshot.eta)} left"
    return text


def render_running(snapshot: Snapshot) -> str:
    """Return in one line what is running, and what each job is at."""
    jobs = (
        f"{job.job.title}: {job.stage or '…'} ({format_seconds(job.elapsed)})"
        for job in snapshot.running
    )
    return f"[{snapshot.done}/{snapshot.total}] running: " + "; ".join(jobs)


def format_seconds(seconds: float) -> str:
    """Return a time for people: ``0.4 s``, ``12 s``, ``3 min 05 s``, ``2 h 10 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _describe(result: Result) -> str:
    if not result.ok:
        return f"{result.status.replace('_', ' ')}: {result.reason.splitlines()[0]}"
    accuracy, rows = result.validation_accuracy, "validation"
    if accuracy is None:  # of a sample of the training rows
        accuracy, rows = result.test_accuracy, "test"
    fit = format_seconds(result.fit_seconds or 0.0)
    return f"{100 * (accuracy or 0.0):.2f} % of the {rows} rows right, fitted in {fit}"
