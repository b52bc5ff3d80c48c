from __future__ import annotations

import numpy as np
import pytest

from digitrec.datasets import load_dataset
from digitrec.inference import Recognizer, training
from digitrec.inference.classifier import NOT_A_DIGIT, CalibratedNetworks
from digitrec.inference.strokes import DIGIT_STROKES, SIGN_STROKES, draw_strokes, random_scribbles
from digitrec.inference.synthesis import distort, make_digits, make_non_digits, printed_digits


def test_the_default_recogniser_is_trained_once(monkeypatch, tmp_path, recognizer_file):
    monkeypatch.setenv("DIGITREC_DATA", str(tmp_path))
    path = training.default_model_path()
    assert path.parent == tmp_path / "models"
    lines: list[str] = []
    monkeypatch.setattr(
        training,
        "train_default_model",
        lambda path, report: train(path, report=report, sets=sets, max_rows=600),
    )
    train, sets = training_function, [load_dataset("mnist_5k")]
    first = Recognizer(report=lines.append)
    assert path.exists()
    assert any("training" in line for line in lines)
    lines.clear()
    again = Recognizer(report=lines.append)
    assert not lines
    rows = np.random.default_rng(0).integers(0, 256, (5, 784))
    np.testing.assert_array_equal(first.model.probabilities(rows), again.model.probabilities(rows))
    (tmp_path / "usps").mkdir()
    (tmp_path / "usps" / "zip.train").write_text("not what it should be")
    Recognizer(report=lines.append)
    assert any("trained without usps/zip.train" in line for line in lines)
    lines.clear()
    Recognizer(report=lines.append)
    assert not lines
    path.write_bytes(b"damaged")
    Recognizer(report=lines.append)
    assert any("cannot be used" in line for line in lines)


training_function = training.train_default_model


def test_training_is_reproducible():
    data = load_dataset("mnist_5k")
    rows = data.X_test[:20]
    models = [
        training.train_default_model(sets=[data], max_rows=400, report=lambda line: None)
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*(model.predict_proba(rows) for model, _ in models))
    metadata = models[0][1]
    assert metadata["label_names"][NOT_A_DIGIT] == "not a digit"
    assert metadata["datasets"] == {"mnist_5k": data.fingerprint}


def test_strokes_are_drawn_inside_the_frame():
    rng = np.random.default_rng(0)
    for template in [t for _, t in DIGIT_STROKES] + SIGN_STROKES:
        images = draw_strokes(template, 2, rng)
        assert images.shape == (2, 28, 28)
        assert images.max() > 0.9
        assert not images[:, [0, -1]].any()
        assert not images[:, :, [0, -1]].any()
    assert {digit for digit, _ in DIGIT_STROKES} == set(range(10))
    assert random_scribbles(7, rng).shape == (7, 28, 28)


def test_distorted_digits_keep_the_frame_of_mnist(digits):
    images, _ = digits
    varied = distort(images[:200], np.random.default_rng(0))
    y = (varied * np.arange(28)[None, :, None]).sum(axis=(1, 2)) / varied.sum(axis=(1, 2))
    assert np.abs(y - 14).mean() < 1
    heights = [np.ptp(np.flatnonzero((image > 0.3).any(axis=1))) for image in varied]
    assert np.median(heights) == pytest.approx(19, abs=2)
    assert 0 <= varied.min() <= varied.max() <= 1


def test_generated_material_is_seeded_and_of_the_right_shape(digits):
    images, labels = digits
    made = [make_non_digits(200, images, labels, np.random.default_rng(3)) for _ in range(2)]
    np.testing.assert_array_equal(*made)
    assert 150 < len(made[0]) <= 200
    drawn, drawn_labels = make_digits(100, np.random.default_rng(0))
    assert len(drawn) == len(drawn_labels)
    printed, printed_labels = printed_digits()
    assert printed.shape[1:] == (28, 28)
    assert set(printed_labels) == set(range(10))


def test_printed_digits_and_letters(recognizer):
    printed, labels = printed_digits()
    joint = recognizer.model.probabilities(printed.reshape(len(printed), -1) * 255)
    assert (joint.argmax(axis=1) == labels).mean() > 0.9


def test_confidence_is_calibrated():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 3000)
    X = rng.normal(size=(3000, 4)).astype(np.float32)
    X[np.arange(3000), y] += 1.5
    model = CalibratedNetworks(1, hidden=32, epochs=(10, 5), held_out=0.2).fit(X[:2000], y[:2000])
    probabilities = model.predict_proba(X[2000:])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    confidence = probabilities.max(axis=1)
    right = model.predict(X[2000:]) == y[2000:]
    assert confidence.mean() == pytest.approx(right.mean(), abs=0.04)
