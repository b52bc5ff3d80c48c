"""What the image transformers share: a base class, shapes of images, rows worked on in chunks."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self, TypeVar

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import validate_data
from threadpoolctl import threadpool_limits

from digitrec._validation import check_rows
from digitrec.errors import ConfigurationError

_T = TypeVar("_T")
RowFunction = Callable[[NDArray[np.float32]], NDArray[np.float32]]

# Values per chunk: one float32 array of this size is 0.4 MB, so that the handful of
# temporaries that a chunk needs stays in the processor's cache.
_CHUNK_VALUES = 100_000


class FloatTransformer(TransformerMixin, BaseEstimator):
    """Base of transformers that return float32; `_learned` is an attribute that a fit sets."""

    _learned = ""

    def _check_rows(self, X: ArrayLike, dtype: Any = "numeric") -> NDArray[Any]:
        return check_rows(self, X, dtype=dtype, fitted=self._learned or "n_features_in_")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = bool(self._learned)
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


class ImageTransformer(FloatTransformer):
    """What transformers have in common that treat each image on its own.

    A subclass says in `_row_function` what is done to rows of pixels; one that learns extends
    `fit`.
    """

    def __init__(
        self, image_shape: tuple[int, int] | None = None, *, n_jobs: int | None = None
    ) -> None:
        self.image_shape = image_shape
        self.n_jobs = n_jobs

    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Check the parameters and the shape of the images; nothing is learned.

        Parameters
        ----------
        X : array-like, shape (n_samples, height * width)
            Images.
        y : ignored

        Raises
        ------
        ConfigurationError
            If a parameter is out of range, or the rows are not of the image shape.
        """
        self._check_parameters()
        images: NDArray = validate_data(self, X, dtype="numeric")
        resolve_image_shape(self.image_shape, images.shape[1])
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return what the class describes, for each image.

        Parameters
        ----------
        X : array-like, shape (n_samples, height * width)
            Images, any numeric type, values 0 (background) to 1 (ink).

        Returns
        -------
        ndarray of float32, shape (n_samples, n_columns)
        """
        images: NDArray = self._check_rows(X)
        function = self._row_function(resolve_image_shape(self.image_shape, images.shape[1]))
        # Transformers whose output is an image have no such attribute.
        n_columns: Any = getattr(self, "_n_features_out", images.shape[1])
        return map_rows(function, images, n_columns, self.n_jobs)

    def _check_parameters(self) -> None:
        """Raise `ConfigurationError` where a parameter is out of range."""

    def _row_function(self, shape: tuple[int, int]) -> RowFunction:
        """Return the function that turns float32 rows into float32 rows."""
        raise NotImplementedError


def resolve_image_shape(image_shape: tuple[int, int] | None, n_pixels: int) -> tuple[int, int]:
    """Return the height and width of images that have been flattened to rows.

    Parameters
    ----------
    image_shape : tuple of int or None
        ``(height, width)``, or None to infer it: a square where `n_pixels` is a square
        number, else one line of pixels.
    n_pixels : int
        Values per row.

    Raises
    ------
    ConfigurationError
        If `image_shape` does not fit `n_pixels`.
    """
    if image_shape is None:
        side = math.isqrt(n_pixels)
        return (side, side) if side * side == n_pixels else (1, n_pixels)
    height, width = image_shape
    if height * width != n_pixels:
        raise ConfigurationError(
            f"rows of {n_pixels} values are not images of shape {image_shape!r}; "
            f"give rows of {height * width} values or another image_shape"
        )
    return int(height), int(width)


def map_rows(
    function: RowFunction,
    X: NDArray,
    n_columns: int,
    n_jobs: int | None = None,
) -> NDArray[np.float32]:
    """Apply a function to chunks of rows, on threads.

    Parameters
    ----------
    function : callable
        Takes float32 rows ``(n, X.shape[1])`` and returns float32 rows ``(n, n_columns)``.
        It must treat each row on its own.
    X : ndarray, shape (n_samples, n_pixels)
        Any numeric type; converted to float32 chunk by chunk.
    n_columns : int
        Columns of the result.
    n_jobs : int, optional
        Threads, as joblib counts them; None means one.

    Returns
    -------
    ndarray of float32, shape (n_samples, n_columns)
    """
    result = np.empty((len(X), n_columns), dtype=np.float32)
    step = max(1, _CHUNK_VALUES // max(1, X.shape[1]))
    starts = range(0, len(X), step)

    def work(start: int) -> None:
        chunk = np.ascontiguousarray(X[start : start + step], dtype=np.float32)
        result[start : start + step] = function(chunk)

    run_threads(work, starts, n_jobs)
    return result


def run_threads(work: Callable[[int], _T], starts: range, n_jobs: int | None = None) -> list[_T]:
    """Call ``work(start)`` for every start, on threads, and return what each call returned.

    Parameters
    ----------
    work : callable
        Spends its time in NumPy, which lets other threads run.
    starts : range
        First rows of the chunks.
    n_jobs : int, optional
        Threads, as joblib counts them; None means one.
    """
    n_threads = min(effective_n_jobs(n_jobs), len(starts)) if len(starts) > 1 else 1
    if n_threads <= 1:
        return [work(start) for start in starts]
    # One thread per chunk is enough: further threads of BLAS would slow them down.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(work, starts))
