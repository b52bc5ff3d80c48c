import json
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from digitrec.errors import ConfigurationError, ModelFileError, ModelFileWarning
from digitrec.persistence import (
    ModelMetadata,
    check_model_path,
    load_model,
    metadata_path,
    read_metadata,
    save_model,
    write_metadata,
)


@pytest.fixture(scope="module")
def model_and_rows():
    X, y = load_digits(return_X_y=True)
    return make_pipeline(MinMaxScaler(), LogisticRegression(max_iter=500)).fit(X, y), X


@pytest.fixture
def saved(model_and_rows, tmp_path):
    return save_model(model_and_rows[0], tmp_path / "model.joblib", {"model": "ours"})


def test_round_trip_keeps_predictions_and_metadata(saved, model_and_rows):
    model, X = model_and_rows
    np.testing.assert_array_equal(load_model(saved).predict(X), model.predict(X))
    metadata = read_metadata(saved)
    assert metadata.model == "ours"
    assert metadata.bytes == saved.stat().st_size
    assert {"scikit-learn", "numpy", "python", "digitrec"} <= set(metadata.versions)


def test_plain_joblib_load_works_in_a_fresh_process(saved):
    script = "import joblib, sys; print(joblib.load(sys.argv[1]).n_features_in_)"
    output = subprocess.run(
        [sys.executable, "-c", script, str(saved)], capture_output=True, text=True, check=True
    )
    assert output.stdout.strip() == "64"


def test_missing_file_says_how_to_make_one(tmp_path):
    with pytest.raises(ModelFileError, match="run_all"):
        load_model(tmp_path / "none.joblib")


def test_altered_file_is_refused(saved):
    content = bytearray(saved.read_bytes())
    content[len(content) // 2] ^= 1
    saved.write_bytes(content)
    with pytest.raises(ModelFileError, match="not the file its metadata describe"):
        load_model(saved)


@pytest.mark.parametrize("keep", [0, 10, 500])
def test_truncated_file_with_matching_sum_is_a_typed_error(saved, keep):
    saved.write_bytes(saved.read_bytes()[:keep])
    write_metadata(saved)
    with pytest.raises(ModelFileError, match="cannot be loaded"):
        load_model(saved)


def test_foreign_class_is_a_typed_error(tmp_path):
    path = tmp_path / "foreign.joblib"
    path.write_bytes(b"cno_such_package\nThing\n.")
    write_metadata(path)
    with pytest.raises(ModelFileError, match="no_such_package"):
        load_model(path)


@pytest.mark.parametrize("content", ["", "[]", "{}", "{", '{"sha256": "x"}'])
def test_damaged_metadata_are_refused(saved, content):
    metadata_path(saved).write_text(content)
    with pytest.raises(ModelFileError, match=r"model\.joblib\.json"):
        load_model(saved)


def test_missing_metadata_are_named(saved):
    metadata_path(saved).unlink()
    with pytest.raises(ModelFileError, match=r"model\.joblib\.json is missing"):
        load_model(saved)


def _rewrite(saved, **changes):
    metadata = json.loads(metadata_path(saved).read_text())
    metadata_path(saved).write_text(json.dumps({**metadata, **changes}))


def test_newer_format_asks_for_an_upgrade(saved):
    _rewrite(saved, format=99)
    with pytest.raises(ModelFileError, match="upgrade digitrec"):
        load_model(saved)


def test_other_scikit_learn_version_warns(saved):
    _rewrite(saved, versions={"scikit-learn": "0.1"})
    with pytest.warns(ModelFileWarning, match=r"written by scikit-learn 0\.1"):
        load_model(saved)


def test_a_failed_save_keeps_the_old_file(saved, model_and_rows):
    before = saved.read_bytes()
    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
        save_model(lambda: None, saved)
    assert saved.read_bytes() == before
    assert not list(saved.parent.glob(".model-*"))


NAMES = st.from_regex(r"[a-z]{1,3}(\.(v1|v2|json|joblib|onnx|pkl))*", fullmatch=True)


@given(NAMES, NAMES)
def test_metadata_share_no_path_with_a_model_or_with_another_models(first, second):
    try:
        models = [check_model_path(name) for name in (first, second)]
    except ConfigurationError as error:
        assert str(error).count("\n") == 0
        return
    metadata = [metadata_path(path) for path in models]
    assert not set(models) & set(metadata)
    assert (metadata[0] == metadata[1]) == (first == second)


def test_metadata_that_do_not_fit_on_the_disk_keep_the_old_model(saved, model_and_rows):
    resource = pytest.importorskip("resource")
    model, X = model_and_rows
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(OSError):
            save_model(model, saved, {"model": "another", "seen": list(range(50_000))})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    np.testing.assert_array_equal(load_model(saved).predict(X), model.predict(X))
    assert read_metadata(saved).model == "ours"


@pytest.mark.parametrize("name", ["model.json", "model.JSON", ".json/model.json", "a.joblib.json"])
def test_a_model_is_not_written_under_the_name_of_metadata(name, model_and_rows, tmp_path):
    with pytest.raises(ConfigurationError, match=r"name the model file .*\.joblib"):
        save_model(model_and_rows[0], tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_model_path_that_cannot_be_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "model.joblib.json").mkdir()
    for name, message in (
        ("folder", "is a folder"),
        ("model.joblib", "is a folder"),
        ("file/below/model.joblib", "is not a folder"),
        ("model.ONNX", "digitrec export --format onnx"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            check_model_path(tmp_path / name)


def test_models_of_one_stem_stand_beside_each_other(model_and_rows, tmp_path):
    names = ("svm.v1", "svm.v2", "svm.joblib", "svm", "svm.pkl", "svm.joblib.gz")
    for name in names:
        save_model(model_and_rows[0], tmp_path / name, {"name": name})
    for name in names:
        load_model(tmp_path / name)
        assert read_metadata(tmp_path / name).other == {"name": name}


@given(
    st.dictionaries(
        st.sampled_from([*vars(ModelMetadata()), "of a later version"]),
        st.integers() | st.text() | st.lists(st.text()),
    )
)
def test_facts_that_digitrec_knows_and_others_are_written_as_they_were_read(facts):
    assert ModelMetadata.from_dict(facts).to_dict() == facts


@pytest.mark.parametrize("name", ["model.joblib", "svm.v1", "model.pkl"])
def test_metadata_of_the_first_version_are_still_read(name, model_and_rows, tmp_path):
    path = save_model(model_and_rows[0], tmp_path / name, {"model": "old"})
    metadata_path(path).rename(path.with_suffix(".json"))
    load_model(path)
    assert read_metadata(path).model == "old"
    save_model(model_and_rows[0], path, {"model": "new"})
    load_model(path)
    assert read_metadata(path).model == "new"
