"""The machine and the versions of the libraries that a result depends on."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
from pathlib import Path

import psutil

_LIBRARIES = ("scikit-learn", "numpy", "scipy", "joblib")


def available_cores() -> int:
    """Return the number of cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def core_seconds() -> tuple[float, float] | None:
    """Return how long the threads of this process have run, and waited for a free core.

    Returns
    -------
    tuple of float, or None
        Seconds of running and of waiting, summed over the threads that are alive; None where
        the system does not count them.
    """
    running = waiting = 0
    try:
        for path in Path("/proc/self/task").glob("*/schedstat"):
            ran, waited, _ = path.read_text(encoding="ascii").split()
            running, waiting = running + int(ran), waiting + int(waited)
    except (OSError, ValueError):
        return None
    return (running / 1e9, waiting / 1e9) if running else None


def digitrec_version() -> str:
    """Return the installed version of digitrec."""
    return importlib.metadata.version("digitrec")


@functools.cache
def library_versions() -> dict[str, str]:
    """Return the versions of Python, digitrec and the libraries that decide a result."""
    versions = {"python": platform.python_version(), "digitrec": digitrec_version()}
    versions.update({name: importlib.metadata.version(name) for name in _LIBRARIES})
    return versions


@functools.cache
def describe_hardware() -> dict[str, str | int | float]:
    """Return the processor's name, the usable cores, the memory in GiB and the platform."""
    return {
        "processor": _processor_name(),
        "cores": available_cores(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        # Not platform.platform(), which starts a process.
        "platform": f"{platform.system()}-{platform.release()}-{platform.machine()}",
    }


def _processor_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
