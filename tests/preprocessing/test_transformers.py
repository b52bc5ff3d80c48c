"""The image transformers against plain per-image references and scikit-learn's own checks."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.ndimage import map_coordinates
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from digitrec.errors import ConfigurationError, PixelError, PixelWarning
from digitrec.models import MODELS
from digitrec.preprocessing import (
    FEATURES,
    ConvolutionFilters,
    Deskew,
    EdgeMaps,
    GlobalScaler,
    NormalizeWidth,
    OrientedGradients,
    PixelScaler,
    PrincipalComponents,
    RemoveBackground,
    build_features,
    components,
    width,
)

TRANSFORMERS = [
    PixelScaler(),
    Deskew(),
    OrientedGradients(),
    EdgeMaps(),
    RemoveBackground(),
    NormalizeWidth(),
    ConvolutionFilters(n_filters=4),
    PrincipalComponents(),
    GlobalScaler(),
]
SHAPES = [(28, 28), (8, 8), (20, 13), (1, 9), (9, 1), (2, 2)]


# Rows of a float32 product may differ in the last bit with their place among the others; on which
# processors they do is left to the linear algebra library.
SINGLE_PRECISION = dict.fromkeys(
    ("check_methods_sample_order_invariance", "check_methods_subset_invariance"),
    "float32 products agree to 1e-6 only",
)


@parametrize_with_checks(
    TRANSFORMERS,
    expected_failed_checks=lambda estimator: (
        SINGLE_PRECISION
        if isinstance(estimator, PrincipalComponents | ConvolutionFilters | EdgeMaps)
        else {}
    ),
    xfail_strict=False,
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def strokes(n, shape, seed=0):
    """Slanted bars with soft edges: images with a clear slant and centre."""
    rng = np.random.default_rng(seed)
    y, x = np.indices(shape)
    images = []
    for _ in range(n):
        slant, offset = rng.uniform(-0.6, 0.6), rng.uniform(-0.1, 0.1) * shape[1]
        middle = (shape[1] - 1) / 2 + offset + slant * (y - (shape[0] - 1) / 2)
        images.append(np.clip(2.0 - np.abs(x - middle), 0, 1) * 255)
    return np.array(images).reshape(n, -1).astype(np.uint8)


def deskew_one(image):
    """The textbook deskew of one image, in float64."""
    height, width = image.shape
    y, x = np.indices(image.shape).astype(float)
    mass = image.sum()
    if mass < 1e-6:
        return image
    cy, cx = (image * y).sum() / mass, (image * x).sum() / mass
    var_y = (image * (y - cy) ** 2).sum() / mass
    cov = (image * (y - cy) * (x - cx)).sum() / mass
    slant = np.clip(cov / max(var_y, 1e-6), -1, 1)
    middle_y, middle_x = (height - 1) / 2, (width - 1) / 2
    at = [y + cy - middle_y, x + cx - middle_x + slant * (y - middle_y)]
    return map_coordinates(image, at, order=1, mode="grid-constant")


@pytest.mark.parametrize("shape", SHAPES)
def test_deskew_is_bilinear_sampling_at_the_sheared_positions(shape):
    rng = np.random.default_rng(1)
    X = np.concatenate([strokes(20, shape), rng.integers(0, 256, (20, shape[0] * shape[1]))])
    expected = [deskew_one(row.reshape(shape) / 255).ravel() for row in X]
    np.testing.assert_allclose(Deskew(shape).transform(X) / 255, expected, atol=2e-5)


def spread_of(images):
    """Standard deviation of each image's columns of ink, and their mean from the middle."""
    columns = np.arange(images.shape[2]) - (images.shape[2] - 1) / 2
    share = images.sum(axis=1) / images.sum(axis=(1, 2))[:, None]
    middle = share @ columns
    return np.sqrt(share @ columns**2 - middle**2), middle


