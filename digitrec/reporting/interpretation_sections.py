"""The section on what models have learned."""

from __future__ import annotations

from typing import Any

import numpy as np

from digitrec.evaluation.packed_maps import unpack_maps
from digitrec.reporting import interpretation_figures as figures
from digitrec.reporting.analysis_text import join_words, shown_labels
from digitrec.reporting.context import ReportContext
from digitrec.reporting.markdown import code, escape, percent, table
from digitrec.reporting.model_figures import grid_columns, images_figure
from digitrec.reporting.names import model_title
from digitrec.reporting.section import Content, FigureSpec

__all__ = ["interpretation_section"]

_MISTAKE_ROWS = 20
_NEIGHBOURS_SHOWN = 4
_FEW_CLASSES = 12
_VECTORS_PER_CLASS = 3
_FILTER_COLUMNS = 15


def interpretation_section(context: ReportContext) -> Content | None:
    """Weights as images, support vectors, and the nearest training images of the mistakes."""
    found = context.run.analyses.get("interpretation")
    if not found:
        return None
    parts = [
        _maps_content(context, found["maps"]),
        _support_content(context, found["support_vectors"]),
        _neighbours_content(context, found["neighbours"]),
    ]
    contents = [part for part in parts if part is not None]
    return Content(
        "\n\n".join(["## What have the models learned?", *(part.markdown for part in contents)]),
        tuple(figure for part in contents for figure in part.figures),
    )


def _maps_content(context: ReportContext, found: dict[str, Any]) -> Content:
    by_kind = {entry["kind"]: entry for entry in found["models"]}
    scores = [
        f"{escape(model_title(entry['model']))} {percent(entry['accuracy'])} %"
        for entry in found["models"]
        if entry["accuracy"] is not None
    ]
    classes, filters = _classes_spec(context, by_kind), _filters_spec(by_kind["filters"])
    return Content(
        "\n\n".join(
            [
                "### Pixels",
                "Weights on oriented gradients are no pictures. These models of the registry "
                f"were fitted on raw pixels of {found['n']:,} training images for this section "
                "alone, logistic regression and the MLP with a penalty that takes weights of "
                f"little use to zero; of {found['n_held_out']:,} other images they read: "
                f"{', '.join(scores)}.",
                "Weights of logistic regression: ink on orange speaks for the class, ink on blue "
                "against it; one scale for all classes. Forest: mean decrease of impurity in "
                "trees that tell the class from all others, and in those that tell all apart.",
                classes.markdown,
                "First layer of the MLP: ink on orange excites a hidden unit, ink on blue "
                "silences it; each unit on its own scale.",
                filters.markdown,
            ]
        ),
        (classes, filters),
    )


def _classes_spec(context: ReportContext, by_kind: dict[str, dict[str, Any]]) -> FigureSpec:
    names = context.label_names
    alt = "Weights of logistic regression and importances of a forest as images"
    if len(names) > _FEW_CLASSES or "class_importance" not in by_kind:
        return FigureSpec("learned_classes", alt, lambda: _weights_figure(names, by_kind))

    def draw() -> Any:
        weights = unpack_maps(by_kind["weights"]["maps"])
        strength = np.sqrt(np.square(weights).mean(axis=0, keepdims=True))
        importances = [
            unpack_maps(by_kind[kind]["maps"]) for kind in ("class_importance", "importance")
        ]
        rows = {
            "weights": [figures.map_colors(weights, shared=True), figures.map_colors(strength)],
            "forest": [figures.map_colors(maps) for maps in importances],
        }
        if (dataset := _dataset(context)) is not None:
            y = np.asarray(dataset.y_train)
            X = np.asarray(dataset.X_train).reshape(-1, *dataset.image_shape)
            means = [X[y == label].mean(axis=0) for label in range(len(names))]
            rows = {"mean": [figures.ink_colors(np.array([*means, X.mean(axis=0)]))], **rows}
        return figures.maps_figure(
            np.concatenate([image for row in rows.values() for image in row]),
            title="What speaks for each class, and what against it",
            columns=len(names) + 1,
            captions=[*names, "all"] if max(map(len, names)) <= 4 else (),
            row_labels=list(rows),
        )

    return FigureSpec("learned_classes", f"{alt}, for each class below its mean image", draw)


def _weights_figure(names: list[str], by_kind: dict[str, dict[str, Any]]) -> Any:
    weights = figures.map_colors(unpack_maps(by_kind["weights"]["maps"]), shared=True)
    importance = figures.map_colors(unpack_maps(by_kind["importance"]["maps"]))
    return figures.maps_figure(
        np.concatenate([weights, importance]),
        title=f"Weights of each class, {names[0]} to {names[-1]}; last: importance of each pixel",
        columns=10,
    )


def _filters_spec(entry: dict[str, Any]) -> FigureSpec:
    def draw() -> Any:
        maps = unpack_maps(entry["maps"])
        return figures.maps_figure(
            figures.map_colors(maps),
            title=f"First-layer weights of the {len(maps)} most used hidden units",
            columns=min(_FILTER_COLUMNS, len(maps)),
        )

    return FigureSpec("learned_filters", "Weights of hidden units of the MLP as images", draw)


