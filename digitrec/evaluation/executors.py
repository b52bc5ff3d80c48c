"""Executors that run jobs in processes, with the interface of `concurrent.futures`.

An executor here is anything with ``submit(function, job) -> Future`` and ``shutdown``. Nothing
heavy is imported, so that a process has its limits before it loads the libraries that they concern.
"""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import os
import sys
import threading
import time
import traceback
import types
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, wait
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any, ParamSpec, TypeVar

import psutil
from pebble import CONSTS, ProcessExpired, ProcessPool

from digitrec._files import DISK_FULL, is_disk_full
from digitrec._optional import import_optional
from digitrec._platform import KILLED_EXIT_CODES, signal_name
from digitrec.errors import ConfigurationError, check_choice
from digitrec.evaluation.job import Job
from digitrec.evaluation.result import Result

P = ParamSpec("P")
T = TypeVar("T")

EXECUTORS = ("local", "dask")

# Suffix of the file that asks a job on a cluster to stop.
_STOP = ".stop"
_STARTING = threading.Lock()
_POLL_SECONDS = 0.5
# Exit code of a process that went over its memory limit.
OUT_OF_MEMORY_EXIT = 77
_ORPHAN_EXIT = 78
# What `multiprocessing` gives as exit code where the fork server, which would know, is gone.
_LOST_EXIT_CODE = 255
_GUARD_SECONDS = 0.05
# What numerical libraries take their number of threads from when they are loaded.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)

# Compiled code ignores SIGTERM until it returns; a killed job loses nothing.
CONSTS.term_timeout = 0.2


def prepare_process(n_threads: int, parent: int) -> None:
    """Set up a fresh process that will run one job.

    Parameters
    ----------
    n_threads : int
        Threads that numerical libraries may start.
    parent : int
        Process whose end this one must not outlive.
    """
    for name in THREAD_VARIABLES:
        os.environ[name] = str(n_threads)
    threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()
    warnings.showwarning = _show_once(warnings.showwarning)
    # The libraries are loaded while the process waits for its job.
    import digitrec.evaluation.worker  # noqa: F401


def _show_once(show: Callable[..., None]) -> Callable[..., None]:
    """Return a function that shows a warning of one text and place once.

    Python does so too, but forgets what it has shown each time that a library changes the filters
    for a while: a model that warns at each prediction would print hundreds of lines.
    """
    shown = set()

    @functools.wraps(show)
    def show_new(
        message: Warning, category: type, filename: str, lineno: int, *others: Any, **more: Any
    ) -> None:
        key = str(message), category, filename, lineno
        if key not in shown:
            shown.add(key)
            show(message, category, filename, lineno, *others, **more)

    return show_new


def execute(job: Job) -> Result:
    """Run a job in this process, which ends where the job takes more memory than it may.

    Parameters
    ----------
    job : Job
        What to do.

    Returns
    -------
    Result
        The result, with another status than ``"ok"`` where the job failed.
    """
    from digitrec.evaluation.worker import run_job

    finished = threading.Event()
    if job.limits.max_memory is not None:
        guard = threading.Thread(
            target=_end_over_limit, args=(job.limits.max_memory, finished), daemon=True
        )
        guard.start()
    try:
        return run_job(job)
    except MemoryError as error:
        return job.failed("out_of_memory", f"memory was refused: {error}")
    except OSError as error:
        if is_disk_full(error):
            # That says nothing about the job: the next run tries again.
            return job.failed("interrupted", DISK_FULL)
        return job.failed("error", f"{type(error).__name__}: {error}")
    except Exception as error:  # Whatever a model raises becomes a row of the report.
        trace = traceback.format_exc(limit=-3).strip()
        return job.failed("error", f"{type(error).__name__}: {error}\n{trace}")
    finally:
        finished.set()


def _end_over_limit(max_memory: int, finished: threading.Event) -> None:
    process = psutil.Process()
    while not finished.wait(_GUARD_SECONDS):
        if process.memory_info().rss > max_memory:
            # No clean-up: it would only take more memory.
            os._exit(OUT_OF_MEMORY_EXIT)


def _end_with_parent(pid: int) -> None:
    # Not the parent by the system's books: that may be a server that starts processes.
    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        while parent.is_running() and parent.status() != psutil.STATUS_ZOMBIE:
            time.sleep(10 * _GUARD_SECONDS)
    os._exit(_ORPHAN_EXIT)


class _Pool(ProcessPool):
    """A pool that ends its workers before it takes away the locks that they share."""

    def _stop_pool(self) -> None:
        # Pebble does it the other way round: a worker that is just starting then finds its locks
        # gone, and logs a traceback.
        if self._pool_manager_loop is not None:
            self._pool_manager_loop.join()
            self._pool_manager.worker_manager.force_stop_workers()
        super()._stop_pool()


