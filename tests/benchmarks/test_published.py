import json

import pytest

from benchmarks import published
from digitrec.errors import ConfigurationError


def test_rows_are_kept_and_measured_once(tmp_path, monkeypatch):
    arguments = {"datasets": "digits", "max_train": 300, "output_dir": tmp_path}
    published.main(rows="random_forest", **arguments)
    first = json.loads((tmp_path / "results.json").read_text())
    (result,) = first["results"]
    assert result["low"] < result["test_accuracy"] < result["high"]
    assert first["n_train"] == 300
    measured = []
    monkeypatch.setattr(
        published, "measure", lambda name, data: measured.append(name) or dict(result)
    )
    published.main(rows="random_forest,knn", **arguments)
    assert measured == ["knn"]
    assert len(json.loads((tmp_path / "results.json").read_text())["results"]) == 2
    with pytest.raises(ConfigurationError, match="unknown row 'svm'; choose one of: random_forest"):
        published.main(rows="svm", **arguments)


def test_a_published_accuracy_lies_within_the_interval_or_not():
    rows = [
        {"name": name, "dataset": "mnist", "test_accuracy": accuracy, "low": accuracy - 0.003,
         "high": accuracy + 0.003, "reached_limit": False, "cpu_seconds": 1.0}
        for name, accuracy in (("mlp", 0.9735), ("knn", 0.97))
    ]  # fmt: skip
    facts = {
        "command": "c",
        "n_train": 5,
        "n_test": 6,
        "hardware": {"processor": "p", "cores": 2, "memory_gib": 1},
    }
    text = published.render_report(rows, facts | {"versions": {"python": "3"}})
    lines = {line.split("|")[2].strip(): line for line in text.splitlines() if "| MNIST" in line}
    assert "| yes " in lines["MLP, 100 hidden units, ReLU"]  # 0.972 in 0.9705–0.9765
    assert "| no " in lines["kNN, k = 5, L1, weighted by distance"]  # 0.959
    assert "is within our 95 % interval in 1 of 2 rows" in text
    assert len(lines) == len(published.CLASSIFIERS)