def test_ink_gets_one_width_within_the_largest_stretch(monkeypatch):
    rng = np.random.default_rng(0)
    images = np.zeros((40, 20, 30), dtype=np.float32)
    for image in images:
        left, wide = rng.integers(6, 10), rng.integers(8, 14)
        image[3:15, left : left + wide] = rng.uniform(0.2, 1, (12, wide))
    monkeypatch.setattr(width, "_SPREAD", 0.12)
    wanted = NormalizeWidth((20, 30)).transform(images.reshape(40, -1))
    spread, middle = spread_of(wanted.reshape(images.shape))
    np.testing.assert_allclose(spread, 0.12 * 30, rtol=0.03)
    np.testing.assert_allclose(middle, 0, atol=0.1)
    monkeypatch.setattr(width, "_SPREAD", 0.3)
    monkeypatch.setattr(width, "_MAX_STRETCH", 1.25)
    bounded = NormalizeWidth((20, 30))
    before, _ = spread_of(images)
    after, _ = spread_of(bounded.transform(images.reshape(40, -1)).reshape(images.shape))
    np.testing.assert_allclose(after, 1.25 * before, rtol=0.03)
    blank = np.zeros((1, 600), dtype=np.float32)
    np.testing.assert_array_equal(bounded.transform(blank), blank)


@settings(max_examples=40)
@given(
    X=hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 4), st.just(35)),
        elements=st.floats(-255, 255, width=32),
    )
)
def test_any_image_gives_finite_output_in_range(X):
    straight = Deskew((5, 7)).transform(X)
    assert np.isfinite(straight).all()
    # Interpolation between pixels and zeros makes no new extremes.
    assert straight.max() <= max(0.0, X.max()) * 1.0001 + 1e-6
    assert straight.min() >= min(0.0, X.min()) * 1.0001 - 1e-6
    for layer in (
        OrientedGradients((5, 7), grids=(3, 2)),
        EdgeMaps((5, 7), grids=(3, 2), second_grids=(3, 2)),
    ):
        features = layer.transform(X)
        assert np.isfinite(features).all()
        assert features.min() >= 0


@pytest.mark.parametrize(
    "transformer", [Deskew(), NormalizeWidth(), OrientedGradients(), EdgeMaps(), PixelScaler()]
)
@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, np.float64])
def test_dtypes_agree_and_input_is_left_alone(transformer, dtype):
    X = strokes(5, (28, 28)).astype(dtype)
    before = X.copy()
    result = transformer.fit_transform(X)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(X, before)
    np.testing.assert_array_equal(result, transformer.fit_transform(X.astype(np.uint8)))


@pytest.mark.parametrize(
    "transformer", [Deskew(), NormalizeWidth(), OrientedGradients(), EdgeMaps()]
)
def test_rows_do_not_depend_on_their_neighbours_or_threads(transformer):
    X = strokes(400, (28, 28))
    together = transformer.fit_transform(X)
    apart = np.concatenate([transformer.transform(X[i : i + 1]) for i in range(0, 400, 40)])
    np.testing.assert_allclose(together[::40], apart, atol=2e-4 * np.abs(together).max())
    threaded = transformer.__class__(n_jobs=2).transform(X)
    # A square root at the end of the features enlarges the rounding of nearly empty cells.
    np.testing.assert_allclose(together, threaded, atol=1e-5)


@pytest.mark.parametrize(
    "transformer", [Deskew(), NormalizeWidth(), OrientedGradients(), EdgeMaps()]
)
def test_blank_images_stay_blank(transformer):
    assert not transformer.fit_transform(np.zeros((3, 784), dtype=np.uint8)).any()


@pytest.mark.parametrize(
    "transformer", [Deskew((28, 28)), OrientedGradients((28, 28)), EdgeMaps((28, 28))]
)
def test_rows_of_another_size_are_named(transformer):
    with pytest.raises(ConfigurationError, match=r"785 values.*784"):
        transformer.fit(np.zeros((2, 785)))


def test_gradient_directions_are_told_apart():
    left_edge = np.zeros((28, 28), dtype=np.float32)
    left_edge[:, 14:] = 1  # brighter to the right: direction 0
    for turns, direction in ((0, 0), (3, 2), (2, 4), (1, 6)):
        image = np.rot90(left_edge, turns).reshape(1, -1)
        features = OrientedGradients(grids=(1,)).transform(image)[0]
        # The frame of zeros adds the image's border, which weighs less than the edge inside.
        inner = OrientedGradients(grids=(7,)).transform(image).reshape(8, 7, 7)[:, 3, 3]
        assert inner.argmax() == direction, (turns, inner)
        assert features.shape == (8,)


