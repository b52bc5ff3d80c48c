"""Histograms of gradient directions on coarse grids."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from digitrec.preprocessing._maps import (
    N_DIRECTIONS,
    MapFeatures,
    Maps,
    direction_maps,
    pool_on_grids,
)


class OrientedGradients(MapFeatures):
    """Pool maps of gradient directions on coarse grids, normalised by their surroundings.

    With the central differences ``(gx, gy)`` of an image, each of 8 directions ``t`` has the map
    ``max(0, gx * cos(t) + gy * sin(t))**2 / sqrt(gx**2 + gy**2)``: the gradient's magnitude,
    shared softly among the directions near its own. Every map is pooled with triangular
    windows on each grid, and each cell is divided by the norm of all directions in the
    cells around it, so that thick and thin, dark and pale strokes give similar features. Columns
    are ordered by grid, then direction, row and column of the cell.

    Parameters
    ----------
    image_shape : tuple of int, optional
        ``(height, width)``. None infers a square (one line of pixels where the number of
        columns is not a square number).
    grids : sequence of int, default=(7, 4)
        Cells per side of each grid.
    n_jobs : int, optional
        Threads; None means one.

    Attributes
    ----------
    n_features_in_ : int
        Pixels per image.

    Notes
    -----
    Gradient-direction features with blurring and a square root: C.-L. Liu, K. Nakashima,
    H. Sako and H. Fujisawa, "Handwritten digit recognition: benchmarking of state-of-the-art
    techniques", Pattern Recognition 36(10), 2003. Normalisation by blocks: N. Dalal and
    B. Triggs, "Histograms of oriented gradients for human detection", CVPR 2005.
    """

    def __init__(
        self,
        image_shape: tuple[int, int] | None = None,
        *,
        grids: Sequence[int] = (7, 4),
        n_jobs: int | None = None,
    ) -> None:
        super().__init__(image_shape, n_jobs=n_jobs)
        self.grids = grids

    @property
    def _n_features_out(self) -> int:
        return N_DIRECTIONS * sum(g * g for g in self.grids)

    def _pooled(self, images: Maps) -> Iterator[tuple[Maps, Sequence[int]]]:
        yield pool_on_grids(direction_maps(images), self.grids), self.grids
