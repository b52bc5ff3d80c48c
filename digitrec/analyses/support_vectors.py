"""Support vectors: the training images that define the support vector machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from digitrec.analyses._registry import Analysis, AnalysisContext
from digitrec.rendering.images import grid_columns, images_figure
from digitrec.rendering.markdown import escape, join_words, percent, table_of
from digitrec.rendering.section import Content, FigureSpec

if TYPE_CHECKING:
    import pandas as pd

    from digitrec.analyses._report_context import ReportContext

_KEPT_PER_CLASS = 10
_SHOWN_PER_CLASS = 3
_MAX_CLASSES_SHOWN_FULLY = 12


def run(context: AnalysisContext) -> dict[str, Any]:
    """Describe the support vectors of the run's machine; empty where it has none."""
    result = next((result for result in context.one_per_model if result.model == "svm"), None)
    if result is None:
        return {}
    machine = context.pipeline(result)[-1]
    found = describe_support_vectors(
        machine.support_,
        machine.dual_coef_,
        machine.C,
        context.dataset.y_train,
        len(context.dataset.label_names),
    )
    return {"name": result.stem, **found}


def describe_support_vectors(
    support: ArrayLike,
    dual_coefficients: ArrayLike,
    C: float,
    y_train: ArrayLike,
    n_classes: int,
) -> dict[str, Any]:
    """Return the support vectors that weigh most, of each class.

    Parameters
    ----------
    support : array-like of int, shape (n_vectors,)
        Rows that the machine was fitted on; rows past the end of `y_train` are distorted copies
        and are counted, not shown.
    dual_coefficients : array-like of float, shape (n_classes - 1, n_vectors)
        Their coefficients against each other class.
    C : float
        Largest possible size of a coefficient.
    y_train : array-like of int, shape (n_train,)
        Labels of the training images.
    n_classes : int
        Number of classes.

    Returns
    -------
    dict
        JSON-safe. ``n``: support vectors; ``n_fit_rows``: training images; ``classes``: for each
        class ``n_train``, ``n``, ``n_at_bound`` (at least one coefficient at its limit: images
        within or beyond a margin), ``rows`` (training rows, the largest weight first) and
        ``weights`` (sums of the absolute coefficients, divided by `C`).
    """
    rows, labels = np.asarray(support), np.asarray(y_train)
    sizes = np.abs(np.asarray(dual_coefficients)) / C
    weights, at_bound = sizes.sum(axis=0), (sizes > 1 - 1e-6).any(axis=0)
    of = labels[rows % len(labels)]
    classes = []
    for label in range(n_classes):
        mine = of == label
        shown = np.flatnonzero(mine & (rows < len(labels)))
        shown = shown[np.argsort(-weights[shown], kind="stable")][:_KEPT_PER_CLASS]
        classes.append(
            {
                "n_train": int((labels == label).sum()),
                "n": int(mine.sum()),
                "n_at_bound": int((mine & at_bound).sum()),
                "rows": rows[shown].tolist(),
                "weights": [round(float(weight), 3) for weight in weights[shown]],
            }
        )
    return {"n": len(rows), "n_fit_rows": len(labels), "classes": classes}


def frame(output: Mapping[str, Any]) -> pd.DataFrame:
    """Return one row a class: training images, support vectors, and those at the limit C."""
    import pandas as pd

    return pd.DataFrame(
        [
            {"class": label, **{key: entry[key] for key in ("n_train", "n", "n_at_bound")}}
            for label, entry in enumerate(output.get("classes", ()))
        ],
        columns=["class", "n_train", "n", "n_at_bound"],
    )


def section(context: ReportContext) -> Content | None:
    """Support vectors of each class, and those with the largest coefficients."""
    found, labels = context.output("support_vectors"), context.labels
    if not found or found["name"] not in labels:
        return None
    names = context.label_names
    order = sorted(range(len(names)), key=lambda i: -_share(found["classes"][i]))
    hardest = join_words([escape(names[i]) for i in order[:2]])
    parts = [
        ANALYSIS.heading,
        f"**{escape(labels[found['name']])}** keeps {found['n']:,} of its {found['n_fit_rows']:,} "
        "training images as support vectors; without the others its boundaries would be the "
        f"same. {hardest} have the largest share. Coefficients that reach the limit C belong to "
        "images within or beyond a margin.",
        table_of(
            zip(names, found["classes"], strict=True),
            {
                "class": lambda c: escape(c[0]),
                "support vectors": lambda c: f"{c[1]['n']:,}",
                "of its images, %": lambda c: percent(_share(c[1])),
                "at the limit": lambda c: f"{c[1]['n_at_bound']:,}",
            },
        ),
    ]
    figure = _support_spec(context, found)
    if figure is None:
        return Content.of(*parts)
    note = (
        "The images with the largest coefficients, in units of C summed over the other classes: "
        "they shape the boundaries most, and some labels among them are doubtful."
    )
    return Content.of(*parts, note, figure)


def _share(entry: dict[str, Any]) -> float:
    return entry["n"] / max(entry["n_train"], 1)


def _support_spec(context: ReportContext, found: dict[str, Any]) -> FigureSpec | None:
    dataset = context.same_dataset
    if dataset is None:
        return None
    names = context.short_label_names
    in_columns = 8 <= len(names) <= _MAX_CLASSES_SHOWN_FULLY
    per_class = _SHOWN_PER_CLASS if len(names) <= _MAX_CLASSES_SHOWN_FULLY else 1
    ranks = [
        (label, rank)
        for rank in range(per_class)
        for label, entry in enumerate(found["classes"])
        if len(entry["rows"]) > rank
    ]
    if not ranks:
        return None
    chosen = [found["classes"][label]["rows"][rank] for label, rank in ranks]
    captions = [
        f"{names[label]}\n{found['classes'][label]['weights'][rank]:.1f} C" for label, rank in ranks
    ]
    return FigureSpec(
        "support_vectors",
        "Support vectors with the largest coefficients, of each class",
        lambda: images_figure(
            np.asarray(dataset.X_train)[chosen].reshape(-1, *dataset.image_shape),
            captions,
            title="Support vectors with the largest coefficients",
            columns=len(names) if in_columns else grid_columns(names),
        ),
    )


ANALYSIS = Analysis(
    name="support_vectors",
    title="Support vectors",
    question="Which training images define the decision boundaries of the SVM?",
    order=170,
    run=run,
    frame=frame,
    section=section,
)
