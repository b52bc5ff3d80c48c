from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_HERE = Path(__file__).parent
_SERVE = """
import sys
from digitrec.serving import Settings, serve
serve(sys.argv[3:], port=int(sys.argv[1]), settings=Settings(engines=1, root_path=sys.argv[2]))
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # One worker runs all of these, so that server and browser are started once.
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.xdist_group("browser"))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def _running_service(
    models: list[Path], folder: Path, root_path: str = "", **environment: str
) -> Iterator[str]:
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    log = folder / f"log-{port}.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", _SERVE, str(port), root_path, *map(str, models)],
            stdout=output,
            stderr=output,
            env={**os.environ, **environment},
        )
        try:
            deadline = time.monotonic() + 90
            while True:
                try:
                    urllib.request.urlopen(url + "/health", timeout=5).close()
                    break
                except OSError:
                    if process.poll() is not None or time.monotonic() > deadline:
                        pytest.fail(log.read_text())
                    time.sleep(0.1)
            yield url
        finally:
            process.terminate()
            process.wait(30)


@pytest.fixture(scope="module")
def service_url(
    browser: Any, digit_model_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A running service with two models. The browser comes first: without it, no server."""
    for package in ("fastapi", "uvicorn", "prometheus_client", "python_multipart"):
        pytest.importorskip(package, reason="the extra 'serve' is not installed")
    folder = tmp_path_factory.mktemp("browser")
    for suffix in (".joblib", ".joblib.json"):
        shutil.copy(digit_model_file.with_suffix(suffix), folder / f"other{suffix}")
    with _running_service([digit_model_file, folder / "other.joblib"], folder) as url:
        yield url


@pytest.fixture
def guarded_url(service_url: str, digit_model_file: Path, tmp_path: Path) -> Iterator[str]:
    """A service that asks for the key "open sesame"."""
    with _running_service([digit_model_file], tmp_path, DIGITREC_API_KEY="open sesame") as url:
        yield url


@pytest.fixture(params=["keep", "strip"])
def proxied_url(
    request: pytest.FixtureRequest, browser: Any, digit_model_file: Path, tmp_path: Path
) -> Iterator[str]:
    """A service under a path of a reverse proxy that keeps the path, or takes it off."""
    port, root_path = _free_port(), "/tools/digits"
    with _running_service([digit_model_file], tmp_path, root_path) as url:
        options = [str(port), url.rpartition(":")[2], root_path, request.param]
        with subprocess.Popen([sys.executable, _HERE.parent / "reverse_proxy.py", *options]) as run:
            deadline = time.monotonic() + 30
            while True:
                with contextlib.suppress(OSError):
                    socket.create_connection(("127.0.0.1", port), 5).close()
                    break
                assert time.monotonic() < deadline
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}{root_path}"
            run.kill()


@pytest.fixture(scope="module")
def strokes() -> dict[int, list[list[tuple[float, float]]]]:
    """Recorded strokes of each digit, in units of the board's height."""
    recorded = json.loads((_HERE / "strokes.json").read_text(encoding="utf-8"))
    return {int(digit): value for digit, value in recorded.items()}
