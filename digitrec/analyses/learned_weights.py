"""Learned weights: what models fitted on raw pixels have learned, as images.

Weights on oriented gradients are not pictures. Linear weights, first-layer filters and forest
importances are therefore those of the registry's models fitted here on raw pixels, on a sample of
the training images.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from digitrec.analyses._registry import Analysis, AnalysisContext
from digitrec.evaluation.frames import model_title
from digitrec.rendering.images import ink_colors, map_colors, maps_figure
from digitrec.rendering.markdown import escape, percent
from digitrec.rendering.section import Content, FigureSpec

if TYPE_CHECKING:
    import pandas as pd

    from digitrec.analyses._report_context import ReportContext
    from digitrec.datasets import Dataset

SAMPLE_ROWS = 10_000
_N_FILTERS = 45
_MAX_CLASSES_SHOWN_FULLY = 12
_CLASS_TREES = 30
_FILTER_COLUMNS = 15
# A strong penalty takes weights that matter little to zero: pictures instead of noise.
_PARAMETERS: dict[str, dict[str, Any]] = {
    "logistic_regression": {"C": 0.01},
    "mlp": {
        "hidden_layer_sizes": (60,),
        "alpha": 1.0,
        "learning_rate_init": 0.003,
        "batch_size": 100,
        "early_stopping": False,
        "max_iter": 25,
    },
}


def run(context: AnalysisContext) -> dict[str, Any]:
    """Fit models on raw pixels of the run's dataset and return what they learned."""
    import joblib
    from threadpoolctl import threadpool_limits

    n_jobs = context.n_jobs
    with threadpool_limits(n_jobs), joblib.parallel_config("threading", n_jobs=n_jobs):
        return learned_maps(context.dataset, context.random_state)


def learned_maps(
    dataset: Dataset,
    random_state: int,
    *,
    max_rows: int = SAMPLE_ROWS,
) -> dict[str, Any]:
    """Fit small models on raw pixels and return what they learned as images.

    Parameters
    ----------
    dataset : Dataset
        The images.
    random_state : int
        Seed of the sample and of the models.
    max_rows : int
        Size of the stratified sample of training images; a sixth of it is held out.

    Returns
    -------
    dict
        JSON-safe. ``n``, ``n_held_out``: training images fitted on and held out; ``models``: for
        each map or set of maps ``model``,
        ``kind`` (``"weights"``: signed, one map a class; ``"filters"``: signed, the hidden units
        with the largest weights; ``"importance"``: mean decrease of impurity, all
        classes at once; ``"class_importance"``: the same of one class against the others, one map
        a class), ``accuracy`` on the held-out images (None for ``"class_importance"``) and
        ``maps``, see `pack_maps`.
    """
    from sklearn.ensemble import RandomForestClassifier

    from digitrec.evaluation.fitting import fit_model, score_model
    from digitrec.evaluation.splits import nested_rows, validation_split
    from digitrec.models import MODELS
    from digitrec.preprocessing import build_features

    labels = np.asarray(dataset.y_train)
    rows = nested_rows(labels, (min(max_rows, len(labels)),), random_state)[0]
    split = validation_split(labels[rows], random_state)
    features = build_features("raw", dataset.image_shape)
    pixels = features.fit_transform(np.asarray(dataset.X_train)[rows])
    X, y = pixels[split.train], labels[rows][split.train]
    X_held_out, y_held_out = pixels[split.validation], labels[rows][split.validation]
    models: list[dict[str, Any]] = []
    models_of = {name: MODELS[name].build(random_state, own) for name, own in _PARAMETERS.items()}
    # Importance of single pixels: no discriminants, which are sums over all of them.
    models_of["random_forest"] = RandomForestClassifier(random_state=random_state)
    fitted = {name: fit_model(model, X, y).model for name, model in models_of.items()}

    def add(name: str, kind: str, maps: NDArray[np.floating], scored: bool = True) -> None:
        # A weight on a pixel that never has ink keeps its initial value.
        images = np.where(X.any(axis=0), maps, 0).reshape(-1, *dataset.image_shape)
        accuracy = score_model(fitted[name], X_held_out, y_held_out).accuracy if scored else None
        packed = pack_maps(images)
        models.append({"model": name, "kind": kind, "accuracy": accuracy, "maps": packed})

    coefficients = fitted["logistic_regression"].coef_
    if len(coefficients) == 1:  # Two classes share one row.
        coefficients = np.concatenate([-coefficients, coefficients])
    # A class without training images has no weights.
    weights = np.zeros((len(dataset.label_names), coefficients.shape[1]))
    weights[fitted["logistic_regression"].classes_] = coefficients
    add("logistic_regression", "weights", weights)
    incoming, outgoing = fitted["mlp"].coefs_[:2]
    strength = np.linalg.norm(incoming, axis=0) * np.linalg.norm(outgoing, axis=1)
    strongest = np.argsort(-strength, kind="stable")[:_N_FILTERS]
    # The penalty switches some units off; what is left of their weights is noise.
    add("mlp", "filters", incoming.T[strongest[strength[strongest] > 0.05 * strength.max()]])
    add("random_forest", "importance", fitted["random_forest"].feature_importances_[None])
    if len(dataset.label_names) <= _MAX_CLASSES_SHOWN_FULLY:
        maps = [
            fit_model(
                RandomForestClassifier(_CLASS_TREES, random_state=random_state), X, y == label
            ).model.feature_importances_
            for label in range(len(dataset.label_names))
        ]
        add("random_forest", "class_importance", np.array(maps), scored=False)
    return {"n": len(y), "n_held_out": len(y_held_out), "models": models}


