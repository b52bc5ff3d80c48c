"""Figures about how models behave: confidence, corrupted images, and more training rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from digitrec.reporting.style import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    PALETTE,
    WIDTH,
    name_cells,
    new_figure,
    plain_log_ticks,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["growth_figure", "reliability_figure", "risk_figure", "robustness_figure"]

_FEWEST_JOINED = 10


@styled
def reliability_figure(
    labels: Sequence[str],
    before: Sequence[Sequence[Mapping[str, Any]]],
    after: Sequence[Sequence[Mapping[str, Any]] | None],
) -> Figure:
    """Draw accuracy against confidence for each model, before and after calibration.

    Parameters
    ----------
    labels : sequence of str, length n
        Names of the models.
    before, after : sequences, length n
        Bins of each model: ``confidence``, ``accuracy``, ``count``; None where not calibrated.
    """
    columns = min(4, len(labels))
    rows = -(-len(labels) // columns)
    figure = new_figure(0.6 + rows * (WIDTH / columns + 0.25))
    for index, label in enumerate(labels):
        axes = figure.add_subplot(rows, columns, index + 1)
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle="--")
        _bins(axes, before[index], ORANGE, "before")
        if after[index] is not None:
            _bins(axes, after[index] or (), BLUE, "after")
        axes.set_xlim(0, 1.03)
        axes.set_ylim(0, 1.03)
        axes.set_aspect("equal")
        axes.set_title(label, fontsize=9.5)
        axes.set_xticks([0, 0.5, 1])
        axes.set_yticks([0, 0.5, 1])
        if index % columns == 0:
            axes.set_ylabel("accuracy")
        if index >= len(labels) - columns:
            axes.set_xlabel("confidence")
        if index == 0:
            axes.legend(frameon=False, fontsize=8.5, loc="upper left", handlelength=1.2)
    return figure


def _bins(axes: Axes, bins: Sequence[Mapping[str, Any]], color: str, label: str) -> None:
    counts = np.array([part["count"] for part in bins], dtype=float)
    x = [part["confidence"] for part in bins]
    y = [part["accuracy"] for part in bins]
    sizes = 6 + 60 * np.sqrt(counts / counts.sum())
    # A few images say little about a bin: they are points beside the line.
    joined = [place for place, count in enumerate(counts) if count >= _FEWEST_JOINED]
    axes.plot(
        [x[i] for i in joined], [y[i] for i in joined], color=color, linewidth=1.2, label=label
    )
    axes.scatter(x, y, s=sizes, color=color, alpha=0.7, linewidths=0)


@styled
def risk_figure(
    labels: Sequence[str], curves: Sequence[Mapping[str, Sequence[float]]], *, winner: int | None
) -> Figure:
    """Draw the error among the images kept against the share rejected.

    Parameters
    ----------
    labels : sequence of str, length n
        Names of the models.
    curves : sequence of mappings, length n
        ``coverage`` and ``error``, fractions.
    winner : int or None
        Model drawn thicker.
    """
    figure = new_figure(3.6)
    axes = figure.add_subplot()
    for index, (label, curve) in enumerate(zip(labels, curves, strict=True)):
        rejected = 100 * (1 - np.asarray(curve["coverage"]))
        error = 100 * np.asarray(curve["error"])
        keep = rejected <= 30
        axes.plot(
            rejected[keep],
            np.where(error[keep] > 0, error[keep], np.nan),
            color=PALETTE[index % len(PALETTE)],
            linestyle=("-", "--", ":")[index // len(PALETTE) % 3],
            linewidth=2.6 if index == winner else 1.5,
            label=label,
        )
    if any(max(curve["error"]) > 0 for curve in curves):
        axes.set_yscale("log")
        plain_log_ticks(axes.yaxis)
    axes.grid(axis="y")
    axes.set_xlim(0, 30)
    axes.set_xlabel("share of the images rejected, the least sure first, %")
    axes.set_ylabel("error among the others, %")
    axes.set_title("Error when the least sure are rejected")
    axes.legend(frameon=False, fontsize=8.5, ncols=2 if len(labels) > 4 else 1)
    return figure


@styled
def robustness_figure(
    labels: Sequence[str],
    kinds: Sequence[str],
    errors: NDArray[np.floating],
    clean: Sequence[float],
) -> Figure:
    """Draw the error of every model on every kind of corruption as a coloured table.

    Parameters
    ----------
    labels : sequence of str, length n_models
        Names of the models.
    kinds : sequence of str, length n_kinds
        Names of the corruptions.
    errors : ndarray of float, shape (n_models, n_kinds)
        Errors, 0–1.
    clean : sequence of float, length n_models
        Errors on the uncorrupted images.
    """
    from matplotlib.colors import PowerNorm

    # Models side by side: there are more corruptions than most runs have models.
    table = 100 * np.column_stack([clean, errors, errors.mean(axis=1)]).T
    names = ["none", *(kind.replace("_", " ") for kind in kinds), "mean of all"]
    figure = new_figure(1.2 + 0.27 * len(names) + 0.05 * max(map(len, labels)))
    axes = figure.add_subplot()
    norm = PowerNorm(0.5, 0, max(float(table.max()), 1.0))
    axes.imshow(table, cmap="OrRd", norm=norm, aspect="auto")
    if len(labels) <= 20:
        for row in range(table.shape[0]):
            for column in range(table.shape[1]):
                value = table[row, column]
                axes.text(
                    column,
                    row,
                    f"{value:.1f}" if value < 99.95 else "100",
                    ha="center",
                    va="center",
                    fontsize=8.5 if len(labels) <= 12 else 7,
                    color="white" if norm(value) > 0.7 else INK,
                )
    name_cells(axes, labels, names)
    for line in (0.5, len(names) - 1.5):
        axes.axhline(line, color="white", linewidth=3)
    axes.set_title("Test error on corrupted images, %")
    return figure


@styled
def growth_figure(labels: Sequence[str], points: Sequence[Sequence[Mapping[str, float]]]) -> Figure:
    """Draw error and fit time against the number of training images, on log axes.

    Parameters
    ----------
    labels : sequence of str, length n
        Names of the models.
    points : sequences of mappings, length n
        ``n``, ``error`` (fraction) and ``fit_seconds`` of each size.
    """
    figure = new_figure(3.7 + 0.1 * len(labels))
    panels = (("error", "test error, %", 100.0), ("fit_seconds", "fit time, s", 1.0))
    for place, (field, axis_label, scale) in enumerate(panels, start=1):
        axes = figure.add_subplot(1, 2, place)
        for index, (label, curve) in enumerate(zip(labels, points, strict=True)):
            shown = [point for point in curve if point[field] > 0]
            axes.plot(
                [point["n"] for point in shown],
                [scale * point[field] for point in shown],
                marker="o",
                markersize=3.5,
                linewidth=1.5,
                color=PALETTE[index % len(PALETTE)],
                linestyle=("-", "--", ":")[index // len(PALETTE) % 3],
                label=label,
            )
        if any(point[field] > 0 for curve in points for point in curve):
            axes.set_xscale("log")
            axes.set_yscale("log")
            plain_log_ticks(axes.xaxis)
            plain_log_ticks(axes.yaxis)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value / 1000:g}")
        axes.grid(True)
        axes.set_xlabel("training images, thousands")
        axes.set_title(axis_label)
    handles, names = figure.axes[0].get_legend_handles_labels()
    figure.legend(
        handles, names, loc="outside lower center", ncols=min(4, len(labels)), frameon=False
    )
    return figure
