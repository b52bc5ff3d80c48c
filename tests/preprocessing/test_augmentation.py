"""Distortions: what they leave alone, what they change, and that seeds decide everything."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter, grey_dilation, grey_erosion, map_coordinates

from digitrec.errors import ConfigurationError
from digitrec.preprocessing import Augmentation, augment
from digitrec.preprocessing._warping import gaussian, sample, thicken
from digitrec.preprocessing.augmentation import _positions

EVERYTHING = Augmentation(elastic_alpha=34, thickness=0.7)
NO_CHANGE = Augmentation(rotation=0, scale=0, shear=0, shift=0)
JITTER = {"rotation": 10, "scale": 0.1, "shear": 0.1, "shift": 1}


def distort(X, shape, seed, n_jobs=None, **amounts):
    """One copy of each image, with nothing but the distortions given."""
    amount = dataclasses.replace(NO_CHANGE, **amounts)
    return next(augment(X, shape, 1, seed, augmentation=amount, n_jobs=n_jobs))


def blobs(n, shape=(28, 28), seed=0, dtype=np.uint8):
    """Smooth ink in the middle of images, away from their borders."""
    rng = np.random.default_rng(seed)
    noise = gaussian_filter(rng.normal(size=(n, *shape)), (0, 1.5, 1.5))
    y, x = (np.linspace(-1, 1, size) for size in shape)
    window = np.clip(1.3 - np.hypot(*np.meshgrid(y, x, indexing="ij")) * 1.8, 0, 1)
    images = np.clip(noise * window * 6, 0, 1)
    return np.rint(images * 255).astype(dtype).reshape(n, -1)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(28, 28), (8, 8), (11, 6)])
def test_no_distortion_is_the_identity(dtype, shape):
    X = blobs(40, shape, dtype=dtype)
    np.testing.assert_array_equal(next(augment(X, shape, 1, 0, augmentation=NO_CHANGE)), X)
    # Tiny amounts run the whole way and must come out next to the input.
    tiny = Augmentation(
        rotation=1e-4, scale=1e-6, shear=1e-6, shift=1e-6, elastic_alpha=1e-4, thickness=1e-6
    )
    almost = next(augment(X, shape, 1, 0, augmentation=tiny))
    np.testing.assert_allclose(almost, X, atol=0.1)


@settings(max_examples=30)
@given(
    shape=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    seed=st.integers(0, 2**31 - 1),
    rotation=st.floats(0, 180),
    scale=st.floats(0, 0.9),
    shift=st.floats(0, 100),
    alpha=st.floats(0, 1000),
    sigma=st.floats(0.2, 10),
    thickness=st.floats(0, 3),
)
def test_any_amount_keeps_shape_dtype_and_range(
    shape, seed, rotation, scale, shift, alpha, sigma, thickness
):
    amount = Augmentation(
        rotation=rotation,
        scale=scale,
        shift=shift,
        elastic_alpha=alpha,
        elastic_sigma=sigma,
        thickness=thickness,
    )
    X = np.random.default_rng(seed).integers(0, 201, (3, shape[0] * shape[1]), dtype=np.uint8)
    before = X.copy()
    for rows in (X, X.astype(np.float32)):
        result = next(augment(rows, shape, 1, seed, augmentation=amount))
        assert result.dtype == rows.dtype
        assert result.shape == rows.shape
        assert result.min() >= 0
        assert result.max() <= 200.001
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize("amounts", [JITTER, {"elastic_alpha": 34}, {"thickness": 0.5}])
def test_seeds_decide_everything(amounts):
    X = blobs(300)
    first = distort(X, None, 7, **amounts)
    np.testing.assert_array_equal(first, distort(X, None, 7, **amounts))
    np.testing.assert_array_equal(first, distort(X, None, 7, n_jobs=2, **amounts))
    assert (first != distort(X, None, 8, **amounts)).any(axis=1).mean() > 0.9
    assert (first != X).any(axis=1).mean() > 0.9


@pytest.mark.parametrize("chunk_rows", [1, 128, 200, 256, 1000])
def test_chunks_do_not_change_the_images(chunk_rows):
    X = blobs(300)
    whole = list(augment(X, None, 2, 5, augmentation=EVERYTHING, chunk_rows=10_000))
    assert [len(chunk) for chunk in whole] == [300, 300]
    chunks = list(augment(X, None, 2, 5, augmentation=EVERYTHING, chunk_rows=chunk_rows, n_jobs=2))
    np.testing.assert_array_equal(np.concatenate(chunks), np.concatenate(whole))


def test_copies_differ():
    first, second = augment(blobs(200), None, 2, 0)
    assert (first != second).any(axis=1).all()


def test_affine_jitter_moves_pixels_as_its_parameters_say():
    shape = (40, 40)
    image = np.zeros(shape, dtype=np.float32)
    image[18:23, 10:31] = 1
    X = np.repeat(image.reshape(1, -1), 500, axis=0)
    y, x = np.indices(shape) - 19.5

    def angle_and_shift(rows):
        images = rows.reshape(-1, *shape)
        mass = images.sum((1, 2))
        middle_y, middle_x = (images * y).sum((1, 2)) / mass, (images * x).sum((1, 2)) / mass
        xy = (images * y * x).sum((1, 2)) / mass - middle_x * middle_y
        xx = (images * x * x).sum((1, 2)) / mass - middle_x**2
        yy = (images * y * y).sum((1, 2)) / mass - middle_y**2
        return np.rad2deg(0.5 * np.arctan2(2 * xy, xx - yy)), middle_y, middle_x

    angle, _, _ = angle_and_shift(distort(X, shape, 0, rotation=20))
    assert 18 < np.abs(angle).max() < 20.5
    assert abs(angle.mean()) < 2
    moved = distort(X, shape, 0, shift=2.8)
    _, middle_y, middle_x = angle_and_shift(moved)
    for middle in (middle_y - 0.5, middle_x - 0.5):
        assert 3.6 < np.abs(middle).max() <= 4.01  # 2.8 pixels of 28 are 4 of 40
    sized = distort(X, shape, 0, scale=0.2)
    areas = sized.sum(axis=1) / X.sum(axis=1)
    assert 0.6 < areas.min() < 0.75
    assert 1.25 < areas.max() < 1.45


def test_sampling_equals_scipy():
    images = blobs(6, (20, 13), dtype=np.float32).reshape(-1, 20, 13)
    amount = dataclasses.replace(EVERYTHING, rotation=60, shift=9)
    rows, columns = _positions(6, (20, 13), amount, np.random.default_rng(0))
    expected = [
        map_coordinates(image, [r, c], order=1, mode="grid-constant")
        for image, r, c in zip(images, rows, columns, strict=True)
    ]
    np.testing.assert_allclose(sample(images, rows, columns), expected, atol=2e-2)


def test_elastic_field_is_simards():
    rng = np.random.default_rng(4)
    noise = rng.uniform(-1, 1, (28, 28))
    expected = gaussian_filter(noise, 4.0, mode="constant", truncate=8)
    np.testing.assert_allclose(gaussian(28, 4.0) @ noise @ gaussian(28, 4.0), expected, atol=1e-6)
    amount = dataclasses.replace(NO_CHANGE, elastic_alpha=34)
    rows, columns = _positions(2000, (28, 28), amount, rng)
    y, x = np.indices((28, 28))
    # Standard deviation in the middle: that of the noise, divided by the kernel's norm.
    inner = (slice(None), slice(12, 16), slice(12, 16))
    predicted = 34 / np.sqrt(3) / (2 * 4 * np.sqrt(np.pi))
    assert (rows - y)[inner].std() == pytest.approx(predicted, rel=0.05)
    assert (columns - x)[inner].std() == pytest.approx(predicted, rel=0.05)


def test_thickness_steps_are_dilations_and_erosions():
    images = blobs(4, dtype=np.float32).reshape(-1, 28, 28)
    cross = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], dtype=bool)
    got = thicken(images, np.array([1.0, -1.0, 2.0, 0.5], dtype=np.float32))
    thick = [grey_dilation(image, footprint=cross, mode="nearest") for image in images]
    thin = [grey_erosion(image, footprint=cross, mode="nearest") for image in images]
    np.testing.assert_array_equal(got[0], thick[0])
    np.testing.assert_array_equal(got[1], thin[1])
    np.testing.assert_array_equal(got[2], grey_dilation(thick[2], footprint=cross, mode="nearest"))
    np.testing.assert_allclose(got[3], (images[3] + thick[3]) / 2, rtol=1e-6)


@pytest.mark.parametrize(
    "amount", [{"rotation": -1}, {"scale": 1.0}, {"shift": float("nan")}, {"elastic_sigma": 0}]
)
def test_impossible_amounts_are_refused(amount):
    with pytest.raises(ConfigurationError, match=next(iter(amount))):
        Augmentation(elastic_alpha=1, **amount)


def test_wrong_arguments_are_refused():
    with pytest.raises(ConfigurationError, match="n_copies"):
        list(augment(blobs(2), None, -1))
    assert list(augment(blobs(2), None, 0)) == []


def test_flip_mirrors_its_share_of_the_images():
    X = np.random.default_rng(0).integers(0, 256, (400, 30), dtype=np.uint8)
    amount = Augmentation(rotation=0, scale=0, shear=0, shift=0, flip=0.25)
    (found,) = augment(X, (5, 6), 1, 0, augmentation=amount)
    mirrored = X.reshape(-1, 5, 6)[:, :, ::-1].reshape(X.shape)
    flipped = (found == mirrored).all(axis=1)
    np.testing.assert_array_equal(found[~flipped], X[~flipped])
    assert 70 < flipped.sum() < 130
    # Nothing else changes.
    (plain,) = augment(X, (5, 6), 1, 3, augmentation=Augmentation())
    (both,) = augment(X, (5, 6), 1, 3, augmentation=Augmentation(flip=1))
    np.testing.assert_array_equal(both.reshape(-1, 5, 6)[:, :, ::-1].reshape(X.shape), plain)
    with pytest.raises(ConfigurationError, match=r"at most 1, not 1.5"):
        Augmentation(flip=1.5)
