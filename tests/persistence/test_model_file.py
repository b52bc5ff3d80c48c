import json
import pickle
import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from digitrec.errors import ModelFileError, ModelFileWarning
from digitrec.persistence import (
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
    assert metadata["model"] == "ours"
    assert metadata["bytes"] == saved.stat().st_size
    assert {"scikit-learn", "numpy", "python", "digitrec"} <= set(metadata["versions"])


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
    with pytest.raises(ModelFileError, match=r"model\.json"):
        load_model(saved)


def test_missing_metadata_are_named(saved):
    metadata_path(saved).unlink()
    with pytest.raises(ModelFileError, match=r"model\.json is missing"):
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
