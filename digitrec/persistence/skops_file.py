"""Pipelines in the skops format, which lists types and runs no code when it is loaded."""

from __future__ import annotations

import os
from typing import Any, BinaryIO

from digitrec._optional import import_optional
from digitrec.errors import ModelFileError

TRUSTED_TYPES = (
    "digitrec.models.augmented_mlp.AugmentedMLP",
    "digitrec.models.discriminant_forest.DiscriminantForest",
    "digitrec.models.kernel_svm.KernelSVC",
    "digitrec.models.virtual_svm.VirtualSVC",
    "digitrec.preprocessing.augmentation.Augmentation",
    "digitrec.preprocessing.components.PrincipalComponents",
    "digitrec.preprocessing.convolution_filters.ConvolutionFilters",
    "digitrec.preprocessing.deskew.Deskew",
    "digitrec.preprocessing.distorted.DistortedFeatures",
    "digitrec.preprocessing.edges.EdgeMaps",
    "digitrec.preprocessing.gradients.OrientedGradients",
    "digitrec.preprocessing.scaling.GlobalScaler",
    "digitrec.preprocessing.scaling.PixelScaler",
    "digitrec.preprocessing.width.NormalizeWidth",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",
)
"""Types a file may hold in addition to those that skops trusts; nothing else is loaded."""


def write_skops(model: Any, path: str | os.PathLike[str]) -> None:
    """Write a fitted Pipeline.

    Raises
    ------
    ModelFileError
        If the model has types that `load_skops` would refuse.
    """
    io = import_optional("skops.io", extra="skops")
    io.dump(model, path)
    _refuse_unknown_types(io.get_untrusted_types(file=path))


def load_skops(file: BinaryIO) -> Any:
    """Load a Pipeline from an open file.

    Raises
    ------
    ModelFileError
        If the file has types that are not among `TRUSTED_TYPES`.
    """
    io = import_optional("skops.io", extra="skops")
    content = file.read()
    _refuse_unknown_types(io.get_untrusted_types(data=content))
    return io.loads(content, trusted=list(TRUSTED_TYPES))


def _refuse_unknown_types(found: list[str]) -> None:
    if strange := sorted(set(found) - set(TRUSTED_TYPES)):
        raise ModelFileError(
            f"holds types that are not trusted: {', '.join(strange)}; "
            "it was not made by this version of digitrec: export the model again"
        )
