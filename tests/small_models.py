"""The models of the registry with few trees and passes: what they are does not depend on these."""

from digitrec.models import MODELS

_NETWORK = {"n_epochs": 18, "batch_size": 25, "n_components": 20, "hidden_layer_sizes": (32,)}
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


def build_small(name, random_state=0):
    """Return an unfitted estimator of the registry, made small."""
    return MODELS[name].build(random_state, _SMALL.get(name))
