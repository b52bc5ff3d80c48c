"""Filters learned from patches: what they are, what their maps hold."""

import numpy as np
import pytest
from scipy.ndimage import correlate
from sklearn.datasets import load_digits

from digitrec.errors import ConfigurationError
from digitrec.preprocessing import ConvolutionFilters, _maps


@pytest.fixture(scope="module")
def digits():
    return (load_digits().data / 16).astype(np.float32)


def test_filters_have_mean_zero_and_norm_one(digits):
    filters = ConvolutionFilters(n_filters=6).fit(digits).filters_
    assert filters.shape == (6, 9)
    np.testing.assert_allclose(filters.mean(axis=1), 0, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(filters, axis=1), 1, rtol=1e-5)
    assert np.max(filters @ filters.T - np.eye(6)) < 0.99


@pytest.mark.parametrize("side", [2, 3, 4])
def test_maps_are_thresholded_cosines_times_contrast(digits, side, monkeypatch):
    """One cell per pixel and no other pixel's share: the cells are the normalised maps."""
    monkeypatch.setattr(_maps, "FLOOR", 1e9)
    layer = ConvolutionFilters((8, 8), n_filters=5, side=side, threshold=0.4, grids=(8,))
    layer.fit(digits)
    images = digits[:7].reshape(-1, 8, 8)
    ones = np.ones((side, side))
    for image, got in zip(images, layer.transform(digits[:7]).reshape(7, 5, 8, 8), strict=True):
        total = correlate(image, ones, mode="constant")
        squares = correlate(image**2, ones, mode="constant")
        contrast = np.sqrt(np.maximum(squares - total**2 / side**2, 0))
        for kernel, cells in zip(layer.filters_.reshape(5, side, side), got, strict=True):
            answer = correlate(image, kernel, mode="constant")
            expected = np.maximum(answer - 0.4 * contrast, 0) / np.sqrt(1e9)
            np.testing.assert_allclose(cells**2, expected, atol=1e-9)


def test_bars_find_their_own_filters():
    """Images of vertical bars only have no patch that is like a horizontal bar."""
    images = np.zeros((40, 12, 12), dtype=np.float32)
    for column in range(1, 11):
        images[column * 4 - 4 : column * 4, :, column] = 1
    layer = ConvolutionFilters(n_filters=3, threshold=0.8).fit(images.reshape(40, -1))
    upright = layer.transform(images.reshape(40, -1))
    lying = layer.transform(images.transpose(0, 2, 1).reshape(40, -1))
    assert upright.sum() > 10 * lying.sum()


def test_seed_decides_the_filters(digits):
    first, again, other = (
        ConvolutionFilters(random_state=seed).fit(digits).filters_ for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_threads_and_batches_change_nothing(digits):
    layer = ConvolutionFilters().fit(digits)
    features = layer.transform(digits)
    np.testing.assert_allclose(layer.transform(digits[5:6]), features[5:6], atol=1e-5)
    layer.set_params(n_jobs=2)
    np.testing.assert_allclose(layer.transform(digits), features, atol=1e-5)


def test_few_patches_give_few_filters():
    image = np.zeros((1, 9), dtype=np.float32)
    image[0, 4] = 1
    layer = ConvolutionFilters(n_filters=16, side=2, grids=(2,)).fit(image)
    assert len(layer.filters_) == 4
    assert layer.transform(image).shape == (1, 16)
    assert layer.get_feature_names_out().shape == (16,)


def test_what_cannot_be_is_refused(digits):
    with pytest.raises(ConfigurationError, match="n_filters must be at least 1"):
        ConvolutionFilters(n_filters=0).fit(digits)
    with pytest.raises(ConfigurationError, match="threshold must be at least 0 and below 1"):
        ConvolutionFilters(threshold=1.0).fit(digits)
    with pytest.raises(ValueError, match="no patch of the images has any contrast"):
        ConvolutionFilters().fit(np.zeros((3, 64)))
