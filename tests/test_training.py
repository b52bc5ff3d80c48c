import dataclasses

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits

from digitrec.datasets import load_dataset
from digitrec.datasets.memory import dataset_from_memory
from digitrec.datasets.stratified import subsample_training_rows
from digitrec.errors import ConfigurationError, DatasetError
from digitrec.persistence import load_model, read_metadata, save_model
from digitrec.training import (
    check_input,
    choose_part,
    evaluate_model,
    train_model,
    was_seen,
    with_all_rows,
    write_submission,
)


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


@pytest.fixture(scope="module")
def training(digits):
    return train_model(digits, "logistic_regression", "raw", parameters={"max_iter": 500})


@pytest.mark.filterwarnings("ignore::digitrec.errors.PixelWarning")
def test_rows_that_are_dark_on_light_get_the_same_labels(digits, training):
    labels = training.pipeline.predict(digits.X_test)
    for X in (255 - digits.X_test, 1 - digits.X_test / 255):
        assert (training.pipeline.predict(X) == labels).mean() > 0.99


@pytest.mark.filterwarnings("ignore::digitrec.errors.PixelWarning")
@pytest.mark.parametrize(
    ("factor", "dtype"),
    [(1, np.float64), (1, np.uint8), (1, np.int64), (6, np.uint16), (10, int), (1 / 32, float)],
)
def test_a_model_takes_rows_as_its_training_data_were_given(factor, dtype):
    X, y = load_digits(return_X_y=True)
    given = (X * factor).astype(dtype)
    dataset = dataset_from_memory((given, y))
    assert dataset.pixel_range == (0, 16 * factor)
    pipeline = train_model(dataset, "lda", "raw").pipeline
    as_pixels = np.rint(X * (255 / 16)).astype(np.uint8)
    expected = pipeline.predict_proba(as_pixels)
    np.testing.assert_allclose(pipeline.predict_proba(given), expected, atol=1e-5)
    np.testing.assert_allclose(pipeline.predict_proba(given[:1]), expected[:1], atol=1e-5)
    np.testing.assert_allclose(pipeline.predict_proba(X / 16), expected, atol=1e-5)


def test_training_keeps_off_the_test_rows(digits, training):
    shuffled = dataclasses.replace(digits, y_test=digits.y_test[::-1], fingerprint="")
    again = train_model(shuffled, "logistic_regression", "raw", parameters={"max_iter": 500})
    rows = digits.X_test
    np.testing.assert_allclose(
        again.pipeline.predict_proba(rows), training.pipeline.predict_proba(rows)
    )


def test_metadata_tell_what_was_trained(digits, training):
    facts = training.metadata
    assert facts.model == "logistic_regression"
    assert facts.parameters["max_iter"] == 500
    assert facts.data_fingerprint == digits.fingerprint
    assert facts.n_train == len(digits.y_train)
    metrics = facts.metrics
    assert metrics["validation_accuracy_low"] < metrics["validation_accuracy"]
    assert metrics["validation_accuracy"] > 0.9


def test_saved_training_scores_as_the_fitted_one(digits, training, tmp_path):
    path = save_model(training.pipeline, tmp_path / "model.joblib", training.metadata)
    evaluation = evaluate_model(load_model(path), digits)
    expected = np.mean(training.pipeline.predict(digits.X_test) == digits.y_test)
    metrics = evaluation.metrics(10)
    assert metrics.test_accuracy == pytest.approx(expected)
    assert sum(map(sum, metrics.confusion)) == len(digits.y_test)
    check_input(read_metadata(path), digits)


def test_other_images_and_other_classes_are_refused(digits, training):
    other = dataclasses.replace(digits, image_shape=(4, 16))
    with pytest.raises(ConfigurationError, match=r"image shape \[8, 8\]"):
        check_input(training.metadata, other)
    clothes = dataclasses.replace(digits, label_names=tuple("abcdefghij"))
    with pytest.raises(ConfigurationError, match="label names"):
        check_input(training.metadata, clothes)


def test_unknown_names_list_the_allowed(digits):
    with pytest.raises(ConfigurationError, match="random_forest"):
        train_model(digits, "forest")
    with pytest.raises(ConfigurationError, match="gradients"):
        train_model(digits, "svm", "hog")
    with pytest.raises(ConfigurationError, match="test, train, all"):
        evaluate_model(None, digits, part="validation")


