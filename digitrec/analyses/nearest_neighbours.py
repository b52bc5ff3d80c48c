"""Nearest neighbours: the training images nearest to each misclassified image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from digitrec.analyses._registry import Analysis, AnalysisContext
from digitrec.rendering.images import draw_image, ink_colors
from digitrec.rendering.markdown import code, escape
from digitrec.rendering.section import Content, FigureSpec
from digitrec.rendering.style import BLUE, GREY, ORANGE, WIDTH, new_figure, styled

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from digitrec.analyses._report_context import ReportContext

N_NEIGHBOURS = 5
_MAX_MISTAKES = 500
_MISTAKE_ROWS = 20
_NEIGHBOURS_SHOWN = 4
_FRAME = "#D0D7DE"


def run(context: AnalysisContext) -> dict[str, Any]:
    """Find the neighbours of the winner's mistakes; empty where it makes none."""
    from digitrec.evaluation.shared import SharedData

    result = context.winning_result
    if result is None:
        return {}
    dataset = context.dataset
    predicted, truth = context.predictions(result).y_test_pred, np.asarray(dataset.y_test)
    wrong = np.flatnonzero(predicted != truth)
    n_mistakes = len(wrong)
    wrong = wrong[:_MAX_MISTAKES]
    if not n_mistakes:
        return {}
    features = SharedData(context.cache, n_jobs=context.n_jobs).features(
        dataset, result.features, validation_seed=None
    )
    found = describe_neighbours(
        features.X_fit,
        dataset.y_train,
        np.asarray(features.X_score)[wrong],
        truth[wrong],
        predicted[wrong],
    )
    return {
        "name": result.stem,
        "features": result.features,
        "n_mistakes": n_mistakes,
        "rows": wrong.tolist(),
        "predicted": predicted[wrong].tolist(),
        **found,
    }


def describe_neighbours(
    X_train: NDArray[np.floating],
    y_train: ArrayLike,
    X_wrong: NDArray[np.floating],
    y_wrong: ArrayLike,
    predicted: ArrayLike,
) -> dict[str, Any]:
    """Return the training rows nearest to rows that were misread.

    Parameters
    ----------
    X_train : ndarray of float, shape (n_train, n_features)
        Features of the training rows.
    y_train : array-like of int, shape (n_train,)
        Their labels.
    X_wrong : ndarray of float, shape (n_wrong, n_features)
        Features of the rows that were misread.
    y_wrong, predicted : array-like of int, shape (n_wrong,)
        Their labels and what was read.

    Returns
    -------
    dict
        JSON-safe. ``neighbours`` and ``distances``: training rows and Euclidean distances for
        each misread row, the nearest first; ``nearest_is_true``, ``nearest_is_predicted``,
        ``nearest_is_other``: how many of the misread rows have a nearest neighbour of their own
        class, of the class read, of a third one.
    """
    from sklearn.neighbors import NearestNeighbors

    count = min(N_NEIGHBOURS, len(X_train))
    search = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(X_train)
    distances, neighbours = search.kneighbors(X_wrong)
    nearest = np.asarray(y_train)[neighbours[:, 0]]
    is_true, is_predicted = nearest == np.asarray(y_wrong), nearest == np.asarray(predicted)
    return {
        "neighbours": neighbours.tolist(),
        "distances": np.round(distances, 4).tolist(),
        "nearest_is_true": int(is_true.sum()),
        "nearest_is_predicted": int(is_predicted.sum()),
        "nearest_is_other": int((~is_true & ~is_predicted).sum()),
    }


def frame(output: Mapping[str, Any]) -> pd.DataFrame:
    """Return one row a misread row and neighbour: its rank, training row and distance."""
    import pandas as pd

    return pd.DataFrame(
        [
            (row, predicted, rank, neighbour, distance)
            for row, predicted, near, far in zip(
                output.get("rows", ()),
                output.get("predicted", ()),
                output.get("neighbours", ()),
                output.get("distances", ()),
                strict=True,
            )
            for rank, (neighbour, distance) in enumerate(zip(near, far, strict=True))
        ],
        columns=["row", "predicted", "rank", "neighbour", "distance"],
    )


def section(context: ReportContext) -> Content | None:
    """Show the misclassified images, each next to the training images nearest to it."""
    found, labels = context.output("nearest_neighbours"), context.labels
    if not found or found["name"] not in labels:
        return None
    n = len(found["rows"])
    which = f"{n:,}" if n == found["n_mistakes"] else f"first {n:,} of {found['n_mistakes']:,}"
    parts = [
        ANALYSIS.heading,
        f"Of the {which} test images that **{escape(labels[found['name']])}** misclassifies, the "
        f"nearest training image is of the predicted class for {found['nearest_is_predicted']:,}, "
        f"of the true class for {found['nearest_is_true']:,}, and of a third class for "
        f"{found['nearest_is_other']:,} (Euclidean distance of the features "
        f"{code(found['features'])}). In the first case the training data support the wrong "
        "class; in the second a nearest-neighbour classifier is right.",
    ]
    spec = _neighbours_spec(context, found)
    if spec is None:
        return Content.of(*parts)
    n_shown = _shown_mistakes(context, n)
    shown = "Each of them" if n_shown == n else f"The first {n_shown} of them, each"
    parts.append(
        f"{shown} with its nearest training images; a blue frame marks those of the true class, "
        "an orange one those of the predicted class."
        + ("" if n_shown == n else " The others are in `results.json`.")
    )
    return Content.of(*parts, spec)


