"""Every registered feature set, and the store that computes each once."""

import subprocess
import sys

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import Pipeline

from digitrec._messages import messages_to
from digitrec.datasets._dataset import Dataset
from digitrec.errors import ConfigurationError
from digitrec.preprocessing import (
    FEATURES,
    build_features,
    fixed_features,
    join_pipelines,
    store,
)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    X = np.minimum(X * 16, 255).astype(np.uint8)
    return Dataset(
        name="digits",
        X_train=X[:1200],
        y_train=y[:1200],
        X_test=X[1200:],
        y_test=y[1200:],
        image_shape=(8, 8),
        label_names=tuple("0123456789"),
        source="scikit-learn",
        license="BSD-3-Clause",
        has_fixed_test=False,
    )


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize("image_shape", [(28, 28), (8, 8), (12, 7)])
def test_every_feature_set_builds_fits_and_clones(name, image_shape):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (130, image_shape[0] * image_shape[1]), dtype=np.uint8)
    pipeline = build_features(name, image_shape)
    features = pipeline.fit_transform(X)
    assert features.dtype == np.float32
    assert features.ndim == 2
    assert np.isfinite(features).all()
    np.testing.assert_allclose(pipeline.transform(X), features, atol=1e-4)
    np.testing.assert_array_equal(clone(pipeline).fit(X).transform(X), pipeline.transform(X))


@pytest.mark.parametrize("name", FEATURES)
def test_fixed_then_fitted_is_the_whole(name, digits):
    spec = FEATURES[name]
    fixed, fitted = spec.build_fixed((8, 8)), spec.build_fitted()
    rows = fitted.fit_transform(fixed.transform(digits.X_train))
    whole = build_features(name, (8, 8)).fit(digits.X_train)
    np.testing.assert_allclose(whole.transform(digits.X_train), rows, atol=1e-4)


def test_joined_pipelines_predict_from_raw_pixels_in_a_fresh_process(digits, tmp_path):
    expected = {}
    for name, spec in FEATURES.items():
        fixed, fitted = spec.build_fixed((8, 8)), spec.build_fitted()
        rows = fitted.fit_transform(fixed.transform(digits.X_train[:400]))
        model = RidgeClassifier().fit(rows, digits.y_train[:400])
        pipeline = join_pipelines(fixed, fitted, model=model)
        assert all(not isinstance(step, Pipeline) for _, step in pipeline.steps)
        expected[name] = pipeline.predict(digits.X_test)
        assert (expected[name] == digits.y_test).mean() > 0.8
        joblib.dump(pipeline, tmp_path / f"{name}.joblib")
    np.save(tmp_path / "X.npy", digits.X_test)
    code = (
        "import pathlib, joblib, numpy as np\n"
        "for path in pathlib.Path().glob('*.joblib'):\n"
        "    np.save(path.with_suffix('.y.npy'), joblib.load(path).predict(np.load('X.npy')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
    for name, labels in expected.items():
        np.testing.assert_array_equal(np.load(tmp_path / f"{name}.y.npy"), labels)


def test_unknown_names_are_refused():
    with pytest.raises(ConfigurationError, match="raw, deskewed, "):
        build_features("pixels", (8, 8))


@pytest.mark.parametrize("name", FEATURES)
def test_store_computes_once_and_reads_after(name, digits, tmp_path):
    lines: list[str] = []
    with messages_to(lines.append):
        first = fixed_features(digits, FEATURES[name], tmp_path)
    expected = FEATURES[name].build_fixed((8, 8)).transform(digits.X_test)
    np.testing.assert_array_equal(first.test, expected)
    assert first.train.dtype == np.float32
    assert len(first.train) == len(digits.X_train)
    modified = first.train_path.stat().st_mtime_ns
    with messages_to(lines.append):
        second = fixed_features(digits, FEATURES[name], tmp_path)
    assert isinstance(second.train, np.memmap)
    assert not second.train.flags.writeable
    assert second.train_path.stat().st_mtime_ns == modified
    assert second.seconds == first.seconds > 0
    assert ["images in" in line for line in lines] == [True]


def test_store_writes_many_rows_chunk_by_chunk(digits, tmp_path, monkeypatch):
    whole = fixed_features(digits, FEATURES["edges"], tmp_path / "whole")
    monkeypatch.setattr(store, "_CHUNK_ROWS", 500)
    parts = fixed_features(digits, FEATURES["edges"], tmp_path / "parts")
    # Products of other sizes round otherwise, and a root magnifies that near zero: 7e-6 seen.
    np.testing.assert_allclose(parts.train, whole.train, atol=5e-5)
    np.testing.assert_allclose(parts.test, whole.test, atol=5e-5)


def test_store_computes_damaged_entries_again(digits, tmp_path):
    spec = FEATURES["deskewed"]
    first = fixed_features(digits, spec, tmp_path)
    expected = np.array(first.train)
    for damaged in first.train_path.parent.glob("*.npy"):
        content = damaged.read_bytes()
        damaged.write_bytes(content[: len(content) // 2])
        again = fixed_features(digits, spec, tmp_path)
        np.testing.assert_array_equal(again.train, expected)
    first.train_path.unlink()
    np.testing.assert_array_equal(fixed_features(digits, spec, tmp_path).train, expected)


def test_store_tells_datasets_apart(digits, tmp_path):
    changed = digits.X_train.copy()
    changed[0, 20] ^= 255
    other = Dataset(
        **{
            **{f: getattr(digits, f) for f in digits.__dataclass_fields__},
            "X_train": changed,
            "fingerprint": "",
        }
    )
    a, b = (fixed_features(data, FEATURES["raw"], tmp_path) for data in (digits, other))
    assert a.train_path != b.train_path
    assert (a.train[0] != b.train[0]).any()
