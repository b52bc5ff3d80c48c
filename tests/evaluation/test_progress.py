import dataclasses
import io
import time

import pytest
from rich.console import Console

from digitrec.comparison.progress_view import ProgressView, render_snapshot
from digitrec.evaluation.progress import (
    Event,
    RunningJob,
    Snapshot,
    format_seconds,
    render_event,
)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.97, "10 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (7800, "2 h 10 min"),
    ],
)
def test_times_for_people(seconds, text):
    assert format_seconds(seconds) == text


@pytest.fixture
def failed(make_small_job):
    job = make_small_job("svm")
    return job, job.failed("timeout", "killed after its time limit of 2 s\nmore")


def test_a_finished_job_is_a_line(failed):
    job, result = failed
    snapshot = Snapshot(done=1, total=4, eta=65.0)
    event = Event(kind="finished", snapshot=snapshot, job=job, result=result)
    assert render_event(event) == (
        "[1/4] svm (gradients, seed 0): timeout: killed after its time limit of 2 s; "
        "about 1 min 05 s left"
    )
    ok = dataclasses.replace(result, status="ok", validation_accuracy=0.98765, fit_seconds=3.0)
    reused = dataclasses.replace(event, kind="reused", result=ok)
    assert render_event(reused) == (
        "[1/4] svm (gradients, seed 0): 98.77 % of the validation rows right, fitted in 3.0 s "
        "(stored)"
    )
    assert render_event(Event(kind="tick", snapshot=snapshot)) is None


def test_the_live_view_names_job_stage_time_and_progress(failed):
    job, _ = failed
    snapshot = Snapshot(
        done=1, total=4, running=(RunningJob(job, "refit", 12.3),), elapsed=70.0, eta=65.0
    )
    console = Console(file=io.StringIO(), width=100)
    console.print(render_snapshot(snapshot))
    first, last = console.file.getvalue().rstrip().splitlines()
    assert first.split() == ["svm", "(gradients,", "seed", "0)", "refit", "12", "s"]
    assert last.rstrip() == "1 of 4 jobs done, 1 min 10 s, about 1 min 05 s left"


def test_plain_lines_off_a_terminal_and_none_when_quiet(failed):
    job, result = failed
    event = Event(kind="finished", snapshot=Snapshot(done=1, total=1), job=job, result=result)
    console = Console(file=io.StringIO(), width=40)
    view = ProgressView(console)
    with view.live():
        view(event)
        view.line("[not] markup")
    text = console.file.getvalue()
    assert text.splitlines()[1] == "[not] markup"
    assert "\x1b" not in text
    silent = ProgressView(Console(file=io.StringIO()), quiet=True)
    with silent.live():
        silent(event)
    assert silent.console.file.getvalue() == ""
    silent.warning("careful")
    assert "careful" in silent.console.file.getvalue()


def wait_for_text(console, text):
    limit = time.monotonic() + 300
    while text not in console.file.getvalue():
        assert time.monotonic() < limit, console.file.getvalue()
        time.sleep(0.05)


def test_a_terminal_gets_the_live_view(failed):
    job, result = failed
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    view = ProgressView(console)
    running = Snapshot(done=0, total=1, running=(RunningJob(job, "fit", 1.0),))
    with view.live():
        view(Event(kind="tick", snapshot=running))
        wait_for_text(console, "jobs done")
        view(Event(kind="finished", snapshot=Snapshot(done=1, total=1), job=job, result=result))
    text = console.file.getvalue()
    assert "timeout" in text


def test_off_a_terminal_a_long_silence_ends_with_what_is_running(failed):
    job, _ = failed
    view = ProgressView(Console(file=io.StringIO(), width=40))

    def tick(elapsed, stage):
        running = (RunningJob(job, stage, elapsed),)
        view(
            Event(kind="tick", snapshot=Snapshot(done=1, total=4, running=running, elapsed=elapsed))
        )
        return view.console.file.getvalue().splitlines()

    assert tick(12.0, "epoch 1/10") == []
    expected = ["[1/4] running: svm (gradients, seed 0): epoch 3/10 (31 s)"]
    assert tick(31.0, "epoch 3/10") == expected
    assert tick(45.0, "epoch 4/10") == expected
    assert len(tick(61.5, "epoch 6/10")) == 2
    # A second run with the same view.
    assert len(tick(2.0, "epoch 1/10")) == 2
    assert len(tick(40.0, "epoch 2/10")) == 3
