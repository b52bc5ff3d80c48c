import pickle

import numpy as np
import pytest

from digitrec.persistence import OnnxClassifier, build_onnx

pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def classifier(fitted):
    return OnnxClassifier(build_onnx(fitted("svm")).SerializeToString())


def test_it_looks_like_the_model_it_came_from(classifier, fitted):
    model = fitted("svm")
    assert classifier.n_features_in_ == model.n_features_in_
    np.testing.assert_array_equal(classifier.classes_, model.classes_)
    assert not hasattr(classifier, "decision_function")


def test_models_without_probabilities_have_decision_values(fitted, small_digits):
    model = fitted("ridge")
    classifier = OnnxClassifier(build_onnx(model).SerializeToString())
    assert not hasattr(classifier, "predict_proba")
    np.testing.assert_allclose(
        classifier.decision_function(small_digits.X_test),
        model.decision_function(small_digits.X_test),
        atol=1e-4,
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, np.float64])
def test_any_numeric_type_and_any_number_of_rows(classifier, small_digits, dtype):
    rows = np.concatenate([small_digits.X_test] * 2)[:500]
    expected = classifier.predict_proba(rows)
    for n in (0, 1, 63, 64, 65, 500):
        answers = classifier.predict_proba(rows[:n].astype(dtype))
        assert answers.shape == (n, 10)
        np.testing.assert_allclose(answers, expected[:n], atol=1e-5)
        assert len(classifier.predict(rows[:n].astype(dtype))) == n


def test_labels_are_those_of_the_largest_probability(classifier, small_digits):
    rows = small_digits.X_test
    best = classifier.predict_proba(rows).argmax(axis=1)
    np.testing.assert_array_equal(classifier.predict(rows), classifier.classes_[best])


def test_threads_do_not_change_the_answers(classifier, small_digits):
    one = classifier.predict_proba(small_digits.X_test)
    classifier.n_jobs = 3
    try:
        np.testing.assert_array_equal(classifier.predict_proba(small_digits.X_test), one)
    finally:
        classifier.n_jobs = 1


def test_it_can_be_sent_to_other_processes(classifier, small_digits):
    copy = pickle.loads(pickle.dumps(classifier))
    rows = small_digits.X_test[:5]
    np.testing.assert_array_equal(copy.predict_proba(rows), classifier.predict_proba(rows))


@pytest.mark.parametrize("shape", [(64,), (2, 63), (2, 8, 8)])
def test_rows_of_another_size_are_refused(classifier, shape):
    with pytest.raises(ValueError, match=r"\(n_samples, 64\)"):
        classifier.predict(np.zeros(shape))
