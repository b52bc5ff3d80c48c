import subprocess
import sys

import joblib
import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.datasets import load_digits
from small_models import build_small

from digitrec.errors import ConfigurationError
from digitrec.models import DEFAULT_MODELS, MODELS
from digitrec.preprocessing import FEATURES

# The convolutional network has tests of its own, in a process apart.
AVAILABLE = [name for name, spec in MODELS.items() if spec.is_available and name != "cnn"]


@pytest.fixture(scope="module")
def rows():
    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype(np.float32)
    return X[:400], y[:400], X[600:800], y[600:800]


@pytest.fixture(scope="module")
def fitted(rows):
    X, y, _, _ = rows
    return {name: build_small(name, 1).fit(X, y) for name in AVAILABLE}


def test_keys_are_names_and_the_defaults_exist():
    assert all(name == spec.name for name, spec in MODELS.items())
    assert set(DEFAULT_MODELS) <= set(MODELS)
    assert all(spec.title and spec.summary.endswith(".") for spec in MODELS.values())


@pytest.mark.parametrize("name", AVAILABLE)
def test_builds_a_fresh_cloneable_classifier(name):
    spec = MODELS[name]
    first, second = spec.build(3), spec.build(3)
    assert first is not second
    assert is_classifier(first)
    assert repr(clone(first).get_params()) == repr(second.get_params())


@pytest.mark.parametrize("name", AVAILABLE)
def test_learns_and_answers_with_known_labels(name, fitted, rows):
    _, _, X, y = rows
    predicted = fitted[name].predict(X)
    assert predicted.shape == y.shape
    assert set(predicted) <= set(range(10))
    floor = 0.0 if name == "dummy" else 0.5
    assert np.mean(predicted == y) >= floor


@pytest.mark.parametrize("name", AVAILABLE)
def test_probabilities_are_probabilities(name, fitted, rows):
    model = fitted[name]
    if not hasattr(model, "predict_proba"):
        pytest.skip(f"{name} has no probabilities")
    probabilities = model.predict_proba(rows[2])
    assert probabilities.shape == (len(rows[2]), 10)
    assert probabilities.min() >= 0
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("name", AVAILABLE)
def test_same_seed_same_predictions(name, fitted, rows):
    X, y, X_test, _ = rows
    again = build_small(name, 1).fit(X, y)
    np.testing.assert_array_equal(again.predict(X_test), fitted[name].predict(X_test))


def test_models_load_in_a_fresh_process(fitted, rows, tmp_path):
    np.save(tmp_path / "rows.npy", rows[2])
    for name, model in fitted.items():
        joblib.dump(model, tmp_path / f"{name}.joblib")
    script = (
        "import sys, pathlib, joblib, numpy as np\n"
        "folder = pathlib.Path(sys.argv[1]); X = np.load(folder / 'rows.npy')\n"
        "for path in folder.glob('*.joblib'):\n"
        "    np.save(path.with_suffix('.npy'), joblib.load(path).predict(X))\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, cwd=tmp_path)
    for name, model in fitted.items():
        np.testing.assert_array_equal(np.load(tmp_path / f"{name}.npy"), model.predict(rows[2]))


@pytest.mark.parametrize("name", AVAILABLE)
@pytest.mark.parametrize("features", FEATURES)
def test_parameters_that_go_with_features_are_parameters_of_the_model(name, features):
    spec = MODELS[name]
    own = spec.feature_parameters.get(features, {})
    made = spec.build(3, features=features)
    assert made.get_params().items() >= own.items()
    given = dict.fromkeys(own)
    assert spec.build(3, given, features).get_params().items() >= given.items()
    assert set(spec.feature_parameters) <= set(FEATURES)


def test_a_wrong_parameter_is_explained():
    with pytest.raises(ConfigurationError, match="'depth'; it has: C, class_weight"):
        MODELS["svm"].build(parameters={"depth": 5})