def test_gradients_match_a_per_image_reference():
    X = strokes(4, (20, 13)) / 255
    got = OrientedGradients((20, 13), grids=(3,)).transform(X).reshape(4, 8, 3, 3)
    for image, features in zip(X.reshape(-1, 20, 13), got, strict=True):
        padded = np.pad(image, 1)
        gx = padded[1:-1, 2:] - padded[1:-1, :-2]
        gy = padded[2:, 1:-1] - padded[:-2, 1:-1]
        magnitude = np.hypot(gx, gy)
        cells = np.empty((8, 3, 3))
        for d in range(8):
            angle = np.pi * d / 4
            projection = np.maximum(0, gx * np.cos(angle) + gy * np.sin(angle))
            direction_map = projection**2 / np.maximum(magnitude, 1e-6)
            for i in range(3):
                for j in range(3):
                    wy = _window(20, 3, i)
                    wx = _window(13, 3, j)
                    cells[d, i, j] = wy @ direction_map @ wx
        energy = (cells**2).sum(0)
        around = np.array([[1, 0.5, 0], [0.5, 1, 0.5], [0, 0.5, 1]])
        expected = cells / np.sqrt(around @ energy @ around + 0.1)
        np.testing.assert_allclose(features**2, expected, atol=1e-5)


def _window(length, cells, i):
    pitch = length / cells
    window = np.maximum(0, 1 - np.abs(np.arange(length) - ((i + 0.5) * pitch - 0.5)) / pitch)
    return window / window.sum()


def test_components_equal_those_of_scikit_learn():
    rng = np.random.default_rng(3)
    X = (rng.normal(size=(300, 40)) @ rng.normal(size=(40, 40)) + 5).astype(np.float32)
    ours = PrincipalComponents(12).fit(X)
    theirs = PCA(12, svd_solver="full").fit(X.astype(np.float64))
    np.testing.assert_allclose(ours.explained_variance_, theirs.explained_variance_, rtol=1e-4)
    overlap = np.abs(np.sum(ours.components_ * theirs.components_, axis=1))
    np.testing.assert_allclose(overlap, 1, atol=1e-4)
    signs = np.sign(np.sum(ours.components_ * theirs.components_, axis=1))
    np.testing.assert_allclose(ours.transform(X), theirs.transform(X) * signs, atol=2e-2)


@pytest.mark.parametrize("whitening", [0.25, 0.5])
def test_whitening_divides_by_a_power_of_the_variance(whitening):
    X = np.random.default_rng(0).normal(size=(400, 5)) * [100.0, 10, 1, 0.1, 0.01] + 3
    plain = PrincipalComponents(5).fit_transform(X)
    white = PrincipalComponents(5, whitening=whitening).fit_transform(X)
    expected = plain / plain.var(axis=0) ** whitening
    np.testing.assert_allclose(white, expected, rtol=0.02, atol=1e-3)
    assert PrincipalComponents(5, whitening=0.5).fit_transform(np.ones((9, 5))).shape == (9, 1)


def test_components_are_limited_by_columns_and_half_of_the_rows():
    X = np.random.default_rng(0).normal(size=(6, 30))
    assert PrincipalComponents(100).fit_transform(np.vstack([X] * 4)[:20] * 2).shape[1] <= 6
    many = np.random.default_rng(0).normal(size=(40, 50))
    for n_rows, n_kept in ((40, 20), (18, 9), (12, 8), (6, 5), (2, 1), (1, 1)):
        assert PrincipalComponents(100).fit_transform(many[:n_rows]).shape == (n_rows, n_kept)
    assert PrincipalComponents(100).fit_transform(X[:, :2]).shape == (6, 2)
    assert PrincipalComponents(100).fit_transform(X[:1]).shape == (1, 1)
    with pytest.raises(ConfigurationError, match="at least 1"):
        PrincipalComponents(0).fit(X)


