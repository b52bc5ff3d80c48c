"""How far a run is: a live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from digitrec.evaluation.result import Result
from digitrec.evaluation.runner import Event, Snapshot

__all__ = ["ProgressView", "format_seconds", "render_event", "render_running", "render_snapshot"]

# Without a terminal: seconds without a line after which one says what is running.
_SILENCE_SECONDS = 30


class ProgressView:
    """Shows lines, and below them, on a terminal, what is running.

    Parameters
    ----------
    console : rich.console.Console
        Where to show it.
    quiet : bool
        Show nothing but warnings.
    """

    def __init__(self, console: Console, *, quiet: bool = False) -> None:
        self.console = console
        self.quiet = quiet
        self._live: Live | None = None
        self._last_line = 0.0

    @contextlib.contextmanager
    def live(self) -> Iterator[None]:
        """Keep the live view open while the block runs."""
        if self.quiet or not self.console.is_terminal:
            yield
            return
        with Live(console=self.console, refresh_per_second=4, transient=True) as live:
            self._live = live
            try:
                yield
            finally:
                self._live = None

    def line(self, text: str) -> None:
        """Show a line, unless quiet."""
        if not self.quiet:
            self.console.print(escape(text), highlight=False, soft_wrap=True)

    def warning(self, text: str) -> None:
        """Show a line that stands out, quiet or not."""
        self.console.print(f"[bold yellow]Warning:[/] {escape(text)}", highlight=False)

    def __call__(self, event: Event) -> None:
        """Show an event of the runner."""
        text = render_event(event)
        elapsed = event.snapshot.elapsed
        if self._live is None and text is None and event.snapshot.running:
            # A run restarts the clock.
            self._last_line = min(self._last_line, elapsed)
            if elapsed - self._last_line >= _SILENCE_SECONDS:
                text = render_running(event.snapshot)
        if text is not None:
            self.line(text)
            self._last_line = elapsed
        if self._live is not None:
            self._live.update(render_snapshot(event.snapshot))


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


def render_snapshot(snapshot: Snapshot) -> Group:
    """Return the live view: one line per running job and one for the whole run."""
    table = Table.grid(padding=(0, 2))
    for running in snapshot.running:
        table.add_row(
            escape(running.job.title), running.stage or "…", format_seconds(running.elapsed)
        )
    left = "" if snapshot.eta is None else f", about {format_seconds(snapshot.eta)} left"
    elapsed = format_seconds(snapshot.elapsed)
    return Group(table, f"{snapshot.done} of {snapshot.total} jobs done, {elapsed}{left}")


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
    accuracy = 100 * (result.validation_accuracy or 0.0)
    fit = format_seconds(result.fit_seconds or 0.0)
    return f"{accuracy:.2f} % of the validation rows right, fitted in {fit}"