def test_features_that_are_not_named_suit_the_dataset(digits):
    clothes = dataclasses.replace(digits, name="fashion_mnist")
    for dataset, features in ((digits, "edges"), (clothes, "edges_no_deskew")):
        assert train_model(dataset, "lda").metadata.features == features


def test_all_rows_leave_none_to_score_on(digits, training):
    everything = with_all_rows(digits)
    assert len(everything.y_train) == len(digits.y_train) + len(digits.y_test)
    assert everything.fingerprint != digits.fingerprint
    with pytest.raises(ConfigurationError, match="no test rows"):
        evaluate_model(training.pipeline, everything)


def test_a_model_knows_the_rows_it_was_trained_on(digits, training):
    metadata = training.metadata
    assert was_seen(metadata, digits, "train")
    assert was_seen(metadata, digits, "all")
    assert not was_seen(metadata, digits, "test")
    everything = train_model(with_all_rows(digits), "lda", "raw").metadata
    assert was_seen(everything, digits, "test")
    assert was_seen(everything, digits, "train")


def test_rows_of_another_file_are_all_scored(digits, training):
    assert choose_part(training.metadata, digits) == "test"
    fewer = subsample_training_rows(digits, 100, 0)
    assert choose_part(training.metadata, fewer) == "test"
    rows = slice(0, 300)
    other = dataclasses.replace(
        digits,
        X_train=digits.X_test[rows],
        y_train=digits.y_test[rows],
        X_test=digits.X_test[300:],
        y_test=digits.y_test[300:],
        has_fixed_test=False,
        fingerprint="",
    )
    assert choose_part(training.metadata, other) == "all"
    found = evaluate_model(training.pipeline, other, part="all")
    assert len(found.y_true) == len(digits.y_test)
    published = dataclasses.replace(other, has_fixed_test=True)
    assert choose_part(training.metadata, published) == "test"


def _write_csv(path, X):
    frame = pd.DataFrame(X, columns=[f"pixel{i}" for i in range(X.shape[1])])
    frame.to_csv(path, index=False)


def test_submission_has_a_label_for_each_row(digits, training, tmp_path):
    _write_csv(tmp_path / "test.csv", digits.X_test)
    n_rows = write_submission(training.pipeline, tmp_path / "test.csv", tmp_path / "out.csv")
    frame = pd.read_csv(tmp_path / "out.csv")
    assert list(frame.columns) == ["ImageId", "Label"]
    assert n_rows == len(frame) == len(digits.X_test)
    np.testing.assert_array_equal(frame["ImageId"], np.arange(1, n_rows + 1))
    np.testing.assert_array_equal(frame["Label"], training.pipeline.predict(digits.X_test))


WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


@pytest.mark.parametrize(
    ("names", "written"),
    [
        (sorted(WORDS), [WORDS.index(word) for word in sorted(WORDS)]),
        ([f"class 0{digit}" for digit in range(10)], range(10)),
        (["a, b", *"cdefghijk"], ["a, b", *"cdefghijk"]),
    ],
)
def test_submission_has_digits_or_names(digits, training, tmp_path, names, written):
    _write_csv(tmp_path / "test.csv", digits.X_test)
    write_submission(training.pipeline, tmp_path / "test.csv", tmp_path / "out.csv", names)
    labels = training.pipeline.predict(digits.X_test)
    assert list(pd.read_csv(tmp_path / "out.csv")["Label"]) == [written[label] for label in labels]


def test_submission_refuses_images_of_another_size(training, tmp_path):
    _write_csv(tmp_path / "test.csv", np.zeros((3, 784), dtype=int))
    with pytest.raises(ConfigurationError, match="784 pixels a row, the model takes 64"):
        write_submission(training.pipeline, tmp_path / "test.csv", tmp_path / "out.csv")


def test_a_damaged_csv_leaves_an_earlier_submission(digits, training, tmp_path):
    (tmp_path / "out.csv").write_text("ImageId,Label\n1,7\n")
    X = digits.X_test.astype(int).copy()
    X[5, 7] = 300
    _write_csv(tmp_path / "test.csv", X)
    with pytest.raises(DatasetError, match="pixel7"):
        write_submission(training.pipeline, tmp_path / "test.csv", tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == "ImageId,Label\n1,7\n"
