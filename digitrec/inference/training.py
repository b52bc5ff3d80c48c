"""The default recogniser: gathered, trained and cached on first use."""

from __future__ import annotations

import functools
import hashlib
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from digitrec._environment import available_cores, library_versions
from digitrec._files import cache_dir, writable_cache_dir
from digitrec.datasets import Dataset, load_dataset, load_default_dataset
from digitrec.errors import DigitrecError, ModelFileError
from digitrec.inference.classifier import NOT_A_DIGIT, CalibratedNetworks
from digitrec.inference.normalise import normalise_digit
from digitrec.inference.synthesis import distort, make_digits, make_non_digits, printed_digits
from digitrec.persistence import load_model, read_metadata, save_model
from digitrec.preprocessing import FEATURES, join_pipelines

__all__ = ["default_model", "default_model_path", "train_default_model"]

OTHER_HANDWRITING = ("usps", "semeion", "optdigits")
"""Sets that are added where they can be had; scikit-learn's digits stand in for optdigits."""
LABEL_NAMES = [*(str(digit) for digit in range(10)), "not a digit"]
N_COMPONENTS = 150
N_DRAWN = 14_000
N_NON_DIGITS = 24_000
_BLOCK = 2000

Report = Callable[[str], None]


def default_model(*, report: Report | None = None) -> tuple[Pipeline, dict[str, Any]]:
    """Return the default recogniser's model and its metadata, trained where none is cached.

    Training takes a minute or two on two cores. The file is kept in the cache under a name
    that holds a hash of the recipe's code and of the versions of the libraries. It is trained
    anew once more data than it has seen lie in the cache: MNIST in place of the 5,000 images that
    stand in for it, say.

    Parameters
    ----------
    report : callable, optional
        ``report(line)`` is told of the progress; by default it is written to standard error.
    """
    path, say = default_model_path(), report or _print
    if path.exists():
        try:
            metadata = read_metadata(path)
            new = sorted(set(_files_at_hand()) - set(metadata.get("files_at_hand", ())))
            if not new:
                return load_model(path), metadata
            say(f"the cached recogniser was trained without {', '.join(new)}; training anew")
        except ModelFileError as error:
            say(f"the cached recogniser cannot be used ({error}); training anew")
    return train_default_model(writable_cache_dir("models") / path.name, report=report)


def default_model_path() -> Path:
    """Return where the default recogniser is cached; the file need not exist."""
    return cache_dir("models", f"recognizer-{_recipe_key()}.joblib")


def train_default_model(
    path: Path | None = None,
    *,
    report: Report | None = None,
    sets: Sequence[Dataset] | None = None,
    max_rows: int | None = None,
    random_state: int = 0,
) -> tuple[Pipeline, dict[str, Any]]:
    """Train the default recogniser and save it.

    MNIST's training rows (or the 5,000 rows that come with digitrec), the training rows of
    other handwriting that can be had, varied copies of all of them, digits drawn from strokes
    and fonts, and non-digits as an eleventh class.

    Parameters
    ----------
    path : Path, optional
        Where to save the model; not saved where None.
    report : callable, optional
        ``report(line)`` is told of the progress; by default it is written to standard error.
    sets : sequence of Dataset, optional
        What to train from, a set of 28x28 images first; by default what can be had.
    max_rows : int, optional
        Use at most this many rows of MNIST and generate in proportion; for quick trials.
    random_state : int
        Seed.

    Returns
    -------
    tuple of Pipeline and dict
        The model (raw rows of 784 pixels to 11 labels) and its metadata.
    """
    say = report or _print
    started = time.perf_counter()
    say("no trained recogniser yet: training one, once (about a minute or two)")
    sets = _gather(say) if sets is None else list(sets)
    say("recogniser: varying the digits, drawing others and things that are none")
    images, labels = _compose(sets, max_rows, random_state)
    say(f"recogniser: computing features of {len(images):,} images")
    cores = min(2, available_cores())
    spec = FEATURES["gradients"]
    fixed = spec.build_fixed((28, 28), n_jobs=cores)
    features = fixed.transform(images)
    fitted = spec.build_fitted((28, 28), n_components=N_COMPONENTS)
    rows = np.random.default_rng(random_state).permutation(len(features))
    fitted.fit(features[rows[:30_000]])
    features = fitted.transform(features)
    say("recogniser: fitting networks")
    networks = CalibratedNetworks(random_state=random_state, n_jobs=cores).fit(features, labels)
    networks.n_jobs = None
    model = join_pipelines(spec.build_fixed((28, 28)), fitted, model=networks)
    seconds = time.perf_counter() - started
    metadata: dict[str, Any] = {
        "kind": "recognizer",
        "label_names": LABEL_NAMES,
        "image_shape": [28, 28],
        "datasets": {data.name: data.fingerprint for data in sets},
        # All of them, used or not: a file that cannot be used is no reason to train again.
        "files_at_hand": _files_at_hand(),
        "n_rows": len(images),
        "n_non_digits": int((labels == NOT_A_DIGIT).sum()),
        "temperature": networks.temperature_,
        "random_state": random_state,
        "train_seconds": round(seconds, 1),
    }
    if path is not None:
        save_model(model, path, metadata)
        say(f"recogniser: trained in {seconds:.0f} s, kept at {path}")
    return model, metadata


