import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.ensemble import AdaBoostClassifier, VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from digitrec.errors import ConfigurationError
from digitrec.models import MODELS
from digitrec.models.kernel_svm import KernelSVC
from digitrec.persistence import OnnxClassifier, build_onnx, compare_models
from digitrec.persistence.onnx_graph.graph import Graph
from digitrec.persistence.onnx_graph.transformers import add_steps
from digitrec.preprocessing import (
    ConvolutionFilters,
    Deskew,
    EdgeMaps,
    GlobalScaler,
    OrientedGradients,
    PixelScaler,
    PrincipalComponents,
)

onnxruntime = pytest.importorskip("onnxruntime")

# Keras has its own way to ONNX; the network is not among what this package converts.
_WITHOUT_FORM = {"cnn"}


def _run(pipeline, X):
    g = Graph()
    output = add_steps(g, pipeline, "pixels")
    g("Identity", output, output="features")
    model = g.build(
        inputs={"pixels": X.shape[1]},
        outputs={"features": ("float32", pipeline.transform(X[:1]).shape[1])},
        properties={},
    )
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"pixels": X.astype(np.float32)})[0]


@pytest.mark.parametrize("name", sorted(set(MODELS) - _WITHOUT_FORM))
def test_every_model_answers_the_same_from_raw_pixels(name, fitted, small_digits):
    model = fitted(name)
    candidate = OnnxClassifier(build_onnx(model).SerializeToString())
    parity = compare_models(model, candidate, small_digits.X_test)
    assert parity.n_rows > 300
    assert parity.n_other_labels == 0
    # Trees answer in steps: a feature rounded to the other side of a threshold moves a vote.
    assert parity.n_beyond <= (2 if "tree" in name or "forest" in name else 0)


@pytest.mark.parametrize("name", sorted(set(MODELS) - _WITHOUT_FORM))
def test_two_classes_with_names(name, fitted, small_digits):
    model = fitted(name, n_classes=2, label_names=("zero", "one"))
    candidate = OnnxClassifier(build_onnx(model).SerializeToString())
    rows = small_digits.X_test[small_digits.y_test < 3]
    assert compare_models(model, candidate, rows).n_beyond <= (
        1 if "tree" in name or "forest" in name else 0
    )
    assert candidate.predict(rows).tolist() == model.predict(rows).tolist()
    assert candidate.classes_.tolist() == ["one", "zero"]


@pytest.mark.parametrize("features", ["raw", "deskewed", "gradients"])
def test_other_features(features, fitted, small_digits):
    model = fitted("logistic_regression", features=features)
    candidate = OnnxClassifier(build_onnx(model).SerializeToString())
    assert compare_models(model, candidate, small_digits.X_test).holds


def test_trees_on_raw_pixels_split_every_row_the_same(fitted, small_digits):
    model = fitted("random_forest", features="raw")
    candidate = OnnxClassifier(build_onnx(model).SerializeToString())
    assert compare_models(model, candidate, small_digits.X_test, tolerance=1e-6).holds


