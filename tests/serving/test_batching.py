from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from recognisers_for_tests import CRASH, RAISE, SLEEP_FOREVER, WAIT, Misbehaving

from digitrec.errors import DigitrecError
from digitrec.serving.batching import BusyError, EngineFailure, EnginePool
from digitrec.serving.counters import Metrics
from digitrec.serving.messages import Task
from digitrec.serving.settings import Settings


def with_pool(
    use: Callable[[EnginePool, Metrics], Awaitable[Any]], n_engines: int = 1, **settings: Any
) -> Any:
    async def run() -> Any:
        metrics = Metrics()
        pool = EnginePool({"m": Misbehaving()}, Settings(**settings), metrics, n_engines)
        await pool.start()
        try:
            return await use(pool, metrics)
        finally:
            await pool.stop()

    return asyncio.run(run())


def row(kind: int = 0, digit: int = 0) -> Task:
    return Task("row", "m", bytes([kind, digit]) + bytes(782))


def rows(kind: int) -> Task:
    """The same as a request of two rows, small enough to share a batch with images."""
    body = (bytes([kind]) + bytes(783)) * 2
    return Task("predict", "m", body, "application/octet-stream")


async def ready(pool: EnginePool) -> None:
    async with asyncio.timeout(300):
        while not pool.ready:
            await asyncio.sleep(0.05)


def sample(metrics: Metrics, name: str) -> float:
    for line in metrics.render().decode().splitlines():
        if line.startswith(name + " "):
            return float(line.split()[-1])
    raise AssertionError(name)


def test_rows_share_batches_and_errors_tell_nothing() -> None:
    async def use(pool: EnginePool, metrics: Metrics) -> None:
        answers = await asyncio.gather(*[pool.submit(row(WAIT, i)) for i in range(100)])
        assert [json.loads(answer.body)["digit"] for answer in answers] == [
            i % 10 for i in range(100)
        ]
        assert sample(metrics, 'digitrec_batch_size_count{kind="row"}') <= 5
        assert sample(metrics, 'digitrec_batch_size_sum{kind="row"}') == 100
        for task in (row(RAISE), rows(RAISE)):
            answer = await pool.submit(task)
            assert answer.status == 500
            assert b"secret" not in answer.body
            assert b"Traceback" not in answer.body

    with_pool(use)


def test_a_full_queue_refuses_and_stopping_finishes_what_waits() -> None:
    async def use(pool: EnginePool, metrics: Metrics) -> None:
        futures = [pool.submit(row(WAIT)) for _ in range(8)]
        with pytest.raises(BusyError):
            pool.submit(row())
        await asyncio.gather(*futures)
        futures = [pool.submit(rows(WAIT)) for _ in range(4)]
        await pool.stop()
        assert all(future.result().status == 200 for future in futures)
        with pytest.raises(BusyError):
            pool.submit(row())

    with_pool(use, queue_size=8)


def test_a_task_that_takes_too_long_costs_only_itself() -> None:
    async def use(pool: EnginePool, metrics: Metrics) -> None:
        slow = pool.submit(rows(SLEEP_FOREVER))
        others = [pool.submit(row(0, i)) for i in range(5)]
        with pytest.raises(EngineFailure) as caught:
            await slow
        assert caught.value.timed_out
        digits = [json.loads((await other).body)["digit"] for other in others]
        assert digits == list(range(5))
        assert sample(metrics, "digitrec_engine_restarts_total") == 1

    with_pool(use, task_seconds=1.0)


def test_a_crash_costs_only_the_task_at_hand() -> None:
    async def use(pool: EnginePool, metrics: Metrics) -> None:
        with pytest.raises(EngineFailure):
            await pool.submit(rows(CRASH))
        await asyncio.sleep(0)
        with pytest.raises(BusyError):  # no engine is left
            pool.submit(row())
        await ready(pool)
        assert json.loads((await pool.submit(row(0, 7))).body)["digit"] == 7

    with_pool(use)


def test_a_batch_that_crashes_costs_only_the_guilty() -> None:
    async def use(pool: EnginePool, metrics: Metrics) -> None:
        first = pool.submit(rows(WAIT))
        await asyncio.sleep(0)  # the engine takes it; the others wait and are joined
        others = [pool.submit(rows(kind)) for kind in (0, CRASH, 0, 0)]
        results = await asyncio.gather(first, *others, return_exceptions=True)
        assert [isinstance(result, EngineFailure) for result in results] == [
            *(False, False, True, False, False)
        ]
        assert sample(metrics, "digitrec_engine_restarts_total") == 2

    with_pool(use)


def test_two_engines_work_side_by_side() -> None:
    async def use(pool: EnginePool, metrics: Metrics) -> None:
        async with asyncio.timeout(300):
            while pool._n_alive < 2:
                await asyncio.sleep(0.05)
        stuck = pool.submit(rows(SLEEP_FOREVER))
        assert json.loads((await pool.submit(row(0, 3))).body)["digit"] == 3
        with pytest.raises(EngineFailure):
            await stuck

    with_pool(use, n_engines=2, task_seconds=2.0)


def test_large_tasks_leave_an_engine_to_small_ones() -> None:
    large = Task("predict", "m", (bytes([WAIT]) + bytes(783)) * 30, "application/octet-stream")

    async def use(pool: EnginePool, metrics: Metrics) -> None:
        async with asyncio.timeout(300):
            while pool._n_alive < 2:
                await asyncio.sleep(0.05)
        await pool.submit(row())
        futures = [pool.submit(large) for _ in range(20)]
        await asyncio.sleep(0)
        await pool.submit(row())
        assert sum(future.done() for future in futures) <= 3
        answers = await asyncio.gather(*futures)
        assert {answer.status for answer in answers} == {200}

    with_pool(use, n_engines=2)


def test_an_engine_that_cannot_start_says_why() -> None:
    async def run() -> None:
        pool = EnginePool({"m": object()}, Settings(), Metrics(), 1)
        with pytest.raises(DigitrecError, match="predict_rows"):
            await pool.start()

    asyncio.run(run())


@pytest.mark.parametrize("make", [row, lambda: rows(0), lambda: Task("read", "m", b"x")])
def test_any_number_of_cancelled_requests_in_a_row_are_passed_over(make) -> None:
    async def use(pool: EnginePool, metrics: Metrics) -> None:
        first = pool.submit(rows(WAIT))
        abandoned = [pool.submit(make()) for _ in range(4000)]
        last = pool.submit(row(0, 5))
        for future in abandoned:
            future.cancel()
        assert (await first).status == 200
        assert json.loads((await last).body)["digit"] == 5
        assert pool._n_waiting == 0
        assert sample(metrics, "digitrec_engine_restarts_total") == 0

    with_pool(use, queue_size=5000)
