"""Compare Adam, SGD with momentum and L-BFGS on one network.

``python -m benchmarks.optimizers`` fits the network of the classic digit projects, raw pixels
784-128-64-10 with ReLU, and writes ``reports/optimizers/``. Learning rate and number of passes
are chosen on validation rows; the test set is scored once per optimiser.
"""

from __future__ import annotations

import copy
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from benchmarks._common import (
    DatasetName,
    MaxTrain,
    OutputDir,
    Seed,
    measured_with,
    run_app,
    run_facts,
    write_report,
)
from digitrec._interruption import interruptible
from digitrec.datasets import Dataset, load_dataset
from digitrec.evaluation.fitting import score_model
from digitrec.evaluation.splits import validation_split
from digitrec.preprocessing import build_features
from digitrec.rendering.markdown import interval, percent, seconds, table_of
from digitrec.rendering.style import PALETTE, new_figure, plain_log_ticks, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LAYERS = (128, 64)
_BATCH = 128
_LOSS_ROWS = 10_000


@dataclass(frozen=True)
class Optimizer:
    """An optimiser, the learning rates it may choose from, and how far it goes.

    Attributes
    ----------
    name : str
        ``solver`` of scikit-learn's `MLPClassifier`.
    title : str
        Name for tables and figures.
    rates : tuple of float
        Learning rates to try; empty for L-BFGS, whose line search finds its own steps.
    passes_per_epoch : int
        Passes over the training rows for each of ``--epochs``.
    """

    name: str
    title: str
    rates: tuple[float, ...] = ()
    passes_per_epoch: int = 1


OPTIMIZERS = (
    Optimizer("adam", "Adam", (0.0005, 0.001, 0.002)),
    Optimizer("sgd", "SGD, momentum 0.9", (0.02, 0.05, 0.1)),
    # A pass is one step here and hundreds of steps for the others.
    Optimizer("lbfgs", "L-BFGS", passes_per_epoch=16),
)


@dataclass(frozen=True, eq=False)
class Rows:
    """Scaled pixels and labels to learn from, to choose by and to score once."""

    X_fit: NDArray[np.float32]
    y_fit: NDArray[np.integer]
    X_validation: NDArray[np.float32]
    y_validation: NDArray[np.integer]
    X_test: NDArray[np.float32]
    y_test: NDArray[np.integer]


def split_rows(dataset: Dataset, random_state: int) -> Rows:
    """Scale the pixels and hold validation rows out."""
    features = build_features("raw", dataset.image_shape)
    X = features.fit_transform(dataset.X_train)
    split = validation_split(dataset.y_train, random_state)
    return Rows(
        X[split.train],
        dataset.y_train[split.train],
        X[split.validation],
        dataset.y_train[split.validation],
        features.transform(dataset.X_test),
        dataset.y_test,
    )


def compare(rows: Rows, epochs: int, random_state: int) -> list[dict[str, Any]]:
    """Fit the network with every optimiser and learning rate; return their curves.

    Returns
    -------
    list of dict
        One per optimiser, JSON-safe: ``optimizer``, ``title``, ``candidates`` (``rate`` and
        ``points``), and of the best candidate at its best point on the validation rows ``rate``,
        ``points``, ``passes``, ``cpu_seconds``, ``validation_accuracy``, ``test_accuracy`` with
        its 95 % interval ``test_accuracy_low`` and ``test_accuracy_high``.
    """
    return [_fit_optimizer(optimizer, rows, epochs, random_state) for optimizer in OPTIMIZERS]


def _fit_optimizer(
    optimizer: Optimizer, rows: Rows, epochs: int, random_state: int
) -> dict[str, Any]:
    passes = optimizer.passes_per_epoch * epochs
    best_accuracy, best_model = -1.0, None
    chosen: dict[str, Any] = {}
    candidates = []
    for rate in optimizer.rates or (None,):
        model = MLPClassifier(
            LAYERS, solver=optimizer.name, batch_size=_BATCH, random_state=random_state
        )
        if rate is not None:
            model.set_params(learning_rate_init=rate)
        steps = _full_batch_fits if rate is None else _epochs
        points: list[dict[str, float]] = []
        candidates.append({"rate": rate, "points": points})
        for fitted, done, cpu_seconds in steps(model, rows, passes):
            accuracy = float(fitted.score(rows.X_validation, rows.y_validation))
            points.append(
                {
                    "passes": done,
                    "cpu_seconds": cpu_seconds,
                    "training_loss": _training_loss(fitted, rows),
                    "validation_accuracy": accuracy,
                }
            )
            if accuracy > best_accuracy:
                best_accuracy, best_model = accuracy, copy.deepcopy(fitted)
                chosen = {"rate": rate, "points": points, **points[-1]}
    assert best_model is not None, "every optimiser makes at least one step"
    tested = score_model(best_model, rows.X_test, rows.y_test)
    low, high = tested.accuracy_interval
    return {
        "optimizer": optimizer.name,
        "title": optimizer.title,
        "candidates": candidates,
        **chosen,
        "test_accuracy": tested.accuracy,
        "test_accuracy_low": low,
        "test_accuracy_high": high,
    }


