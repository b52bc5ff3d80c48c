"""Robustness: how well fitted models read corrupted copies of the test images."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from digitrec.analyses._registry import Analysis, AnalysisContext
from digitrec.errors import DatasetError
from digitrec.preprocessing.corruptions import CORRUPTIONS, corrupt_images
from digitrec.rendering.images import images_figure
from digitrec.rendering.markdown import code, escape, percent, table_of
from digitrec.rendering.section import Content, FigureSpec
from digitrec.rendering.style import annotate_cells, name_cells, new_figure, styled

_log = logging.getLogger(__name__)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure
    from sklearn.pipeline import Pipeline

    from digitrec.analyses._report_context import ReportContext
    from digitrec.datasets import Dataset

    # Name, feature set and saved Pipeline of a model.
    FittedModel = tuple[str, str, Pipeline]

_CHUNK = 2500


def run(context: AnalysisContext) -> dict[str, Any]:
    """Score models on corrupted images."""
    from threadpoolctl import threadpool_limits

    results = context.one_per_model
    folder = context.options.get("mnist_c")
    with threadpool_limits(context.n_jobs):
        return score_robustness(
            context.dataset,
            [(result.stem, result.features, context.pipeline(result)) for result in results],
            {result.stem: result.test_error or 0.0 for result in results},
            mnist_c=Path(folder) if folder else None,
            random_state=context.random_state,
            n_jobs=context.n_jobs,
            before_each=context.check_budget,
        )


def load_mnist_c(folder: Path, kind: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Read one kind of the published MNIST-C test set.

    Parameters
    ----------
    folder : pathlib.Path
        Holds ``<kind>/test_images.npy`` and ``<kind>/test_labels.npy``.
    kind : str
        Key of `CORRUPTIONS`.

    Returns
    -------
    X : ndarray of uint8, shape (n_samples, 784)
        Images.
    y : ndarray of int64, shape (n_samples,)
        Labels.

    Raises
    ------
    DatasetError
        If a file is missing, damaged, or has other content.
    """
    arrays = []
    for name in ("test_images.npy", "test_labels.npy"):
        path = Path(folder) / kind / name
        try:
            arrays.append(np.load(path, allow_pickle=False))
        except FileNotFoundError as error:
            raise DatasetError(
                f"no MNIST-C array at {path}; the folder must hold <kind>/test_images.npy and "
                "<kind>/test_labels.npy"
            ) from error
        except (OSError, ValueError, EOFError) as error:
            raise DatasetError(f"MNIST-C array {path} is damaged: {error}") from error
    images, labels = arrays
    if images.dtype != np.uint8 or images.shape[1:3] != (28, 28) or labels.ndim != 1:
        raise DatasetError(
            f"{Path(folder) / kind} holds {images.dtype!r} images of shape {images.shape!r}; "
            "MNIST-C has uint8 of shape (n, 28, 28, 1)"
        )
    if len(images) != len(labels):
        raise DatasetError(
            f"{Path(folder) / kind} has {len(images)!r} images and {len(labels)!r} labels"
        )
    return images.reshape(len(images), -1), labels.astype(np.int64)