class KillablePool(Executor):
    """Runs each job in a separate process, which is killed when the job's time is up.

    Parameters
    ----------
    max_workers : int
        Jobs at a time.
    n_threads : int
        Threads that each may start.
    """

    def __init__(self, max_workers: int, n_threads: int = 1) -> None:
        self.max_workers = max_workers
        self._pool = _Pool(
            max_workers=max_workers,
            max_tasks=1,
            initializer=prepare_process,
            initargs=(n_threads, os.getpid()),
            context=process_context(),
        )

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Schedule ``fn(job)``; `fn` must be importable by name."""
        (job,) = args
        assert isinstance(job, Job), "the pool takes its time limit from the job"
        return self._pool.schedule(fn, args=args, kwargs=kwargs, timeout=job.limits.timeout)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the pool; with `cancel_futures`, kill what is running."""
        if cancel_futures:
            self._pool.stop()
        else:
            self._pool.close()
        if wait:
            self._pool.join()


class DaskExecutor(Executor):
    """Runs jobs on the workers of a Dask cluster, each in a separate process there.

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
        self._submitted: list[tuple[Job, Future[Any]]] = []

    @property
    def max_workers(self) -> int:
        """Jobs at a time: the threads of all workers."""
        return max(1, sum(self._client.nthreads().values()))

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Schedule ``fn(job)`` on the cluster."""
        (job,) = args
        assert isinstance(job, Job), "workers take limits and paths from the job"
        future = self._executor.submit(_execute_isolated, fn, job, self.n_threads)
        self._submitted.append((job, future))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leave the cluster; what runs there is cancelled with `cancel_futures`."""
        if cancel_futures:
            for job, future in self._submitted:
                if not future.done():
                    # What runs already does not hear of a cancelled future, but sees this file.
                    job.path(_STOP).touch()
        self._executor.shutdown(wait=wait and not cancel_futures)
        self._client.close()


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Keep a process that is started from running the caller's script once more.

    Processes that are not forked load the script that started them, for the sake of what is
    pickled by its name. Here that is never needed: what a script defines travels by value. A
    script that compares models need not hide behind ``if __name__ == "__main__"``.
    """
    with _STARTING:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = types.ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main


class _SpawnProcess(SpawnProcess):
    def start(self) -> None:
        with _without_main():
            super().start()


class _SpawnContext(SpawnContext):
    Process = _SpawnProcess


try:
    from multiprocessing.context import ForkServerContext, ForkServerProcess
except ImportError:  # a system that cannot fork
    pass
else:

    class _ForkServerProcess(ForkServerProcess):
        def start(self) -> None:
            with _without_main():
                super().start()

    class _ForkServerContext(ForkServerContext):
        Process = _ForkServerProcess


def process_context() -> Any:
    """Return the way to start processes.

    Not "fork": a copy of a process whose libraries run threads may hang. A fork server loads the
    libraries once, with no threads, and is copied for each job; elsewhere each process loads them.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return _SpawnContext()
    from multiprocessing import forkserver

    context = _ForkServerContext()
    context.set_forkserver_preload(["digitrec.evaluation.worker"])
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    try:
        forkserver.ensure_running()
    except OSError:
        # The server listens in the folder for temporary files, whose path may be too long (TMPDIR).
        return _SpawnContext()
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
    return context


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
    try:
        return future.result()
    except TimeoutError:
        limit = job.limits.timeout
        reason = "the time left" if limit is None else f"its time limit of {limit:g} s"
        return job.failed("timeout", f"killed after {reason}")
    except ProcessExpired as error:
        return _expired(job, error)
    except BrokenExecutor as error:
        return job.failed("interrupted", f"the pool of processes broke: {error}".rstrip(": "))
    except Exception as error:  # Lost workers and unpicklable jobs are rows of the report, too.
        return job.failed("error", f"{type(error).__name__}: {error}")


def _expired(job: Job, error: ProcessExpired) -> Result:
    if error.exitcode == OUT_OF_MEMORY_EXIT:
        limit = (job.limits.max_memory or 0) / 1e9
        return job.failed("out_of_memory", f"took more than its limit of {limit:.3g} GB")
    if error.exitcode in KILLED_EXIT_CODES:
        # Somebody ended it, which says nothing about the job: the next run tries again.
        name = signal_name(error.exitcode)
        reason = f"its process was killed by {name}, by someone or by the system short of memory"
        return job.failed("interrupted", reason)
    if error.exitcode == _LOST_EXIT_CODE:
        return job.failed("interrupted", "the server that starts processes was ended from outside")
    if error.exitcode < 0:
        name = signal_name(error.exitcode)
        return job.failed("error", f"its process crashed with {name}")
    return job.failed("error", f"its process ended with exit code {error.exitcode}")


def _execute_isolated(function: Callable[..., Any], job: Job, n_threads: int) -> Result:
    """Run a job in a separate process from inside a worker of a cluster."""
    # Dask's workers are daemons, which may have no children. These children end by themselves
    # when their parent is gone, which is what the rule is for.
    multiprocessing.current_process()._config["daemon"] = False  # type: ignore[attr-defined]
    stop = job.path(_STOP)
    pool = KillablePool(1, n_threads)
    future = pool.submit(function, job)
    while not wait([future], timeout=_POLL_SECONDS).done and not stop.exists():
        pass
    stopped = not future.done()
    pool.shutdown(cancel_futures=stopped)
    if stopped:
        stop.unlink(missing_ok=True)
        return job.failed("interrupted", "the run was stopped while it ran")
    return outcome(job, future)
