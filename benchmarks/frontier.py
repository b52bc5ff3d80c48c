"""How low the error goes without networks on pixels, and what that costs.

Each candidate is fitted to the training rows and ranked on the validation rows; then it is
refitted on both, saved, and scored on the test rows once. The winner is the one that was best
on the validation rows. Candidates already measured on the same data with the same code
are not run again.

Run: ``python -m benchmarks.frontier``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import joblib
import numpy as np
import typer
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC

from benchmarks._distortion_neighbors import DistortionNeighbors
from benchmarks._frontier_candidates import TRIALS, VIEWS, Candidate, candidates_for
from benchmarks._frontier_report import frontier_figure, render_report
from benchmarks._options import run_app
from digitrec._code import cache_key
from digitrec._environment import available_cores, describe_hardware, library_versions
from digitrec._files import write_json, write_text
from digitrec.datasets import Dataset, load_dataset
from digitrec.errors import DigitrecError, check_choice
from digitrec.evaluation.job import describe_parameters
from digitrec.evaluation.metrics import wilson_interval
from digitrec.evaluation.splits import validation_split
from digitrec.models import MODELS
from digitrec.models.virtual_svm import JITTER, VirtualSVC
from digitrec.preprocessing import FEATURES, ConvolutionFilters, augment, join_pipelines
from digitrec.rendering.style import save_figure

__all__ = ["Measured", "main", "measure", "measure_shortcut", "run_trials"]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What one candidate gave; errors are fractions.

    Attributes
    ----------
    name : str
        Candidate.
    validation_error : float
        Of the fit to the training rows.
    test_error, test_error_low, test_error_high : float
        Of the fit to training and validation rows, with its Wilson 95 % interval.
    fit_seconds : float
        Wall time of that fit, from raw pixels, features included. The time of a committee is
        the sum of its members'.
    predict_seconds : float
        Wall time of predicting all test rows from raw pixels.
    latency_ms : float
        Median wall time from one raw image to its label.
    model_bytes : int
        Size of the saved Pipeline.
    n_threads : int
        Threads of fit and prediction.
    key : str
        Hash of the data, the parameters and the code that it was made from.
    """

    name: str
    validation_error: float
    test_error: float
    test_error_low: float
    test_error_high: float
    fit_seconds: float
    predict_seconds: float
    latency_ms: float
    model_bytes: int
    n_threads: int
    key: str


def _key(candidate: Candidate, track: dict[str, Candidate], dataset: Dataset) -> str:
    """Return the hash of all that determines what a candidate gives."""
    if candidate.members:
        members = [_key(track[name], track, dataset) for name in candidate.members]
        return cache_key({"members": members}, VotingClassifier)
    spec = FEATURES[candidate.features]
    features = join_pipelines(
        spec.build_fixed(dataset.image_shape), spec.build_fitted(dataset.image_shape)
    )
    model = MODELS[candidate.model].build(0, dict(candidate.parameters))
    facts = {
        "data": dataset.fingerprint,
        "features": describe_parameters(features),
        "model": describe_parameters(model),
    }
    return cache_key(facts, features, model)


def _fit(
    candidate: Candidate,
    fitted: dict[str, Pipeline],
    dataset: Dataset,
    X: NDArray[np.uint8],
    y: NDArray[np.int64],
    n_jobs: int,
) -> Pipeline:
    """Return a fitted Pipeline from raw pixels; members of a committee come from `fitted`."""
    if candidate.members:
        # Members take raw pixels, each by its own features.
        members = [(name, FrozenEstimator(fitted[name])) for name in candidate.members]
        few = np.unique(y, return_index=True)[1]
        return Pipeline([("model", VotingClassifier(members, voting="soft").fit(X[few], y[few]))])
    spec = FEATURES[candidate.features]
    fixed = spec.build_fixed(dataset.image_shape, n_jobs=n_jobs)
    rows = fixed.transform(X)
    learned = spec.build_fitted(dataset.image_shape)
    rows = learned.fit_transform(rows)
    model = MODELS[candidate.model].build(0, dict(candidate.parameters))
    _give_threads(model, n_jobs)
    return join_pipelines(fixed, learned, model=model.fit(rows, y))


def _give_threads(model: ClassifierMixin, n_jobs: int) -> None:
    if "n_jobs" in model.get_params():
        model.set_params(n_jobs=n_jobs)