def score_robustness(
    dataset: Dataset,
    models: Iterable[FittedModel],
    clean_errors: Mapping[str, float],
    *,
    mnist_c: Path | None = None,
    random_state: int = 0,
    n_jobs: int | None = None,
    before_each: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Score models on every kind of corruption.

    The features that learn nothing are computed once per feature set and kind, for all models
    that share them.

    Parameters
    ----------
    dataset : Dataset
        Its test images are corrupted.
    models : iterable of FittedModel
        Name, feature set, and Pipeline that takes raw pixels.
    clean_errors : mapping of str to float
        Error of each model on the uncorrupted test images, 0–1.
    mnist_c : pathlib.Path, optional
        Folder of the published MNIST-C arrays to score on instead.
    random_state : int
        Seed of the corruptions.
    n_jobs : int, optional
        Threads for computing features; None means one.
    before_each : callable
        Called before each model predicts some of the rows; what it raises ends the function.

    Returns
    -------
    dict
        JSON-safe. ``source``: ``"digitrec"`` or ``"MNIST-C"``; ``kinds``: ``name`` and
        ``summary`` of each; ``models``: ``name``, ``clean_error``, ``errors`` in the order of
        the kinds, ``mean_corruption_error`` (their mean) and ``n`` (images per kind).
    """
    from sklearn.pipeline import Pipeline

    from digitrec.preprocessing import FEATURES

    models = list(models)
    # Steps of a caller's own features cannot be shared.
    fixed = {
        features: FEATURES[features].build_fixed(dataset.image_shape, n_jobs=n_jobs)
        if features in FEATURES
        else Pipeline([("identity", "passthrough")])
        for _, features, _ in models
    }
    heads = {name: _without_fixed(pipeline, fixed[features]) for name, features, pipeline in models}
    errors: dict[str, list[float]] = {name: [] for name, _, _ in models}
    n_images = len(dataset.y_test)
    for kind in CORRUPTIONS:
        if mnist_c is None:
            X_raw, truth = np.asarray(dataset.X_test), np.asarray(dataset.y_test)
            X = corrupt_images(X_raw, dataset.image_shape, kind, random_state=random_state)
        else:
            X, truth = load_mnist_c(mnist_c, kind)
            n_images = len(truth)
        wrong = dict.fromkeys(errors, 0)
        for start in range(0, len(X), _CHUNK):
            rows = slice(start, start + _CHUNK)
            shared = {features: steps.transform(X[rows]) for features, steps in fixed.items()}
            for name, features, _ in models:
                before_each()
                predicted = heads[name].predict(shared[features])
                wrong[name] += int(np.count_nonzero(predicted != truth[rows]))
        for name, count in wrong.items():
            errors[name].append(count / len(truth))
        _log.info("robustness: %s (%d of %d)", kind, len(errors[name]), len(CORRUPTIONS))
    return {
        "source": "digitrec" if mnist_c is None else "MNIST-C",
        "random_state": random_state,
        "n": n_images,
        "kinds": [{"name": kind.name, "summary": kind.summary} for kind in CORRUPTIONS.values()],
        "models": [
            {
                "name": name,
                "clean_error": clean_errors[name],
                "errors": values,
                "mean_corruption_error": float(np.mean(values)),
            }
            for name, values in errors.items()
        ],
    }


def _without_fixed(pipeline: Pipeline, fixed: Pipeline) -> Pipeline:
    """Return the steps of a saved Pipeline after those of its feature set that learn nothing."""
    from sklearn.pipeline import Pipeline

    n_fixed = len([step for _, step in fixed.steps if step != "passthrough"])
    return Pipeline(pipeline.steps[n_fixed:])


def frame(output: Mapping[str, Any]) -> pd.DataFrame:
    """Return one row a model and kind of corruption, ``none`` among them, with its error."""
    import pandas as pd

    kinds = ["none", *(kind["name"] for kind in output["kinds"])]
    return pd.DataFrame(
        [
            (model["name"], kind, error)
            for model in output["models"]
            for kind, error in zip(kinds, [model["clean_error"], *model["errors"]], strict=True)
        ],
        columns=["name", "corruption", "error"],
    )


def section(context: ReportContext) -> Content | None:
    """Error on corrupted test images, and what these look like."""
    found, labels = context.output("robustness"), context.labels
    models = context.models_of("robustness")
    if not found or not models:
        return None
    models.sort(key=lambda model: model["mean_corruption_error"])
    kinds = found["kinds"]
    errors = np.array([model["errors"] for model in models])
    hardest = [kinds[i]["name"].replace("_", " ") for i in np.argsort(-errors.mean(axis=0))[:3]]
    best = models[0]
    source = (
        "the published MNIST-C images"
        if found["source"] == "MNIST-C"
        else f"corrupted copies of the {found['n']:,} test images"
    )
    text = (
        f"{ANALYSIS.heading} The fitted models are scored on {source}: {len(kinds)} kinds of "
        "corruption after Mu and Gilmer (2019), none of them used in training. "
        f"**{escape(labels[best['name']])}** has the lowest mean corruption error, "
        f"{percent(best['mean_corruption_error'])} %; the hardest kinds are {', '.join(hardest)}."
    )
    columns = {
        "model": lambda model: escape(labels[model["name"]]),
        "error, %": lambda model: percent(model["clean_error"]),
        "mean corruption error, %": lambda model: percent(model["mean_corruption_error"]),
        "worst kind": lambda model: escape(
            kinds[int(np.argmax(model["errors"]))]["name"].replace("_", " ")
        ),
        "error on that, %": lambda model: percent(max(model["errors"])),
    }
    heat = FigureSpec(
        "robustness",
        "Test error of each model on each kind of corruption",
        lambda: robustness_figure(
            [labels[model["name"]] for model in models],
            [kind["name"] for kind in kinds],
            errors,
            [model["clean_error"] for model in models],
        ),
    )
    lines = "\n".join(f"- {code(kind['name'])}: {escape(kind['summary'])}" for kind in kinds)
    body = table_of(models, columns, "lrrlr")
    return Content.of(text, body, heat, _example_figure(context, found), lines)


def _example_figure(context: ReportContext, found: dict[str, Any]) -> FigureSpec | None:
    dataset = context.same_dataset
    if dataset is None or found["source"] != "digitrec":
        return None

    def draw() -> Any:
        labels = np.asarray(dataset.y_test)
        chosen = np.array([np.flatnonzero(labels == label)[0] for label in np.unique(labels)[:10]])
        chosen = chosen[[min(2, len(chosen) - 1), -1]]
        X = np.asarray(dataset.X_test)[chosen]
        names = [kind["name"] for kind in found["kinds"]]
        copies = [X, *(corrupt_images(X, dataset.image_shape, name) for name in names)]
        images = np.stack(copies, axis=1).reshape(-1, *dataset.image_shape)
        captions = ["original", *(name.replace("_", "\n") for name in names)] * len(X)
        return images_figure(images, captions, title="The same images, corrupted", columns=8)

    return FigureSpec("corruptions", "Two test images under each kind of corruption", draw)


@styled
def robustness_figure(
    labels: Sequence[str],
    kinds: Sequence[str],
    errors: NDArray[np.floating],
    clean: Sequence[float],
) -> Figure:
    """Draw the error of every model on every kind of corruption as a coloured table.

    `errors`, shape (n_models, n_kinds), and `clean`, length n_models, are fractions.
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
        texts = [[f"{v:.1f}" if v < 99.95 else "100" for v in line] for line in table]
        annotate_cells(axes, texts, norm(table) > 0.7, 8.5 if len(labels) <= 12 else 7)
    name_cells(axes, labels, names)
    for line in (0.5, len(names) - 1.5):
        axes.axhline(line, color="white", linewidth=3)
    axes.set_title("Test error on corrupted images, %")
    return figure


ANALYSIS = Analysis(
    name="robustness",
    title="Robustness",
    question="How much does the error grow on corrupted images?",
    order=110,
    run=run,
    frame=frame,
    section=section,
    options=("mnist_c",),
    needs_images=True,
)
