"""Small real models of 8x8 digits, one for each entry of the registry."""

import functools

import numpy as np
import pytest
from sklearn.base import clone

from digitrec.datasets import load_dataset
from digitrec.models import MODELS
from digitrec.persistence import save_model
from digitrec.preprocessing import DEFAULT_FEATURES, FEATURES, build_features, join_pipelines

# Few trees and passes: the form of a model does not depend on their number.
_NETWORK = {"n_epochs": 9, "n_components": 20, "hidden_layer_sizes": (32,)}
_SMALL = {
    "random_forest": {"n_estimators": 10},
    "extra_trees": {"n_estimators": 10},
    "hist_gradient_boosting": {"max_iter": 5},
    "nystroem_svm": {"nystroem__n_components": 50},
    "augmented_mlp": {**_NETWORK, "n_networks": 2},
    "convolution_mlp": _NETWORK,
    "virtual_svm": {"n_copies": 1, "n_components": 20},
    "convolution_svm": {"n_copies": 1, "n_components": 20},
}


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
        model = clone(spec.build(0))
        known = model.get_params()
        model.set_params(**{k: v for k, v in _SMALL.get(name, {}).items() if k in known})
        n_components = 20 if FEATURES[features].n_components else None
        steps = build_features(features, small_digits.image_shape, n_components=n_components)
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