def _files_at_hand() -> list[str]:
    """Return what the cache holds of the sets that the recogniser learns from."""
    return sorted(
        f"{name}/{file.name}"
        for name in ("mnist", *OTHER_HANDWRITING)
        for file in cache_dir(name).glob("[!.]*")
        if file.suffix != ".txt"
    )


def _gather(say: Report) -> list[Dataset]:
    sets = [load_default_dataset(report=say)]
    for name in OTHER_HANDWRITING:
        try:
            sets.append(load_dataset(name))
        except DigitrecError:
            say(f"recogniser: {name} could not be found or downloaded, going on without")
            if name == "optdigits":
                sets.append(load_dataset("digits"))
    return sets


def _compose(
    sets: list[Dataset], max_rows: int | None, random_state: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return all training images as rows of 784 bytes, and their labels."""
    rng = np.random.default_rng(random_state)
    chosen = rng.permutation(len(sets[0].X_train))[:max_rows]
    base, base_labels = sets[0].X_train[chosen].reshape(-1, 28, 28), sets[0].y_train[chosen]
    share = 1.0 if max_rows is None else min(1.0, max_rows / 60_000)
    # Of few images more copies are made, so that these come to the same number.
    parts = [_with_copies(base, base_labels, max(1, round(60_000 * share / len(base))), 0)]
    for index, data in enumerate(sets[1:], 1):
        few = slice(None if max_rows is None else max(10, max_rows // 10))
        parts.append(_with_copies(_normalised(data)[few], data.y_train[few], 2, index))
    printed, printed_labels = printed_digits()
    parts.append(_with_copies(_bytes(printed), printed_labels, 1 + round(8 * share), len(sets)))
    drawn, drawn_labels = make_digits(round(N_DRAWN * share), rng)
    parts.append((_bytes(drawn), drawn_labels))
    digits = base[:10_000].astype(np.float32) / np.float32(255)
    others = make_non_digits(round(N_NON_DIGITS * share), digits, base_labels[:10_000], rng)
    parts.append((_bytes(others), np.full(len(others), NOT_A_DIGIT, np.int64)))
    images = np.concatenate([images for images, _ in parts]).reshape(-1, 784)
    return images, np.concatenate([labels for _, labels in parts])


def _with_copies(
    images: NDArray[np.uint8], labels: NDArray[np.int64], copies: int, seed: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return images as they are and that many varied copies of each."""
    varied = [_vary(images, 1000 * seed + copy) for copy in range(copies)]
    return np.concatenate([images, *varied]), np.tile(labels, 1 + copies)


def _vary(images: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
    """Distort images on two threads; the result does not depend on how many there are."""

    def work(start: int) -> NDArray[np.uint8]:
        block = images[start : start + _BLOCK].astype(np.float32) / np.float32(255)
        return _bytes(distort(block, np.random.default_rng([seed, start])))

    starts = range(0, len(images), _BLOCK)
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


def _bytes(images: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.rint(images * 255).clip(0, 255).astype(np.uint8)


@functools.cache
def _recipe_key() -> str:
    """Hash the code that makes the default model and the versions of the libraries."""
    import digitrec.preprocessing as preprocessing

    here = Path(__file__)
    features = Path(preprocessing.__file__).parent
    files = [here, *(here.with_name(f"{n}.py") for n in ("classifier", "thresholds", "normalise"))]
    files += [here.with_name(f"{n}.py") for n in ("strokes", "synthesis")]
    files += [features / f"{n}.py" for n in ("deskew", "gradients", "scaling", "components")]
    digest = hashlib.sha256(repr(sorted(library_versions().items())).encode())
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def _print(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
