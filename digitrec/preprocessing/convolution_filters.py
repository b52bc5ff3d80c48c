"""Maps of small filters that are learned from patches of the training images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from sklearn.cluster import KMeans
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_array

from digitrec.errors import ConfigurationError
from digitrec.preprocessing._images import resolve_image_shape
from digitrec.preprocessing._maps import (
    MapFeatures,
    Maps,
    filter_maps,
    patches_around_pixels,
    pool_on_grids,
)

# What the filters are learned from: patches of this many images, of which so many are kept.
_IMAGES = 1000
_PATCHES = 50_000
# Patches of less contrast (the norm of the deviations from their mean) show no strokes.
_LEAST_CONTRAST = 0.3


class ConvolutionFilters(MapFeatures):
    """Convolve images with learned filters, rectify, pool on coarse grids and normalise.

    The filters are the cluster centres of patches that were brought to mean 0 and norm 1. At
    each pixel, the map of a filter is ``c * max(0, cosine - threshold)``: how far the patch
    around the pixel is like the filter, times its contrast ``c``. Maps are pooled and
    normalised as in `OrientedGradients`, whose directions they replace. Columns are ordered by
    grid, then filter, row and column of the cell.

    Parameters
    ----------
    image_shape : tuple of int, optional
        ``(height, width)``. None infers a square (one line of pixels where the number of
        columns is not a square number).
    n_filters : int, default=16
        Filters.
    side : int, default=3
        Pixels per side of a filter.
    threshold : float, default=0.6
        Least cosine between a patch and a filter that counts; at least 0 and below 1.
    grids : sequence of int, default=(7, 4)
        Cells per side of each grid.
    random_state : int, RandomState or None, default=0
        Seed of the choice of patches and of the clustering.
    n_jobs : int, optional
        Threads; None means one.

    Attributes
    ----------
    filters_ : ndarray of float32, shape (at most n_filters, side * side)
        Filters, of mean 0 and norm 1; fewer than asked for where there are fewer patches.
    n_features_in_ : int
        Pixels per image.

    Notes
    -----
    A. Coates and A. Y. Ng, "Learning feature representations with k-means", in Neural
    Networks: Tricks of the Trade, 2012, learn filters by clustering patches and encode by a
    threshold; the pooling is that of gradient-direction features (see `OrientedGradients`).
    """

    _learned = "filters_"

    def __init__(
        self,
        image_shape: tuple[int, int] | None = None,
        *,
        n_filters: int = 16,
        side: int = 3,
        threshold: float = 0.6,
        grids: Sequence[int] = (7, 4),
        random_state: int | RandomState | None = 0,
        n_jobs: int | None = None,
    ) -> None:
        super().__init__(image_shape, n_jobs=n_jobs)
        self.n_filters = n_filters
        self.side = side
        self.threshold = threshold
        self.grids = grids
        self.random_state = random_state

    @property
    def _n_features_out(self) -> int:
        return len(self.filters_) * sum(g * g for g in self.grids)

    def fit(self, X: ArrayLike, y: object = None) -> ConvolutionFilters:
        """Learn the filters.

        Parameters
        ----------
        X : array-like, shape (n_samples, height * width)
            Training images, values 0 (background) to 1 (ink).
        y : ignored

        Raises
        ------
        ConfigurationError
            If a parameter is out of range.
        ValueError
            If no patch of the images has any contrast.
        """
        super().fit(X)
        images: NDArray = check_array(X, dtype="numeric")
        shape = resolve_image_shape(self.image_shape, images.shape[1])
        random = check_random_state(self.random_state)
        if len(images) > _IMAGES:
            images = images[np.sort(random.choice(len(images), _IMAGES, replace=False))]
        columns = np.ascontiguousarray(images.T, dtype=np.float32)
        patches = patches_around_pixels(columns.reshape(*shape, -1), self.side)
        # Image by image: results of a seed depend on this order.
        patches = np.moveaxis(patches, 3, 1).reshape(self.side**2, -1)
        patches -= patches.mean(axis=0)
        contrast = np.sqrt(np.einsum("ij,ij->j", patches, patches))
        chosen = np.flatnonzero(contrast > _LEAST_CONTRAST)
        if not len(chosen):
            raise ValueError("filters cannot be learned: no patch of the images has any contrast")
        if len(chosen) > _PATCHES:
            chosen = random.choice(chosen, _PATCHES, replace=False)
        units = (patches[:, chosen] / contrast[chosen]).T
        clusters = KMeans(min(self.n_filters, len(units)), n_init=1, random_state=random)
        centres = clusters.fit(units).cluster_centers_
        centres -= centres.mean(axis=1, keepdims=True)
        norms = np.linalg.norm(centres, axis=1, keepdims=True)
        self.filters_ = (centres / np.maximum(norms, 1e-12)).astype(np.float32)
        return self

    def _check_parameters(self) -> None:
        if not 0 <= self.threshold < 1:
            raise ConfigurationError(
                f"threshold must be at least 0 and below 1, not {self.threshold!r}"
            )
        if self.n_filters < 1 or self.side < 2:
            raise ConfigurationError(
                "n_filters must be at least 1 and side at least 2, "
                f"not {self.n_filters!r} and {self.side!r}"
            )

    def _pooled(self, images: Maps) -> Iterator[tuple[Maps, Sequence[int]]]:
        maps = filter_maps(images, self.filters_, self.threshold)
        yield pool_on_grids(maps, self.grids), self.grids
