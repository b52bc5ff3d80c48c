from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from servers_for_tests import LiveServer, running_server

for package in ("fastapi", "uvicorn", "prometheus_client", "python_multipart"):
    pytest.importorskip(package, reason="the extra 'serve' is not installed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # One worker runs all of these, so that the real servers are started once.
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("serving"))


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
def guarded(start_server: Any) -> Iterator[LiveServer]:
    """A server with the key "sécret", which pages of two origins may use."""
    with start_server(
        environment={"DIGITREC_API_KEY": "sécret"},
        cors_origins=["https://example.org", "http://localhost:3000"],
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
