"""How the recogniser's two networks are trained: what they learn from, and the fit with Keras."""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray

from digitrec._environment import available_cores, library_versions
from digitrec._files import check_output, read_record
from digitrec._optional import import_optional
from digitrec.analyses.calibration import fit_temperature
from digitrec.datasets import Dataset, load_dataset, load_default_dataset
from digitrec.errors import ConfigurationError, DigitrecError
from digitrec.inference.classifier import NOT_A_DIGIT
from digitrec.inference.crops import Sources, make_crops
from digitrec.inference.network import (
    HeldOut,
    HeldOutFigures,
    Layer,
    Network,
    RecognizerFacts,
    TrainingFacts,
    read_networks,
    write_networks,
)
from digitrec.inference.normalise import CROP_SIDE, IMAGE_SIDE, normalise_digit
from digitrec.inference.printed import constructed_digits, printed_digits, text_fonts
from digitrec.inference.synthesis import distort, make_digits, make_non_digits, marked_digits

_log = logging.getLogger(__name__)


OTHER_HANDWRITING = ("usps", "semeion", "optdigits")
"""Sets that are added where they can be loaded; scikit-learn's digits replace optdigits."""
LABEL_NAMES = [*(str(digit) for digit in range(10)), "not a digit"]
_FONT_SUFFIXES = (".ttf", ".otf", ".woff", ".woff2")
_BLOCK = 2000

Images = NDArray[np.float32]


@dataclass(frozen=True)
class NetworkDesign:
    """Layers of a convolutional network and how it is fitted.

    Attributes
    ----------
    convolutions : tuple of (filters, side, stride, padded)
    hidden : int
        Units of the dense layer.
    dropout : float
        Share of the inputs of the dense layers that is left out in each step.
    epochs : int
        Passes over the training images; crops are composed anew for each.
    batch_size : int
    learning_rate : float
        Of the first step; it falls to 0 along a cosine.
    weight_decay : float
    """

    convolutions: tuple[tuple[int, int, int, bool], ...]
    hidden: int = 96
    dropout: float = 0.3
    epochs: int = 6
    batch_size: int = 256
    learning_rate: float = 2e-3
    weight_decay: float = 1e-3


@dataclass(frozen=True)
class TrainingPlan:
    """What the recogniser learns from, and its networks.

    Attributes
    ----------
    n_rows : int
        Images that the first set's rows and their varied copies come to, counted without the
        rows themselves.
    n_drawn : int
        Digits drawn from strokes.
    n_constructed : int
        Digits of displays, dot matrices, stencils and stamps; each with a varied copy.
    n_marked : int
        Digits with remnants of lines, grain or pieces of neighbours.
    n_non_digits : int
        Letters, signs, scribbles and blobs.
    n_crops : int
        Crops composed for each epoch.
    held_out : float
        Share of the images that is kept for the temperatures and the accuracies, 0-1.
    digit : NetworkDesign
        Of the network that reads digits cut out and framed as MNIST frames them.
    crop : NetworkDesign
        Of the network that reads the central digit of a crop.
    """

    n_rows: int = 60_000
    n_drawn: int = 18_000
    n_constructed: int = 3_000
    n_marked: int = 10_000
    n_non_digits: int = 46_000
    n_crops: int = 100_000
    held_out: float = 0.04
    digit: NetworkDesign = NetworkDesign(
        ((16, 3, 1, True), (32, 3, 2, True), (32, 3, 1, True), (48, 3, 2, True), (64, 3, 1, False))
    )
    crop: NetworkDesign = NetworkDesign(
        ((24, 5, 2, True), (40, 3, 1, True), (56, 3, 2, True), (64, 3, 1, False)), epochs=9
    )

    def smaller(self, max_rows: int) -> TrainingPlan:
        """Return a plan for quick trials that uses at most this many rows of the first set."""
        share = min(1.0, max_rows / 60_000)
        return TrainingPlan(
            n_rows=round(self.n_rows * share),
            n_drawn=round(self.n_drawn * share),
            n_constructed=round(self.n_constructed * share),
            n_marked=round(self.n_marked * share),
            n_non_digits=round(self.n_non_digits * share),
            n_crops=round(self.n_crops * share),
            held_out=self.held_out,
            digit=self.digit,
            crop=self.crop,
        )


