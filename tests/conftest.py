"""What several folders of tests share."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

import pytest
from hypothesis import settings

# A busy machine is not a failure.
settings.register_profile("tests", deadline=None)
settings.load_profile("tests")

# Two workers share the cores: threads of the linear algebra would only wait for each other. Set
# before any library that starts them is loaded; processes that tests start take it over.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

# A shell that starts the tests in the background has them ignore Ctrl-C, and so would every
# process that a test starts and interrupts.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Files and folders that share what takes long to make: TensorFlow, a browser, models, a report.
_TOGETHER = {
    **{"test_cnn": "keras", "test_cnn_seeds": "keras", "test_networks": "keras"},
    **{"test_explorer_in_browser": "browser", "browser": "browser"},
    **{"persistence": "persistence", "reporting": "reporting"},
}
# Groups that take half a minute or more: begun first, so that none is left alone at the end.
_LONGEST = (
    *("serving", "keras", "browser", "test_run_all", "reporting", "test_notebooks"),
    *("test_comparison", "persistence", "test_docs", "test_tuning", "test_recognizer"),
)


def _group(path: PurePath) -> str:
    return _TOGETHER.get(path.stem) or _TOGETHER.get(path.parent.name) or path.stem


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put slow files first."""
    n_slow = Counter(_group(item.path) for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: (_group(item.path) not in _LONGEST, -n_slow[_group(item.path)]))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give each group of files to one worker, which makes what its tests share once.

    xdist's own groups are lost with pytest 9.2: https://github.com/pytest-dev/pytest-xdist/issues/1386
    """
    from xdist.scheduler import LoadScopeScheduling

    class GroupScheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _group(PurePath(nodeid.split("::")[0]))

    return GroupScheduling(config, log) if config.getoption("dist") == "loadscope" else None


@pytest.fixture(scope="session")
def bundled_digits() -> tuple[Any, Any]:
    """The 5,000 digits that come with the package: rows (5000, 784) of uint8, and labels."""
    from digitrec.datasets.bundled import load_bundled_digits

    return load_bundled_digits()


@pytest.fixture(scope="session")
def digit_model_file(bundled_digits: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small but real model, gradients and an MLP, trained once for all workers."""
    from digitrec._platform import try_lock

    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    path = folder / "model" / "small.joblib"
    path.parent.mkdir(exist_ok=True)
    with (path.parent / ".lock").open("w") as lock:
        while not try_lock(lock.fileno()):
            time.sleep(0.1)
        return path if path.exists() else _train_digit_model(path, *bundled_digits)


def _train_digit_model(path: Path, X: Any, y: Any) -> Path:
    # Imported here, so that the tests that need no model start fast.
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import Pipeline
    from threadpoolctl import threadpool_limits

    from digitrec.persistence import save_model
    from digitrec.preprocessing import build_features

    features = build_features("gradients", (28, 28))
    classifier = MLPClassifier((128,), early_stopping=True, random_state=0)
    with threadpool_limits(1):  # small matrices: threads would only wait for each other
        pipeline = Pipeline([*features.steps, ("model", classifier)]).fit(X, y)
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
