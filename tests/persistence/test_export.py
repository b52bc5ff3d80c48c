import json
import os

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from typer.testing import CliRunner

from digitrec._messages import messages_to
from digitrec.cli import app, main
from digitrec.errors import ConfigurationError, ModelFileError
from digitrec.models import MODELS
from digitrec.persistence import (
    OnnxClassifier,
    compare_models,
    export_model,
    load_model,
    metadata_path,
    read_metadata,
    save_model,
    write_metadata,
)

pytest.importorskip("onnxruntime")
pytest.importorskip("skops")

FORMATS = ("onnx", "skops")


@pytest.fixture
def source(saved_digits_model, tmp_path):
    """Return a copy of a saved model in a folder of its own."""
    original = saved_digits_model("svm")
    path = tmp_path / "best_model.joblib"
    path.write_bytes(original.read_bytes())
    write_metadata(path, {**read_metadata(original).to_dict(), "note": "my own"})
    return path


@pytest.mark.parametrize("format", FORMATS)
def test_exported_files_load_and_answer_the_same(source, format, small_digits):
    lines = []
    with messages_to(lines.append):
        done = export_model(source, format=format)
    assert done.path == source.with_suffix(f".{format}")
    assert done.parity.holds
    assert done.parity.n_rows == len(small_digits.X_test)
    assert done.parity.images == "test images of digits"
    assert compare_models(load_model(source), load_model(done.path), small_digits.X_test).holds
    assert any("comparing" in line for line in lines)


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_has_metadata_of_its_own(source, format):
    before = read_metadata(source)
    done = export_model(source, format=format)
    metadata = read_metadata(done.path)
    assert metadata_path(done.path).name == f"best_model.{format}.json"
    assert metadata.model == "svm"
    assert metadata.other["exported_from"] == {"file": source.name, "sha256": before.sha256}
    assert metadata.other["note"] == "my own"
    assert metadata.other["parity"]["n_other_labels"] == 0
    assert format in " ".join(metadata.versions)
    assert metadata.bytes == done.path.stat().st_size == done.n_bytes
    assert read_metadata(source) == before


@pytest.mark.parametrize("name", sorted(set(MODELS) - {"cnn"}))
def test_skops_keeps_every_model(saved_digits_model, name, tmp_path):
    path = saved_digits_model(name)
    done = export_model(path, tmp_path / "model.skops", format="skops")
    assert done.parity.max_difference == 0


def test_check_rows_are_as_many_as_asked_for(source):
    assert export_model(source, check_rows=25).parity.n_rows == 25


def test_without_the_dataset_other_images_are_compared(source):
    write_metadata(source, {"dataset": "/nowhere/at/all"})
    lines = []
    with messages_to(lines.append):
        parity = export_model(source).parity
    assert parity.images == "resized test images of mnist_5k"
    assert any("/nowhere/at/all" in line for line in lines)


@pytest.mark.parametrize("there_before", [True, False])
def test_a_file_that_answers_otherwise_is_not_kept(source, there_before):
    target = source.with_suffix(".onnx")
    if there_before:
        target.write_bytes(b"what was there")
    with pytest.raises(ModelFileError, match=r"was not written.*agree on test images of digits"):
        export_model(source, tolerance=0.0)
    assert target.exists() == there_before
    assert not metadata_path(target).exists()
    assert {path.suffix for path in source.parent.iterdir()} <= {".joblib", ".json", ".onnx"}


def test_numbers_that_are_none_count_as_different(fitted, small_digits):
    model = fitted("svm")

    class Broken:
        predict = model.predict

        def predict_proba(self, X):
            return np.full((len(X), 10), np.nan)

    assert compare_models(model, Broken(), small_digits.X_test[:3]).n_beyond == 3


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"format": "pmml"}, "onnx, skops"),
        ({"output": "model.bin"}, r"must end in \.onnx"),
        ({"check_rows": 0}, "at least 1"),
    ],
)
def test_options_are_checked(source, options, reason):
    with pytest.raises(ConfigurationError, match=reason):
        export_model(source, **options)


def test_an_onnx_file_is_no_source(source):
    done = export_model(source)
    with pytest.raises(ConfigurationError, match=r"export from the \.joblib file"):
        export_model(done.path, format="skops")


def test_saving_under_the_suffix_of_another_format_is_refused(fitted, tmp_path):
    with pytest.raises(ConfigurationError, match="digitrec export --format onnx"):
        save_model(fitted("svm"), tmp_path / "model.onnx")


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("keep", [0, 100, 0.5])
def test_truncated_files_are_typed_errors(source, format, keep):
    path = export_model(source, format=format).path
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if keep < 1 else keep])
    with pytest.raises(ModelFileError, match="not the file its metadata describe"):
        load_model(path)
    write_metadata(path)
    with pytest.raises(ModelFileError, match=r"cannot be loaded|not one of digitrec's"):
        load_model(path)


@pytest.mark.parametrize("format", FORMATS)
def test_files_of_another_format_are_typed_errors(source, format, tmp_path):
    path = tmp_path / f"foreign.{format}"
    path.write_bytes(source.read_bytes())
    write_metadata(path)
    with pytest.raises(ModelFileError, match="cannot be loaded"):
        load_model(path)


@pytest.mark.parametrize("format", FORMATS)
def test_newer_metadata_ask_for_an_upgrade(source, format):
    path = export_model(source, format=format).path
    metadata = json.loads(metadata_path(path).read_text())
    metadata_path(path).write_text(json.dumps({**metadata, "format": 99}))
    with pytest.raises(ModelFileError, match="upgrade digitrec"):
        load_model(path)


def _change_onnx(path, change):
    onnx = pytest.importorskip("onnx")
    model = onnx.load(path)
    change(model)
    path.write_bytes(model.SerializeToString())
    write_metadata(path)


def test_foreign_and_newer_onnx_models_are_typed_errors(source):
    path = export_model(source).path

    def newer(model):
        model.metadata_props[0].value = json.dumps({"format": 99, "classes": []})

    _change_onnx(path, newer)
    with pytest.raises(ModelFileError, match=r"ONNX format 99.*upgrade"):
        load_model(path)
    _change_onnx(path, lambda model: model.metadata_props.pop())
    with pytest.raises(ModelFileError, match="not one of digitrec's"):
        load_model(path)
    with pytest.raises(ModelFileError, match="not one of digitrec's"):
        OnnxClassifier(path.read_bytes())


def test_onnx_operators_newer_than_the_runtime_are_a_typed_error(source):
    path = export_model(source).path

    def newer(model):
        model.opset_import[0].version = 9999

    _change_onnx(path, newer)
    with pytest.raises(ModelFileError, match="cannot be loaded"):
        load_model(path)


def test_skops_files_with_other_types_are_refused(tmp_path):
    sio = pytest.importorskip("skops.io")
    path = tmp_path / "strange.skops"
    sio.dump(make_pipeline(FunctionTransformer(os.system)), path)
    write_metadata(path)
    with pytest.raises(ModelFileError, match=r"not trusted.*system"):
        load_model(path)


def test_the_command_writes_and_reports(source, tmp_path):
    target = tmp_path / "out" / "model.onnx"
    result = CliRunner().invoke(app, ["export", str(source), "-o", str(target), "--quiet"])
    assert result.exit_code == 0, result.output
    assert "labels agree on test images of digits" in result.output
    assert load_model(target).n_features_in_ == 64


def test_the_command_refuses_in_one_line(source, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["export", str(source), "--format", "pmml"])
    assert stop.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
