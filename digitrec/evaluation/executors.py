"""Executors for jobs, behind the interface of `concurrent.futures`.

An executor here is anything with ``submit(function, job) -> Future`` and ``shutdown``.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from pebble import CONSTS, ProcessExpired, ProcessPool

from digitrec._optional import import_optional
from digitrec.errors import ConfigurationError, check_choice
from digitrec.evaluation.isolation import OUT_OF_MEMORY_EXIT, prepare_process
from digitrec.evaluation.job import Job
from digitrec.evaluation.result import Result

__all__ = ["EXECUTORS", "DaskExecutor", "KillablePool", "make_executor", "outcome"]

EXECUTORS = ("local", "dask")

# Compiled code that fits a model does not listen to a polite signal; jobs lose nothing by a kill.
CONSTS.term_timeout = 0.2


class KillablePool(Executor):
    """Runs each job in a process of its own, which is killed when the job's time is up.

    Parameters
    ----------
    max_workers : int
        Jobs at a time.
    n_threads : int
        Threads that each may start.
    """

    def __init__(self, max_workers: int, n_threads: int = 1) -> None:
        self.max_workers = max_workers
        self._pool = ProcessPool(
            max_workers=max_workers,
            max_tasks=1,
            initializer=prepare_process,
            initargs=(n_threads, os.getpid()),
            # Not "fork": a copy of a process whose libraries run threads may hang.
            context=multiprocessing.get_context("spawn"),
        )

    def submit(self, function: Callable[..., Any], /, job: Any, **kwargs: Any) -> Future[Any]:
        """Schedule ``function(job)``; `function` must be importable by name."""
        return self._pool.schedule(function, args=(job,), kwargs=kwargs, timeout=job.limits.timeout)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the pool; with `cancel_futures`, kill what is running."""
        if cancel_futures:
            self._pool.stop()
        else:
            self._pool.close()
        if wait:
            self._pool.join()


class DaskExecutor(Executor):
    """Runs jobs on the workers of a Dask cluster, each in a process of its own there.

    A worker that dies costs the jobs it was running, which the scheduler gives to others. Jobs
    travel as names and paths: the folder of results must be one that all machines share, and
    data are taken from a shared cache, else loaded by name on each machine.

    Parameters
    ----------
    scheduler : str
        Address such as ``"tcp://host:8786"``.
    n_threads : int
        Threads that each job may start.

    Raises
    ------
    ConfigurationError
        If no scheduler answers.
    """

    def __init__(self, scheduler: str, n_threads: int = 1) -> None:
        distributed = import_optional("distributed", extra="dask")
        try:
            self._client = distributed.Client(scheduler, timeout="10s", set_as_default=False)
        except (OSError, ValueError, TimeoutError) as error:
            raise ConfigurationError(
                f"no Dask scheduler answers at {scheduler!r} ({error}); start one with: "
                "dask scheduler"
            ) from error
        self.n_threads = n_threads
        self._executor = self._client.get_executor(pure=False)

    @property
    def max_workers(self) -> int:
        """Jobs at a time: the threads of all workers."""
        return max(1, sum(self._client.nthreads().values()))

    def submit(self, function: Callable[..., Any], /, job: Any, **kwargs: Any) -> Future[Any]:
        """Schedule ``function(job)`` on the cluster."""
        return self._executor.submit(_execute_isolated, function, job, self.n_threads, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leave the cluster; what runs there is cancelled with `cancel_futures`."""
        self._executor.shutdown(wait=wait and not cancel_futures)
        self._client.close()


def make_executor(
    name: str, *, max_workers: int, n_threads: int = 1, scheduler: str | None = None
) -> KillablePool | DaskExecutor:
    """Return an executor by name.

    Parameters
    ----------
    name : {"local", "dask"}
        Kind.
    max_workers : int
        Jobs at a time, for ``"local"``.
    n_threads : int
        Threads per job.
    scheduler : str, optional
        Address of the scheduler, for ``"dask"``.

    Raises
    ------
    ConfigurationError
        If the name is unknown, or the scheduler is missing or does not answer.
    """
    check_choice("executor", name, EXECUTORS)
    if name == "local":
        return KillablePool(max_workers, n_threads)
    if not scheduler:
        raise ConfigurationError(
            "the executor 'dask' needs the address of a scheduler, such as "
            "--scheduler tcp://localhost:8786"
        )
    return DaskExecutor(scheduler, n_threads)


def outcome(job: Job, future: Future[Result]) -> Result:
    """Return the result of a job whose future is done, failures of its process included."""
    from digitrec.evaluation.worker import failed_result

    try:
        return future.result()
    except TimeoutError:
        return failed_result(
            job, "timeout", f"killed after its time limit of {job.limits.timeout:g} s"
        )
    except ProcessExpired as error:
        return _expired(job, error)
    except Exception as error:  # Lost workers and unpicklable jobs are rows of the report, too.
        return failed_result(job, "error", f"{type(error).__name__}: {error}")


def _expired(job: Job, error: ProcessExpired) -> Result:
    from digitrec.evaluation.worker import failed_result

    if error.exitcode == OUT_OF_MEMORY_EXIT:
        limit = (job.limits.max_memory or 0) / 1e9
        return failed_result(job, "out_of_memory", f"took more than its limit of {limit:.3g} GB")
    if error.exitcode < 0:
        reason = f"its process was killed by signal {-error.exitcode}"
        if error.exitcode == -9:
            reason += ", perhaps by the system for want of memory"
    else:
        reason = f"its process ended with exit code {error.exitcode}"
    return failed_result(job, "error", reason)


def _execute_isolated(function: Callable[..., Any], job: Job, n_threads: int) -> Result:
    """Run a job in a process of its own from inside a worker of a cluster."""
    # Dask's workers are daemons, which may have no children. These children end by themselves
    # when their parent is gone, which is what the rule is for.
    multiprocessing.current_process()._config["daemon"] = False  # type: ignore[attr-defined]
    with KillablePool(1, n_threads) as pool:
        return outcome(job, pool.submit(function, job))
