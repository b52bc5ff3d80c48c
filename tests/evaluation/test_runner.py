"""Jobs in real processes: that they end as they should, and that nothing is lost."""

import dataclasses
import os
import re
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from digitrec.comparison.execution import make_jobs, run_experiment
from digitrec.evaluation.executors import THREAD_VARIABLES, KillablePool, prepare_process
from digitrec.evaluation.job import Limits
from digitrec.evaluation.job_store import JobStore
from digitrec.evaluation.progress import subscribed
from digitrec.evaluation.result import read_run
from digitrec.evaluation.runner import estimate_seconds, run_jobs, split_stored

# Boosting with this many rounds takes many minutes on any machine.
ENDLESS = {"hist_gradient_boosting": {"max_iter": 100_000}}


def run(experiment, dataset, on_event=lambda event: None):
    with subscribed(on_event):
        return run_experiment(experiment, dataset, "digits")


def by_model(outcome):
    return {result.model: result for result in outcome.run.results}


def wait_for(condition, seconds=300.0):
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "waited in vain"
        time.sleep(0.05)


def test_every_end_of_a_job_is_a_row(make_experiment, small_digits):
    experiment = make_experiment(
        "lda",
        "svm",
        "hist_gradient_boosting",
        parameters={"svm": {"C": -1.0}, **ENDLESS},
        timeout={"hist_gradient_boosting": 2.0},
    )
    events = []
    outcome = run(experiment, small_digits, events.append)
    results = by_model(outcome)
    assert results["lda"].ok
    assert results["svm"].status == "error"
    assert "C must be positive" in results["svm"].reason
    assert results["hist_gradient_boosting"].status == "timeout"
    assert results["hist_gradient_boosting"].reason == "killed after its time limit of 2 s"
    assert outcome.run.winner == results["lda"].key
    assert not outcome.interrupted
    assert read_run(experiment.folder / "results.json") == outcome.run
    kinds = Counter(event.kind for event in events)
    assert kinds["finished"] == 3
    assert kinds["started"] >= 1
    last = events[-1].snapshot
    assert (last.done, last.total, last.running, last.eta) == (3, 3, (), 0.0)

    # The failures are known now: nothing runs again, unless it is asked for or has more time.
    again = run(experiment, small_digits)
    assert again.n_reused == 3
    assert again.run == outcome.run
    retried = dataclasses.replace(
        experiment, models=("lda", "svm"), parameters={}, timeout=None, only_failed=True
    )
    assert run(retried, small_digits).n_reused == 1


def test_a_job_over_its_memory_ends(make_experiment, small_digits):
    experiment = make_experiment("lda", max_memory=60_000_000)
    result = by_model(run(experiment, small_digits))["lda"]
    assert result.status == "out_of_memory"
    assert result.reason == "took more than its limit of 0.06 GB"


@pytest.mark.parametrize("server", [False, True])
def test_a_killed_worker_costs_its_job_only_and_the_next_run_completes_it(
    make_experiment, small_digits, server
):
    experiment = make_experiment("lda", "hist_gradient_boosting", parameters=ENDLESS)
    stages = experiment.folder / "jobs"

    def kill():
        wait_for(lambda: any(stages.glob("*-hist_*.running")) and any(stages.glob("*-lda-*.json")))
        import json

        (path,) = stages.glob("*-hist_*.running")
        worker = json.loads(path.read_text())["pid"]
        if server:
            os.kill(psutil.Process(worker).ppid(), signal.SIGKILL)
        os.kill(worker, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    results = by_model(run(experiment, small_digits))
    killer.join()
    assert results["lda"].ok
    assert results["hist_gradient_boosting"].status == "interrupted"
    # Without its server the pool may break before it learns how the worker ended.
    reason = "the (server that starts|pool of) processes" if server else "SIGKILL"
    assert re.search(reason, results["hist_gradient_boosting"].reason)
    jobs = make_jobs(experiment, small_digits, "digits")
    reused, to_run = split_stored(jobs, JobStore(stages))
    assert [job.model for job in to_run] == ["hist_gradient_boosting"]
    assert list(reused.values()) == [results["lda"]]


SCRIPT = """
import sys
from pathlib import Path
from digitrec.datasets import load_dataset
from digitrec.comparison.execution import run_experiment
from digitrec.comparison.experiment import Experiment
if __name__ == "__main__":
    experiment = Experiment(
        models=("lda", "hist_gradient_boosting"), features=("gradients",), n_jobs=2, max_train=300,
        parameters={"hist_gradient_boosting": {"max_iter": 100_000}},
        folder=Path(sys.argv[1]), cache=Path(sys.argv[2]),
    )
    outcome = run_experiment(experiment, load_dataset("digits", max_train=300), "digits")
    print([result.status for result in outcome.run.results], outcome.interrupted)
"""


@pytest.fixture
def running(make_experiment, tmp_path):
    """A run in a process of its own, whose first job is finished and whose second never ends."""
    experiment = make_experiment("lda", "hist_gradient_boosting", parameters=ENDLESS)
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, str(script), str(experiment.folder), str(experiment.cache)],
        stdout=subprocess.PIPE,
        text=True,
    )
    jobs = experiment.folder / "jobs"
    wait_for(lambda: any(jobs.glob("*-lda-*.json")) and any(jobs.glob("*-hist_*.running")))
    yield process, experiment
    process.kill()
    process.wait()


