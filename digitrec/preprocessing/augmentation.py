"""New training images from old ones: affine jitter, elastic distortion, stroke thickness.

Every image is warped at most once, so that combined distortions blur no more than one does.
Random numbers belong to blocks of rows, not to calls: the same seed gives the same images
however they are streamed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator, RandomState
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array, check_random_state

from digitrec.errors import ConfigurationError
from digitrec.preprocessing._images import resolve_image_shape, run_threads
from digitrec.preprocessing._warping import gaussian, sample, thicken

# Rows that share one stream of random numbers; also the size of the work on one thread.
_BLOCK = 128
# Side for which lengths in pixels are meant; other sizes scale them.
_SIDE = 28.0

Seed = int | RandomState | None


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How strongly images are distorted. Zero switches a distortion off.

    Amounts of affine jitter and thickness are the ends of uniform distributions around no
    change. Lengths in pixels are meant for images of 28x28 and scale with the image's side.

    Attributes
    ----------
    flip : float
        Probability that an image is mirrored left to right: for objects, not for characters.
    rotation : float
        Degrees.
    scale : float
        Relative change of height and of width, drawn apart.
    shear : float
        Columns per row.
    shift : float
        Pixels, along each axis.
    elastic_alpha : float
        Strength of the elastic distortion; Simard et al. took 34.
    elastic_sigma : float
        Its smoothness, in pixels; Simard et al. took 4.
    thickness : float
        Pixels by which strokes grow or shrink, roughly. A whole one is a grey dilation or erosion
        by a cross of three by three pixels; parts are blended in.

    Notes
    -----
    P. Y. Simard, D. Steinkraus and J. C. Platt, "Best practices for convolutional neural
    networks applied to visual document analysis", ICDAR 2003: uniform noise in -1 to 1,
    blurred by a Gaussian of `elastic_sigma` and multiplied by `elastic_alpha`, moves each pixel.
    """

    rotation: float = 10.0
    scale: float = 0.1
    shear: float = 0.1
    shift: float = 1.0
    elastic_alpha: float = 0.0
    elastic_sigma: float = 4.0
    thickness: float = 0.0
    flip: float = 0.0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not (np.isfinite(value) and value >= 0):
                raise ConfigurationError(
                    f"{field.name} must be a finite number of at least 0, not {value!r}"
                )
        if self.flip > 1:
            raise ConfigurationError(f"flip is a probability, at most 1, not {self.flip!r}")
        if self.scale >= 1:
            raise ConfigurationError(f"scale must be below 1, not {self.scale!r}")
        if self.elastic_alpha and not self.elastic_sigma:
            raise ConfigurationError("elastic_sigma must be above 0 where elastic_alpha is")

    @property
    def warps(self) -> bool:
        """Whether pixels move."""
        moves = (self.rotation, self.scale, self.shear, self.shift, self.elastic_alpha)
        return any(moves)


