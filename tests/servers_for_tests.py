"""A real server in a process of its own, and a plain client of it."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

_SERVE = """
import json, sys
from digitrec.serving import Settings, serve
options = json.loads(sys.argv[1])
serve(options["models"], port=options["port"], workers=options["workers"],
      settings=Settings(**options["settings"]))
"""


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
            with urllib.request.urlopen(request, timeout=300) as answer:
                return Reply(answer.status, answer.read(), dict(answer.headers))
        except urllib.error.HTTPError as error:
            return Reply(error.code, error.read(), dict(error.headers))

    def post(self, path: str, body: bytes, content_type: str) -> Reply:
        return self.request(path, body, {"Content-Type": content_type})

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=300)


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


def wait_until_ready(server: LiveServer, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            break
        with contextlib.suppress(OSError):
            if server.request("/health").status == 200:
                return
        time.sleep(0.1)
    pytest.fail(f"the server did not start:\n{server.log.read_text()}")


@contextlib.contextmanager
def proxy_before(server: LiveServer, prefix: str, how: str) -> Iterator[LiveServer]:
    """A reverse proxy that serves a server under a path, which it keeps or strips."""
    port = free_port()
    script = Path(__file__).with_name("reverse_proxy.py")
    process = subprocess.Popen([sys.executable, script, str(port), str(server.port), prefix, how])
    proxied = LiveServer(process, port, server.log)
    try:
        for _ in range(200):
            with contextlib.suppress(OSError):
                proxied.connect().close()
                break
            time.sleep(0.05)
        yield proxied
    finally:
        process.kill()
        process.wait()