def worker_pid(experiment):
    import json

    (path,) = (experiment.folder / "jobs").glob("*-hist_*.running")
    return json.loads(path.read_text())["pid"]


def is_alive(pid):
    import psutil

    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@pytest.mark.slow
def test_killing_the_parent_loses_no_finished_job_and_leaves_no_worker(running, small_digits):
    process, experiment = running
    pid = worker_pid(experiment)
    process.kill()
    process.wait()
    wait_for(lambda: not is_alive(pid), seconds=300)
    (finished,) = JobStore(experiment.folder / "jobs").all_results()
    assert (finished.model, finished.ok) == ("lda", True)
    assert not (experiment.folder / "results.json").exists()
    # The next run takes what is there and completes the rest.
    quick = dataclasses.replace(experiment, timeout=1.0)
    outcome = run(quick, small_digits)
    assert outcome.n_reused == 1
    assert [result.status for result in outcome.run.results] == ["ok", "timeout"]


def test_any_executor_will_do(make_experiment, small_digits):
    jobs = make_jobs(make_experiment("lda", "ridge"), small_digits, "digits")
    store = JobStore(jobs[0].folder)
    with store.lock():
        results, interrupted = run_jobs(jobs, store, ThreadPoolExecutor(1), n_workers=1)
    assert [results[job.key].status for job in jobs] == ["ok", "ok"]
    assert not interrupted


def test_a_disk_that_is_full_is_a_failure_that_loses_nothing(make_experiment, small_digits):
    """No file may grow over a few kB: the system refuses each further byte, as a full disk does."""
    import resource

    experiment = make_experiment("lda")
    assert by_model(run(experiment, small_digits))["lda"].ok
    (job,) = make_jobs(experiment, small_digits, "digits")
    before = {path: path.read_bytes() for path in job.folder.iterdir() if path.is_file()}
    # SIGXFSZ would end the process; ignored, the write fails with an OSError.
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, limits[1]))
    try:
        from digitrec.evaluation.executors import execute

        result = execute(job)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert result.status == "interrupted"
    assert result.reason == "the disk is full"
    after = {path: path.read_bytes() for path in job.folder.iterdir() if path.is_file()}
    assert after == before
    assert split_stored([job], JobStore(job.folder))[1] == []


def test_what_may_be_reused(make_small_job):
    job = make_small_job("svm", timeout=10.0, max_memory=1000)
    store = JobStore(job.folder)

    def runs_again(status, now, **options):
        store.write_result(job.failed(status, "why"), job.limits)
        changed = dataclasses.replace(job, limits=now)
        return split_stored([changed], store, **options)[1] == [changed]

    same = job.limits
    more = Limits(timeout=20.0, max_memory=2000)
    less = Limits(timeout=5.0, max_memory=500)
    assert not runs_again("timeout", same)
    assert not runs_again("timeout", less)
    assert runs_again("timeout", more)
    assert runs_again("timeout", Limits())
    assert not runs_again("out_of_memory", less)
    assert runs_again("out_of_memory", more)
    assert not runs_again("error", more)
    assert runs_again("interrupted", same)
    assert runs_again("error", same, only_failed=True)
    assert runs_again("error", same, force=True)


def test_the_longest_jobs_come_first(make_experiment, small_digits):
    experiment = make_experiment("dummy", "random_forest", "svm", "lda")
    jobs = make_jobs(experiment, small_digits, "digits")
    submitted = []

    class Recorder(ThreadPoolExecutor):
        def submit(self, fn, /, *args, **kwargs):
            submitted.append(args[0].model)
            return super().submit(lambda job: job.failed("error", "not run"), *args)

    store = JobStore(jobs[0].folder)
    with store.lock():
        run_jobs(jobs, store, Recorder(1), n_workers=1)
    assert submitted == ["random_forest", "svm", "lda", "dummy"]


def test_times_of_earlier_runs_are_used(make_small_job):
    job = make_small_job("dummy")
    store = JobStore(job.folder)
    slow = dataclasses.replace(
        job.failed("error", ""), status="ok", fit_seconds=60.0, validation_fit_seconds=40.0
    )
    store.write_result(slow, job.limits)
    twice = dataclasses.replace(job, augment=1)
    estimates = estimate_seconds([job], store) | {
        "twice": estimate_seconds([twice], store)[job.key]
    }
    assert estimates[job.key] == pytest.approx(100.0 + 4.0)
    assert estimates["twice"] == pytest.approx(200.0 + 4.0)


def test_the_environment_of_a_process_has_its_threads(make_small_job):
    job = make_small_job("lda")
    # Libraries are loaded with one thread each; a job sets theirs itself while it runs.
    with KillablePool(1, n_threads=2) as pool:
        assert pool.submit(threads_here, job).result(timeout=300) == ("2", {1})


def threads_here(job):
    import os

    from threadpoolctl import threadpool_info

    found = {pool["num_threads"] for pool in threadpool_info()}
    return os.environ["OMP_NUM_THREADS"], found


def test_a_model_that_warns_at_each_prediction_warns_once(monkeypatch):
    for name in THREAD_VARIABLES:
        monkeypatch.setenv(name, "1")  # what the process sets ends with the test
    shown = []
    monkeypatch.setattr(warnings, "showwarning", lambda *warning, **more: shown.append(warning))
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        prepare_process(1, os.getpid())
        for _ in range(3):
            with warnings.catch_warnings():  # which lets Python forget what it has shown
                warnings.warn("divide by zero", RuntimeWarning, stacklevel=1)
    assert len(shown) == 1