def augment(
    X: ArrayLike,
    image_shape: tuple[int, int] | None = None,
    n_copies: int = 1,
    random_state: Seed = None,
    *,
    augmentation: Augmentation | None = None,
    chunk_rows: int = 8192,
    n_jobs: int | None = None,
) -> Iterator[NDArray]:
    """Stream distorted copies of images.

    Parameters
    ----------
    X : array-like, shape (n_samples, height * width)
        Images; the background is 0.
    image_shape : tuple of int, optional
        ``(height, width)``; None infers a square.
    n_copies : int, default=1
        Copies of every image.
    random_state : int, RandomState or None
        Seed. The images do not depend on `chunk_rows` and `n_jobs`.
    augmentation : Augmentation, optional
        Amounts; None means the defaults (affine jitter).
    chunk_rows : int, default=8192
        Rows per chunk, rounded up to a multiple of 128.
    n_jobs : int, optional
        Threads; None means one.

    Yields
    ------
    ndarray, shape (at most chunk_rows, height * width), dtype of `X`
        The first copies of all rows in their order, then the second copies, and so on; a
        chunk holds copies of one round only.
    """
    images: NDArray = check_array(X, dtype="numeric")
    if n_copies < 0:
        raise ConfigurationError(f"n_copies must be at least 0, not {n_copies!r}")
    shape = resolve_image_shape(image_shape, images.shape[1])
    amount = augmentation or Augmentation()
    seed = int(check_random_state(random_state).randint(2**31 - 1))
    step = -(-max(1, chunk_rows) // _BLOCK) * _BLOCK
    for copy in range(n_copies):
        for start in range(0, len(images), step):
            chunk = images[start : start + step]
            yield _distort(chunk, shape, amount, (seed, copy, start // _BLOCK), n_jobs)


def _distort(
    X: NDArray,
    shape: tuple[int, int],
    amount: Augmentation,
    stream: tuple[int, int, int],
    n_jobs: int | None,
) -> NDArray:
    """Distort rows; `stream` is the seed, the round and the number of the first block."""
    result = np.empty_like(X)
    seed, copy, first = stream
    integers = np.issubdtype(X.dtype, np.integer)

    def work(start: int) -> None:
        rng = np.random.default_rng([seed, copy, first + start // _BLOCK])
        images = X[start : start + _BLOCK].astype(np.float32).reshape(-1, *shape)
        if amount.warps:
            images = sample(images, *_positions(len(images), shape, amount, rng))
        if amount.thickness:
            limit = amount.thickness * _relative_side(shape)
            steps = rng.uniform(-limit, limit, len(images)).astype(np.float32)
            images = thicken(images, steps)
        if amount.flip:
            # Drawn last: the other distortions are the same with and without.
            mirrored = rng.random(len(images)) < amount.flip
            images[mirrored] = images[mirrored, :, ::-1]
        block = images.reshape(len(images), -1)
        result[start : start + _BLOCK] = np.rint(block) if integers else block

    run_threads(work, range(0, len(X), _BLOCK), n_jobs)
    return result


def _relative_side(shape: tuple[int, int]) -> float:
    return float(np.sqrt(shape[0] * shape[1])) / _SIDE


def _positions(
    n: int, shape: tuple[int, int], amount: Augmentation, rng: Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return where each pixel of ``(n, height, width)`` is taken from: rows and columns."""
    height, width = shape
    relative = _relative_side(shape)
    angle = np.deg2rad(rng.uniform(-amount.rotation, amount.rotation, n))
    scale_y, scale_x = 1 + rng.uniform(-amount.scale, amount.scale, (2, n))
    shear = rng.uniform(-amount.shear, amount.shear, n)
    shift_y, shift_x = rng.uniform(-amount.shift, amount.shift, (2, n)) * relative
    cos, sin = np.cos(angle), np.sin(angle)
    # Output to input: rotation, then shear along rows, then scale.
    terms = [cos / scale_y, sin / scale_y, (shear * cos - sin) / scale_x]
    terms += [(cos + shear * sin) / scale_x, shift_y, shift_x]
    yy, yx, xy, xx, ty, tx = (np.asarray(t, dtype=np.float32)[:, None, None] for t in terms)
    middle_y, middle_x = np.float32((height - 1) / 2), np.float32((width - 1) / 2)
    y = np.arange(height, dtype=np.float32)[:, None] - middle_y
    x = np.arange(width, dtype=np.float32) - middle_x
    rows = (yy * y + (ty + middle_y)) + yx * x
    columns = (xy * y + (tx + middle_x)) + xx * x
    if amount.elastic_alpha:
        noise = rng.random((2, n, height, width), dtype=np.float32) * 2 - 1
        sigma = amount.elastic_sigma * relative
        field = gaussian(height, sigma) @ noise @ gaussian(width, sigma)
        # A field of given strength moves pixels in proportion to the image's side: wider
        # smoothing averages more noise away, hence the square.
        field *= np.float32(amount.elastic_alpha * relative**2)
        rows += field[0]
        columns += field[1]
    return rows, columns
