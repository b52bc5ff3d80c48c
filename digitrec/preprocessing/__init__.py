"""Images to features: scikit-learn transformers, and the registry that composes them."""

from digitrec.preprocessing.augmentation import (
    Augmentation,
    augment,
)
from digitrec.preprocessing.background import RemoveBackground
from digitrec.preprocessing.components import PrincipalComponents
from digitrec.preprocessing.convolution_filters import ConvolutionFilters
from digitrec.preprocessing.deskew import Deskew
from digitrec.preprocessing.edges import EdgeMaps
from digitrec.preprocessing.features import (
    DEFAULT_FEATURES,
    FEATURES,
    FeatureSpec,
    build_features,
    join_pipelines,
)
from digitrec.preprocessing.gradients import OrientedGradients
from digitrec.preprocessing.scaling import GlobalScaler, PixelScaler
from digitrec.preprocessing.store import FixedFeatures, fixed_features
from digitrec.preprocessing.width import NormalizeWidth

__all__ = [
    "DEFAULT_FEATURES",
    "FEATURES",
    "Augmentation",
    "ConvolutionFilters",
    "Deskew",
    "EdgeMaps",
    "FeatureSpec",
    "FixedFeatures",
    "GlobalScaler",
    "NormalizeWidth",
    "OrientedGradients",
    "PixelScaler",
    "PrincipalComponents",
    "RemoveBackground",
    "augment",
    "build_features",
    "fixed_features",
    "join_pipelines",
]
