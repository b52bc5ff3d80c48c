"""A small HTTP client for load tests.

One process drives many keep-alive connections, each with one request in flight. It parses only
the status and the length of an answer, so that the client is not the bottleneck.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import cast


@dataclass
class Load:
    """What a load measured: latencies in seconds, failures by status or "connection"."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    client_seconds: float = 0.0

    @property
    def requests_per_second(self) -> float:
        """Return the rate of all answers."""
        return len(self.latencies) / self.seconds

    def percentile_ms(self, percent: float) -> float:
        """Return a percentile of the latencies in milliseconds."""
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def build_request(path: str, body: bytes, content_type: str) -> bytes:
    """Return a whole keep-alive request."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Connection(asyncio.Protocol):
    def __init__(self, load: Load, requests: list[bytes], stop: _Stop) -> None:
        self._load = load
        self._requests = requests
        self._stop = stop
        self._buffer = b""
        self._sent = 0.0
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        start = self._buffer.lower().find(b"content-length:", 0, end) + 15
        length = int(self._buffer[start : self._buffer.find(b"\r\n", start)])
        if len(self._buffer) < end + 4 + length:
            return
        now = time.perf_counter()
        self._load.latencies.append(now - self._sent)
        status = self._buffer[9:12]
        if status != b"200":
            self._load.failures[status.decode()] += 1
        self._buffer = b""
        self._sent = 0.0
        if self._stop.reached(now, len(self._load.latencies)):
            self._transport.close()
        else:
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._sent:
            self._load.failures["connection"] += 1
        if not self.closed.done():
            self.closed.set_result(None)

    def _send(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(self._requests[len(self._load.latencies) % len(self._requests)])


@dataclass
class _Stop:
    at: float
    after: int | None

    def reached(self, now: float, n_answers: int) -> bool:
        return now >= self.at or (self.after is not None and n_answers >= self.after)


async def _run(
    port: int, requests: list[bytes], n_connections: int, seconds: float, n_requests: int | None
) -> Load:
    load = Load()
    loop = asyncio.get_running_loop()
    started, cpu = time.perf_counter(), time.process_time()
    stop = _Stop(started + seconds, n_requests)
    connections = []
    for _ in range(n_connections):
        _, connection = await loop.create_connection(
            lambda: _Connection(load, requests, stop), "127.0.0.1", port
        )
        connections.append(connection)
    await asyncio.gather(*[connection.closed for connection in connections])
    load.seconds = time.perf_counter() - started
    load.client_seconds = time.process_time() - cpu
    return load


def run_load(
    port: int,
    requests: list[bytes],
    n_connections: int,
    seconds: float,
    n_requests: int | None = None,
) -> Load:
    """Load a server on loopback with whole requests, sent in turn.

    Each connection has one request under way, for at most `seconds` or `n_requests` answers.
    """
    try:
        import uvloop
    except ImportError:
        factory = None
    else:
        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(_run(port, requests, n_connections, seconds, n_requests))
