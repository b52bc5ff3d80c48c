from __future__ import annotations

from pathlib import Path

import pytest

from digitrec.errors import ConfigurationError
from digitrec.serving.sources import find_models


def test_nothing_means_the_default_recogniser() -> None:
    assert find_models() == {"default": None}


def test_a_run_offers_its_winner_first(tmp_path: Path) -> None:
    (tmp_path / "jobs").mkdir()
    for name in ("best_model.joblib", "jobs/svm-0a1b2c3d.joblib", "jobs/knn-99aa88bb.joblib"):
        (tmp_path / name).touch()
    (tmp_path / "best_model.onnx").touch()
    (tmp_path / "results.json").touch()
    models = find_models([tmp_path])
    assert list(models) == ["best_model", "knn", "svm"]
    assert models["best_model"] == tmp_path / "best_model.joblib"


def test_equal_names_are_told_apart(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "my model.onnx").touch()
    paths = [tmp_path / "a" / "my model.onnx", tmp_path / "b" / "my model.onnx"]
    assert list(find_models([*paths, paths[0]])) == ["my_model", "my_model-2"]


def test_missing_and_empty(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no model file or folder"):
        find_models([tmp_path / "absent.joblib"])
    with pytest.raises(ConfigurationError, match="holds no model files"):
        find_models([tmp_path])
