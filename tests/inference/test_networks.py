"""The networks: their arithmetic, their files, how they are trained, and those of the package."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from benchmarks.train_recognizer import render_model_card
from digitrec.cli import main
from digitrec.datasets import load_dataset
from digitrec.errors import ConfigurationError, ModelFileError
from digitrec.inference import Recognizer, network_training
from digitrec.inference.classifier import NOT_A_DIGIT, RecognizerNetworks
from digitrec.inference.network import (
    BUNDLED_WEIGHTS,
    Layer,
    Network,
    read_networks,
    write_networks,
)
from digitrec.inference.normalise import CROP_SIDE, normalise_digit

MAX_WHEEL_BYTES = 2_000_000


def make_network(rng: np.random.Generator, side: int = 12) -> Network:
    def layer(*shape: int, stride: int = 1, padded: bool = True) -> Layer:
        kernel = rng.normal(size=shape).astype(np.float32)
        return Layer(kernel, rng.normal(size=shape[-1]).astype(np.float32), stride, padded)

    small = -(-side // 2)
    return Network(
        (
            layer(3, 3, 1, 4),
            layer(5, 5, 4, 3, stride=2),
            layer(3, 3, 3, 5, padded=False),
            layer((small - 2) ** 2 * 5, 6),
            layer(6, 11),
        ),
        side,
    )


def convolve(image: np.ndarray, layer: Layer) -> np.ndarray:
    """A convolution by its definition, loop by loop."""
    size, _, _, n_out = layer.kernel.shape
    sides = image.shape[:2]
    if layer.padded:
        total = [max(0, (-(-s // layer.stride) - 1) * layer.stride + size - s) for s in sides]
        image = np.pad(image, [(t // 2, t - t // 2) for t in total] + [(0, 0)])
    rows, columns = ((s - size) // layer.stride + 1 for s in image.shape[:2])
    out = np.empty((rows, columns, n_out))
    for i in range(rows):
        for j in range(columns):
            top, left = i * layer.stride, j * layer.stride
            part = image[top : top + size, left : left + size]
            out[i, j] = np.tensordot(part, layer.kernel, 3) + layer.bias
    return out


@pytest.mark.parametrize("side", [11, 12])
def test_a_network_is_what_its_layers_say(side):
    rng = np.random.default_rng(0)
    network = make_network(rng, side)
    images = rng.random((70, side, side)).astype(np.float32)
    answers = network.probabilities(images)
    assert answers.shape == (70, 11)
    np.testing.assert_allclose(answers.sum(axis=1), 1)
    for index in (0, 69):
        x = images[index][..., None]
        for layer in network.layers[:3]:
            x = np.maximum(convolve(x, layer), 0)
        for layer in network.layers[3:]:
            x = x.reshape(-1) @ layer.kernel + layer.bias
            x = x if layer is network.layers[-1] else np.maximum(x, 0)
        powers = np.exp(x - x.max())
        np.testing.assert_allclose(answers[index], powers / powers.sum(), atol=1e-4)
    assert network.probabilities(images[:0]).shape == (0, 11)


def test_written_networks_are_read_again(tmp_path):
    network = make_network(np.random.default_rng(0))
    _, known = read_networks(BUNDLED_WEIGHTS, ["digit"])
    path = write_networks(tmp_path / "own.npz", {"digit": network}, known)
    first = path.read_bytes()
    write_networks(path, {"digit": network}, known)
    assert path.read_bytes() == first
    networks, facts = read_networks(path, ["digit"])
    assert facts == dataclasses.replace(known, sha256=facts.sha256, bytes=len(first))
    package, own = (
        json.loads(file.with_suffix(".json").read_text("utf-8")) for file in (BUNDLED_WEIGHTS, path)
    )
    assert own == {**package, "sha256": facts.sha256, "bytes": facts.bytes}
    images = np.random.default_rng(1).random((5, 12, 12))
    np.testing.assert_allclose(
        networks["digit"].probabilities(images), network.probabilities(images), atol=0.02
    )
    with pytest.raises(ModelFileError, match="no recogniser"):
        read_networks(path, ["digit", "crop"])
    del own["held_out"]["crop"]
    path.with_suffix(".json").write_text(json.dumps(own))
    with pytest.raises(ModelFileError, match=r"no recogniser.*crop"):
        read_networks(path, ["digit"])
    path.write_bytes(first[:-1])
    with pytest.raises(ModelFileError, match="sha256"):
        read_networks(path, ["digit"])
    path.with_suffix(".json").unlink()
    with pytest.raises(ModelFileError, match=r"own\.npz"):
        Recognizer(path)


def test_the_weights_of_the_package():
    """They fit into the wheel, belong to their facts, and read digits never learned from."""
    _, facts = read_networks(BUNDLED_WEIGHTS, ("digit", "crop"))
    files = list(BUNDLED_WEIGHTS.parent.iterdir())
    assert sum(file.stat().st_size for file in files) < MAX_WHEEL_BYTES
    card = BUNDLED_WEIGHTS.with_name("MODEL_CARD.md").read_text(encoding="utf-8")
    assert card == render_model_card(facts)
    recognizer = Recognizer()
    assert recognizer.model.knows_non_digits
    data = load_dataset("digits")
    images = [normalise_digit(image) for image in data.X_test.reshape(-1, 8, 8)]
    guessed = recognizer.model.probabilities(np.reshape(images, (-1, 784))).argmax(axis=1)
    assert np.mean(guessed == data.y_test) > 0.95


def test_the_package_reads_crops_with_neighbours(digits):
    """Crops composed as in training, of digits that training has not seen."""
    from digitrec.inference.crops import Sources, make_crops

    images, labels = digits
    crops = make_crops(Sources(images, labels), np.arange(300), np.random.default_rng(0))
    assert crops.shape[1:] == (CROP_SIDE, CROP_SIDE)
    networks, _ = RecognizerNetworks.read(BUNDLED_WEIGHTS)
    guessed = networks.crop_probabilities(crops).argmax(axis=1)
    assert (guessed == labels[:300]).mean() > 0.85


@pytest.mark.slow
def test_a_small_recogniser_is_trained_the_same_way_each_time(tmp_path):
    pytest.importorskip("tensorflow")
    sets = [load_dataset("mnist_5k"), load_dataset("digits")]
    paths = [tmp_path / "a.npz", tmp_path / "b.npz"]
    # Few layers: most of the time goes into TensorFlow's graphs of them.
    plan = network_training.TrainingPlan(
        digit=network_training.NetworkDesign(((12, 5, 2, False),), hidden=32, batch_size=32),
        crop=network_training.NetworkDesign(((4, 5, 2, True),), hidden=8, epochs=1),
    )
    facts = [
        network_training.train_recognizer(
            path, sets=sets, plan=plan, max_rows=500, crops_from=crops_from
        )
        for path, crops_from in zip(paths, (None, paths[0]), strict=True)
    ]
    assert facts[0].datasets == {data.name: data.fingerprint for data in sets}
    assert facts[0].label_names[NOT_A_DIGIT] == "not a digit"
    rows = sets[0].X_test[:300]
    answers = [Recognizer(path).model.probabilities(rows) for path in paths]
    np.testing.assert_allclose(answers[0], answers[1], atol=1e-3)
    assert (answers[0].argmax(axis=1) == sets[0].y_test[:300]).mean() > 0.7
    crops = np.random.default_rng(0).random((5, CROP_SIDE, CROP_SIDE), np.float32)
    kept = [Recognizer(path).model.crop_probabilities(crops) for path in paths]
    np.testing.assert_array_equal(*kept)
    assert facts[1].kept_crops.n_images == facts[0].n_images
    assert facts[1].held_out.crop == facts[0].held_out.crop
    with pytest.raises(ConfigurationError, match="28x28"):
        network_training.train_recognizer(paths[0], sets=sets[1:])
    with pytest.raises(ConfigurationError, match=r"\.npz"):
        network_training.train_recognizer(tmp_path / "own.joblib", sets=sets)


def test_what_cannot_be_trained_from_is_said_before_the_work(tmp_path, capsys):
    for arguments, words in (
        (["--output", str(tmp_path / "own.joblib"), "--dataset", "digits"], "own.joblib"),
        (["--fonts", str(tmp_path)], "holds no font"),
        (["--output", str(tmp_path / "own.npz"), "--dataset", "digits"], "28x28"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["recognizer", "train", *arguments])
        assert ended.value.code
        assert words in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
