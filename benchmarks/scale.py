"""How the cost of the default models grows with the number of training images.

The default features and models are fitted to samples of the training images, and to all of them
with distorted copies; each fit has a fresh process, whose peak memory is taken. The report gives
times, memory and the exponents of their growth. Nothing is scored.

Run: ``python -m benchmarks.scale``.
"""

from __future__ import annotations

import dataclasses
import logging
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import joblib
import numpy as np
import typer
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks._common import (
    DatasetName,
    Jobs,
    OutputDir,
    in_fresh_process,
    measured_with,
    run_app,
    run_facts,
    write_report,
)
from digitrec._environment import available_cores
from digitrec._platform import peak_memory_bytes
from digitrec.datasets import Dataset, load_dataset
from digitrec.errors import ConfigurationError
from digitrec.evaluation.fitting import fit_model
from digitrec.models import DEFAULT_MODELS, MODELS
from digitrec.preprocessing import DEFAULT_FEATURES, FEATURES, fixed_features
from digitrec.preprocessing.augmentation import augment
from digitrec.rendering.markdown import table

_log = logging.getLogger("digitrec.benchmarks.scale")

_SIZES = (10_000, 60_000, 240_000)


def training_images(
    dataset: Dataset, n_rows: int, random_state: int = 0, n_jobs: int | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return so many training images and their labels: a sample, or all with distorted copies."""
    n_train = len(dataset.y_train)
    random = np.random.RandomState(random_state)
    if n_rows <= n_train:
        rows = np.sort(random.choice(n_train, n_rows, replace=False))
        return np.asarray(dataset.X_train)[rows], dataset.y_train[rows]
    n_copies = -(-n_rows // n_train) - 1
    images = np.empty((n_rows, dataset.X_train.shape[1]), dtype=np.uint8)
    images[:n_train] = dataset.X_train
    position = n_train
    for chunk in augment(
        np.asarray(dataset.X_train), dataset.image_shape, n_copies, random_state, n_jobs=n_jobs
    ):
        chunk = chunk[: n_rows - position]
        images[position : position + len(chunk)] = chunk
        position += len(chunk)
    return images, np.resize(dataset.y_train, n_rows)


def measure(
    dataset: Dataset,
    sizes: Sequence[int],
    models: Sequence[str],
    *,
    n_jobs: int,
) -> list[dict[str, Any]]:
    """Return times and peak memory of each part at each number of training images.

    Returns
    -------
    list of dict
        ``part`` ("features" or a model), ``n_rows``, ``fit_seconds``, ``predict_seconds``
        (of all test images; for the features, their own) and ``peak_memory_bytes``.
    """
    measured = []
    with tempfile.TemporaryDirectory(prefix="digitrec-scale-") as name:
        for n_rows in sizes:
            folder = Path(name) / str(n_rows)
            folder.mkdir()
            X, y = training_images(dataset, n_rows, n_jobs=n_jobs)
            part = dataclasses.replace(
                dataset, X_train=X, y_train=y, groups_train=None, fingerprint=""
            )
            joblib.dump(part, folder / "dataset.joblib")
            np.save(folder / "y.npy", y)
            del X, part
            for key in ("features", *models):
                function = _fit_features if key == "features" else _fit_model
                found = in_fresh_process(function, folder, key, n_jobs)
                measured.append({"part": key, "n_rows": n_rows, **found})
                _log.info(
                    f"{key}, {n_rows:,} images: fit {found['fit_seconds']:.1f} s, predict "
                    f"{found['predict_seconds']:.2f} s, peak "
                    f"{found['peak_memory_bytes'] / 2**20:,.0f} MiB"
                )
            for path in folder.rglob("*.npy"):
                path.unlink()
    return measured


def _fit_features(folder: Path, key: str, n_jobs: int) -> dict[str, float]:
    dataset = joblib.load(folder / "dataset.joblib", mmap_mode="r")
    spec = FEATURES[DEFAULT_FEATURES]
    with threadpool_limits(n_jobs):
        started = time.perf_counter()
        fixed = fixed_features(dataset, spec, folder / "features", n_jobs=n_jobs)
        learned = spec.build_fitted()
        np.save(folder / "X_fit.npy", learned.fit_transform(fixed.train))
        fitted = time.perf_counter()
        np.save(folder / "X_test.npy", learned.transform(fixed.test))
    return {
        "fit_seconds": fitted - started,
        "predict_seconds": time.perf_counter() - fitted,
        "peak_memory_bytes": peak_memory_bytes(),
    }


def _fit_model(folder: Path, key: str, n_jobs: int) -> dict[str, float]:
    train, test = (np.load(folder / f"{part}.npy", mmap_mode="r") for part in ("X_fit", "X_test"))
    y = np.load(folder / "y.npy")
    model = MODELS[key].build(features=DEFAULT_FEATURES)
    with threadpool_limits(n_jobs), joblib.parallel_config("threading", n_jobs=n_jobs):
        fit = fit_model(model, train, y)
        started = time.perf_counter()
        fit.model.predict(test)  # of no known labels: there is nothing to score
    return {
        "fit_seconds": fit.seconds,
        "predict_seconds": time.perf_counter() - started,
        "peak_memory_bytes": peak_memory_bytes(),
    }


def growth(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Return the exponent b of ``value = a * size ** b`` that fits best on logarithms.

    Examples
    --------
    >>> round(growth([10, 100, 1000], [2, 20, 200]), 3)
    1.0
    """
    return float(np.polyfit(np.log(sizes), np.log(np.maximum(values, 1e-9)), 1)[0])


def render(measured: Sequence[dict[str, Any]], facts: dict[str, Any]) -> str:
    """Return the Markdown report of what `measure` returned."""
    sizes = sorted({row["n_rows"] for row in measured})
    parts = list(dict.fromkeys(row["part"] for row in measured))
    found = {(row["part"], row["n_rows"]): row for row in measured}

    def by_size(value: Callable[[dict[str, Any]], float], digits: int) -> str:
        rows = []
        for part in parts:
            values = [value(found[part, size]) for size in sizes]
            title = f"features `{DEFAULT_FEATURES}`" if part == "features" else MODELS[part].title
            shown = [f"{v:,.{digits}f}" for v in values]
            exponent = f"{growth(sizes, values):.2f}" if len(sizes) > 1 else "–"
            rows.append([title, *shown, exponent])
        headers = ["part", *(f"{size:,}" for size in sizes), "exponent"]
        return table(headers, rows, "l" + "r" * (len(headers) - 1))

    return f"""# How cost grows with the training images

{facts["dataset"]}: samples of its {facts["n_train"]:,} training images, and beyond that all of them
with distorted copies, on {facts["n_jobs"]} threads. Each part has a fresh process. An exponent of 1
means that twice the images take twice as long.

## Seconds to fit

{by_size(lambda row: row["fit_seconds"], 1)}

## Seconds to predict {facts["n_test"]:,} images

{by_size(lambda row: row["predict_seconds"], 2)}

## Peak memory of the process in MiB

{by_size(lambda row: row["peak_memory_bytes"] / 2**20, 0)}

The peak counts the interpreter and the libraries, and pages of memory-mapped features that the
system can take back.

{measured_with(facts)}
"""


def main(
    dataset: DatasetName = "mnist",
    size: Annotated[
        list[int] | None, typer.Option(help="Training images, repeatable; default 10k, 60k, 240k.")
    ] = None,
    jobs: Jobs = None,
    output_dir: OutputDir = Path("reports/scale"),
) -> None:
    """Measure how time and memory of the default features and models grow."""
    sizes = sorted(set(size or _SIZES))
    if sizes[0] < 100:
        raise ConfigurationError(f"--size must be at least 100, not {sizes[0]}")
    n_jobs = jobs or available_cores()
    data = load_dataset(dataset)
    measured = measure(data, sizes, DEFAULT_MODELS, n_jobs=n_jobs)
    facts = run_facts("scale", data, n_jobs=n_jobs)
    write_report(output_dir, render(measured, facts), {**facts, "measured": measured})


if __name__ == "__main__":
    run_app(main)
