"""Fit, time and score a model on a split."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass, field
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from digitrec._interruption import interruptible
from digitrec.evaluation.metrics import Predictions, class_scores

# A first prediction that took longer than this many seconds is not repeated to time a warm one.
_WARM_LIMIT_SECONDS = 10.0
# Single-row latency is taken over this many rows, or as many as fit into the time.
_LATENCY_ROWS = 200
_LATENCY_SECONDS = 1.0

_CURVES = {
    "training_loss": "loss_curve_",
    "training_accuracy": "training_scores_",
    "validation_loss": "validation_loss_",
    "validation_accuracy": "validation_scores_",
    "training_score": "train_score_",  # of gradient boosting; see `training_curves`
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Fit:
    """A fitted model and how its fit went.

    Attributes
    ----------
    model : estimator
        Fitted.
    transformer : estimator or None
        The fitted transformer before it, where one was given.
    seconds : float
        Wall time of the model's fit, without the transformer's.
    iterations : int or None
        Iterations that the solver made, the most where it solved several problems; None where
        the model does not say.
    iteration_limit : int or None
        Iterations that it was allowed.
    reached_limit : bool
        Whether it stopped there, or otherwise short of convergence: scikit-learn's
        ConvergenceWarning.
    curves : dict of list of float
        What it noted at each iteration.
    """

    model: Any
    transformer: Any = None
    seconds: float
    iterations: int | None
    iteration_limit: int | None
    reached_limit: bool
    curves: dict[str, list[float]] = field(default_factory=dict)


def fit_model(model: Any, X: NDArray[Any], y: NDArray[Any], *, transformer: Any = None) -> Fit:
    """Fit a model, and time it.

    Parameters
    ----------
    model : estimator
        Fresh; may be a Pipeline from raw pixels. Parameters named ``n_jobs`` are set to None, which
        means what `joblib.parallel_config` says, so that no model takes more than its share and a
        saved one takes one thread.
    X : ndarray, shape (n_samples, n_features)
        Rows.
    y : ndarray of int, shape (n_samples,)
        Labels.
    transformer : estimator, optional
        Fitted on the rows first; the model gets what it returns.

    Returns
    -------
    Fit
    """
    names = model.get_params() if hasattr(model, "get_params") else {}
    threads = {name: None for name in names if name.rpartition("__")[2] == "n_jobs"}
    if threads:
        model.set_params(**threads)
    if transformer is not None:
        X = transformer.fit_transform(X, y)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", ConvergenceWarning)
        with interruptible():
            started = time.perf_counter()
            model.fit(X, y)
            seconds = time.perf_counter() - started
    iterations, limit = _iterations(model)
    return Fit(
        model=model,
        transformer=transformer,
        seconds=seconds,
        iterations=iterations,
        iteration_limit=limit,
        reached_limit=any(issubclass(entry.category, ConvergenceWarning) for entry in caught),
        curves=training_curves(model),
    )


def score_model(
    model: Any,
    X: NDArray[Any],
    y: NDArray[Any],
    n_classes: int | None = None,
    *,
    warm: bool = False,
) -> Predictions:
    """Predict rows, and time it.

    Parameters
    ----------
    model : estimator
        Fitted; its classes are integers below `n_classes`.
    X : ndarray, shape (n_samples, n_features)
        Rows.
    y : ndarray of int, shape (n_samples,)
        Their labels.
    n_classes : int, optional
        Classes of the data; the model may have seen fewer. None leaves the scores of the classes
        out.
    warm : bool
        Time a second prediction where the first was quick.
    """
    started = time.perf_counter()
    y_pred = np.asarray(model.predict(X))
    seconds = time.perf_counter() - started
    if y_pred.shape != np.shape(y):
        raise ValueError(f"predict gave an array of shape {y_pred.shape} for {len(y)} rows")
    if warm and seconds < _WARM_LIMIT_SECONDS:
        started = time.perf_counter()
        model.predict(X)
        seconds = time.perf_counter() - started
    scores, has_probabilities = None, False
    if n_classes is not None:
        scores, has_probabilities = class_scores(model, X, n_classes)
    return Predictions(
        y_true=np.asarray(y),
        y_pred=y_pred,
        scores=scores,
        has_probabilities=has_probabilities,
        seconds=seconds,
    )


def fit_and_score(
    model: Any,
    fit_rows: tuple[NDArray[Any], NDArray[Any]],
    score_rows: tuple[NDArray[Any], NDArray[Any]],
    n_classes: int | None = None,
    *,
    transformer: Any = None,
) -> tuple[Fit, Predictions]:
    """Fit a model on some rows and score it on others; see `fit_model` and `score_model`.

    Parameters
    ----------
    model : estimator
        Fresh.
    fit_rows, score_rows : tuple of ndarray
        Rows and labels.
    n_classes
        See `score_model`.
    transformer : estimator, optional
        Fitted on the rows to fit on, and applied to both.

    Returns
    -------
    fit : Fit
    scores : Predictions

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> X, y = np.array([[0.0], [1.0], [10.0], [11.0]]), np.array([0, 0, 1, 1])
    >>> fit, scores = fit_and_score(KNeighborsClassifier(1), (X, y), (X + 0.1, y), n_classes=2)
    >>> scores.accuracy
    1.0
    """
    fit = fit_model(model, *fit_rows, transformer=transformer)
    X, y = score_rows
    if transformer is not None:
        X = transformer.transform(X)
    return fit, score_model(fit.model, X, y, n_classes)


def latencies(model: Any, X: NDArray[Any]) -> NDArray[np.float64]:
    """Return the milliseconds from one row to its label, on one thread, row by row.

    Parameters
    ----------
    model : estimator
        Fitted.
    X : ndarray, shape (n_samples, n_features)
        Rows, taken in turn.
    """
    milliseconds: list[float] = []
    with threadpool_limits(1), joblib.parallel_config(n_jobs=1):
        model.predict(np.asarray(X[:1]))
        begun = time.perf_counter()
        for i in range(_LATENCY_ROWS):
            row = np.array(X[i % len(X)][None, :])
            started = time.perf_counter()
            model.predict(row)
            ended = time.perf_counter()
            milliseconds.append(1000 * (ended - started))
            if ended - begun > _LATENCY_SECONDS:
                break
    return np.array(milliseconds)


def training_curves(model: Any) -> dict[str, list[float]]:
    """Return what a fitted model noted at each iteration, by name; empty where it noted nothing."""
    curves = {}
    step = _last_step(model)
    for name, attribute in _CURVES.items():
        values = getattr(step, attribute, None)
        # A fit that diverged notes what JSON does not know.
        if values is None or not len(values) or not np.all(np.isfinite(values)):
            continue
        if name == "training_score" and getattr(step, "scoring", "loss") == "loss":
            # Gradient boosting calls its loss a score; by histograms, with the sign of one.
            name, values = "training_loss", np.abs(values)
        curves[name] = [float(value) for value in values]
    return curves


def _iterations(model: Any) -> tuple[int | None, int | None]:
    """Return the iterations that a fitted model made and those that it was allowed."""
    last = _last_step(model)
    made = getattr(last, "n_iter_", None)
    allowed = getattr(last, "max_iter", None)
    try:
        iterations = None if made is None else int(np.max(made))
        limit = None if allowed is None or int(allowed) < 0 else int(allowed)
    except (TypeError, ValueError):
        return None, None
    return iterations, limit


def _last_step(model: Any) -> Any:
    steps = getattr(model, "steps", None)
    return steps[-1][1] if steps else model