@pytest.mark.filterwarnings("ignore::digitrec.errors.PixelWarning")
def test_rows_that_are_dark_on_light_are_the_same(small_digits):
    pipeline = make_pipeline(PixelScaler()).fit(small_digits.X_train)
    rows = small_digits.X_test[:60]
    for changed in (rows, 255 - rows, (255 - rows) / 255, np.full((1, 64), 255), 200 - rows // 5):
        np.testing.assert_allclose(_run(pipeline, changed), pipeline.transform(changed), atol=1e-6)
    np.testing.assert_allclose(_run(pipeline, 255 - rows), pipeline.transform(rows), atol=1e-6)


@pytest.mark.filterwarnings("ignore::digitrec.errors.PixelWarning")
@pytest.mark.parametrize("pixel_range", [(0, 16), (0, 100), (0, 0.5), (40, 180)])
def test_rows_of_another_scale_are_the_same(small_digits, pixel_range):
    pipeline = make_pipeline(PixelScaler(pixel_range=pixel_range)).fit(small_digits.X_train)
    rows, (low, high) = small_digits.X_test[:60], pixel_range
    own = low + rows * ((high - low) / 255)
    for changed in (own, rows, rows / 255, high + low - own):
        np.testing.assert_allclose(_run(pipeline, changed), pipeline.transform(changed), atol=1e-5)
    np.testing.assert_allclose(_run(pipeline, own), rows / 255, atol=1e-5)


@settings(max_examples=40)
@given(
    images=arrays(np.uint8, (3, 63), elements=st.integers(0, 255)),
    sparse=st.booleans(),
)
def test_deskewed_images_are_the_same(images, sparse):
    if sparse:
        images[:, ::2] = 0
    images[0] = 0
    pipeline = make_pipeline(PixelScaler(), Deskew((9, 7))).fit(images)
    # The slant divides moments: where there is next to no height, it rounds with them.
    np.testing.assert_allclose(_run(pipeline, images), pipeline.transform(images), atol=2e-4)


@settings(max_examples=40)
@given(
    images=arrays(np.uint8, (2, 63), elements=st.integers(0, 255)),
    grids=st.sampled_from([(3,), (4, 2), (5, 3, 1)]),
)
def test_oriented_gradients_are_the_same(images, grids):
    images[0, :40] = 0
    pipeline = make_pipeline(PixelScaler(), OrientedGradients((9, 7), grids=grids)).fit(images)
    # Squares: a root magnifies the rounding of nearly empty cells.
    np.testing.assert_allclose(
        _run(pipeline, images) ** 2, pipeline.transform(images) ** 2, atol=2e-5
    )


@settings(max_examples=40)
@given(
    images=arrays(np.uint8, (2, 63), elements=st.integers(0, 255)),
    side=st.sampled_from([2, 3, 4]),
    grids=st.sampled_from([(3,), (4, 2)]),
)
def test_convolution_filters_are_the_same(images, side, grids):
    images[0, :40] = 0
    some = np.random.default_rng(0).integers(0, 256, (20, 63))
    filters = ConvolutionFilters((9, 7), n_filters=5, side=side, grids=grids, threshold=0.3)
    pipeline = make_pipeline(PixelScaler(), filters).fit(some)
    # The root of a sum that rounds to almost nothing keeps half of its digits.
    np.testing.assert_allclose(_run(pipeline, images), pipeline.transform(images), atol=1e-3)


@settings(max_examples=40)
@given(
    images=arrays(np.uint8, (2, 63), elements=st.integers(0, 255)),
    grids=st.sampled_from([(3,), (4, 2)]),
    second_grids=st.sampled_from([(), (3,), (4, 2)]),
)
def test_edge_maps_are_the_same(images, grids, second_grids):
    images[0, :40] = 0
    edges = EdgeMaps((9, 7), grids=grids, second_grids=second_grids)
    pipeline = make_pipeline(PixelScaler(), edges).fit(images)
    # Squares as above. Projections at right angles to a gradient are differences that cancel.
    np.testing.assert_allclose(
        _run(pipeline, images) ** 2, pipeline.transform(images) ** 2, atol=1e-3
    )


@pytest.mark.parametrize("layer", [OrientedGradients((8, 8)), EdgeMaps((8, 8))])
def test_blank_images_have_no_gradients(layer):
    pipeline = make_pipeline(Deskew((8, 8)), layer).fit(np.zeros((1, 64)))
    assert not _run(pipeline, np.zeros((2, 64))).any()


def test_components_and_scale_are_the_same(small_digits):
    X = small_digits.X_train
    pipeline = make_pipeline(
        PixelScaler(),
        PrincipalComponents(12, whitening=0.25),
        GlobalScaler(0.6, norm_quantile=0.5),
    ).fit(X)
    np.testing.assert_allclose(_run(pipeline, X), pipeline.transform(X), atol=1e-5)


@pytest.mark.parametrize("weights", ["uniform", "distance"])
def test_a_training_image_takes_its_own_label(weights, small_digits):
    X, y = small_digits.X_train[:60].astype(np.float32), small_digits.y_train[:60]
    model = make_pipeline(
        PixelScaler(), KNeighborsClassifier(5, weights=weights, algorithm="brute")
    ).fit(X, y)
    candidate = OnnxClassifier(build_onnx(model).SerializeToString())
    assert compare_models(model, candidate, X).holds


def test_a_committee_of_fitted_models_has_a_form(small_digits):
    X, y = small_digits.X_train[:200], small_digits.y_train[:200]
    members = [
        ("line", FrozenEstimator(LogisticRegression().fit(X / 255, y))),
        ("steps", make_pipeline(PrincipalComponents(10), GaussianNB()).fit(X / 255, y)),
    ]
    voting = VotingClassifier(members, voting="soft")
    model = make_pipeline(PixelScaler(), voting).fit(X, y)
    candidate = OnnxClassifier(build_onnx(model).SerializeToString())
    assert compare_models(model, candidate, small_digits.X_test).holds


def test_voting_weights_count(small_digits):
    X, y = small_digits.X_train[:120], small_digits.y_train[:120]
    members = [("a", LogisticRegression()), ("b", KernelSVC(C=1.0))]
    voting = VotingClassifier(members, voting="soft", weights=[1, 3])
    model = make_pipeline(PixelScaler(), voting).fit(X, y)
    candidate = OnnxClassifier(build_onnx(model).SerializeToString())
    assert compare_models(model, candidate, small_digits.X_test).holds


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ((AdaBoostClassifier(n_estimators=3),), "AdaBoostClassifier has no ONNX form"),
        ((StandardScaler(), LogisticRegression()), "StandardScaler has no ONNX form"),
        ((KNeighborsClassifier(metric="manhattan"),), "Euclidean"),
        (
            (VotingClassifier([("a", LogisticRegression())], voting="hard"),),
            "voting='hard'",
        ),
    ],
)
def test_models_without_a_form_say_why(steps, reason, small_digits):
    X, y = small_digits.X_train[:100], small_digits.y_train[:100]
    model = make_pipeline(PixelScaler(), *steps).fit(X, y)
    with pytest.raises(ConfigurationError, match=reason):
        build_onnx(model)


def test_the_graph_names_its_input_and_outputs(fitted):
    onnx = pytest.importorskip("onnx")
    model = build_onnx(fitted("svm"))
    onnx.checker.check_model(model, full_check=True)
    shapes = {
        value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    assert shapes == {"pixels": ["rows", 64], "label": ["rows"], "probabilities": ["rows", 10]}