@pytest.mark.parametrize("rank", [0, 1, 5])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_component_is_without_variance(rank, dtype):
    rng = np.random.default_rng(rank)
    X = (3 + rng.normal(size=(200, rank)) @ rng.normal(size=(rank, 40))).astype(dtype)
    model = PrincipalComponents(30).fit(X)
    assert model.n_components_ == max(1, rank)
    assert model.transform(X).shape == (200, max(1, rank))


def test_components_of_some_rows_span_what_all_rows_span(monkeypatch):
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(3000, 6)) * [9, 8, 7, 6, 5, 4]) @ rng.normal(size=(6, 40))
    all_rows = PrincipalComponents(6).fit(X)
    monkeypatch.setattr(components, "_MAX_ROWS", 500)
    some, again = PrincipalComponents(6).fit(X), PrincipalComponents(6).fit(X)
    cosines = np.linalg.svd(some.components_ @ all_rows.components_.T, compute_uv=False)
    np.testing.assert_allclose(cosines, 1, atol=1e-4)
    np.testing.assert_array_equal(some.components_, again.components_)


@pytest.mark.parametrize("n_rows", [12, 40, 98])
@pytest.mark.parametrize("name", ["gradients", "edges"])
def test_few_rows_leave_models_as_good_as_on_pixels(n_rows, name):
    X, y = load_digits(n_class=2, return_X_y=True)
    X = X * 15.9
    few = np.concatenate([np.flatnonzero(y == c)[: n_rows // 2] for c in (0, 1)])
    others = np.setdiff1d(np.arange(len(y)), few)
    for model in (RandomForestClassifier(random_state=0), MODELS["gaussian_nb"].build()):
        pipeline = make_pipeline(build_features(name, (8, 8)), model).fit(X[few], y[few])
        plain = clone(model).fit(X[few], y[few])
        assert pipeline.score(X[others], y[others]) > plain.score(X[others], y[others]) - 0.05


def _second_order_of(image, grid):
    """Second-order cells of one image, direction by direction, in float64."""
    maps = []
    for direction in _directions(image, 8):
        small = _pooling(image.shape[0]) @ direction @ _pooling(image.shape[1]).T
        signed = _directions(small, 8)
        maps.append([signed[k] + signed[k + 4] for k in range(4)])
    cells = []
    for k in range(4):
        for d in range(8):
            m = maps[d][k]
            wy = np.array([_window(m.shape[0], grid, i) for i in range(grid)])
            wx = np.array([_window(m.shape[1], grid, i) for i in range(grid)])
            cells.append(wy @ m @ wx.T)
    cells = np.array(cells)
    distance = np.abs(np.subtract.outer(np.arange(grid), np.arange(grid)))
    around = np.maximum(1 - distance / 2, 0)
    return np.sqrt(cells / np.sqrt(around @ (cells**2).sum(0) @ around + 0.1))


def _directions(image, n):
    padded = np.pad(image, 1)
    gx = padded[1:-1, 2:] - padded[1:-1, :-2]
    gy = padded[2:, 1:-1] - padded[:-2, 1:-1]
    angles = 2 * np.pi * np.arange(n) / n
    magnitude = np.maximum(np.hypot(gx, gy), 1e-6)
    return [np.maximum(0, gx * np.cos(a) + gy * np.sin(a)) ** 2 / magnitude for a in angles]


def _pooling(length):
    half = (length + 1) // 2
    return np.array([_window(length, half, i) for i in range(half)])


@pytest.mark.parametrize("shape", [(28, 28), (20, 13)])
def test_second_order_maps_match_a_per_image_reference(shape):
    X = strokes(4, shape) / 255
    got = EdgeMaps(shape, grids=(3,), second_grids=(3,)).fit_transform(X)[:, 16 * 9 :]
    expected = [_second_order_of(image, 3).ravel() for image in X.reshape(-1, *shape)]
    np.testing.assert_allclose(got, expected, atol=2e-3)


def test_edge_filters_tell_the_sides_of_a_stroke_apart():
    image = np.zeros((28, 28), dtype=np.float32)
    image[:, 14:] = 1  # ink on the right: an edge towards direction 0
    for turns, direction in ((0, 0), (3, 2), (2, 4), (1, 6)):
        row = np.rot90(image, turns).reshape(1, -1)
        cells = EdgeMaps(grids=(7,), second_grids=()).fit_transform(row).reshape(16, 7, 7)
        assert cells[:, 3, 3].argmax() % 8 == direction


@pytest.mark.parametrize("bad", [{"grids": ()}, {"second_grids": (0,)}])
def test_bad_parameters_of_edge_maps_are_refused(bad):
    with pytest.raises(ConfigurationError, match="grids"):
        EdgeMaps(**bad).fit(np.zeros((2, 64)))


def test_global_scaler_keeps_proportions():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 3)) * [1.0, 10.0, 100.0]
    scaled = GlobalScaler().fit_transform(X)
    assert scaled.var(axis=0).mean() == pytest.approx(1, rel=1e-5)
    np.testing.assert_allclose(scaled / scaled[:, :1], X / X[:, :1], rtol=1e-4)
    np.testing.assert_array_equal(GlobalScaler().fit_transform(np.ones((4, 2))), np.ones((4, 2)))


def test_global_scaler_gives_the_variance_and_shortens_long_rows():
    X = np.random.default_rng(0).normal(size=(500, 3)) * [1.0, 10.0, 100.0]
    scaler = GlobalScaler(0.6, norm_quantile=0.9).fit(X)
    free = GlobalScaler(0.6).fit_transform(X)
    assert free.var(axis=0).mean() == pytest.approx(0.6, rel=1e-5)
    norms, before = (np.linalg.norm(rows, axis=1) for rows in (scaler.transform(X), free))
    assert np.sum(before > scaler.max_norm_) == 50
    np.testing.assert_allclose(norms, np.minimum(before, scaler.max_norm_), rtol=1e-5)
    np.testing.assert_allclose(scaler.transform(X) / norms[:, None], free / before[:, None], 1e-4)


def test_global_scaler_shortens_no_row_to_nothing():
    scaler = GlobalScaler(norm_quantile=0.99).fit(np.zeros((4, 2)))
    np.testing.assert_array_equal(scaler.transform(np.eye(2)), np.eye(2))


@pytest.mark.parametrize("bad", [{"variance": 0}, {"norm_quantile": 0}, {"norm_quantile": 1.1}])
def test_bad_parameters_of_the_global_scaler_are_refused(bad):
    with pytest.raises(ConfigurationError, match=next(iter(bad))):
        GlobalScaler(**bad).fit(np.eye(3))


OTHER_SCALES = {
    "0-1": lambda X: X / 255,
    "0-1 of 32 bits": lambda X: (X / 255).astype(np.float32),
    "a hair over 1": lambda X: X / 255 * 1.0000002,
    "a hair under 0": lambda X: X / 255 - 1e-5,
    "-1-1": lambda X: X / 127.5 - 1,
    "16 bits": lambda X: X.astype(np.uint16) * 257,
    "one image of 0-1": lambda X: np.where(np.arange(len(X))[:, None] == 1, X / 255, X),
}
BINARY = {
    "booleans": lambda X: X > 0,
    "0 and 1": lambda X: (X > 0).astype(np.uint8),
    "0 and 1 of 64 bits": lambda X: (X > 0).astype(np.int64),
    "0.0 and 1.0": lambda X: (X > 0).astype(np.float64),
}
UNCLEAR = {
    "standardised": lambda X: (X - X.mean()) / X.std(),
    "0-16": lambda X: X / 255 * 16,
    "whole 0-16": lambda X: X.astype(np.int64) // 16,
    "-0.5-0.5": lambda X: X / 255 - 0.5,
    "negative": lambda X: -X.astype(np.int64),
    "too large": lambda X: X * 1e4,
}


def _scaled_rows() -> np.ndarray:
    X = np.random.default_rng(0).integers(0, 256, (5, 64), dtype=np.uint8)
    X[:, :2] = 0, 255
    X[2] = 0
    return X


@pytest.mark.parametrize("change", [*OTHER_SCALES, *BINARY])
@pytest.mark.parametrize("name", FEATURES)
def test_pixels_of_another_scale_are_converted(name, change):
    features, X = FEATURES[name].build_fixed((8, 8)), _scaled_rows()
    if change in BINARY:
        given, plain = BINARY[change](X), np.where(X > 0, 255, 0)
    else:
        given, plain = OTHER_SCALES[change](X), X
    with pytest.warns(PixelWarning, match="scaled"):
        converted = features.transform(given)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(converted, features.transform(plain))
        np.testing.assert_array_equal(converted, features.transform(plain.astype(np.float64)))


@pytest.mark.parametrize("change", UNCLEAR)
def test_pixels_of_a_scale_that_is_not_clear_are_refused(change):
    features = FEATURES["edges"].build_fixed((8, 8))
    with pytest.raises(PixelError, match="give 0 "):
        features.transform(UNCLEAR[change](_scaled_rows()))


def test_rows_that_were_no_pixels_in_training_keep_their_scale():
    X = np.random.default_rng(0).normal(size=(5, 64))
    np.testing.assert_allclose(PixelScaler().fit_transform(X), X / 255, rtol=1e-5)


def _light_on_dark(n=300):
    rows = load_digits().data[:n]
    return np.rint(rows * (255 / 16)).astype(np.uint8)


SCALES = {
    "0-255": lambda X: X,
    "floats": lambda X: X.astype(np.float64),
    "0-1": lambda X: X / 255,
    "-1-1": lambda X: X / 127.5 - 1,
    "16 bits": lambda X: X.astype(np.uint16) * 257,
}


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", FEATURES)
def test_rows_that_are_dark_on_light_are_inverted(name, scale):
    X = _light_on_dark()
    features, change = FEATURES[name].build_fixed((8, 8), X=X), SCALES[scale]
    rows = X[X.max(axis=1) == 255][:40]  # -1–1 is clear where a row has both ends
    with warnings.catch_warnings():
        warnings.simplefilter("error" if scale in ("0-255", "floats") else "ignore")
        plain, first = features.transform(change(rows)), features.transform(change(rows[:1]))
    with pytest.warns(PixelWarning, match="40 of 40 rows are dark on light"):
        inverted = features.transform(change(255 - rows))
    np.testing.assert_array_equal(inverted, plain)
    mixed = np.where(np.arange(40)[:, None] % 8 == 0, 255 - rows, rows)
    with pytest.warns(PixelWarning, match="5 of 40 rows are dark on light"):
        np.testing.assert_array_equal(features.transform(change(mixed)), plain)
    with pytest.warns(PixelWarning, match="1 of 1 rows"):
        np.testing.assert_array_equal(features.transform(change(255 - rows[:1])), first)


def test_polarity_is_learned_from_rows_of_any_scale():
    X = _light_on_dark()
    learned = [PixelScaler().fit(change(X)).background_.tolist() for change in (
        SCALES["0-255"], SCALES["floats"], SCALES["0-1"]
    )]  # fmt: skip
    assert learned[0] == learned[1] == learned[2] != []


@pytest.mark.parametrize(
    "training",
    [
        lambda X: X[:40],
        lambda X: np.where(np.arange(len(X))[:, None] % 2, X, 255 - X),
        lambda X: np.where(np.arange(len(X))[:, None] == 7, 255 - X, X),
        lambda X: np.random.default_rng(0).integers(0, 256, X.shape, dtype=np.uint8),
        lambda X: np.zeros_like(X),
        lambda X: X // 8,
        lambda X: X[:, 19:29],
    ],
    ids=["few", "half inverted", "one inverted", "noise", "blank", "faint", "few pixels"],
)
def test_polarity_is_left_where_training_rows_do_not_tell_it(training):
    X = training(_light_on_dark())
    rows = 255 - X[:20]
    scaler = PixelScaler().fit(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(scaler.transform(rows), rows * np.float32(1 / 255))


def test_what_looks_light_is_not_inverted_without_contrast_or_beyond_doubt():
    X = _light_on_dark()
    scaler = PixelScaler().fit(X)
    faint = 200 - X[:20] // 5
    half = np.tile(np.repeat(np.uint8([255, 0]), 4), (1, 8))
    white = np.full((1, 64), 255, np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for rows in (faint, half, white):
            np.testing.assert_array_equal(scaler.transform(rows), rows * np.float32(1 / 255))
