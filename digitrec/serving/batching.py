"""Engine processes, their bounded queue, and micro-batches of single rows."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import pickle
import sys
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from digitrec.errors import DigitrecError
from digitrec.serving.counters import Metrics
from digitrec.serving.messages import (
    LENGTH_BYTES,
    Answer,
    Ready,
    Start,
    Task,
    pack,
    unpack_length,
)
from digitrec.serving.settings import API_KEY_VARIABLE, Settings

_log = logging.getLogger("digitrec.serving")

_START_SECONDS = 120.0  # a large model, from a slow disk
_RESTART_DELAY_SECONDS = 1.0
_SMALL_IMAGE_BYTES = 16_384  # below, the classifier's fixed cost is worth sharing
_SMALL_RECENT_SECONDS = 1.0  # how long after a small task an engine is kept for the next


class BusyError(Exception):
    """The queue is full, or no engine can take a task."""


class EngineFailure(Exception):
    """An engine was ended for taking too long, or ended on its own."""

    def __init__(self, message: str, *, timed_out: bool = False) -> None:
        super().__init__(message)
        self.timed_out = timed_out


@dataclass(eq=False, slots=True)
class _Waiting:
    task: Task
    future: asyncio.Future[Answer]
    order: int
    large: bool


class _Process:
    """One engine process and its pipes."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._requests = process.stdin
        self._answers = process.stdout

    @classmethod
    async def start(cls, start: bytes) -> _Process:
        environment = {key: value for key, value in os.environ.items() if key != API_KEY_VARIABLE}
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        # Engines are the unit of parallelism; nested threads would only fight for the cores.
        environment.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")
        process = cls(
            await asyncio.create_subprocess_exec(
                sys.executable,
                *("-P", "-m", "digitrec.serving.engine"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=environment,
            )
        )
        try:
            process._requests.write(start)
            ready = await asyncio.wait_for(process._receive(), _START_SECONDS)
        except (TimeoutError, EngineFailure, OSError):
            ready = Ready(error="the engine process ended while it started; see the log")
        if not isinstance(ready, Ready) or ready.error:
            await process.stop()
            raise DigitrecError(
                f"cannot start the recogniser: {getattr(ready, 'error', 'unexpected message')}"
            )
        return process

    async def exchange(self, message: bytes, seconds: float) -> Any:
        """Send a task and return the answer, within a time limit."""
        try:
            async with asyncio.timeout(seconds):
                self._requests.write(message)
                await self._requests.drain()
                return await self._receive()
        except TimeoutError as error:
            raise EngineFailure(f"no answer within {seconds:g} s", timed_out=True) from error
        except OSError as error:
            raise EngineFailure("the engine process ended") from error

    async def _receive(self) -> Any:
        try:
            head = await self._answers.readexactly(LENGTH_BYTES)
            return pickle.loads(await self._answers.readexactly(unpack_length(head)))
        except asyncio.IncompleteReadError as error:
            raise EngineFailure("the engine process ended") from error

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def stop(self) -> None:
        """Close the input of the process, and kill it if it has not ended after two seconds."""
        self._requests.close()
        try:
            await asyncio.wait_for(self._process.wait(), 2.0)
        except TimeoutError:
            self.kill()
            await self._process.wait()


class EnginePool:
    """A fixed number of engine processes that share one bounded queue.

    An engine takes the oldest waiting task when it becomes free. If that is a single row or a
    small image, it takes others of the same kind and model along: the busier the service, the
    larger the batches, and no request ever waits for a batch to fill. Images of a batch that
    brought its engine down are tried again one by one, so that only the one at fault fails.
    While rows and small images arrive, large tasks leave one of several engines free for them.

    Parameters
    ----------
    sources : dict
        Model id to path, None (the default recogniser) or recogniser.
    settings : Settings
        Limits.
    metrics : Metrics
        Where queue and batch sizes are counted.
    n_engines : int
        Number of processes.
    """

    def __init__(
        self,
        sources: dict[str, Path | Any | None],
        settings: Settings,
        metrics: Metrics,
        n_engines: int,
    ) -> None:
        self._start_message = pack(Start(sources, settings))
        self._settings = settings
        self._metrics = metrics
        self._n_engines = n_engines
        self._single: deque[_Waiting] = deque()
        self._rows: dict[str, deque[_Waiting]] = {name: deque() for name in sources}
        self._images: dict[str, deque[_Waiting]] = {name: deque() for name in sources}
        self._n_waiting = 0
        self._n_large = 0
        self._last_small = 0.0
        self._order = 0
        self._idle: deque[asyncio.Future[None]] = deque()
        self._workers: list[asyncio.Task[None]] = []
        self._n_alive = 0
        self._closing = False

    @property
    def ready(self) -> bool:
        """Whether at least one engine can take a task."""
        return self._n_alive > 0 and not self._closing

    async def start(self) -> None:
        """Start the engines, unless they run; the first must come up, or its error is raised.

        Raises
        ------
        DigitrecError
            If the first engine cannot load its model.
        """
        if self._workers:
            return
        first = await _Process.start(self._start_message)
        self._workers.append(asyncio.create_task(self._work(first)))
        for _ in range(self._n_engines - 1):
            self._workers.append(asyncio.create_task(self._work(None)))
        await asyncio.sleep(0)  # lets the first engine's task take note that it is alive

    async def stop(self) -> None:
        """Finish what waits and is in flight, then end the engines."""
        self._closing = True
        for future in self._idle:
            if not future.done():
                future.set_result(None)
        _, unfinished = await asyncio.wait(self._workers, timeout=self._settings.shutdown_seconds)
        for worker in unfinished:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)

    def submit(self, task: Task) -> asyncio.Future[Answer]:
        """Queue a task and return the future of its answer.

        Raises
        ------
        BusyError
            If the queue is full or the service is closing.
        """
        if self._n_waiting >= self._settings.queue_size or not self.ready:
            raise BusyError
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        self._order += 1
        if task.kind == "row":
            queue = self._rows[task.model]
        elif task.kind == "predict" and len(task.body) <= _SMALL_IMAGE_BYTES:
            queue = self._images[task.model]
        else:
            queue = self._single
        if queue is not self._single:
            self._last_small = loop.time()
        queue.append(_Waiting(task, future, self._order, large=queue is self._single))
        self._n_waiting += 1
        self._wake_one()
        return future

    def _wake_one(self) -> None:
        while self._idle:
            idle = self._idle.popleft()
            if not idle.done():
                idle.set_result(None)
                return

    async def _work(self, process: _Process | None) -> None:
        """Run one engine until the pool closes, and start it again when it fails."""
        try:
            while True:
                if process is None:
                    process = await self._restart()
                    if process is None:
                        return
                self._n_alive += 1
                try:
                    await self._serve(process)
                    return
                except EngineFailure as error:
                    _log.warning("engine restarted: %s", error)
                    self._metrics.engine_restarts.inc()
                    process.kill()
                finally:
                    self._n_alive -= 1
                    self._wake_one()
                    await process.stop()
                process = None
        except asyncio.CancelledError:
            if process is not None:
                process.kill()
            raise

    async def _restart(self) -> _Process | None:
        while not self._closing:
            try:
                return await _Process.start(self._start_message)
            except DigitrecError as error:
                _log.error("%s", error)
                await asyncio.sleep(_RESTART_DELAY_SECONDS)
        return None

    async def _serve(self, process: _Process) -> None:
        while True:
            batch = self._take()
            if not batch:
                if self._closing:
                    return
                idle = asyncio.get_running_loop().create_future()
                self._idle.append(idle)
                await idle
                continue
            large = batch[0].large
            self._n_large += large
            try:
                answers = await process.exchange(_batch_message(batch), self._settings.task_seconds)
            except EngineFailure as error:
                self._fail(batch, error)
                raise
            finally:
                self._n_large -= large
            if not isinstance(answers, list):
                answers = [answers] * len(batch)
            for waiting, answer in zip(batch, answers, strict=True):
                if not waiting.future.done():
                    waiting.future.set_result(answer)

    def _fail(self, batch: list[_Waiting], error: EngineFailure) -> None:
        if len(batch) > 1 and batch[0].task.kind == "predict":
            for waiting in reversed(batch):
                waiting.large = True
                self._single.appendleft(waiting)
                self._n_waiting += 1
                self._wake_one()
            return
        for waiting in batch:
            if not waiting.future.done():
                waiting.future.set_exception(error)

    def _may_run_large(self) -> bool:
        quiet = asyncio.get_running_loop().time() - self._last_small > _SMALL_RECENT_SECONDS
        return quiet or self._closing or self._n_large < max(1, self._n_alive - 1)

    def _take(self) -> list[_Waiting]:
        """Return the oldest waiting task, with those that can be recognised along with it."""
        while batch := self._take_oldest():
            # Nobody waits any more for what was cancelled.
            if wanted := [waiting for waiting in batch if not waiting.future.done()]:
                return wanted
        return []

    def _take_oldest(self) -> list[_Waiting]:
        queues = [queue for queue in (*self._rows.values(), *self._images.values()) if queue]
        if self._single and self._may_run_large():
            queues.append(self._single)
        if not queues:
            return []
        queue = min(queues, key=lambda candidate: candidate[0].order)
        kind = queue[0].task.kind
        limit = 1
        if queue is not self._single:
            settings = self._settings
            limit = settings.max_row_batch if kind == "row" else settings.max_image_batch
        batch = [queue.popleft() for _ in range(min(len(queue), limit))]
        self._n_waiting -= len(batch)
        if queue is not self._single:
            self._metrics.observe_batch(kind, len(batch))
        return batch


def _batch_message(batch: list[_Waiting]) -> bytes:
    task = batch[0].task
    if task.kind == "row":
        return pack(Task("row", task.model, b"".join(waiting.task.body for waiting in batch)))
    return pack(task if len(batch) == 1 else [waiting.task for waiting in batch])
