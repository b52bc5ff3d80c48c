"""The registry of feature sets: each turns raw pixels into what a model learns from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from digitrec.errors import check_choice
from digitrec.preprocessing.background import RemoveBackground
from digitrec.preprocessing.components import PrincipalComponents
from digitrec.preprocessing.deskew import Deskew
from digitrec.preprocessing.edges import EdgeMaps
from digitrec.preprocessing.gradients import OrientedGradients
from digitrec.preprocessing.scaling import GlobalScaler, PixelScaler
from digitrec.preprocessing.width import NormalizeWidth

ImageShape = tuple[int, int] | None
Steps = list[tuple[str, Any]]

# Whitening of the components of `edges`, a power of their variances, with 200 components in
# place of 150. Errors on three times 10,000 held-out rows of MNIST, with 0 and with 0.25: SVM 139
# and 119, logistic regression 195 and 176, MLP 156 and 143, forest 226 and 198.
_WHITENING = 0.25
# Their mean variance: an SVM takes 1 / n_features as gamma, so this is what multiplies it. Errors
# of the SVM with 0.4, 0.6, 0.8 and 1.0: 120, 119, 125 and 125, the last in 1.4 times the time;
# of logistic regression (C=0.1) with 0.3, 0.5 and 1.0: 173, 176 and 179.
_VARIANCE = 0.6
# Errors in % on 2,000 validation images of MNIST, clean and under MNIST-C's fifteen corruptions,
# of an SVM fitted to 10,000 clean ones: 0.85 and 35.2 without a limit, 0.85 and 19.9 with 0.99,
# 1.00 and 21.4 with 0.5. (Components that are not whitened: 19.9 without a limit.)
_NORM_QUANTILE = 0.99
# Cells a side of the grids of `edges_no_deskew`. Errors on 10,000 validation images of
# Fashion-MNIST after 8,000 others, with (5,) and with (7, 4): SVM 839 and 826, logistic regression
# 1,012 and 951, MLP 917 and 869, forest 983 and 935.
_FINE_GRIDS = (7, 4)


@dataclass(frozen=True, kw_only=True)
class FeatureSpec:
    """One entry of the registry of feature sets.

    Attributes
    ----------
    name : str
        Registry key.
    title : str
        Name for tables and figures.
    summary : str
        One sentence on what the features are.
    fixed_steps : callable
        ``fixed_steps(image_shape, n_jobs) -> steps`` that learn nothing and treat each image
        on its own, from raw pixels 0–255; computed once per dataset.
    fitted_steps : callable
        ``fitted_steps() -> steps`` that are fitted on training rows; by default none.
    """

    name: str
    title: str
    summary: str
    fixed_steps: Callable[[ImageShape, int | None], Steps]
    fitted_steps: Callable[[], Steps] = list

    def build_fixed(
        self,
        image_shape: ImageShape,
        *,
        n_jobs: int | None = None,
        X: NDArray | None = None,
        pixel_range: tuple[float, float] | None = None,
    ) -> Pipeline:
        """Return the part that learns nothing of what the classes are, ready to transform.

        Parameters
        ----------
        image_shape : tuple of int, or None
            ``(height, width)``; None for rows that are not images.
        n_jobs : int, optional
            Threads; None means one.
        X : ndarray, shape (n, height * width), optional
            Training rows of a pipeline that is to be kept: rows that are dark on light are later
            recognised by comparison with these.
        pixel_range : tuple of float, optional
            Values of black and white in rows of another scale that it takes as well, as
            `PixelScaler` has it.

        Returns
        -------
        sklearn.pipeline.Pipeline
            Takes raw rows ``(n, height * width)`` of any numeric type, values 0–255, and
            returns float32 rows.
        """
        steps = self.fixed_steps(image_shape, n_jobs) or [("identity", "passthrough")]
        n_columns = 1 if image_shape is None else image_shape[0] * image_shape[1]
        pipeline = Pipeline(steps).fit(np.zeros((1, n_columns), dtype=np.float32))
        if X is not None and isinstance(steps[0][1], PixelScaler):
            steps[0][1].set_params(pixel_range=pixel_range).fit(X)
        return pipeline

    def build_fitted(self) -> Pipeline:
        """Return the part that is fitted on training rows, unfitted.

        Returns
        -------
        sklearn.pipeline.Pipeline
            Takes what `build_fixed` returns. A set that learns nothing gives a Pipeline that
            passes its input through.
        """
        return Pipeline(self.fitted_steps() or [("identity", "passthrough")])


def join_pipelines(*pipelines: Pipeline, **steps: Any) -> Pipeline:
    """Return one flat Pipeline of the steps of several and of further named steps.

    The steps are shared, not cloned: fitted parts stay fitted. Steps that pass their input
    through are left out.

    Examples
    --------
    >>> spec = FEATURES["raw"]
    >>> shape = (28, 28)
    >>> [name for name, _ in join_pipelines(spec.build_fixed(shape), model="passthrough").steps]
    ['scale_pixels', 'model']
    """
    joined = [step for p in pipelines for step in p.steps if step[1] != "passthrough"]
    return Pipeline([*joined, *steps.items()] or [("identity", "passthrough")])


def build_features(name: str, image_shape: ImageShape) -> Pipeline:
    """Return the whole, unfitted way from raw pixels to a feature set.

    Parameters
    ----------
    name : str
        Key of `FEATURES`.
    image_shape : tuple of int
        ``(height, width)``.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Takes raw rows ``(n, height * width)`` of any numeric type, values 0–255, and returns
        float32 rows. Its steps are flat.
    """
    spec = FEATURES[check_choice("feature set", name, FEATURES)]
    fixed = Pipeline(spec.fixed_steps(image_shape, None) or [("identity", "passthrough")])
    return join_pipelines(fixed, spec.build_fitted())


def _pixels(image_shape: ImageShape, n_jobs: int | None) -> Steps:
    if image_shape is None:  # columns of a table have no common scale
        return []
    return [("scale_pixels", PixelScaler())]


def _deskewed(image_shape: ImageShape, n_jobs: int | None) -> Steps:
    return [*_pixels(image_shape, n_jobs), ("deskew", Deskew(image_shape, n_jobs=n_jobs))]


def _equal_width(image_shape: ImageShape, n_jobs: int | None) -> Steps:
    width = NormalizeWidth(image_shape, n_jobs=n_jobs)
    return [*_deskewed(image_shape, n_jobs), ("width", width)]


def _gradients(image_shape: ImageShape, n_jobs: int | None) -> Steps:
    gradients = OrientedGradients(image_shape, n_jobs=n_jobs)
    return [*_deskewed(image_shape, n_jobs), ("gradients", gradients)]


def _edges(image_shape: ImageShape, n_jobs: int | None) -> Steps:
    return [*_deskewed(image_shape, n_jobs), ("edges", EdgeMaps(image_shape, n_jobs=n_jobs))]


def _edges_no_deskew(image_shape: ImageShape, n_jobs: int | None) -> Steps:
    edges = EdgeMaps(image_shape, grids=_FINE_GRIDS, n_jobs=n_jobs)
    return [*_pixels(image_shape, n_jobs), ("edges", edges)]


def _robust(image_shape: ImageShape, n_jobs: int | None) -> Steps:
    scale, *others = _edges(image_shape, n_jobs)
    return [scale, ("remove_background", RemoveBackground(image_shape, n_jobs=n_jobs)), *others]


def _components() -> Steps:
    return [("components", PrincipalComponents(100)), ("scale", GlobalScaler())]


def _whitened() -> Steps:
    components = PrincipalComponents(200, whitening=_WHITENING)
    scale = GlobalScaler(_VARIANCE, norm_quantile=_NORM_QUANTILE)
    return [("components", components), ("scale", scale)]


_SPECS = (
    FeatureSpec(
        name="raw",
        title="raw pixels",
        summary="Pixels scaled to 0–1.",
        fixed_steps=_pixels,
    ),
    FeatureSpec(
        name="deskewed",
        title="deskewed pixels",
        summary="Pixels scaled to 0–1, centred and straightened by image moments.",
        fixed_steps=_deskewed,
    ),
    FeatureSpec(
        name="equal_width",
        title="deskewed pixels of equal width",
        summary="As `deskewed`, and stretched until the ink of each image is equally wide.",
        fixed_steps=_equal_width,
    ),
    FeatureSpec(
        name="gradients",
        title="oriented gradients",
        summary=(
            "Deskewed images as gradient directions pooled on two grids, normalised, "
            "and reduced to principal components."
        ),
        fixed_steps=_gradients,
        fitted_steps=_components,
    ),
    FeatureSpec(
        name="edges",
        title="edges and their bends",
        summary=(
            "Deskewed images as maps of edges, ridges and bending edges pooled on two grids, "
            "normalised, and reduced to partly whitened principal components."
        ),
        fixed_steps=_edges,
        fitted_steps=_whitened,
    ),
    FeatureSpec(
        name="edges_no_deskew",
        title="edges of images as they are",
        summary=(
            "As `edges`, on finer grids and without the deskew: for images that have a shape of "
            "their own, not a slant, such as clothes."
        ),
        fixed_steps=_edges_no_deskew,
        fitted_steps=_whitened,
    ),
    FeatureSpec(
        name="robust",
        title="edges without background",
        summary=(
            "As `edges`, from images whose background, inverted bands and impulse noise are "
            "removed first: for images taken in uneven light or damaged."
        ),
        fixed_steps=_robust,
        fitted_steps=_whitened,
    ),
)

FEATURES: dict[str, FeatureSpec] = {spec.name: spec for spec in _SPECS}
"""Every feature set, by name."""

DEFAULT_FEATURES = "edges"