def measure(
    dataset: Dataset,
    names: list[str],
    folder: Path,
    n_jobs: int,
    show: Callable[[str], None],
) -> dict[str, Any]:
    """Measure candidates, keeping each result in ``results.json`` as soon as it is known."""
    track = candidates_for(dataset.name)
    path = folder / "results.json"
    stored = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if stored.get("fingerprint") != dataset.fingerprint:
        stored = {"results": []}
    keys = {name: _key(candidate, track, dataset) for name, candidate in track.items()}
    # Results of other parameters or other code are as if they had never been.
    results = {
        row["name"]: row for row in stored["results"] if row.get("key") == keys.get(row["name"])
    }
    if not results:
        stored = {}
    split = validation_split(dataset.y_train)
    X, y = dataset.X_train[split.train], dataset.y_train[split.train]
    trial: dict[str, Pipeline] = {}
    final: dict[str, Pipeline] = {}
    for name in names:
        if name in results:
            show(f"{name}: measured before")
            continue
        candidate = track[name]
        for member in candidate.members:
            trial.setdefault(member, _load(folder, member, "trial", keys[member]))
            final.setdefault(member, _load(folder, member, "final", keys[member]))
        trial[name] = _fit(candidate, trial, dataset, X, y, n_jobs)
        joblib.dump(trial[name], _model_path(folder, name, "trial", keys[name]))
        wrong = trial[name].predict(dataset.X_train[split.validation])
        validation_error = float(np.mean(wrong != dataset.y_train[split.validation]))
        show(f"{name}: {validation_error:.2%} of the validation rows wrong")
        started = time.perf_counter()
        final[name] = _fit(candidate, final, dataset, dataset.X_train, dataset.y_train, n_jobs)
        seconds = time.perf_counter() - started
        seconds += sum(results[member]["fit_seconds"] for member in candidate.members)
        joblib.dump(final[name], _model_path(folder, name, "final", keys[name]))
        results[name] = asdict(
            _score(
                name, keys[name], final[name], dataset, validation_error, seconds, folder, n_jobs
            )
        )
        show(f"{name}: {results[name]['test_error']:.2%} of the test rows wrong, {seconds:.0f} s")
        stored |= {
            "dataset": dataset.name,
            "fingerprint": dataset.fingerprint,
            "n_train": len(dataset.X_train),
            "n_validation": len(split.validation),
            "n_test": len(dataset.X_test),
            "results": [results[n] for n in track if n in results],
            "hardware": describe_hardware(),
            "versions": library_versions(),
        }
        write_json(path, stored)
    return stored


def _model_path(folder: Path, name: str, stage: str, key: str) -> Path:
    path = folder / "models" / f"{name}-{stage}-{key}.joblib"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _load(folder: Path, name: str, stage: str, key: str) -> Pipeline:
    path = _model_path(folder, name, stage, key)
    if not path.exists():
        raise DigitrecError(
            f"the committee needs {path}; measure {name!r} in the same run, or delete "
            f"{folder / 'results.json'} to measure everything again"
        )
    return joblib.load(path)


def _score(
    name: str,
    key: str,
    pipeline: Pipeline,
    dataset: Dataset,
    validation_error: float,
    fit_seconds: float,
    folder: Path,
    n_jobs: int,
) -> Measured:
    pipeline.predict(dataset.X_test[:64])
    started = time.perf_counter()
    predicted = pipeline.predict(dataset.X_test)
    predict_seconds = time.perf_counter() - started
    single = []
    for row in range(min(100, len(dataset.X_test))):
        started = time.perf_counter()
        pipeline.predict(dataset.X_test[row : row + 1])
        single.append(time.perf_counter() - started)
    wrong = int(np.sum(predicted != dataset.y_test))
    low, high = wilson_interval(wrong, len(predicted))
    return Measured(
        name=name,
        validation_error=validation_error,
        test_error=wrong / len(predicted),
        test_error_low=low,
        test_error_high=high,
        fit_seconds=fit_seconds,
        predict_seconds=predict_seconds,
        latency_ms=float(np.median(single)) * 1e3,
        model_bytes=_model_path(folder, name, "final", key).stat().st_size,
        n_threads=n_jobs,
        key=key,
    )


def measure_shortcut(dataset: Dataset, n_rows: int = 3000) -> dict[str, float]:
    """Set the virtual SVM beside libsvm on the same images with all of their copies.

    Both learn from the first `n_rows` training rows with 8 copies of each and predict the
    validation rows, on one thread.
    """
    split = validation_split(dataset.y_train)
    rows, y = split.train[:n_rows], dataset.y_train[split.train[:n_rows]]
    fixed = FEATURES["deskewed"].build_fixed(dataset.image_shape)
    X = fixed.transform(dataset.X_train[rows])
    held_out = fixed.transform(dataset.X_train[split.validation])
    seed = 0
    started = time.perf_counter()
    ours = VirtualSVC(random_state=seed).fit(X, y)
    fit_seconds = time.perf_counter() - started
    features = ours.features_
    started = time.perf_counter()
    copies = features.copies(X, ours.n_copies, ours.distortion_seed_, ours.augmentation or JITTER)
    everything = np.concatenate([features.transform(X), *copies])
    stock = SVC(C=ours.C, gamma=ours.gamma_).fit(everything, np.tile(y, ours.n_copies + 1))
    stock_fit_seconds = time.perf_counter() - started
    started = time.perf_counter()
    predicted = ours.predict(held_out)
    predict_seconds = time.perf_counter() - started
    started = time.perf_counter()
    stock_predicted = stock.predict(features.transform(held_out))
    stock_predict_seconds = time.perf_counter() - started
    truth = dataset.y_train[split.validation]
    return {
        "n_rows": len(rows),
        "fit_seconds": fit_seconds,
        "stock_fit_seconds": stock_fit_seconds,
        "predict_seconds": predict_seconds,
        "stock_predict_seconds": stock_predict_seconds,
        "error": float(np.mean(predicted != truth)),
        "stock_error": float(np.mean(stock_predicted != truth)),
        "agreement": float(np.mean(predicted == stock_predicted)),
    }


