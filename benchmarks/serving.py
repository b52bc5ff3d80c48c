"""Load the HTTP service: a real server on loopback, a real client in its own process.

Measures requests per second and latency for raw rows, 28x28 PNG and 700-px JPEG over 1 to 64
connections, memory over many requests, what micro-batching brings, and whether malformed
and slow requests slow down valid ones. Takes about two and a half minutes with the defaults.

Run: ``python -m benchmarks.serving``.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import psutil
import typer
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from benchmarks._common import OutputDir, run_app, write_report
from benchmarks._hostile import attack
from benchmarks._load import Load, build_request, run_load
from digitrec._environment import describe_hardware, library_versions
from digitrec.datasets.bundled import load_bundled_digits
from digitrec.errors import DigitrecError
from digitrec.rendering.markdown import table, table_of

CONNECTIONS = (1, 4, 16, 64)
TARGETS = {"raw": 1500.0, "png": 400.0, "jpeg": 60.0}
TITLES = {"raw": "784 raw bytes", "png": "28x28 PNG", "jpeg": "700-px JPEG"}
_TYPES = {"raw": "application/octet-stream", "png": "image/png", "jpeg": "image/jpeg"}
_TARGET_CONNECTIONS = 16
_TARGET_P99_MS = 100.0
_SERVE = """
import json, sys
from digitrec.serving import Settings, serve
options = json.loads(sys.argv[1])
serve(options["models"], port=options["port"], settings=Settings(**options["settings"]))
"""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One load: a kind of body over a number of connections.

    Attributes
    ----------
    kind : str
        "raw", "png" or "jpeg".
    connections : int
        Connections, each with one request under way.
    requests : int
        Requests answered.
    requests_per_second, p50_ms, p99_ms : float
        Rate and latency.
    failures : dict
        Status, or "connection", to the number of failures.
    client_cpu : float
        Share of one core that the client took.
    server_cpu_ms : float
        Processor time of the server and its engines per request, which a busy machine
        changes less than the rate.
    """

    kind: str
    connections: int
    requests: int
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    failures: dict[str, int]
    client_cpu: float
    server_cpu_ms: float


class Server:
    """A running server process."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process = process
        self.port = port

    def memory_mib(self) -> float:
        """Return the resident memory of the server and its engines."""
        return sum(process.memory_info().rss for process in self._processes()) / 2**20

    def cpu_seconds(self) -> float:
        """Return the processor time that the server and its living engines have used."""
        return sum(sum(process.cpu_times()[:2]) for process in self._processes())

    def _processes(self) -> list[psutil.Process]:
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def post(self, body: bytes, content_type: str) -> Any:
        """Return the answer of ``/predict``."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/predict",
            data=body,
            headers={"Content-Type": content_type},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)


