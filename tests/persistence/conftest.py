"""Small real models of 8x8 digits, one for each entry of the registry."""

import functools

import numpy as np
import pytest
from small_models import build_small

from digitrec.datasets import load_dataset
from digitrec.models import MODELS
from digitrec.persistence import save_model
from digitrec.preprocessing import DEFAULT_FEATURES, build_features, join_pipelines


@pytest.fixture(scope="session")
def small_digits():
    """300 training rows and the test rows of scikit-learn's digits."""
    return load_dataset("digits", max_train=300)


@pytest.fixture(scope="session")
def fitted(small_digits):
    """Return a function: name of a model, labels kept, names for them -> fitted Pipeline."""

    @functools.cache
    def fit(name, n_classes=10, label_names=None, features=DEFAULT_FEATURES):
        X, y = small_digits.X_train, small_digits.y_train
        X, y = X[y < n_classes], y[y < n_classes]
        if label_names is not None:
            y = np.array(label_names)[y]
        spec = MODELS[name]
        if spec.features and features not in spec.features:
            features = spec.features[0]
        model = build_small(name)
        steps = build_features(features, small_digits.image_shape)
        if "components" in steps.named_steps:
            steps.set_params(components__n_components=20)
        return join_pipelines(steps, model=model).fit(X, y)

    return fit


@pytest.fixture(scope="session")
def saved_digits_model(fitted, tmp_path_factory):
    """Return a function: name of a model -> its joblib file."""

    @functools.cache
    def save(name):
        path = tmp_path_factory.mktemp("models") / f"{name}.joblib"
        return save_model(fitted(name), path, {"model": name, "dataset": "digits"})

    return save
