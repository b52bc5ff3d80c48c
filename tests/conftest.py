"""What several folders of tests share."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# A shell that starts the tests in the background has them ignore Ctrl-C, and so would every
# process that a test starts and interrupts.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def bundled_digits() -> tuple[Any, Any]:
    """The 5,000 digits that come with the package: rows (5000, 784) of uint8, and labels."""
    from digitrec.datasets.bundled import load_bundled_digits

    return load_bundled_digits()


@pytest.fixture(scope="session")
def digit_model_file(bundled_digits: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small but real model: gradients and an MLP, trained on those digits."""
    # Imported here, so that the tests that need no model start fast.
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import Pipeline
    from threadpoolctl import threadpool_limits

    from digitrec.persistence import save_model
    from digitrec.preprocessing import build_features

    features = build_features("gradients", (28, 28))
    classifier = MLPClassifier((128,), early_stopping=True, random_state=0)
    with threadpool_limits(1):  # small matrices: threads would only wait for each other
        pipeline = Pipeline([*features.steps, ("model", classifier)]).fit(*bundled_digits)
    path = tmp_path_factory.mktemp("model") / "small.joblib"
    return save_model(pipeline, path, {"label_names": [str(digit) for digit in range(10)]})


def _find_chromium() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("DIGITREC_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


# Not for the whole session: Playwright keeps an event loop running, beside which no other test
# of the same process could run one.
@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium that makes no requests of its own."""
    api = pytest.importorskip(
        "playwright.sync_api", reason="the extra 'browser' (playwright) is not installed"
    )
    executable = _find_chromium()
    if executable is None:
        pytest.skip("no Chromium was found; install it or set DIGITREC_CHROMIUM")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser
        browser.close()
