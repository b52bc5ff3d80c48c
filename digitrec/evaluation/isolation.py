"""What a process that runs one job does to itself: limits, and an end when its parent is gone.

Imports nothing heavy, so that limits stand before the libraries that they concern are loaded.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
import time
import traceback

import psutil

from digitrec.evaluation.job import Job
from digitrec.evaluation.result import Result, Status

__all__ = ["OUT_OF_MEMORY_EXIT", "THREAD_VARIABLES", "execute", "prepare_process"]

# Exit code of a process that went over its memory limit.
OUT_OF_MEMORY_EXIT = 77
_ORPHAN_EXIT = 78
_POLL_SECONDS = 0.05
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# What numerical libraries take their number of threads from when they are loaded.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


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
    # The libraries are loaded while the process waits for its job.
    import digitrec.evaluation.worker  # noqa: F401


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
    from digitrec.evaluation.worker import failed_result, run_job

    finished = threading.Event()
    if job.limits.max_memory is not None:
        guard = threading.Thread(
            target=_end_over_limit, args=(job.limits.max_memory, finished), daemon=True
        )
        guard.start()
    try:
        return run_job(job)
    except MemoryError as error:
        return failed_result(job, "out_of_memory", f"memory was refused: {error}")
    except OSError as error:
        # A disk that is full says nothing about the job: the next run tries again.
        status: Status = "interrupted" if error.errno in _DISK_FULL else "error"
        return failed_result(job, status, f"{type(error).__name__}: {error}")
    except Exception as error:  # Whatever a model raises becomes a row of the report.
        trace = traceback.format_exc(limit=-3).strip()
        return failed_result(job, "error", f"{type(error).__name__}: {error}\n{trace}")
    finally:
        finished.set()


def _end_over_limit(max_memory: int, finished: threading.Event) -> None:
    process = psutil.Process()
    while not finished.wait(_POLL_SECONDS):
        if process.memory_info().rss > max_memory:
            # No clean-up: whatever the job is doing would only take more.
            os._exit(OUT_OF_MEMORY_EXIT)


def _end_with_parent(pid: int) -> None:
    # Not the parent by the system's books: that may be a server that starts processes.
    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        while parent.is_running() and parent.status() != psutil.STATUS_ZOMBIE:
            time.sleep(10 * _POLL_SECONDS)
    os._exit(_ORPHAN_EXIT)
