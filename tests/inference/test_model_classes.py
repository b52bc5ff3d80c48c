"""Which digit each class of a model means."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import LinearRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC, LinearSVC

from digitrec.datasets import load_dataset
from digitrec.errors import ConfigurationError
from digitrec.inference.model import DigitModel
from digitrec.inference.recognizer import Recognizer
from digitrec.preprocessing import PixelScaler

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@pytest.fixture(scope="module")
def rows() -> tuple[np.ndarray, np.ndarray]:
    data = load_dataset("mnist_5k")
    some = np.random.default_rng(0).permutation(len(data.X_train))[:500]
    return data.X_train[some].astype(np.float64), data.y_train[some]


@pytest.mark.parametrize("shape", ["ovo", "ovr"])
def test_scores_of_pairs_give_the_digits_that_scores_of_classes_give(rows, shape):
    X, y = rows
    model = SVC(decision_function_shape=shape).fit(X, y)
    joint = DigitModel(model, "SVC").probabilities(X)
    reference = SVC(decision_function_shape="ovr").fit(X, y).decision_function(X)
    np.testing.assert_array_equal(joint[:, :10].argmax(axis=1), reference.argmax(axis=1))
    np.testing.assert_allclose(joint.sum(axis=1), 1)
    right = [
        p.guess == label for p, label in zip(Recognizer(model).predict_rows(X), y, strict=True)
    ]
    assert np.mean(right) > 0.97


class PredictsOnly:
    """A model without probabilities or scores."""

    def __init__(self, model: GaussianNB) -> None:
        self.model = model

    def predict(self, X: np.ndarray) -> np.ndarray:
        return self.model.predict(X)

    @property
    def classes_(self) -> np.ndarray:
        return self.model.classes_


NAMINGS = {
    "words": lambda d: WORDS[d],
    "digit_0": lambda d: f"digit_{d}",
    "two figures": lambda d: f"{d:02d}",
    "class 0": lambda d: f"class {d}",
    "floats": float,
    "1 to 10": lambda d: d or 10,
}


@pytest.mark.parametrize("naming", NAMINGS)
@pytest.mark.parametrize("kind", [GaussianNB, LinearSVC, PredictsOnly])
def test_labels_that_mean_digits(rows, naming, kind):
    X, y = rows
    labels = np.array([NAMINGS[naming](int(d)) for d in y])
    if kind is PredictsOnly:
        plain, model = (
            PredictsOnly(GaussianNB().fit(X, y)),
            PredictsOnly(GaussianNB().fit(X, labels)),
        )
    else:
        plain, model = kind().fit(X / 255, y), kind().fit(X / 255, labels)
    expected = DigitModel(plain, "plain").probabilities(X).argmax(axis=1)
    found = DigitModel(model, "renamed").probabilities(X).argmax(axis=1)
    assert (found == expected).mean() > 0.99


@settings(max_examples=20)
@given(st.permutations(range(10)), st.sampled_from(["digit_{}", "{}", "{:02d}", "class {}"]))
def test_names_of_labels_in_any_order(order, form):
    # A model that answers with the index of the brightest of its first ten pixels.
    model = SVC(kernel="linear").fit(np.eye(10, 784) * 255, np.arange(10))
    names = [form.format(digit) for digit in order]
    joint = DigitModel(model, "m", names).probabilities(np.eye(10, 784) * 255)
    assert joint.argmax(axis=1).tolist() == list(order)


@pytest.mark.parametrize(
    "names", [list("abcdefghij"), [*"012345678", "one"], [*"0123456789", "x", "y"], [*"012345678"]]
)
def test_other_classes_are_refused(names):
    model = GaussianNB().fit(np.eye(10, 784), np.arange(10))
    with pytest.raises(ConfigurationError, match="does not recognise digits"):
        DigitModel(model, "m", names)


@pytest.mark.parametrize("name", ["10", "11", "A", "ten", "cat", "100"])
def test_an_eleventh_class_is_refused_unless_its_name_says_what_it_is(name):
    model = GaussianNB().fit(np.eye(11, 784), np.arange(11))
    with pytest.raises(ConfigurationError, match=f"class '{name}' beside the ten digits"):
        DigitModel(model, "m", [*"0123456789", name])
    labels = np.array([*map(str, range(10)), name])
    with pytest.raises(ConfigurationError, match="beside the ten digits"):
        DigitModel(GaussianNB().fit(np.eye(11, 784), labels), "m")


@pytest.mark.parametrize("name", ["not a digit", "Not_A_Digit", "none", "-1", "other"])
def test_an_eleventh_class_of_no_digits_is_understood(name):
    model = GaussianNB().fit(np.eye(11, 784), np.arange(11))
    taken = DigitModel(model, "m", [*"0123456789", name])
    assert taken.knows_non_digits
    assert taken.probabilities(np.eye(11, 784))[10].argmax() == 10


@pytest.mark.parametrize(
    "model", [SVC(), SVC(decision_function_shape="ovo"), KNeighborsClassifier()]
)
def test_an_estimator_fitted_on_pixels_of_0_to_1_is_refused(model, rows):
    X, y = rows
    with pytest.raises(ConfigurationError, match="fitted on pixels of 0–1"):
        Recognizer(model.fit(X / 255, y))
    # With a scaler before it the same estimator is taken, and so is one fitted on 0–255.
    for taken in (make_pipeline(PixelScaler(), model), model):
        assert Recognizer(taken.fit(X, y)).predict_rows(X[:1])[0].guess == y[0]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (SVC(), "SVC is not fitted"),
        (make_pipeline(PixelScaler(), SVC()), "Pipeline is not fitted"),
        (LinearRegression().fit(np.eye(10, 784), np.arange(10)), "predicts numbers"),
        (IsolationForest(n_estimators=2).fit(np.eye(10, 784)), "not classes"),
        (KMeans(10, n_init=1).fit(np.eye(10, 784)), "not classes"),
    ],
)
def test_estimators_that_are_no_fitted_classifiers_are_refused(model, message):
    with pytest.raises(ConfigurationError, match=message):
        Recognizer(model)