def _neighbours_spec(context: ReportContext, found: dict[str, Any]) -> FigureSpec | None:
    dataset = context.same_dataset
    if dataset is None:
        return None
    names = context.short_label_names
    n_shown = _shown_mistakes(context, len(found["rows"]))

    def draw() -> Any:
        shape = dataset.image_shape
        y_test, y_train = np.asarray(dataset.y_test), np.asarray(dataset.y_train)
        X_test, X_train = np.asarray(dataset.X_test), np.asarray(dataset.X_train)
        mistakes = []
        for i, row in enumerate(found["rows"][:n_shown]):
            near = found["neighbours"][i][:_NEIGHBOURS_SHOWN]
            mistakes.append(
                Mistake(
                    image=X_test[row].reshape(shape),
                    truth=int(y_test[row]),
                    predicted=found["predicted"][i],
                    neighbours=X_train[near].reshape(-1, *shape),
                    labels=y_train[near].tolist(),
                )
            )
        return neighbours_figure(
            mistakes,
            names,
            title="Errors (true → predicted) and the nearest training images",
        )

    return FigureSpec(
        "neighbours", "Misclassified test images, each with its nearest training images", draw
    )


def _shown_mistakes(context: ReportContext, n: int) -> int:
    """Return how many of `n` mistakes are drawn: all where they fit, else half a page of them."""
    most = _MISTAKE_ROWS * mistakes_per_row(context.short_label_names)
    return n if n <= most else most // 2


@dataclass(frozen=True, eq=False)
class Mistake:
    """A misread image and the training images nearest to it.

    Attributes
    ----------
    image : ndarray of uint8, shape (height, width)
        The misread image, 0 (background) to 255 (ink).
    truth, predicted : int
        Its class and the class read.
    neighbours : ndarray of uint8, shape (k, height, width)
        Training images, the nearest first.
    labels : sequence of int, length k
        Their classes.
    """

    image: NDArray[np.uint8]
    truth: int
    predicted: int
    neighbours: NDArray[np.uint8]
    labels: Sequence[int]


def mistakes_per_row(classes: Sequence[str]) -> int:
    """Return how many mistakes stand side by side in `neighbours_figure`."""
    return 3 if max(map(len, classes)) <= 3 else 2


@styled
def neighbours_figure(mistakes: Sequence[Mistake], classes: Sequence[str], *, title: str) -> Figure:
    """Draw misread images, each with its nearest training images.

    Neighbours of the true class have a blue frame, of the predicted class an orange one.
    """
    blocks = mistakes_per_row(classes)
    short = blocks == 3
    count = 1 + max(len(mistake.labels) for mistake in mistakes)
    pitch = 1.06 * count + 0.55
    side = WIDTH / (blocks * pitch - 0.55)
    step = 1.08 + (0.17 if short else 0.32) / side
    n_rows = -(-len(mistakes) // blocks)
    figure = new_figure(n_rows * step * side + 0.33)
    axes = figure.add_subplot()
    axes.set_axis_off()
    arrow = " → " if short else "\n→ "
    size = 8 if short else 6.5
    for index, mistake in enumerate(mistakes):
        row, block = divmod(index, blocks)
        x, y = block * pitch, row * step
        draw_image(axes, ink_colors(mistake.image), x, y, GREY, 1.6)
        captions = [classes[mistake.truth] + arrow + classes[mistake.predicted]]
        for place, (image, label) in enumerate(
            zip(mistake.neighbours, mistake.labels, strict=True), start=1
        ):
            color = {mistake.predicted: ORANGE, mistake.truth: BLUE}.get(label, _FRAME)
            draw_image(axes, ink_colors(image), x + 1.06 * place + 0.12, y, color, 1.2)
            captions.append(classes[label])
        for place, caption in enumerate(captions):
            axes.text(
                x + 1.06 * place + (0.62 if place else 0.5), y + 1.05, caption,
                ha="center", va="top", fontsize=size, linespacing=1.1,
                fontweight="normal" if place else "bold",
            ).set_in_layout(False)  # fmt: skip
    axes.set_xlim(-0.03, blocks * pitch - 0.4)
    axes.set_ylim(n_rows * step, -0.04)
    axes.set_title(title)
    return figure


ANALYSIS = Analysis(
    name="nearest_neighbours",
    title="Nearest neighbours of the errors",
    question="Are the nearest training images of misclassified rows of the predicted class?",
    order=180,
    run=run,
    frame=frame,
    section=section,
)
