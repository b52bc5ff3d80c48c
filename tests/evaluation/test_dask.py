"""The same jobs on a real Dask cluster: a scheduler and two workers, each its own process."""

import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import psutil
import pytest

pytest.importorskip("distributed")

from digitrec.comparison.execution import run_experiment
from digitrec.errors import ConfigurationError
from digitrec.evaluation.executors import make_executor

pytestmark = pytest.mark.slow


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.fixture
def cluster(tmp_path):
    """Return the address of a scheduler with two workers of one thread each."""
    address = f"tcp://127.0.0.1:{free_port()}"
    dask = [sys.executable, "-m", "dask"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": tmp_path}
    scheduler = [*dask, "scheduler", "--host", address, "--no-dashboard"]
    worker = [*dask, "worker", address, "--nthreads", "1", "--no-dashboard"]
    processes = [subprocess.Popen(scheduler, **quiet)]
    processes += [subprocess.Popen(worker, **quiet) for _ in range(2)]
    yield address
    for process in reversed(processes):
        for child in psutil.Process(process.pid).children(recursive=True):
            child.kill()
        process.kill()
        process.wait()


def wait_for(condition, seconds=300.0):
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "waited in vain"
        time.sleep(0.1)


def wait_for_workers(address, n):
    from distributed import Client

    with Client(address, timeout="60s", set_as_default=False) as client:
        client.wait_for_workers(n, timeout=90)


def test_a_worker_killed_in_mid_run_costs_nothing(cluster, make_experiment, small_digits):
    wait_for_workers(cluster, 2)
    experiment = make_experiment(
        "lda",
        "random_forest",
        "svm",
        "hist_gradient_boosting",
        executor="dask",
        scheduler=cluster,
        parameters={
            "random_forest": {"n_estimators": 300},
            "svm": {"C": -1.0},
            "hist_gradient_boosting": {"max_iter": 100_000},
        },
        timeout={"hist_gradient_boosting": 8.0},
    )
    running = experiment.folder / "jobs"
    killed = []

    def kill():
        wait_for(lambda: any(running.glob("*-random_forest-*.running")))
        (path,) = running.glob("*-random_forest-*.running")
        job_process = psutil.Process(json.loads(path.read_text())["pid"])
        # The job's process comes from a fork server, and that from the worker.
        worker = next(p for p in job_process.parents()[1:] if "forkserver" not in p.cmdline()[-1])
        killed.append(job_process)
        os.kill(worker.pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    outcome = run_experiment(experiment, small_digits, "digits")
    killer.join()
    results = {result.model: result for result in outcome.run.results}
    assert results["lda"].ok
    assert results["random_forest"].ok
    assert results["svm"].status == "error"
    assert "C must be positive" in results["svm"].reason
    assert results["hist_gradient_boosting"].status == "timeout"
    wait_for(lambda: not killed[0].is_running(), seconds=300)
    again = run_experiment(
        dataclasses.replace(experiment, executor="local", scheduler=None), small_digits, "digits"
    )
    assert again.n_reused == 4


def test_a_scheduler_that_does_not_answer():
    with pytest.raises(ConfigurationError, match=r"no Dask scheduler answers at 'tcp://"):
        make_executor("dask", max_workers=1, scheduler=f"tcp://127.0.0.1:{free_port()}")