@contextlib.contextmanager
def running_server(models: list[Path], **settings: Any) -> Iterator[Server]:
    """Run ``digitrec serve`` with one worker on a free port of loopback.

    Raises
    ------
    DigitrecError
        If the server does not come up.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = {"models": [str(path) for path in models], "port": port, "settings": settings}
    process = subprocess.Popen([sys.executable, "-c", _SERVE, json.dumps(options)])
    try:
        deadline = time.monotonic() + 400  # the default recogniser may have to be trained
        while True:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                break
            if process.poll() is not None or time.monotonic() > deadline:
                raise DigitrecError("the server did not start; see its messages above")
            time.sleep(0.2)
        time.sleep(3)  # the other engines
        yield Server(process, port)
    finally:
        process.terminate()
        process.wait(60)


def make_bodies(n: int = 40, random_state: int = 0) -> tuple[dict[str, list[bytes]], list[int]]:
    """Return bodies of each kind of the same real digits, and their labels.

    The digits are those of the dataset mnist_5k; for the JPEGs they are drawn large on paper
    with grain and a shadow, as a phone would take them.
    """
    X, y = load_bundled_digits()
    rng = np.random.default_rng(random_state)
    chosen = np.concatenate(
        [rng.choice(np.flatnonzero(y == digit), n // 10, replace=False) for digit in range(10)]
    )
    bodies: dict[str, list[bytes]] = {kind: [] for kind in TITLES}
    for row in X[chosen]:
        pixels = row.reshape(28, 28)
        bodies["raw"].append(row.tobytes())
        bodies["png"].append(_encode(Image.fromarray(pixels), "PNG"))
        bodies["jpeg"].append(_encode(_photograph(pixels, rng), "JPEG", quality=90))
    return bodies, [int(label) for label in y[chosen]]


def _photograph(pixels: NDArray[np.uint8], rng: np.random.Generator) -> Image.Image:
    side = 700
    large = Image.fromarray(pixels).resize((420, 420), Image.Resampling.BICUBIC)
    ink = Image.new("L", (side, side))
    ink.paste(large, (140, 140))
    shape = np.asarray(ink.filter(ImageFilter.GaussianBlur(2)), dtype=np.float64) / 255
    shade = np.linspace(1.0, 0.75, side)[:, None] * np.linspace(0.95, 1.0, side)[None, :]
    paper = 225 * shade + rng.normal(0, 4, (side, side))
    grey = np.clip(paper * (1 - 0.8 * np.clip(shape * 1.6, 0, 1)), 0, 255)
    return Image.fromarray(grey.astype(np.uint8)).convert("RGB")


def _encode(image: Image.Image, image_format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def measure(models: list[Path], *, seconds: float, soak_requests: int) -> dict[str, Any]:
    """Run all loads of `seconds` each, and one of `soak_requests`; return JSON-safe results.

    `models` are files; none means the default recogniser.
    """
    bodies, labels = make_bodies()
    requests = {
        kind: [build_request("/predict", body, _TYPES[kind]) for body in bodies[kind]]
        for kind in TITLES
    }
    results: dict[str, Any] = {
        "hardware": describe_hardware(),
        "versions": library_versions(),
        "load_average_before": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "models": [path.name for path in models] or ["default recogniser"],
    }
    # The client has a process of its own; it is started once and kept.
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as clients:

        def load(
            server: Server, kind: str, n: int, limit: float, n_requests: int | None = None
        ) -> Cell:
            cpu = server.cpu_seconds()
            future = clients.submit(run_load, server.port, requests[kind], n, limit, n_requests)
            return _cell(kind, n, future.result(), server.cpu_seconds() - cpu)

        with running_server(models) as server:
            results["correct"] = {
                kind: float(
                    np.mean(
                        [
                            server.post(body, _TYPES[kind])["digit"] == label
                            for body, label in zip(bodies[kind], labels, strict=True)
                        ]
                    )
                )
                for kind in TITLES
            }
            cells = []
            for kind in TITLES:
                load(server, kind, 4, 1.0)  # not counted
                for n in CONNECTIONS:
                    cells.append(load(server, kind, n, seconds))
                    print(_cell_line(cells[-1]), flush=True)
            results["cells"] = [asdict(cell) for cell in cells]

            before = server.memory_mib()
            soak = load(server, "raw", _TARGET_CONNECTIONS, 30 * seconds, soak_requests)
            results["soak"] = {
                **asdict(soak),
                "memory_before_mib": before,
                "memory_after_mib": server.memory_mib(),
            }

            hostile = clients.submit(attack, server.port, 2 * seconds, bodies["jpeg"][0])
            honest = [load(server, kind, 4, 2 * seconds / 3) for kind in TITLES]
            results["hostile"] = {
                "attacks": dict(hostile.result()),
                "honest": [asdict(cell) for cell in honest],
                "memory_after_mib": server.memory_mib(),
            }
        with running_server(models, max_row_batch=1) as server:
            load(server, "raw", 4, 1.0)
            unbatched = load(server, "raw", _TARGET_CONNECTIONS, seconds)
            results["without_batching"] = asdict(unbatched)
    results["load_average_after"] = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return results


def _cell(kind: str, connections: int, load: Load, server_seconds: float) -> Cell:
    return Cell(
        kind=kind,
        connections=connections,
        requests=len(load.latencies),
        requests_per_second=round(load.requests_per_second, 1),
        p50_ms=round(load.percentile_ms(50), 2),
        p99_ms=round(load.percentile_ms(99), 2),
        failures=dict(Counter(load.failures)),
        client_cpu=round(load.client_seconds / load.seconds, 3),
        server_cpu_ms=round(1000 * server_seconds / max(1, len(load.latencies)), 3),
    )


def _cell_line(cell: Cell) -> str:
    return (
        f"{TITLES[cell.kind]}, {cell.connections} connections: "
        f"{cell.requests_per_second:.0f}/s, p50 {cell.p50_ms:.1f} ms, p99 {cell.p99_ms:.1f} ms"
    )


def render_report(results: dict[str, Any]) -> str:
    """Return the report as Markdown."""
    hardware = results["hardware"]
    columns: dict[str, Any] = {
        "body": lambda cell: TITLES[cell["kind"]],
        "connections": "{connections}",
        "requests/s": "{requests_per_second:,.0f}",
        "p50 ms": "{p50_ms:.1f}",
        "p99 ms": "{p99_ms:.1f}",
        "failures": lambda cell: sum(cell["failures"].values()),
        "server CPU, ms": "{server_cpu_ms:.2f}",
        "client CPU": "{client_cpu:.0%}",
    }
    targets = []
    for kind, target in TARGETS.items():
        cell = _find(results["cells"], kind)
        targets.append(
            [
                TITLES[kind],
                f"{target:,.0f}/s",
                f"{cell['requests_per_second']:,.0f}/s",
                "yes" if cell["requests_per_second"] >= target else "no",
                f"{cell['p99_ms']:.0f} ms",
                "yes" if cell["p99_ms"] < _TARGET_P99_MS else "no",
            ]
        )
    soak, hostile = results["soak"], results["hostile"]
    unbatched = results["without_batching"]
    batched = _find(results["cells"], "raw")
    attacks = ", ".join(f"{count:,} x {what}" for what, count in hostile["attacks"].items())
    honest = {"valid body": columns["body"], "requests": "{requests:,}"}
    honest |= {name: columns[name] for name in ("requests/s", "p99 ms", "failures")}
    heads = ["body", "target", "measured", "met", "p99", f"under {_TARGET_P99_MS:.0f} ms"]
    slowest = _TARGET_CONNECTIONS / (_TARGET_P99_MS / 1000)
    right = ", ".join(f"{TITLES[kind]} {value:.0%}" for kind, value in results["correct"].items())
    loads = (results["load_average_before"], results["load_average_after"])
    noise = (
        ""
        if loads[0] is None
        else f" Load average before and after: {loads[0]:.1f}, {loads[1]:.1f}."
    )
    return f"""# Load test of the HTTP service

