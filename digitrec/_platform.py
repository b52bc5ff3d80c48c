"""Differences between operating systems: locks, process trees, peak memory, signals and consoles.

No other module uses a module or a function that only POSIX has.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]
try:
    import msvcrt
except ImportError:  # everything but Windows
    msvcrt = None  # type: ignore[assignment]
try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

KILLED_EXIT_CODES = tuple(
    -int(getattr(signal, name))
    for name in ("SIGKILL", "SIGTERM", "SIGINT")
    if hasattr(signal, name)
)
"""Exit codes of processes that a signal from outside ended, as `multiprocessing` gives them."""


def try_lock(descriptor: int) -> bool:
    """Lock an open file for this process; the system unlocks it however the process ends.

    Parameters
    ----------
    descriptor : int
        Of a file that is open for writing.

    Returns
    -------
    bool
        False if another process, or another open file of this one, has the lock.

    Raises
    ------
    OSError
        If the system has neither kind of lock.
    """
    if fcntl is not None:
        operation = fcntl.LOCK_EX | fcntl.LOCK_NB
        with contextlib.suppress(BlockingIOError, PermissionError):
            fcntl.flock(descriptor, operation)
            return True
        return False
    if msvcrt is not None:
        # The first byte need not exist: Windows locks ranges, not content.
        os.lseek(descriptor, 0, os.SEEK_SET)
        with contextlib.suppress(OSError):
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            return True
        return False
    raise OSError("this system can lock no files")


def end_process_tree(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    """Kill a process that still runs, and the processes that it started.

    Where the system has process groups, it must have been started with
    ``start_new_session=True``: its whole group is killed.
    """
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
        return
    family: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    for child in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()


def signal_name(exit_code: int) -> str:
    """Return the name of the signal that ended a process, such as ``"SIGKILL"``.

    Parameters
    ----------
    exit_code : int
        Below 0: the signal's number with a minus, as `multiprocessing` gives it.
    """
    try:
        return signal.Signals(-exit_code).name
    except ValueError:
        return f"signal {-exit_code}"


def peak_memory_bytes() -> int:
    """Return the most memory that this process has held so far, in bytes."""
    # Not getrusage where there is better: Linux hands its maximum on to a new program.
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    if resource is None:  # Windows
        memory = psutil.Process().memory_info()
        return int(getattr(memory, "peak_wset", memory.rss))
    # The kernel counts in KiB, except on macOS.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def replace_unknown_characters() -> None:
    """Print ``?`` for a character that the console's encoding lacks, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        # Notebooks and tests replace the streams by others, which take any character.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