def _support_content(context: ReportContext, found: dict[str, Any] | None) -> Content | None:
    labels = shown_labels(context)
    if not found or found["name"] not in labels:
        return None
    names = context.label_names
    rows = [
        [
            escape(name),
            f"{entry['n']:,}",
            percent(entry["n"] / max(entry["n_train"], 1)),
            f"{entry['n_at_bound']:,}",
        ]
        for name, entry in zip(names, found["classes"], strict=True)
    ]
    order = sorted(range(len(names)), key=lambda i: -_share(found["classes"][i]))
    hardest = join_words([escape(names[i]) for i in order[:2]])
    parts = [
        "### Support vectors",
        f"**{escape(labels[found['name']])}** remembers {found['n']:,} of its "
        f"{found['n_fit_rows']:,} training images; the others could be left out without moving "
        f"its boundaries. {hardest} need the largest share. Coefficients that reach the limit C "
        "belong to images within or beyond a margin.",
        table(["class", "support vectors", "of its images, %", "at the limit"], rows, "lrrr"),
    ]
    spec = _support_spec(context, found)
    if spec is None:
        return Content("\n\n".join(parts))
    parts += [
        "The images with the largest coefficients, in units of C summed over the other classes: "
        "the ones that bend the boundaries most, and many a doubtful label.",
        spec.markdown,
    ]
    return Content("\n\n".join(parts), (spec,))


def _share(entry: dict[str, Any]) -> float:
    return entry["n"] / max(entry["n_train"], 1)


def _support_spec(context: ReportContext, found: dict[str, Any]) -> FigureSpec | None:
    dataset = _dataset(context)
    if dataset is None:
        return None
    names = context.label_names
    in_columns = 8 <= len(names) <= _FEW_CLASSES
    per_class = _VECTORS_PER_CLASS if len(names) <= _FEW_CLASSES else 1
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
            title="Support vectors that weigh most",
            columns=len(names) if in_columns else grid_columns(names),
        ),
    )


def _neighbours_content(context: ReportContext, found: dict[str, Any] | None) -> Content | None:
    labels = shown_labels(context)
    if not found or found["name"] not in labels:
        return None
    n = len(found["rows"])
    which = f"{n:,}" if n == found["n_mistakes"] else f"first {n:,} of {found['n_mistakes']:,}"
    parts = [
        "### Nearest training images of the mistakes",
        f"Of the {which} test images that **{escape(labels[found['name']])}** misreads, "
        f"{found['nearest_is_predicted']:,} lie nearest to a training image of the class that "
        f"was read, {found['nearest_is_true']:,} nearest to one of their own class, and "
        f"{found['nearest_is_other']:,} nearest to one of a third class (Euclidean distance of "
        f"the features {code(found['features'])}). In the first case the training data themselves "
        "suggest the wrong answer; in the second the nearest neighbour would have been right.",
    ]
    spec = _neighbours_spec(context, found)
    if spec is None:
        return Content("\n\n".join(parts))
    n_shown = _shown_mistakes(context, n)
    shown = "Each of them" if n_shown == n else f"The first {n_shown} of them, each"
    parts.append(
        f"{shown} with its nearest training images; a blue frame marks those of the true class, "
        "an orange one those of the class read."
        + ("" if n_shown == n else " The others are in `results.json`.")
    )
    return Content("\n\n".join([*parts, spec.markdown]), (spec,))


def _neighbours_spec(context: ReportContext, found: dict[str, Any]) -> FigureSpec | None:
    dataset = _dataset(context)
    if dataset is None:
        return None
    names = context.label_names
    n_shown = _shown_mistakes(context, len(found["rows"]))

    def draw() -> Any:
        shape = dataset.image_shape
        y_test, y_train = np.asarray(dataset.y_test), np.asarray(dataset.y_train)
        X_test, X_train = np.asarray(dataset.X_test), np.asarray(dataset.X_train)
        mistakes = []
        for i, row in enumerate(found["rows"][:n_shown]):
            near = found["neighbours"][i][:_NEIGHBOURS_SHOWN]
            mistakes.append(
                figures.Mistake(
                    image=X_test[row].reshape(shape),
                    truth=int(y_test[row]),
                    predicted=found["predicted"][i],
                    neighbours=X_train[near].reshape(-1, *shape),
                    labels=y_train[near].tolist(),
                )
            )
        return figures.neighbours_figure(
            mistakes,
            names,
            title="Misread (true → read), and the nearest training images",
        )

    return FigureSpec(
        "neighbours", "Misread test images, each with the training images nearest to it", draw
    )


def _shown_mistakes(context: ReportContext, n: int) -> int:
    """Return how many of `n` mistakes are drawn: all where they fit, else half a page of them."""
    most = _MISTAKE_ROWS * figures.mistakes_per_row(context.label_names)
    return n if n <= most else most // 2


def _dataset(context: ReportContext) -> Any:
    """Return the dataset where it is at hand and is the one of the run."""
    dataset = context.dataset
    if dataset is None or dataset.fingerprint != context.run.dataset["fingerprint"]:
        return None
    return dataset
