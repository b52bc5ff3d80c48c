"""Images to features: scikit-learn transformers, and the registry that composes them."""

from digitrec.preprocessing.components import PrincipalComponents
from digitrec.preprocessing.deskew import Deskew
from digitrec.preprocessing.features import (
    DEFAULT_FEATURES,
    FEATURES,
    FeatureSpec,
    build_features,
    join_pipelines,
)
from digitrec.preprocessing.gradients import OrientedGradients
from digitrec.preprocessing.scaling import GlobalScaler, PixelScaler
from digitrec.preprocessing.store import FeatureStore, FixedFeatures

__all__ = [
    "DEFAULT_FEATURES",
    "FEATURES",
    "Deskew",
    "FeatureSpec",
    "FeatureStore",
    "FixedFeatures",
    "GlobalScaler",
    "OrientedGradients",
    "PixelScaler",
    "PrincipalComponents",
    "build_features",
    "join_pipelines",
]
