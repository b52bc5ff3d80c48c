from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from servers_for_tests import proxy_before, running_server

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # One worker runs all of these, so that server and browser are started once.
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.xdist_group("browser"))


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
    models = [digit_model_file, folder / "other.joblib"]
    with running_server(models, folder / "log.txt") as server:
        yield server.url


@pytest.fixture
def guarded_url(service_url: str, digit_model_file: Path, tmp_path: Path) -> Iterator[str]:
    """A service under a path of a reverse proxy, which asks for the key "open sesame"."""
    path, key = "/tools/digits", {"DIGITREC_API_KEY": "open sesame"}
    options = {"environment": key, "root_path": path}
    with (
        running_server([digit_model_file], tmp_path / "log.txt", **options) as server,
        proxy_before(server, path, "keep") as proxied,
    ):
        yield proxied.url + path


@pytest.fixture(scope="module")
def strokes() -> dict[int, list[list[tuple[float, float]]]]:
    """Recorded strokes of each digit, in units of the board's height."""
    recorded = json.loads((_HERE / "strokes.json").read_text(encoding="utf-8"))
    return {int(digit): value for digit, value in recorded.items()}