def pack_maps(maps: NDArray[np.floating]) -> dict[str, Any]:
    """Return signed images in 255 steps each, small enough for a JSON file.

    Parameters
    ----------
    maps : ndarray of float, shape (n, height, width)
        Images.

    Returns
    -------
    dict
        JSON-safe: ``shape``, the largest absolute value ``scale`` of each image, and ``data``,
        base64 of int8 values in units of ``scale / 127``.
    """
    scales = np.abs(maps).max(axis=(1, 2))
    steps = 127 * maps / np.where(scales > 0, scales, 1)[:, None, None]
    return {
        "shape": list(maps.shape),
        "scale": [float(f"{scale:.6g}") for scale in scales],
        "data": base64.b64encode(np.rint(steps).astype(np.int8).tobytes()).decode("ascii"),
    }


def unpack_maps(packed: Mapping[str, Any]) -> NDArray[np.float64]:
    """Return the images that `pack_maps` packed, shape (n, height, width)."""
    steps = np.frombuffer(base64.b64decode(packed["data"]), dtype=np.int8)
    scales = np.asarray(packed["scale"])[:, None, None]
    return steps.reshape(packed["shape"]) * scales / 127


def frame(output: Mapping[str, Any]) -> pd.DataFrame:
    """Return one row a model that was fitted, with its accuracy on held-out images."""
    import pandas as pd

    return pd.DataFrame(
        [
            (model["model"], model["kind"], output["n"], output["n_held_out"], model["accuracy"])
            for model in output["models"]
            if model["accuracy"] is not None
        ],
        columns=["model", "kind", "n", "n_held_out", "accuracy"],
    )


def section(context: ReportContext) -> Content | None:
    """Weights of logistic regression, importances of a forest, and filters of an MLP."""
    found = context.output("learned_weights")
    if not found:
        return None
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
                ANALYSIS.heading,
                "Weights on oriented gradients are not pictures. These models of the registry "
                f"were fitted on raw pixels of {found['n']:,} training images for this section "
                "alone, logistic regression and the MLP with a penalty that takes weights of "
                f"little use to zero; of {found['n_held_out']:,} other images they read: "
                f"{', '.join(scores)}.",
                "Weights of logistic regression: ink on orange raises the score of the "
                "class, ink on blue lowers it; one scale for all classes. Forest: mean decrease of "
                "impurity in one-vs-rest trees and in trees for all classes.",
                classes.markdown,
                "First layer of the MLP: ink on orange excites a hidden unit, ink on blue "
                "silences it; each unit on its own scale.",
                filters.markdown,
            ]
        ),
        (classes, filters),
    )


def _classes_spec(context: ReportContext, by_kind: dict[str, dict[str, Any]]) -> FigureSpec:
    names = context.short_label_names
    alt = "Weights of logistic regression and importances of a forest as images"
    if len(names) > _MAX_CLASSES_SHOWN_FULLY or "class_importance" not in by_kind:
        return FigureSpec("learned_classes", alt, lambda: _weights_figure(names, by_kind))

    def draw() -> Any:
        weights = unpack_maps(by_kind["weights"]["maps"])
        strength = np.sqrt(np.square(weights).mean(axis=0, keepdims=True))
        importances = [
            unpack_maps(by_kind[kind]["maps"]) for kind in ("class_importance", "importance")
        ]
        rows = {
            "weights": [map_colors(weights, shared=True), map_colors(strength)],
            "forest": [map_colors(maps) for maps in importances],
        }
        if (dataset := context.same_dataset) is not None:
            y = np.asarray(dataset.y_train)
            X = np.asarray(dataset.X_train).reshape(-1, *dataset.image_shape)
            means = [
                X[y == label].mean(axis=0) if np.any(y == label) else np.zeros(X.shape[1:])
                for label in range(len(names))
            ]
            rows = {"mean": [ink_colors(np.array([*means, X.mean(axis=0)]))], **rows}
        return maps_figure(
            np.concatenate([image for row in rows.values() for image in row]),
            title="Weights of the pixels for and against each class",
            columns=len(names) + 1,
            captions=[*names, "all"] if max(map(len, names)) <= 4 else (),
            row_labels=list(rows),
        )

    return FigureSpec("learned_classes", f"{alt}, for each class below its mean image", draw)


def _weights_figure(names: list[str], by_kind: dict[str, dict[str, Any]]) -> Any:
    weights = map_colors(unpack_maps(by_kind["weights"]["maps"]), shared=True)
    importance = map_colors(unpack_maps(by_kind["importance"]["maps"]))
    return maps_figure(
        np.concatenate([weights, importance]),
        title=f"Weights of each class, {names[0]} to {names[-1]}; last: importance of each pixel",
        columns=10,
    )


def _filters_spec(entry: dict[str, Any]) -> FigureSpec:
    def draw() -> Any:
        maps = unpack_maps(entry["maps"])
        return maps_figure(
            map_colors(maps),
            title=f"First-layer weights of the {len(maps)} most used hidden units",
            columns=min(_FILTER_COLUMNS, len(maps)),
        )

    return FigureSpec("learned_filters", "Weights of hidden units of the MLP as images", draw)


ANALYSIS = Analysis(
    name="learned_weights",
    title="Learned weights",
    question="What have the models learned about single pixels?",
    order=160,
    run=run,
    frame=frame,
    section=section,
    needs_images=True,
)