def _epochs(
    model: MLPClassifier, rows: Rows, passes: int
) -> Iterator[tuple[MLPClassifier, int, float]]:
    """Fit epoch by epoch; yield the model, the passes done and the CPU time they took.

    `digitrec.evaluation.fitting` fits to the end and takes wall time; a curve needs neither.
    """
    spent = 0.0
    classes = np.unique(rows.y_fit)
    for done in range(1, passes + 1):
        started = time.process_time()
        with interruptible():
            model.partial_fit(rows.X_fit, rows.y_fit, classes=classes)
        spent += time.process_time() - started
        yield model, done, spent


def _full_batch_fits(
    model: MLPClassifier, rows: Rows, passes: int
) -> Iterator[tuple[MLPClassifier, int, float]]:
    """Fit from the same start again and again, each time with about twice as many passes.

    Going on from an earlier fit would throw away the curvature that L-BFGS has gathered. The
    fits are deterministic, so that they are one path looked at in several places; the time of a
    place is that of the fit that ends there.
    """
    for limit in _doubling(passes):
        # One evaluation of loss and gradient is one pass; the gradient tolerance never stops it.
        model.set_params(max_fun=limit, max_iter=limit, tol=0)
        started = time.process_time()
        with interruptible(), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(rows.X_fit, rows.y_fit)
        yield model, limit, time.process_time() - started


def _doubling(last: int) -> list[int]:
    return sorted({last} | {2**k for k in range(1, last.bit_length()) if 2**k <= last})


def _training_loss(model: MLPClassifier, rows: Rows) -> float:
    """Return the mean cross-entropy of the first training rows, without the penalty."""
    y = rows.y_fit[:_LOSS_ROWS]
    probabilities = model.predict_proba(rows.X_fit[:_LOSS_ROWS])
    true = probabilities[np.arange(len(y)), np.searchsorted(model.classes_, y)]
    return float(-np.log(np.maximum(true, 1e-12), dtype=np.float64).mean())


_COSTS = {
    "passes": "passes over the training images",
    "cpu_seconds": "CPU time of fitting, s",
}


