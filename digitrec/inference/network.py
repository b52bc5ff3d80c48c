"""Convolutional networks as plain arrays: read from a file and computed with NumPy alone."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digitrec._files import atomic_path, read_record, write_json
from digitrec.errors import ModelFileError

BUNDLED_WEIGHTS = Path(__file__).parent / "weights" / "recognizer.npz"
"""The weights that come with the package; ``recognizer.json`` beside them says what they are."""
BATCH_SIZE = 64
"""Images that are computed at one time; more would leave the processor's cache."""
FORMAT = "digitrec recognizer 1"

FloatArray = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class HeldOutFigures:
    """What a network said of images held out: shares, 0–1, and its temperature.

    Attributes
    ----------
    accuracy : float
        Right, of all images.
    digits_read_right, digits_rejected : float
        Of the digits.
    non_digits_rejected : float
        Of the others.
    temperature : float
        By which its scores were divided.
    """

    accuracy: float
    digits_read_right: float
    digits_rejected: float
    non_digits_rejected: float
    temperature: float


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """Figures of both networks on `n` images held out, and on crops composed of them."""

    n: int
    digit: HeldOutFigures
    crop: HeldOutFigures


@dataclass(frozen=True, kw_only=True)
class TrainingFacts:
    """When and on what networks were trained.

    Attributes
    ----------
    date : str
        Year, month and day, in UTC.
    n_images, n_non_digits : int
        Images that were composed, and those among them that show no digit.
    plan : mapping
        The `TrainingPlan`.
    random_state : int
        Seed.
    sha256 : str
        Digest of the weights; empty until they are written.
    """

    date: str
    n_images: int
    n_non_digits: int
    plan: Mapping[str, Any]
    random_state: int
    sha256: str = ""


@dataclass(frozen=True, kw_only=True)
class RecognizerFacts(TrainingFacts):
    """What the JSON file beside the weights of a recogniser says of them.

    Attributes
    ----------
    label_names : sequence of str
        Names of the classes.
    image_shape : sequence of int
        Height and width of the images of single digits.
    datasets, fonts : mapping
        Fingerprints of the data and of the fonts, by name.
    held_out : HeldOut
        Figures of the networks.
    train_seconds : float
        Wall time of the training.
    libraries : mapping
        Versions of the packages, by name.
    kept_crops : TrainingFacts or None
        Of the network of crops, where it is that of earlier weights.
    bytes : int
        Size of the weights; 0 until they are written.
    """

    label_names: Sequence[str]
    image_shape: Sequence[int]
    datasets: Mapping[str, str]
    fonts: Mapping[str, str]
    held_out: HeldOut
    train_seconds: float
    libraries: Mapping[str, str]
    kept_crops: TrainingFacts | None = None
    bytes: int = 0


