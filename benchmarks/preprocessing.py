"""Measure the speed and the memory of features and augmentation.

``python -m benchmarks.preprocessing`` computes the features of MNIST (70,000 images), times
them and an image-by-image implementation with SciPy on a part of the images, checks that both
give the same numbers, and writes ``reports/preprocessing/``.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from scipy.ndimage import affine_transform, correlate1d

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
from digitrec.datasets import load_dataset
from digitrec.preprocessing import FEATURES, Augmentation, augment
from digitrec.rendering.markdown import table, table_of

_SHAPE = (28, 28)


def naive_gradients(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the ``gradients`` features of one image of 28x28, without the components."""
    straight = _naive_deskew(image.reshape(_SHAPE) / 255.0)
    difference = [-1.0, 0.0, 1.0]
    gx = correlate1d(straight, difference, axis=1, mode="constant")
    gy = correlate1d(straight, difference, axis=0, mode="constant")
    magnitude = np.maximum(np.hypot(gx, gy), 1e-6)
    maps = []
    for k in range(8):
        angle = np.pi * k / 4
        towards = np.maximum(0, gx * np.cos(angle) + gy * np.sin(angle))
        maps.append(towards**2 / magnitude)
    features = []
    for size in (7, 4):
        windows = _naive_windows(28, size)
        cells = np.array([windows @ m @ windows.T for m in maps])
        energy = np.pad((cells**2).sum(axis=0), 1)
        around = correlate1d(correlate1d(energy, [0.5, 1, 0.5], axis=0), [0.5, 1, 0.5], axis=1)
        features.append(np.sqrt(cells / np.sqrt(around[1:-1, 1:-1] + 0.1)).ravel())
    return np.concatenate(features)


def _naive_deskew(image: NDArray[np.float64]) -> NDArray[np.float64]:
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    mass = image.sum()
    if mass < 1e-6:
        return image
    my, mx = (y * image).sum() / mass, (x * image).sum() / mass
    var_y = ((y - my) ** 2 * image).sum() / mass
    slant = ((y - my) * (x - mx) * image).sum() / mass / max(var_y, 1e-6)
    matrix = np.array([[1.0, 0.0], [np.clip(slant, -1, 1), 1.0]])
    middle = (np.array(image.shape) - 1) / 2
    offset = np.array([my, mx]) - matrix @ middle
    return affine_transform(image, matrix, offset=offset, order=1, mode="grid-constant")


def _naive_windows(length: int, cells: int) -> NDArray[np.float64]:
    pitch = length / cells
    centres = (np.arange(cells) + 0.5) * pitch - 0.5
    windows = np.maximum(0, 1 - np.abs(np.arange(length) - centres[:, None]) / pitch)
    return windows / windows.sum(axis=1, keepdims=True)


def _fixed_features(X: NDArray[np.uint8], name: str, n_jobs: int) -> dict[str, float]:
    """Time the fixed part of a feature set and take the peak memory of this process."""
    pipeline = FEATURES[name].build_fixed(_SHAPE, n_jobs=n_jobs)
    pipeline.transform(X[:256])
    started = time.perf_counter()
    features = pipeline.transform(X)
    seconds = time.perf_counter() - started
    started = time.perf_counter()
    FEATURES[name].build_fitted().fit_transform(features)
    fitted_seconds = time.perf_counter() - started
    return {
        "seconds": seconds,
        "fitted_seconds": fitted_seconds,
        "peak_memory_bytes": peak_memory_bytes(),
    }


def measure(X: NDArray[np.uint8], n_naive: int, n_jobs: int) -> dict[str, Any]:
    """Return all measurements, JSON-safe; `n_naive` images are also computed one by one."""
    sets = {name: in_fresh_process(_fixed_features, X, name, n_jobs) for name in FEATURES}
    part = X[:n_naive]
    started = time.perf_counter()
    expected = np.array([naive_gradients(image) for image in part])
    naive_seconds = time.perf_counter() - started
    single = FEATURES["gradients"].build_fixed(_SHAPE)
    single.transform(part)
    started = time.perf_counter()
    got = single.transform(part)
    batched_seconds = time.perf_counter() - started
    return {
        "n_images": len(X),
        "n_jobs": n_jobs,
        "features": sets,
        "naive": {
            "n_images": len(part),
            "naive_seconds": naive_seconds,
            "batched_seconds": batched_seconds,
            "ratio": naive_seconds / batched_seconds,
            "largest_difference": float(np.abs(got - expected).max()),
        },
        "augmentation_images_per_second": _augmentation_rates(part),
    }


def _augmentation_rates(X: NDArray[np.uint8]) -> dict[str, float]:
    still = Augmentation(rotation=0, scale=0, shear=0, shift=0)
    distortions = {
        "affine jitter": Augmentation(),
        "elastic distortion": replace(still, elastic_alpha=34),
        "stroke thickness": replace(still, thickness=0.5),
        "all three": Augmentation(elastic_alpha=34, thickness=0.5),
    }
    rates = {}
    for name, amount in distortions.items():
        list(augment(X, _SHAPE, 1, 0, augmentation=amount))
        started = time.perf_counter()
        list(augment(X, _SHAPE, 1, 0, augmentation=amount))
        rates[name] = len(X) / (time.perf_counter() - started)
    return rates


def render(measured: dict[str, Any], facts: dict[str, Any]) -> str:
    """Return the measurements as Markdown."""
    naive = measured["naive"]
    sets = [{"name": name, **row} for name, row in measured["features"].items()]
    columns: dict[str, Any] = {
        "features": "{name}",
        "fixed part, s": "{seconds:.1f}",
        "fitted part, s": "{fitted_seconds:.1f}",
        "peak memory of the process, MiB": lambda row: f"{row['peak_memory_bytes'] / 2**20:.0f}",
    }
    rates = [
        [name, f"{rate:,.0f}"] for name, rate in measured["augmentation_images_per_second"].items()
    ]
    return f"""# Speed of preprocessing

{measured["n_images"]:,} images of 28x28 on {measured["n_jobs"]} threads.

## Features

{table_of(sets, columns)}

The peak counts the interpreter, the libraries and the images themselves.

## Against one image at a time

The same features of {naive["n_images"]:,} images with SciPy, image by image:
{naive["naive_seconds"]:.2f} s; batched, on one thread: {naive["batched_seconds"]:.2f} s;
**{naive["ratio"]:.0f} times faster**. Largest difference between the two:
{naive["largest_difference"]:.1e} (features lie in 0–1).

## Augmentation, one thread

{table(["distortion", "images / s"], rates, "lr")}

{measured_with(facts)}
"""


def main(
    dataset: DatasetName = "mnist",
    n_naive: Annotated[int, typer.Option(help="Images for the slow comparison.")] = 2000,
    jobs: Jobs = None,
    output_dir: OutputDir = Path("reports/preprocessing"),
) -> None:
    """Measure features and augmentation of 28x28 images, and write the report."""
    data = load_dataset(dataset)
    X = np.concatenate([data.X_train, data.X_test])
    measured = measure(X, min(n_naive, len(X)), jobs or available_cores())
    facts = run_facts("preprocessing")
    write_report(output_dir, render(measured, facts), {**measured, **facts})


if __name__ == "__main__":
    run_app(main)
