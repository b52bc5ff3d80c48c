"""The registry of models: one `ModelSpec` per classifier that digitrec compares."""

from digitrec.models._spec import ModelSpec, Prototype, seed_estimator
from digitrec.models.registry import DEFAULT_MODELS, MODELS

__all__ = [
    "DEFAULT_MODELS",
    "MODELS",
    "ModelSpec",
    "Prototype",
    "seed_estimator",
]