@styled
def curves_figure(outcomes: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw training loss and validation error of optimisers against two measures of cost."""
    figure = new_figure(5.6)
    grid = figure.subplots(2, 2, sharex="col", sharey="row")
    for column, (cost, label) in enumerate(_COSTS.items()):
        for index, outcome in enumerate(outcomes):
            points = outcome["points"]
            x = [point[cost] for point in points]
            losses = [point["training_loss"] for point in points]
            errors = [100 * (1 - point["validation_accuracy"]) for point in points]
            color = PALETTE[index]
            # L-BFGS is seen at few places, which the markers show.
            for axes, y in zip(grid[:, column], (losses, errors), strict=True):
                axes.plot(x, y, color=color, marker="o", markersize=3, label=outcome["title"])
            error = 100 * (1 - outcome["validation_accuracy"])
            grid[1, column].plot(
                outcome[cost], error, "o", color=color, markersize=9, fillstyle="none"
            )
        grid[1, column].set_xlabel(label)
    for axes in grid.flat:
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.grid(axis="both")
    for axes in grid[0]:
        plain_log_ticks(axes.yaxis)
    for axes in grid[1]:
        plain_log_ticks(axes.xaxis)
        plain_log_ticks(axes.yaxis)
    grid[0, 0].set_ylabel("training loss")
    grid[1, 0].set_ylabel("validation error, %")
    grid[0, 0].legend(frameon=False, fontsize=8.5)
    figure.suptitle(
        "Training loss and validation error (circle: chosen)",
        x=0.005, ha="left", fontsize=11, fontweight="bold",
    )  # fmt: skip
    return figure


def render(measured: dict[str, Any]) -> str:
    """Return the comparison as Markdown."""
    outcomes = measured["optimizers"]
    columns: dict[str, Any] = {
        "optimiser": "{title}",
        "learning rate": lambda row: "line search" if row["rate"] is None else f"{row['rate']:g}",
        "passes": lambda row: f"{row['passes']:,.0f} of {row['points'][-1]['passes']:,.0f}",
        "CPU time, s": lambda row: seconds(row["cpu_seconds"]),
        "training loss": "{training_loss:.2g}",
        "validation accuracy, %": lambda row: percent(row["validation_accuracy"]),
        "test accuracy, %": lambda row: percent(row["test_accuracy"]),
        "95 % interval": lambda row: interval(row["test_accuracy_low"], row["test_accuracy_high"]),
    }
    best = max(outcomes, key=lambda outcome: outcome["validation_accuracy"])
    tried = "; ".join(
        f"{outcome['title']} "
        + ", ".join(
            f"{candidate['rate']:g} ({percent(_best(candidate))} %)"
            for candidate in outcome["candidates"]
        )
        for outcome in outcomes
        if outcome["rate"] is not None
    )
    network = "-".join(map(str, measured["layers"]))
    return "\n\n".join(
        [
            "# Three optimisers for one network",
            f"The network of the classic digit projects, {network} with ReLU, on raw pixels of "
            f"{measured['dataset']}: {measured['n_fit']:,} images to fit on, "
            f"{measured['n_validation']:,} to choose by, {measured['n_test']:,} to test on. "
            f"**{best['title']}** does best on the validation images and reads "
            f"{percent(best['test_accuracy'])} % of the test images correctly; such networks are "
            f"usually reported at 97–98 % on MNIST. {_spread(outcomes)}",
            table_of(outcomes, columns),
            "![Training loss and validation error of the three optimisers, by passes over the "
            "training images and by CPU time](figures/optimizers.png)",
            "## How to read this",
            "- A pass computes loss and gradient of every training image once. Adam and SGD make "
            f"one step for every {measured['batch_size']} images of a pass, L-BFGS one step for a "
            "whole pass: passes are the fair measure of work, steps are not.\n"
            "- CPU time is that of fitting alone, on one thread. L-BFGS was run again from the "
            "same start for each of its points, since stopping it loses what it has learned about "
            "the curvature; each point shows the time of its own run.\n"
            "- Learning rate and number of passes are those with the best validation accuracy; "
            "the test images were scored once, with that network. Validation accuracy is "
            "therefore a little too high.\n"
            f"- Best validation accuracy of each learning rate: {tried}.\n"
            f"- Training loss: cross-entropy of {measured['n_loss']:,} training images after the "
            "pass, without the penalty on the weights.\n"
            "- One seed: differences within the 95 % intervals are not significant.",
            measured_with(measured),
        ]
    )


def _spread(outcomes: list[dict[str, Any]]) -> str:
    accuracies = [outcome["validation_accuracy"] for outcome in outcomes]
    cheap, *_, dear = sorted(outcomes, key=lambda outcome: outcome["cpu_seconds"])
    return (
        f"The three end within {100 * (max(accuracies) - min(accuracies)):.2f} points of each "
        f"other; {dear['title']} takes {dear['cpu_seconds'] / cheap['cpu_seconds']:.1f} times "
        f"the CPU time of {cheap['title']} to get there."
    )


def _best(candidate: dict[str, Any]) -> float:
    return max(point["validation_accuracy"] for point in candidate["points"])


def main(
    dataset: DatasetName = "mnist",
    max_train: MaxTrain = None,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of Adam and SGD.")] = 15,
    random_state: Seed = 0,
    output_dir: OutputDir = Path("reports/optimizers"),
) -> None:
    """Compare optimisers of one network, and write the report."""
    data = load_dataset(dataset, max_train=max_train, random_state=random_state)
    rows = split_rows(data, random_state)
    with threadpool_limits(1):
        outcomes = compare(rows, epochs, random_state)
    measured = {
        **run_facts("optimizers", data),
        "data_fingerprint": data.fingerprint,
        "layers": [data.X_train.shape[1], *LAYERS, len(data.label_names)],
        "batch_size": _BATCH,
        "n_fit": len(rows.y_fit),
        "n_validation": len(rows.y_validation),
        "n_loss": min(_LOSS_ROWS, len(rows.y_fit)),
        "random_state": random_state,
        "optimizers": outcomes,
    }
    write_report(output_dir, render(measured), measured, optimizers=curves_figure(outcomes))


if __name__ == "__main__":
    run_app(main)