@dataclass(frozen=True, eq=False)
class Layer:
    """A convolution or a dense layer; all but a network's last are followed by ReLU.

    Attributes
    ----------
    kernel : ndarray of float32, shape (height, width, n_in, n_out) or (n_in, n_out)
        Weights; four dimensions make a convolution.
    bias : ndarray of float32, shape (n_out,)
    stride : int
        Step of a convolution in both directions.
    padded : bool
        Whether a convolution sees zeros around the image, so that stride 1 keeps its size.
    """

    kernel: FloatArray
    bias: FloatArray
    stride: int = 1
    padded: bool = True

    def apply(self, x: FloatArray) -> FloatArray:
        """Return the layer's output before ReLU."""
        if self.kernel.ndim == 2:
            out: FloatArray = x.reshape(len(x), -1) @ self.kernel
            out += self.bias
            return out
        size, _, n_in, n_out = self.kernel.shape
        if self.padded:
            x = _pad(x, size, self.stride)
        n, height, width = x.shape[:3]
        rows, columns = ((side - size) // self.stride + 1 for side in (height, width))
        patches = np.empty((n, rows, columns, size * size * n_in), np.float32)
        for index in range(size * size):
            top, left = divmod(index, size)
            patches[..., index * n_in : (index + 1) * n_in] = x[
                :,
                top : top + self.stride * rows : self.stride,
                left : left + self.stride * columns : self.stride,
            ]
        out = patches.reshape(-1, size * size * n_in) @ self.kernel.reshape(-1, n_out)
        out += self.bias
        return out.reshape(n, rows, columns, n_out)


@dataclass(frozen=True, eq=False)
class Network:
    """Layers one after another; the last gives the logits of the classes.

    Attributes
    ----------
    layers : tuple of Layer
    side : int
        Pixels of the side of the square images that it takes.
    """

    layers: tuple[Layer, ...]
    side: int

    def probabilities(self, images: NDArray[np.generic]) -> NDArray[np.float64]:
        """Return the probabilities of the classes.

        Parameters
        ----------
        images : ndarray, shape (n, side, side) or (n, side * side)
            Ink, 0-1.

        Returns
        -------
        ndarray of float64, shape (n, n_classes)
            Rows sum to 1.
        """
        shaped = np.asarray(images, np.float32).reshape(-1, self.side, self.side, 1)
        logits = [
            self._logits(shaped[start : start + BATCH_SIZE])
            for start in range(0, len(shaped), BATCH_SIZE)
        ]
        if not logits:
            return np.zeros((0, len(self.layers[-1].bias)))
        values = np.concatenate(logits).astype(np.float64)
        powers = np.exp(values - values.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    def _logits(self, x: FloatArray) -> FloatArray:
        for layer in self.layers[:-1]:
            x = layer.apply(x)
            np.maximum(x, 0, out=x)
        return self.layers[-1].apply(x)


def _pad(x: FloatArray, size: int, stride: int) -> FloatArray:
    """Return images with zeros around them, as Keras pads for ``padding="same"``."""
    n, height, width, n_in = x.shape
    before, extra = zip(
        *(
            (total // 2, total)
            for total in (
                max(0, (-(-side // stride) - 1) * stride + size - side) for side in (height, width)
            )
        ),
        strict=True,
    )
    padded = np.zeros((n, height + extra[0], width + extra[1], n_in), np.float32)
    padded[:, before[0] : before[0] + height, before[1] : before[1] + width] = x
    return padded


def write_networks(
    path: str | os.PathLike[str], networks: Mapping[str, Network], facts: RecognizerFacts
) -> Path:
    """Write networks to an ``.npz`` file, weights as float16, and facts to a JSON beside it.

    Parameters
    ----------
    path : path
        Ends in ``.npz``.
    networks : mapping from name to Network
    facts : RecognizerFacts
        ``sha256`` and ``bytes`` of the weights are added.
    """
    path = Path(path)
    arrays: dict[str, NDArray[Any]] = {"format": np.array([FORMAT])}
    for name, network in networks.items():
        shape = [[layer.stride, int(layer.padded)] for layer in network.layers]
        arrays[f"{name}/shape"] = np.array([[network.side, len(network.layers)], *shape], np.int32)
        for index, layer in enumerate(network.layers):
            arrays[f"{name}/{index}/kernel"] = layer.kernel.astype(np.float16)
            arrays[f"{name}/{index}/bias"] = layer.bias.astype(np.float16)
    content = _deterministic_npz(arrays)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    stored = asdict(replace(facts, sha256=digest, bytes=len(content)))
    if facts.kept_crops is None:
        del stored["kept_crops"]
    write_json(path.with_suffix(".json"), {"kind": "recognizer", **stored})
    return path


def _deterministic_npz(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return what `numpy.savez_compressed` writes, without the time of day in it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            entry = io.BytesIO()
            np.lib.format.write_array(entry, np.ascontiguousarray(array), allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, entry.getvalue())
    return file.getvalue()


def read_networks(
    path: str | os.PathLike[str], names: Sequence[str]
) -> tuple[dict[str, Network], RecognizerFacts]:
    """Read networks that `write_networks` wrote, and the facts beside them.

    Parameters
    ----------
    path : path
    names : sequence of str
        Networks that the file must hold.

    Raises
    ------
    ModelFileError
        If a file is missing, is damaged, or does not hold such networks.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
        facts = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelFileError(f"cannot read the recogniser {str(path)!r}: {error}") from error
    if not isinstance(facts, dict) or facts.get("sha256") != hashlib.sha256(content).hexdigest():
        raise ModelFileError(
            f"{str(path)!r} is damaged or does not belong to the JSON beside it: "
            "its sha256 is another"
        )
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            if arrays["format"].tolist() != [FORMAT]:
                raise ValueError(f"its format is {arrays['format']}, not {FORMAT!r}")
            networks = {name: _network(arrays, name) for name in names}
        return networks, read_record(RecognizerFacts, facts)
    except (ValueError, KeyError, TypeError, OSError, zipfile.BadZipFile) as error:
        raise ModelFileError(f"{str(path)!r} holds no recogniser: {error}") from error


def _network(arrays: Any, name: str) -> Network:
    (side, count), *steps = arrays[f"{name}/shape"].tolist()
    layers = tuple(
        Layer(
            np.ascontiguousarray(arrays[f"{name}/{index}/kernel"], np.float32),
            arrays[f"{name}/{index}/bias"].astype(np.float32),
            stride,
            bool(padded),
        )
        for index, (stride, padded) in enumerate(steps[:count])
    )
    return Network(layers, int(side))