def run_trials(dataset: Dataset, show: Callable[[str], None]) -> dict[str, Any]:
    """Fit variations of the convolution SVM to a sixth of the training rows, on one thread."""
    split = validation_split(dataset.y_train, fraction=1 / 6)
    train = split.validation
    held_out = split.train[: 2 * len(train)]
    rows = []
    for trial in TRIALS:
        fixed = FEATURES[trial.features].build_fixed(dataset.image_shape)
        X = fixed.transform(dataset.X_train[train])
        model = MODELS["convolution_svm"].build(0, {"n_copies": 4})
        model.set_params(**dict(trial.parameters))
        started = time.perf_counter()
        model.fit(X, dataset.y_train[train])
        seconds = time.perf_counter() - started
        images = fixed.transform(dataset.X_train[held_out])
        started = time.perf_counter()
        decisions = model.decision_function(images)
        views = augment(
            images,
            dataset.image_shape,
            trial.views,
            1,
            augmentation=VIEWS,
            chunk_rows=len(images),
        )
        for view in views:
            decisions += model.decision_function(view)
        predict_seconds = time.perf_counter() - started
        predicted = model.classes_[decisions.argmax(axis=1)]
        error = float(np.mean(predicted != dataset.y_train[held_out]))
        show(f"{trial.title}: {error:.3%}")
        rows.append(
            {
                "title": trial.title,
                "error": error,
                "fit_seconds": seconds,
                "predict_seconds": predict_seconds,
            }
        )
    rows.append(_neighbors_trial(dataset, train, held_out))
    show(f"{rows[-1]['title']}: {rows[-1]['error']:.3%}")
    return {"n_train": len(train), "n_held_out": len(held_out), "rows": rows}


def _neighbors_trial(
    dataset: Dataset, train: NDArray[np.intp], held_out: NDArray[np.intp]
) -> dict[str, Any]:
    """Measure another kind of model on the rows of the trials: one that can only wait to vote."""
    fixed = FEATURES["deskewed"].build_fixed(dataset.image_shape)
    X, images = (fixed.transform(dataset.X_train[rows]) for rows in (train, held_out))
    started = time.perf_counter()
    model = DistortionNeighbors(dataset.image_shape, ConvolutionFilters())
    model.fit(X, dataset.y_train[train])
    fitted = time.perf_counter()
    predicted = model.predict(images)
    return {
        "title": "instead, 5 nearest neighbours by image distortion, of 50 by filters",
        "error": float(np.mean(predicted != dataset.y_train[held_out])),
        "fit_seconds": fitted - started,
        "predict_seconds": time.perf_counter() - fitted,
    }


def main(
    dataset: Annotated[str, typer.Option(help="Dataset.")] = "mnist",
    candidates: Annotated[str, typer.Option(help="Names, separated by commas.")] = "all",
    output_dir: Annotated[Path, typer.Option(help="Folder of the reports.")] = Path("reports"),
    max_train: Annotated[int, typer.Option(help="Training rows; 0 means all.")] = 0,
    trials: Annotated[bool, typer.Option(help="Also run the variations.")] = False,
    jobs: Annotated[int, typer.Option(help="Threads; 0 means all cores.")] = 0,
) -> None:
    """Measure the candidates and write the report."""
    data = load_dataset(dataset, report=typer.echo, max_train=max_train or None)
    known = candidates_for(data.name)
    chosen = list(known) if candidates == "all" else candidates.split(",")
    names = [check_choice("candidate", name, known) for name in chosen]
    folder = output_dir / ("frontier" if data.name == "mnist" else f"frontier-{data.name}")
    stored = measure(data, names, folder, jobs or available_cores(), typer.echo)
    if "shortcut" not in stored and "virtual_svm" in known:
        stored["shortcut"] = measure_shortcut(data)
        write_json(folder / "results.json", stored)
    if trials:
        stored["trials"] = run_trials(data, typer.echo)
        write_json(folder / "results.json", stored)
    save_figure(frontier_figure(stored), folder / "frontier.png")
    write_text(folder / "report.md", render_report(stored))
    typer.echo(f"{folder / 'report.md'} written")


if __name__ == "__main__":
    run_app(main)
