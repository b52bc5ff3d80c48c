"""Compare our default models with the usual way of doing it, side by side in one process.

Peers are the four kinds of model as scikit-learn's ``bench_mnist.py`` and the usual tutorials
run them: stock estimators on raw pixels divided by 255, the SVM also on 50 principal
components. Each peer is timed next to its counterpart of ours, on the same rows and threads.

Run: ``python -m benchmarks.peers``.
"""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from benchmarks._common import (
    DatasetName,
    Jobs,
    MaxTrain,
    OutputDir,
    measured_with,
    run_app,
    run_facts,
    write_report,
)
from digitrec._environment import available_cores
from digitrec.datasets import Dataset, load_dataset
from digitrec.evaluation.fitting import fit_and_score
from digitrec.models import DEFAULT_MODELS, MODELS
from digitrec.preprocessing import DEFAULT_FEATURES, FEATURES
from digitrec.rendering.markdown import interval, percent, table_of

_log = logging.getLogger("digitrec.benchmarks.peers")


@dataclass(frozen=True, kw_only=True)
class Timing:
    """One model's times in seconds and its test error as a fraction.

    Attributes
    ----------
    side : {"peer", "digitrec"}
        Whose way.
    model : str
        Registry key of ours; a peer carries the key of its counterpart.
    title : str
        What was run.
    """

    side: str
    model: str
    title: str
    fit_seconds: float
    predict_seconds: float
    test_error: float
    error_low: float
    error_high: float

    @property
    def seconds(self) -> float:
        """Fit and prediction together."""
        return self.fit_seconds + self.predict_seconds


_PEERS: dict[str, list[tuple[str, Callable[[], Any]]]] = {
    "logistic_regression": [
        ("LogisticRegression(max_iter=100), raw", lambda: LogisticRegression(max_iter=100))
    ],
    "svm": [
        ("SVC(C=10), PCA 50", lambda: make_pipeline(PCA(50, random_state=0), SVC(C=10))),
        ("SVC(C=10), raw", lambda: SVC(C=10)),
    ],
    "random_forest": [
        ("RandomForest(100), raw", lambda: RandomForestClassifier(100, random_state=0))
    ],
    "mlp": [
        (
            "MLP(128, 64), early stopping, raw",
            lambda: MLPClassifier((128, 64), early_stopping=True, random_state=0),
        )
    ],
}
"""What the peers are called and how they are made, by the key of our counterpart."""


def compare(dataset: Dataset, *, n_jobs: int) -> dict[str, Any]:
    """Fit and score every peer and every default model of ours, in turn.

    Returns ``timings`` (list of `Timing`) and ``feature_seconds``, the wall time of our features
    of all rows, spent once.
    """
    scaled_train = dataset.X_train / np.float32(255)
    scaled_test = dataset.X_test / np.float32(255)
    spec = FEATURES[DEFAULT_FEATURES]
    started = time.perf_counter()
    fixed = spec.build_fixed(dataset.image_shape, n_jobs=n_jobs)
    learned = spec.build_fitted()
    train = learned.fit_transform(fixed.transform(dataset.X_train))
    test = learned.transform(fixed.transform(dataset.X_test))
    feature_seconds = time.perf_counter() - started
    _log.info(f"features of {len(train) + len(test):,} images: {feature_seconds:.1f} s")

    timings: list[Timing] = []
    for model in DEFAULT_MODELS:
        title = f"{MODELS[model].title}, {DEFAULT_FEATURES}"
        ours = MODELS[model].build(features=DEFAULT_FEATURES)
        # Estimators leave their threads to this context, peers and ours alike.
        with joblib.parallel_config("threading", n_jobs=n_jobs):
            timings.append(_time("digitrec", model, title, ours, train, test, dataset))
            _log.info(_line(timings[-1]))
            for title, make in _PEERS[model]:
                peer = make()
                timings.append(
                    _time("peer", model, title, peer, scaled_train, scaled_test, dataset)
                )
                _log.info(_line(timings[-1]))
    return {"timings": timings, "feature_seconds": feature_seconds}


def _time(
    side: str, model: str, title: str, estimator: Any, train: Any, test: Any, dataset: Dataset
) -> Timing:
    gc.collect()
    fit, scores = fit_and_score(estimator, (train, dataset.y_train), (test, dataset.y_test))
    low, high = scores.error_interval
    return Timing(
        side=side,
        model=model,
        title=title,
        fit_seconds=fit.seconds,
        predict_seconds=scores.seconds,
        test_error=scores.error,
        error_low=low,
        error_high=high,
    )


def _line(timing: Timing) -> str:
    return (
        f"{timing.side:>8}: {timing.title:<36} fit {timing.fit_seconds:6.1f} s, "
        f"predict {timing.predict_seconds:5.2f} s, error {100 * timing.test_error:.2f} %"
    )


def render_report(comparison: dict[str, Any], facts: dict[str, Any]) -> str:
    """Return the Markdown report of what `compare` returned."""
    timings: list[Timing] = comparison["timings"]
    ours = {t.model: t for t in timings if t.side == "digitrec"}
    peers = [t for t in timings if t.side == "peer"]

    def ratio(timing: Timing, field: str) -> str:
        own = ours[timing.model]
        if timing is own:
            return ""
        return f"{getattr(timing, field) / max(getattr(own, field), 1e-9):.1f}"

    columns = {
        "model": lambda t: t.title,
        "side": lambda t: t.side,
        "fit s": lambda t: f"{t.fit_seconds:.1f}",
        "predict s": lambda t: f"{t.predict_seconds:.2f}",
        "test error % (95 % interval)": lambda t: (
            f"{percent(t.test_error)} ({interval(t.error_low, t.error_high)})"
        ),
        "peer time / ours": lambda t: ratio(t, "seconds"),
        "peer error / ours": lambda t: ratio(t, "test_error"),
    }
    features = comparison["feature_seconds"]
    total_ours = features + sum(t.seconds for t in ours.values())
    without_raw_svm = sum(t.seconds for t in peers if t.title != "SVC(C=10), raw")
    total_peers = sum(t.seconds for t in peers)
    return f"""# Default models compared with the usual way

{facts["dataset"]}, {facts["n_train"]:,} training and {facts["n_test"]:,} test images, each pair
fitted one after the other in one process on {facts["n_jobs"]} threads.

{table_of(timings, columns, "llrrrrr")}

- Our features of all images took {features:.1f} s, once for the four models.
- Total of ours, features included: {total_ours:.0f} s. Total of the peers: {total_peers:.0f} s
  ({total_peers / total_ours:.1f} times ours); with the SVM on 50 components as their only SVM:
  {without_raw_svm:.0f} s ({without_raw_svm / total_ours:.1f} times ours).
- Intervals are Wilson 95 % intervals over the test images. Times are single wall-clock
  measurements: the ratios, taken side by side, are steadier than the seconds.

{measured_with(facts)}
"""


def main(
    dataset: DatasetName = "mnist",
    max_train: MaxTrain = None,
    jobs: Jobs = None,
    output_dir: OutputDir = Path("reports/peers"),
) -> None:
    """Time and score our default models and the usual ones, and write the table."""
    n_jobs = jobs or available_cores()
    data = load_dataset(dataset, max_train=max_train)
    comparison = compare(data, n_jobs=n_jobs)
    facts = run_facts("peers", data, n_jobs=n_jobs)
    timings = [asdict(timing) for timing in comparison["timings"]]
    text = render_report(comparison, facts)
    write_report(output_dir, text, {**facts, **comparison, "timings": timings})


if __name__ == "__main__":
    run_app(main)
