"""What the models of a run have learned: weights as images, support vectors, near neighbours.

Weights on oriented gradients are not pictures. Linear weights, first-layer filters and forest
importances are therefore those of the registry's models fitted here on raw pixels, on a sample of
the training images. Support vectors and neighbours are those of the run's own models, shown as
the training images they stand for.
"""

from __future__ import annotations

import time
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import NearestNeighbors

from digitrec._interruption import interruptible
from digitrec.evaluation.packed_maps import pack_maps
from digitrec.evaluation.refits import nested_rows
from digitrec.evaluation.representatives import representatives
from digitrec.evaluation.shared import SharedData
from digitrec.evaluation.splits import validation_split
from digitrec.models import MODELS
from digitrec.preprocessing import build_features

if TYPE_CHECKING:
    from digitrec.datasets import Dataset
    from digitrec.evaluation.analyses import AnalysisContext
    from digitrec.evaluation.result import Result

__all__ = [
    "describe_neighbours",
    "describe_support_vectors",
    "interpret",
    "learned_maps",
]

SAMPLE_ROWS = 10_000
N_NEIGHBOURS = 5
_N_FILTERS = 45
_MOST_CLASSES = 12
_PER_CLASS = 10
_MOST_MISTAKES = 500
_CLASS_TREES = 30
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


def interpret(context: AnalysisContext) -> dict[str, Any]:
    """Describe what the models of a run have learned.

    Parameters
    ----------
    context : AnalysisContext
        The run.

    Returns
    -------
    dict
        JSON-safe: ``maps`` as `learned_maps`; ``support_vectors`` as `describe_support_vectors`,
        with the ``name`` of the result, or None where the run has no support vector machine;
        ``neighbours`` as `describe_neighbours`, with ``name`` and ``features``, or None where the
        winner makes no mistake.
    """
    results = representatives(context.results, context.winner)
    return {
        "maps": learned_maps(
            context.dataset, context.random_state, n_jobs=context.n_jobs, report=context.report
        ),
        "support_vectors": _support_vectors(context, results),
        "neighbours": _neighbours(context, results),
    }


def learned_maps(
    dataset: Dataset,
    random_state: int,
    *,
    n_jobs: int | None = None,
    max_rows: int = SAMPLE_ROWS,
    report: Any = lambda line: None,
) -> dict[str, Any]:
    """Fit small models on raw pixels and return what they learned as images.

    Parameters
    ----------
    dataset : Dataset
        The images.
    random_state : int
        Seed of the sample and of the models.
    n_jobs : int, optional
        Threads of the forest.
    max_rows : int
        Size of the stratified sample of training images; a sixth of it is held out.
    report : callable
        Told in a line how long it took.

    Returns
    -------
    dict
        JSON-safe. ``n``, ``n_held_out``: training images fitted on and held out; ``models``: for
        each map or set of maps ``model``,
        ``kind`` (``"weights"``: signed, one map a class; ``"filters"``: signed, the hidden units
        with the largest weights; ``"importance"``: mean decrease of impurity, all
        classes at once; ``"class_importance"``: the same of one class against the others, one map
        a class), ``accuracy`` on the held-out images (None for ``"class_importance"``) and
        ``maps``, see `digitrec.evaluation.packed_maps`.
    """
    started = time.perf_counter()
    labels = np.asarray(dataset.y_train)
    rows = nested_rows(labels, (min(max_rows, len(labels)),), random_state)[0]
    split = validation_split(labels[rows], random_state)
    features = build_features("raw", dataset.image_shape)
    pixels = features.fit_transform(np.asarray(dataset.X_train)[rows])
    X, y = pixels[split.train], labels[rows][split.train]
    X_held_out, y_held_out = pixels[split.validation], labels[rows][split.validation]
    fitted = {}
    models: list[dict[str, Any]] = []
    for name, parameters in _PARAMETERS.items():
        model = fitted[name] = MODELS[name].build(random_state, parameters)
        with interruptible(), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            warnings.filterwarnings("ignore", "Got `batch_size`")
            model.fit(X, y)
    # Importance of single pixels: no discriminants, which are sums over all of them.
    fitted["random_forest"] = RandomForestClassifier(random_state=random_state, n_jobs=n_jobs)
    fitted["random_forest"].fit(X, y)

    def add(name: str, kind: str, maps: NDArray[np.floating], scored: bool = True) -> None:
        # A weight on a pixel that never has ink is what it was at the start: it says nothing.
        images = np.where(X.any(axis=0), maps, 0).reshape(-1, *dataset.image_shape)
        accuracy = float(fitted[name].score(X_held_out, y_held_out)) if scored else None
        packed = pack_maps(images)
        models.append({"model": name, "kind": kind, "accuracy": accuracy, "maps": packed})

    coefficients = fitted["logistic_regression"].coef_
    if len(coefficients) == 1:  # Two classes share one row.
        coefficients = np.concatenate([-coefficients, coefficients])
    add("logistic_regression", "weights", coefficients)
    incoming, outgoing = fitted["mlp"].coefs_[:2]
    strength = np.linalg.norm(incoming, axis=0) * np.linalg.norm(outgoing, axis=1)
    strongest = np.argsort(-strength, kind="stable")[:_N_FILTERS]
    # The penalty switches some units off; what is left of their weights is noise.
    add("mlp", "filters", incoming.T[strongest[strength[strongest] > 0.05 * strength.max()]])
    add("random_forest", "importance", fitted["random_forest"].feature_importances_[None])
    if len(dataset.label_names) <= _MOST_CLASSES:
        maps = [
            RandomForestClassifier(_CLASS_TREES, random_state=random_state, n_jobs=n_jobs)
            .fit(X, y == label)
            .feature_importances_
            for label in range(len(dataset.label_names))
        ]
        add("random_forest", "class_importance", np.array(maps), scored=False)
    report(f"models on raw pixels: {time.perf_counter() - started:.1f} s")
    return {"n": len(y), "n_held_out": len(y_held_out), "models": models}


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
        shown = shown[np.argsort(-weights[shown], kind="stable")][:_PER_CLASS]
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


def _support_vectors(context: AnalysisContext, results: list[Result]) -> dict[str, Any] | None:
    result = next((result for result in results if result.model == "svm"), None)
    if result is None:
        return None
    machine = context.pipeline(result)[-1]
    found = describe_support_vectors(
        machine.support_,
        machine.dual_coef_,
        machine.C,
        context.dataset.y_train,
        len(context.dataset.label_names),
    )
    return {"name": result.stem, **found}


def _neighbours(context: AnalysisContext, results: list[Result]) -> dict[str, Any] | None:
    result = next((result for result in results if result.key == context.winner), None)
    if result is None:
        return None
    dataset = context.dataset
    predicted, truth = context.predictions(result).y_test_pred, np.asarray(dataset.y_test)
    wrong = np.flatnonzero(predicted != truth)
    n_mistakes = len(wrong)
    wrong = wrong[:_MOST_MISTAKES]
    if not n_mistakes:
        return None
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