def train_recognizer(
    path: str | os.PathLike[str],
    *,
    sets: Sequence[Dataset] | None = None,
    fonts: Sequence[Path] = (),
    plan: TrainingPlan | None = None,
    max_rows: int | None = None,
    random_state: int = 0,
    crops_from: str | os.PathLike[str] | None = None,
) -> RecognizerFacts:
    """Train the recogniser's networks and save their weights.

    They learn from MNIST's training rows (or 5,000 of its rows), the training
    rows of other handwriting that can be loaded, varied copies of all of them, digits drawn from
    strokes and fonts, and non-digits as an eleventh class; the second network from crops that
    are composed of the same pictures. One temperature for each network, fitted on images that
    were held out, makes its probabilities calibrated on images like these.

    Parameters
    ----------
    path : path
        Weights to write, ``.npz``; facts go to a JSON beside it.
    sets : sequence of Dataset, optional
        What to train from, a set of 28x28 images first; by default what can be loaded.
    fonts : sequence of Path
        Files of fonts, handwriting say, for more letters and digits.
    plan : TrainingPlan, optional
        Amounts and networks.
    max_rows : int, optional
        Use at most this many rows of the first set and generate in proportion; for quick trials.
    random_state : int
        Seed of everything that is drawn.
    crops_from : path, optional
        Weights of another recogniser, ``.npz``, whose network of crops is kept: the network of
        single digits alone is trained, in half of the time.

    Returns
    -------
    dict
        The facts: data and their fingerprints, accuracies on images held out, seconds.

    Raises
    ------
    MissingExtraError
        If Keras or its backend is not installed.
    ConfigurationError
        If the path does not end in ``.npz``, or the first set is not of 28x28 digits.
    ModelFileError
        If the recogniser whose network of crops is to be kept cannot be read.

    Notes
    -----
    Temperature scaling: C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On calibration of
    modern neural networks", ICML 2017.
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise ConfigurationError(f"weights are written as .npz, not to {str(path)!r}")
    check_output(path, "recogniser", (b"PK",) if path.with_suffix(".json").exists() else ())
    started = time.perf_counter()
    plan = plan or TrainingPlan()
    if max_rows is not None:
        plan = plan.smaller(max_rows)
    sets = _gather() if sets is None else list(sets)
    if sets[0].image_shape != (IMAGE_SIDE, IMAGE_SIDE):
        raise ConfigurationError(
            f"{sets[0].name} has no images of 28x28 pixels; name a dataset first that has"
        )
    kept_crops = None if crops_from is None else read_networks(crops_from, ("crop",))
    keras = _load_keras()
    _log.info("varying the digits, drawing others and things that are none")
    images, labels = _compose(sets, plan, max_rows, fonts, random_state)
    order = np.random.default_rng(random_state).permutation(len(images))
    n_held = max(20, round(plan.held_out * len(images)))
    held, kept = order[:n_held], order[n_held:]
    _log.info(f"fitting the network of single digits on {len(kept):,} images")
    digit, digit_figures = _fit(
        keras,
        plan.digit,
        IMAGE_SIDE,
        lambda epoch: (_floats(images[kept]), labels[kept]),
        (_floats(images[held]), labels[held]),
        random_state,
    )
    if kept_crops is None:
        crop, crop_figures = _fit_crops(
            keras, plan, (images[kept], labels[kept]), (images[held], labels[held]), random_state
        )
        crop_facts = None
    else:
        crop, earlier = kept_crops[0]["crop"], kept_crops[1]
        crop_figures = earlier.held_out.crop
        crop_facts = earlier.kept_crops or read_record(TrainingFacts, vars(earlier))
    seconds = time.perf_counter() - started
    facts = RecognizerFacts(
        date=datetime.now(UTC).strftime("%Y-%m-%d"),
        label_names=LABEL_NAMES,
        image_shape=[IMAGE_SIDE, IMAGE_SIDE],
        datasets={data.name: data.fingerprint for data in sets},
        fonts={font.name: _short_hash(font) for font in (*text_fonts(), *fonts)},
        n_images=len(images),
        n_non_digits=int((labels == NOT_A_DIGIT).sum()),
        held_out=HeldOut(n=n_held, digit=digit_figures, crop=crop_figures),
        plan=asdict(plan),
        random_state=random_state,
        train_seconds=round(seconds, 1),
        libraries=library_versions(),
        kept_crops=crop_facts,
    )
    write_networks(path, {"digit": digit, "crop": crop}, facts)
    _log.info(f"trained in {seconds:.0f} s, written to {path}")
    return facts


def _fit_crops(
    keras: Any,
    plan: TrainingPlan,
    kept: tuple[NDArray[np.uint8], NDArray[np.int64]],
    held: tuple[NDArray[np.uint8], NDArray[np.int64]],
    random_state: int,
) -> tuple[Network, HeldOutFigures]:
    """Fit the network of crops that are composed of images; held-out ones measure it."""
    _log.info(f"fitting the network of crops on {plan.crop.epochs} times {plan.n_crops:,} crops")
    seen, unseen = (Sources(_floats(images), labels) for images, labels in (kept, held))
    rng = np.random.default_rng([random_state, 1])
    test = make_crops(unseen, np.arange(len(unseen.labels)), rng), unseen.labels

    def crops(epoch: int) -> tuple[Images, NDArray[np.int64]]:
        rng = np.random.default_rng([random_state, 2, epoch])
        centres = rng.permutation(len(seen.labels))[: plan.n_crops]
        return _crops_on_threads(seen, centres, [random_state, 3, epoch]), seen.labels[centres]

    return _fit(keras, plan.crop, CROP_SIDE, crops, test, random_state)


def find_fonts(folder: Path) -> list[Path]:
    """Return the files of fonts in a folder and below, in order.

    Raises
    ------
    ConfigurationError
        If there is none.
    """
    found = sorted(p for p in Path(folder).rglob("*") if p.suffix.lower() in _FONT_SUFFIXES)
    if not found:
        raise ConfigurationError(
            f"folder {str(folder)!r} holds no font ({', '.join(_FONT_SUFFIXES)})"
        )
    return found


def _gather() -> list[Dataset]:
    sets = [load_default_dataset()]
    for name in OTHER_HANDWRITING:
        try:
            sets.append(load_dataset(name))
        except DigitrecError:
            _log.info(f"could not load {name}, going on without it")
            if name == "optdigits":
                sets.append(load_dataset("digits"))
    return sets


def _compose(
    sets: list[Dataset],
    plan: TrainingPlan,
    max_rows: int | None,
    fonts: Sequence[Path],
    random_state: int,
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return all training images, shape (n, 28, 28) of bytes, and their labels."""
    rng = np.random.default_rng(random_state)
    chosen = rng.permutation(len(sets[0].X_train))[:max_rows]
    base, base_labels = sets[0].X_train[chosen].reshape(-1, 28, 28), sets[0].y_train[chosen]
    # Of few images more copies are made, so that these come to the same number.
    parts = [_with_copies(base, base_labels, max(1, round(plan.n_rows / len(base))), 0)]
    for index, data in enumerate(sets[1:], 1):
        few = slice(None if max_rows is None else max(10, max_rows // 10))
        parts.append(_with_copies(_normalised(data)[few], data.y_train[few], 2, index))
    printed, printed_labels = printed_digits(fonts)
    copies = 1 + round(8 * plan.n_rows / 60_000)
    parts.append(_with_copies(_bytes(printed), printed_labels, copies, len(sets)))
    drawn, drawn_labels = make_digits(plan.n_drawn, rng)
    parts.append((_bytes(drawn), drawn_labels))
    constructed, constructed_labels = constructed_digits(plan.n_constructed, rng)
    parts.append(_with_copies(constructed, constructed_labels, 1, len(sets) + 1))
    marked = rng.integers(len(base), size=plan.n_marked)
    marked_images = marked_digits(_floats(base[marked]), base_labels[marked], rng)
    parts.append((_bytes(marked_images), base_labels[marked]))
    digits = _floats(base[:10_000])
    others = make_non_digits(plan.n_non_digits, digits, base_labels[:10_000], rng, fonts)
    parts.append((_bytes(others), np.full(len(others), NOT_A_DIGIT, np.int64)))
    images, labels = zip(*parts, strict=True)
    return np.concatenate(images), np.concatenate(labels).astype(np.int64)


def _with_copies(
    images: NDArray[np.uint8], labels: NDArray[np.int64], copies: int, seed: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return images as they are and that many varied copies of each."""
    varied = [_vary(images, 1000 * seed + copy) for copy in range(copies)]
    return np.concatenate([images, *varied]), np.tile(labels, 1 + copies)


def _vary(images: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
    """Distort images on two threads; the result does not depend on how many there are."""

    def work(start: int) -> NDArray[np.uint8]:
        block = _floats(images[start : start + _BLOCK])
        return _bytes(distort(block, np.random.default_rng([seed, start])))

    return _on_threads(work, range(0, len(images), _BLOCK))


def _crops_on_threads(sources: Sources, centres: NDArray[np.int64], seed: list[int]) -> Images:
    def work(start: int) -> Images:
        rng = np.random.default_rng([*seed, start])
        return make_crops(sources, centres[start : start + _BLOCK], rng)

    return _on_threads(work, range(0, len(centres), _BLOCK))


def _on_threads(work: Callable[[int], NDArray[Any]], starts: range) -> NDArray[Any]:
    jobs = min(2, available_cores())
    return np.concatenate(
        Parallel(n_jobs=jobs, prefer="threads")(delayed(work)(start) for start in starts)
    )


def _normalised(data: Dataset) -> NDArray[np.uint8]:
    """Return the training images of a set of any size as inference would frame them."""
    images = data.X_train.reshape(-1, *data.image_shape)
    jobs = min(2, available_cores()) if len(images) > 2000 else 1
    parts = Parallel(n_jobs=jobs)(
        delayed(_normalise_block)(images[start : start + _BLOCK])
        for start in range(0, len(images), _BLOCK)
    )
    return np.concatenate(parts)


def _normalise_block(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.stack([normalise_digit(image) for image in images])


def _fit(
    keras: Any,
    design: NetworkDesign,
    side: int,
    shown: Callable[[int], tuple[Images, NDArray[np.int64]]],
    held: tuple[Images, NDArray[np.int64]],
    random_state: int,
) -> tuple[Network, HeldOutFigures]:
    """Fit a network; returns it with its temperature, and its figures on images held out."""
    # Each network's weights depend on its own images alone, not on what was fitted before.
    keras.utils.set_random_seed(random_state)
    images, labels = shown(0)
    model = _build(keras, design, side)
    steps = design.epochs * -(-len(images) // design.batch_size)
    rate = keras.optimizers.schedules.CosineDecay(design.learning_rate, steps)
    model.compile(
        keras.optimizers.AdamW(rate, weight_decay=design.weight_decay),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    for epoch in range(design.epochs):
        if epoch:
            images, labels = shown(epoch)
        history = model.fit(images[..., None], labels, batch_size=design.batch_size, verbose=0)
        _log.info(f"epoch {epoch + 1} of {design.epochs}: loss {history.history['loss'][0]:.4f}")
    network = _export(model, design, side)
    logs = np.log(np.maximum(network.probabilities(held[0]), 1e-12))
    temperature = fit_temperature(logs, held[1])
    last = network.layers[-1]
    scaled = Layer(last.kernel / np.float32(temperature), last.bias / np.float32(temperature))
    network = Network((*network.layers[:-1], scaled), side)
    guessed = network.probabilities(held[0]).argmax(axis=1)
    digits = held[1] != NOT_A_DIGIT
    figures = HeldOutFigures(
        accuracy=float((guessed == held[1]).mean()),
        digits_read_right=float((guessed == held[1])[digits].mean()),
        digits_rejected=float((guessed[digits] == NOT_A_DIGIT).mean()),
        non_digits_rejected=float((guessed[~digits] == NOT_A_DIGIT).mean()),
        temperature=temperature,
    )
    _log.info(", ".join(f"{name} {value:.4f}" for name, value in vars(figures).items()))
    return network, figures


def _build(keras: Any, design: NetworkDesign, side: int) -> Any:
    layers = keras.layers
    inputs = values = layers.Input((side, side, 1))

    def activated(values: Any) -> Any:
        return layers.ReLU()(layers.BatchNormalization(momentum=0.95)(values))

    for filters, size, stride, padded in design.convolutions:
        padding = "same" if padded else "valid"
        step = layers.Conv2D(filters, size, strides=stride, padding=padding, use_bias=False)
        values = activated(step(values))
    values = layers.Dropout(design.dropout)(layers.Flatten()(values))
    values = activated(layers.Dense(design.hidden, use_bias=False)(values))
    values = layers.Dropout(design.dropout)(values)
    return keras.Model(inputs, layers.Dense(len(LABEL_NAMES))(values))


def _export(model: Any, design: NetworkDesign, side: int) -> Network:
    """Return a fitted Keras model as plain layers, the normalisations within their weights."""
    weights = [layer.get_weights() for layer in model.layers if layer.get_weights()]
    steps = [(stride, padded) for _, _, stride, padded in design.convolutions]
    layers = []
    for index, (stride, padded) in enumerate([*steps, (1, True)]):
        (kernel,), (gamma, beta, mean, variance) = weights[2 * index : 2 * index + 2]
        gain = gamma / np.sqrt(variance + 1e-3)
        layers.append(Layer(kernel * gain, beta - mean * gain, stride, padded))
    layers.append(Layer(*weights[-1]))
    return Network(tuple(layers), side)


def _load_keras() -> Any:
    """Import Keras with a quiet backend that computes the same each time."""
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if os.environ["KERAS_BACKEND"] == "tensorflow":
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        tensorflow = import_optional("tensorflow", extra="cnn")
        tensorflow.config.experimental.enable_op_determinism()
    return import_optional("keras", extra="cnn")


def _short_hash(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]


def _floats(images: NDArray[np.uint8]) -> Images:
    return images.astype(np.float32) / np.float32(255)


def _bytes(images: Images) -> NDArray[np.uint8]:
    return np.rint(images * 255).clip(0, 255).astype(np.uint8)
