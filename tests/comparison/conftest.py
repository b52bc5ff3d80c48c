"""One comparison of digits, of an own estimator among others, for all tests of this folder."""

from pathlib import Path

import numpy as np
import pytest
from own_estimators import Centroids

import digitrec


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def own_cache(cache, monkeypatch):
    monkeypatch.setenv("DIGITREC_DATA", str(cache))


@pytest.fixture(scope="session")
def iris():
    from sklearn.datasets import load_iris

    X, y = load_iris(return_X_y=True)
    return X, np.array(["setosa", "versicolor", "virginica"])[y]


@pytest.fixture(scope="session")
def compared(cache, iris):
    """Own and registered models on a table with labels that are strings."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIGITREC_DATA", str(cache))
        return digitrec.compare(iris, {"mine": Centroids(), "lda": "lda", "cnn": "cnn"})
