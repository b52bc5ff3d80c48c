import copy
import os
import pickle

import numpy as np
import pytest
from sklearn.datasets import load_digits

from digitrec._messages import messages_to
from digitrec._optional import is_installed
from digitrec.errors import MissingExtraError
from digitrec.models import MODELS, cnn
from digitrec.models.cnn import ConvolutionalNetwork

HAS_KERAS = is_installed("keras") and is_installed("tensorflow")
needs_keras = pytest.mark.skipif(not HAS_KERAS, reason="the extra 'cnn' is not installed")
# TensorFlow's threads do not survive being shared with other heavy tests of a worker.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return (X / 16).astype(np.float32), y


@pytest.fixture(scope="module")
def fitted(digits):
    X, y = digits
    lines = []
    with messages_to(lines.append):
        model = ConvolutionalNetwork(
            epochs=6, batch_size=32, filters=(8, 16, 16), validation_fraction=0.1, n_jobs=1
        ).fit(X[:1280], y[:1280])  # whole batches: TensorFlow traces a graph for each size
    return model, lines


@needs_keras
def test_learns_and_tells_of_each_epoch(fitted, digits):
    model, lines = fitted
    X, y = digits
    assert np.mean(model.predict(X[1280:]) == y[1280:]) > 0.85
    assert len(lines) == len(model.loss_curve_) == len(model.validation_scores_) == 6
    assert lines[-1].startswith("epoch 6/6, loss ")
    assert model.loss_curve_[-1] < model.loss_curve_[0]


@needs_keras
def test_survives_pickling_and_answers_row_by_row(fitted, digits):
    model, _ = fitted
    X, _ = digits
    probabilities = model.predict_proba(X[:30])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_allclose(again.predict_proba(X[:30]), probabilities, atol=1e-6)
    np.testing.assert_allclose(model.predict_proba(X[:1]), probabilities[:1], atol=1e-5)


@needs_keras
def test_weights_of_the_last_epochs_are_averaged(digits, monkeypatch):
    networks, after_epochs, build = [], [], cnn._compiled_network

    def keep(*arguments):
        networks.append(build(*arguments))
        return networks[-1]

    def look(model, epoch, logs):
        after_epochs.append(networks[-1].get_weights())

    monkeypatch.setattr(cnn, "_compiled_network", keep)
    monkeypatch.setattr(ConvolutionalNetwork, "_log_epoch", look)
    model = ConvolutionalNetwork(
        epochs=3, averaged_epochs=2, filters=(4, 4, 4), hidden=8, batch_size=50, n_jobs=1
    ).fit(digits[0][:200], digits[1][:200])
    for first, second, mean in zip(*after_epochs[1:], model.network_.get_weights(), strict=True):
        np.testing.assert_allclose(mean, (first + second) / 2, atol=1e-6)
    assert not np.allclose(after_epochs[1][0], after_epochs[2][0])


@needs_keras
def test_augmentation_leaves_no_trace_in_the_saved_network_and_follows_the_seed(digits):
    X, y = digits
    settings = {"epochs": 2, "filters": (4, 4, 4), "hidden": 8, "augment": True, "batch_size": 50}
    model, second = (
        ConvolutionalNetwork(**settings, validation_fraction=0, n_jobs=1, random_state=4).fit(
            X[:200], y[:200]
        )
        for _ in range(2)
    )
    np.testing.assert_allclose(model.predict_proba(X[:20]), second.predict_proba(X[:20]), atol=1e-5)
    assert not hasattr(model, "validation_scores_")
    names = [type(layer).__name__ for layer in model.network_.layers]
    assert not [name for name in names if name.startswith("Random")]


@needs_keras
def test_shifted_views_are_averaged(fitted, digits):
    model, _ = fitted
    images = digits[0][:5].reshape(5, 8, 8)
    moved = np.zeros((5, 5, 8, 8), np.float32)
    moved[0] = images
    moved[1, :, 1:], moved[2, :, :-1] = images[:, :-1], images[:, 1:]
    moved[3, :, :, 1:], moved[4, :, :, :-1] = images[:, :, :-1], images[:, :, 1:]
    expected = np.mean([model.predict_proba(view.reshape(5, 64)) for view in moved], axis=0)
    averaging = copy.copy(model).set_params(average_shifts=True)
    np.testing.assert_allclose(averaging.predict_proba(digits[0][:5]), expected, atol=1e-5)


@needs_keras
def test_the_last_epochs_show_the_images_as_they_are(digits):
    rows = digits[0][:64]
    for augment, n_plain in ((False, 6), (True, 1)):
        model = ConvolutionalNetwork(epochs=6, augment=augment)
        shown = list(model._shown_images(rows, (8, 8)))
        assert len(shown) == 6
        assert [np.array_equal(images, rows) for images in shown] == [False] * (6 - n_plain) + [
            True
        ] * n_plain


@needs_keras
@pytest.mark.parametrize(("augment", "expected"), [(False, [0.4, 0.3]), (True, [0.2, 0.1])])
def test_distortions_take_the_place_of_dropout(augment, expected):
    model = ConvolutionalNetwork(n_jobs=1, augment=augment)
    network = cnn._compiled_network(model.get_params(), (8, 8), n_classes=10, n_steps=1)
    layers = network.layers[-1].layers
    assert [layer.rate for layer in layers if type(layer).__name__ == "Dropout"] == expected


def test_takes_pixels_only():
    assert set(MODELS["cnn"].features) == {"raw", "deskewed"}


@pytest.mark.skipif(HAS_KERAS, reason="the extra 'cnn' is installed")
def test_missing_extra_names_the_command(digits):
    os.environ.pop("KERAS_BACKEND", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'digitrec\[cnn\]'"):
        ConvolutionalNetwork().fit(*digits)
