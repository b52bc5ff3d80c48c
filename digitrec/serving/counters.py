"""Counters in Prometheus format, kept per application so that tests do not share them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    GC_COLLECTOR,
    PLATFORM_COLLECTOR,
    PROCESS_COLLECTOR,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """What the service counts.

    With several workers, `serve` sets ``PROMETHEUS_MULTIPROC_DIR``, and the counters of all
    workers are summed at each scrape.

    Attributes
    ----------
    content_type : str
        Content type of `render`.
    """

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self._shared = "PROMETHEUS_MULTIPROC_DIR" in os.environ
        self._registry = CollectorRegistry()
        registry = self._registry
        if not self._shared:
            for collector in (PROCESS_COLLECTOR, PLATFORM_COLLECTOR, GC_COLLECTOR):
                registry.register(collector)
        self.requests = Counter(
            "digitrec_requests_total",
            "Requests by route and status.",
            ("route", "status"),
            registry=registry,
        )
        self.seconds = Histogram(
            "digitrec_request_seconds",
            "Time from a request's head to its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=registry,
        )
        self.digits = Counter(
            "digitrec_digits_total",
            "Recognised images by model and digit; `none` where no digit was accepted.",
            ("model", "digit"),
            registry=registry,
        )
        self.refused = Counter(
            "digitrec_refused_total", "Refused requests by reason.", ("reason",), registry=registry
        )
        self.batch_size = Histogram(
            "digitrec_batch_size",
            "Concurrent requests that were recognised together, by kind.",
            ("kind",),
            buckets=_BATCHES,
            registry=registry,
        )
        self.engine_restarts = Counter(
            "digitrec_engine_restarts_total",
            "Engine processes that were ended or failed.",
            registry=registry,
        )
        self.in_flight = Gauge(
            "digitrec_requests_in_flight",
            "Requests that are being received, wait or are recognised.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._seen: dict[tuple[str, int], tuple[Callable[[], None], Callable[[float], None]]] = {}

    def observe_request(self, route: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        # Looking up labels costs more than counting, so the children are kept.
        key = (route, status)
        if key not in self._seen:
            self._seen[key] = (
                self.requests.labels(route, str(status)).inc,
                self.seconds.labels(route).observe,
            )
        count, observe = self._seen[key]
        count()
        observe(seconds)

    def observe_batch(self, kind: str, size: int) -> None:
        """Count one micro-batch."""
        self.batch_size.labels(kind).observe(size)

    def observe_digits(self, model: str, digits: Iterable[int | None]) -> None:
        """Count recognised images."""
        for digit in digits:
            self.digits.labels(model, "none" if digit is None else str(digit)).inc()

    def render(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        registry = self._registry
        if self._shared:
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)
        return generate_latest(registry)
