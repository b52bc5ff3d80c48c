import json

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks import inference
from benchmarks._common import make_app
from benchmarks.inference import inference_figure
from digitrec.datasets import load_dataset
from digitrec.errors import ConfigurationError
from digitrec.persistence import save_model
from digitrec.training import train_model

pytest.importorskip("onnxruntime")

_MODELS = ("lda", "random_forest", "linear_svm")


def _invoke(*arguments):
    return CliRunner().invoke(make_app(inference.main), list(arguments))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The report on three models of scikit-learn's digits."""
    folder = tmp_path_factory.mktemp("speed")
    data = load_dataset("digits", max_train=300)
    for name in _MODELS:
        parameters = {"n_estimators": 5} if name == "random_forest" else None
        training = train_model(data, name, "raw", parameters=parameters)
        save_model(training.pipeline, folder / "models" / f"{name}.joblib", training.metadata)
    done = _invoke(
        "--report-dir", str(folder / "models"), "--output-dir", str(folder), "--seconds", "0.05"
    )
    assert done.exit_code == 0, done.output
    return folder


@pytest.fixture(scope="module")
def measured(folder):
    return json.loads((folder / "results.json").read_text())


def test_both_forms_of_every_model_are_measured(measured):
    assert {row["model"] for row in measured["models"]} == set(_MODELS)
    for row in measured["models"]:
        for form in ("joblib", "onnx"):
            speed = row[form]
            assert 0 < speed["p50_ms"] <= speed["p99_ms"]
            assert speed["rows_per_second"] > 0
            assert speed["load_ms"] > 0
            assert speed["n_bytes"] > 1000
        assert row["parity"]["n_other_labels"] == 0
        assert row["parity"]["n_rows"] == measured["n_rows"]


def test_the_report_has_a_row_for_each_form_and_the_figure(folder):
    text = (folder / "report.md").read_text(encoding="utf-8")
    for name in _MODELS:
        rows = [line for line in text.splitlines() if line.startswith(f"| {name}, raw")]
        assert [row.split("|")[2].strip() for row in rows] == ["joblib", "ONNX"]
    assert "](figures/inference.png)" in text
    assert (folder / "figures" / "inference.png").read_bytes().startswith(b"\x89PNG")


def test_models_without_an_onnx_form_are_rows_with_a_reason(tmp_path):
    from sklearn.ensemble import AdaBoostClassifier
    from sklearn.pipeline import make_pipeline

    data = load_dataset("digits", max_train=100)
    model = make_pipeline(AdaBoostClassifier(n_estimators=2)).fit(data.X_train, data.y_train)
    path = save_model(model, tmp_path / "ada.joblib", {"dataset": "digits"})
    facts = {"model": "ada", "features": "", "dataset": "digits", "is_winner": True}
    row = inference.compare_forms(facts, path, data.X_test, n_jobs=1, seconds=0.01)
    assert row["onnx"] is None
    assert "AdaBoostClassifier has no ONNX form" in row["reason"]
    figure = inference_figure([row])
    assert len(figure.axes) == 2


def test_the_figure_shows_the_values(measured):
    figure = inference_figure(measured["models"])
    drawn = np.concatenate([c.get_offsets()[:, 0] for c in figure.axes[0].collections])
    expected = [row[form]["p50_ms"] for form in ("joblib", "onnx") for row in measured["models"]]
    assert sorted(drawn.tolist()) == pytest.approx(sorted(expected))


def test_a_folder_without_models_says_what_to_do(tmp_path):
    with pytest.raises(ConfigurationError, match="run_all"):
        list(inference.saved_models(tmp_path))
    done = _invoke("--report-dir", str(tmp_path))
    assert isinstance(done.exception, ConfigurationError)