One worker of `digitrec serve` with {", ".join(results["models"])}, loaded over loopback by a client
process on the same machine ({hardware["processor"]}, {hardware["cores"]} cores,
{hardware["memory_gib"]} GiB): server, engines and client share the cores.{noise}
Right answers in a first pass over 40 digits: {right}.

## Throughput and latency

{table_of(results["cells"], columns)}

"Server CPU" is the processor time of the server and its engines for one request; a busy machine
changes it less than it changes the rate.

Targets at {_TARGET_CONNECTIONS} connections:

{table(heads, targets, "lrrrrr")}

With {_TARGET_CONNECTIONS} connections always busy the mean latency is {_TARGET_CONNECTIONS} divided
by the rate: under {_TARGET_P99_MS:.0f} ms takes more than {slowest:.0f} requests a second.

Single raw rows that wait at the same time are recognised together. Without that, the raw load at
{_TARGET_CONNECTIONS} connections gives {unbatched["requests_per_second"]:,.0f}/s (p99
{unbatched["p99_ms"]:.0f} ms) instead of {batched["requests_per_second"]:,.0f}/s.

## Memory over many requests

{soak["requests"]:,} raw requests over {soak["connections"]} connections:
{sum(soak["failures"].values())} failures, {soak["requests_per_second"]:,.0f}/s; all processes
together held {soak["memory_before_mib"]:.0f} MiB before and {soak["memory_after_mib"]:.0f} MiB
after.

## Malformed and slow requests at the same time

While valid requests came over 4 connections, other clients sent: {attacks}.

{table_of(hostile["honest"], honest)}

Memory afterwards: {hostile["memory_after_mib"]:.0f} MiB.
"""


def _find(cells: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    (cell,) = (
        cell
        for cell in cells
        if cell["kind"] == kind and cell["connections"] == _TARGET_CONNECTIONS
    )
    return cell


def main(
    model: Annotated[
        list[Path] | None, typer.Option(help="Saved model; the default recogniser if not given.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.5, help="Length of each load.")] = 6.0,
    soak_requests: Annotated[int, typer.Option(min=100, help="Requests of the soak.")] = 50_000,
    output_dir: OutputDir = Path("reports/serving"),
) -> None:
    """Load the HTTP service and write a report."""
    results = measure(model or [], seconds=seconds, soak_requests=soak_requests)
    write_report(output_dir, render_report(results), results)


if __name__ == "__main__":
    run_app(main)
