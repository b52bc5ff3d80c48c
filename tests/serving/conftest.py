from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

for package in ("fastapi", "uvicorn", "prometheus_client", "python_multipart"):
    pytest.importorskip(package, reason="the extra 'serve' is not installed")

_SERVE = """
import json, sys
from digitrec.serving import Settings, serve
options = json.loads(sys.argv[1])
serve(options["models"], port=options["port"], workers=options["workers"],
      settings=Settings(**options["settings"]))
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # One worker runs all of these, so that the real servers are started once.
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("serving"))


@dataclass
class Reply:
    status: int
    body: bytes
    headers: dict[str, str]

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class LiveServer:
    """A server process and a plain client of it."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def request(
        self, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Reply:
        request = urllib.request.Request(self.url + path, data=body, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return Reply(answer.status, answer.read(), dict(answer.headers))
        except urllib.error.HTTPError as error:
            return Reply(error.code, error.read(), dict(error.headers))

    def post(self, path: str, body: bytes, content_type: str) -> Reply:
        return self.request(path, body, {"Content-Type": content_type})

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running_server(
    models: list[Path],
    log: Path,
    *,
    workers: int = 1,
    environment: dict[str, str] | None = None,
    **settings: Any,
) -> Iterator[LiveServer]:
    port = free_port()
    options = {
        "models": [str(path) for path in models],
        "port": port,
        "workers": workers,
        "settings": {"engines": 1, **settings},
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", _SERVE, json.dumps(options)],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
        )
        server = LiveServer(process, port, log)
        try:
            wait_until_ready(server)
            yield server
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_until_ready(server: LiveServer, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            break
        with contextlib.suppress(OSError):
            if server.request("/health").status == 200:
                return
        time.sleep(0.1)
    pytest.fail(f"the server did not start:\n{server.log.read_text()}")


@pytest.fixture(scope="session")
def start_server(
    digit_model_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., contextlib.AbstractContextManager[LiveServer]]:
    def start(models: list[Path] | None = None, **options: Any) -> Any:
        log = tmp_path_factory.mktemp("server") / "log.txt"
        return running_server([digit_model_file] if models is None else models, log, **options)

    return start


@pytest.fixture(scope="session")
def server(start_server: Any) -> Iterator[LiveServer]:
    """A server with small limits, shared by the tests that do not harm it."""
    with start_server(
        max_body_bytes=2 * 2**20,
        body_grace_seconds=1.0,
        header_seconds=2.0,
        max_pixels=4_000_000,
        max_images=4,
        max_rows=100,
    ) as live:
        yield live


@pytest.fixture(scope="session")
def digits(bundled_digits: Any) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Rows (40, 784) and labels: four real digits of each class."""
    X, y = bundled_digits
    chosen = np.concatenate([np.flatnonzero(y == digit)[:4] for digit in range(10)])
    return X[chosen], y[chosen]


@pytest.fixture(scope="session")
def encode() -> Callable[..., bytes]:
    def run(pixels: NDArray[np.uint8] | Image.Image, image_format: str = "PNG", **options: Any):
        image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
        buffer = io.BytesIO()
        image.save(buffer, image_format, **options)
        return buffer.getvalue()

    return run


@pytest.fixture(scope="session")
def drawing(digits: Any) -> Image.Image:
    """A real 7 as dark ink on white paper, 280 pixels wide."""
    X, y = digits
    row = X[int(np.flatnonzero(y == 7)[0])].reshape(28, 28)
    return Image.fromarray(255 - row).resize((280, 280), Image.Resampling.BICUBIC)
