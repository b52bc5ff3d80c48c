"""Progress of a comparison: a live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from digitrec._messages import messages_to
from digitrec.evaluation.progress import (
    Event,
    Snapshot,
    format_seconds,
    render_event,
    render_running,
    subscribed,
)

_log = logging.getLogger(__name__)

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
        """Show the events of jobs while the block runs."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(subscribed(self))
            if self.console.is_terminal and not self.quiet:
                live = Live(console=self.console, refresh_per_second=4, transient=True)
                self._live = stack.enter_context(live)
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
            # Each run starts the clock again.
            self._last_line = min(self._last_line, elapsed)
            if elapsed - self._last_line >= _SILENCE_SECONDS:
                text = render_running(event.snapshot)
        if text is not None:
            self.line(text)
            self._last_line = elapsed
        if self._live is not None:
            self._live.update(render_snapshot(event.snapshot))


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


@contextlib.contextmanager
def show_progress(progress: bool | Callable[[Event], object]) -> Iterator[None]:
    """Show what happens while the block runs.

    Parameters
    ----------
    progress : bool or callable
        True shows a live view on standard error; a function is called with each event; False
        logs the events as messages, which nobody sees without a handler.
    """
    if progress is True:
        view = ProgressView(Console(stderr=True))
        with messages_to(view.line), view.live():
            yield
        return
    with subscribed(progress if callable(progress) else _log_event):
        yield


def _log_event(event: Event) -> None:
    text = render_event(event)
    if text is not None:
        _log.info("%s", text)
