"""One real, small run: scikit-learn's 8x8 digits and four small models."""

import dataclasses
import pickle
import time

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC

from digitrec._environment import describe_hardware, library_versions
from digitrec.analyses import ReportContext
from digitrec.datasets import Dataset
from digitrec.evaluation.metrics import Predictions
from digitrec.evaluation.result import Result, Run, RunDataset

LABELS = ("zero/oh", "one|l", "<two>", "3", "4", "5", "6", "7", "8", "n*i*n*e")


def build_models():
    mlp = MLPClassifier(
        (20,), max_iter=15, early_stopping=True, learning_rate_init=0.01, random_state=0
    )
    return {
        "logistic_regression": LogisticRegression(C=0.1, max_iter=200),
        "svm": SVC(C=10, gamma=0.5),
        "random_forest": RandomForestClassifier(10, random_state=0),
        "mlp": mlp,
    }


@pytest.fixture(scope="session")
def dataset():
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(
        (X * 255 / 16).astype(np.uint8), y, test_size=500, stratify=y, random_state=0
    )
    return Dataset(
        name="digits",
        X_train=X_train,
        y_train=y_train,
        X_test=X_test,
        y_test=y_test,
        image_shape=(8, 8),
        label_names=LABELS,
        source="bundled with scikit-learn",
        license="CC BY 4.0",
        has_fixed_test=False,
    )


@pytest.fixture(scope="session")
def run_and_predictions(dataset):
    results, predictions = [], {}
    X_fit, X_val, y_fit, y_val = train_test_split(
        dataset.X_train / 255, dataset.y_train, test_size=200, random_state=0
    )
    common = {
        "dataset": "digits",
        "features": "raw",
        "random_state": 0,
        "n_train": len(X_fit),
        "n_validation": len(X_val),
        "n_test": len(dataset.X_test),
        "data_fingerprint": dataset.fingerprint,
        "versions": library_versions(),
        "hardware": describe_hardware(),
        "finished_at": "2026-01-02T03:04:05+00:00",
    }
    for name, model in build_models().items():
        start = time.perf_counter()
        model.fit(X_fit, y_fit)
        fit_seconds = time.perf_counter() - start
        X_test = dataset.X_test / 255
        y_pred = model.predict(X_test)
        probable = hasattr(model, "predict_proba")
        scores = model.predict_proba(X_test) if probable else model.decision_function(X_test)
        curves = {}
        if name == "mlp":
            curves = {
                "training_loss": [float(value) for value in model.loss_curve_],
                "validation_accuracy": [float(value) for value in model.validation_scores_],
            }
        results.append(
            Result(
                **common,
                **dataclasses.asdict(
                    Predictions(dataset.y_test, y_pred, scores, probable).metrics(len(LABELS))
                ),
                key=name,
                model=name,
                parameters={"C": 0.1, "kernel": "a|b", "hidden": [20, None]},
                status="ok",
                validation_accuracy=float(model.score(X_val, y_val)),
                fit_seconds=fit_seconds,
                validation_fit_seconds=fit_seconds,
                feature_seconds=0.25,
                predict_seconds=0.01,
                latency_p50_ms=0.4 + len(results),
                latency_p99_ms=2.0,
                model_bytes=len(pickle.dumps(model)),
                peak_memory_bytes=10**8,
                curves=curves,
            )
        )
        predictions[name] = Predictions(
            dataset.y_test, y_pred.astype(np.uint8), scores.astype(np.float32), probable
        )
    results.append(
        Result(
            **common,
            key="knn",
            model="knn",
            parameters={},
            status="timeout",
            reason="killed after 3 s",
        )
    )
    best = max(results, key=lambda result: result.validation_accuracy or 0)
    run = Run(
        dataset=RunDataset.of(dataset),
        results=results,
        winner=best.key,
        command="python -m benchmarks.run_all --dataset digits",
        total_seconds=4.5,
        created_at="2026-01-02T03:04:06+00:00",
    )
    return run, predictions


@pytest.fixture(scope="session")
def run(run_and_predictions):
    return run_and_predictions[0]


@pytest.fixture(scope="session")
def predictions(run_and_predictions):
    return run_and_predictions[1]


@pytest.fixture
def context(run, predictions, dataset):
    return ReportContext(
        run=run, predictions=predictions, dataset=dataset, location="reports/digits"
    )


@pytest.fixture
def with_second_features(run):
    """The same run with a second feature set and a second seed of one model."""
    extra = [
        dataclasses.replace(result, key=f"{result.key}-g", features="gradients")
        for result in run.results[:2]
    ]
    first = run.results[0]
    extra.append(
        dataclasses.replace(first, key="again", random_state=1, test_error=first.test_error + 0.02)
    )
    return dataclasses.replace(run, results=[*run.results, *extra])
