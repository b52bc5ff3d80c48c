"""What the image transformers share: shapes of images, and rows worked on in chunks."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from digitrec.errors import ConfigurationError

__all__ = ["map_rows", "resolve_image_shape", "run_threads"]

# Values per chunk: one float32 array of this size is 0.4 MB, so that the handful of
# temporaries that a chunk needs stays in the processor's cache.
_CHUNK_VALUES = 100_000


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
    function: Callable[[NDArray[np.float32]], NDArray[np.float32]],
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


def run_threads(work: Callable[[int], None], starts: range, n_jobs: int | None = None) -> None:
    """Call ``work(start)`` for every start, on threads.

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
        for start in starts:
            work(start)
        return
    # One thread per chunk is enough: threads of BLAS beside them would only get in the way.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(n_threads) as pool:
        for _ in pool.map(work, starts):
            pass
