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
from typing import TYPE_CHECKING, Annotated, Any

import joblib
import numpy as np
import typer
from numpy.typing import NDArray
from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC

from benchmarks._common import (
    DatasetName,
    Jobs,
    MaxTrain,
    measured_with,
    run_app,
    run_facts,
    write_report,
)
from benchmarks._frontier_candidates import TRIALS, VIEWS, Candidate, candidates_for
from digitrec._code import cache_key
from digitrec._environment import available_cores
from digitrec._files import write_json
from digitrec.datasets import Dataset, load_dataset
from digitrec.errors import DigitrecError, check_choice
from digitrec.evaluation.fitting import Fit, fit_and_score, fit_model, latencies, score_model
from digitrec.evaluation.job import describe_parameters
from digitrec.evaluation.splits import validation_split
from digitrec.models import MODELS
from digitrec.models.virtual_svm import JITTER, VirtualSVC
from digitrec.preprocessing import FEATURES, augment, join_pipelines
from digitrec.rendering.markdown import table
from digitrec.rendering.style import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    label_points,
    new_figure,
    plain_log_ticks,
    styled,
)
from digitrec.reporting.published import PUBLISHED

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
        Median wall time from one raw image to its label, on one thread.
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
) -> Fit:
    """Fit a Pipeline from raw pixels; members of a committee come from `fitted`."""
    if candidate.members:
        # Members take raw pixels, each by its own features.
        members = [(name, FrozenEstimator(fitted[name])) for name in candidate.members]
        few = np.unique(y, return_index=True)[1]
        pipeline = Pipeline([("model", VotingClassifier(members, voting="soft"))])
        return fit_model(pipeline, X[few], y[few])
    spec = FEATURES[candidate.features]
    shape = dataset.image_shape
    model = MODELS[candidate.model].build(0, dict(candidate.parameters))
    pipeline = join_pipelines(spec.build_fixed(shape), spec.build_fitted(shape), model=model)
    return fit_model(pipeline, X, y)


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
    X_validation = dataset.X_train[split.validation]
    y_validation = dataset.y_train[split.validation]
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
        # Estimators leave their threads to this context.
        with joblib.parallel_config("threading", n_jobs=n_jobs):
            trial[name] = _fit(candidate, trial, dataset, X, y).model
            joblib.dump(trial[name], _model_path(folder, name, "trial", keys[name]))
            held_out = score_model(trial[name], X_validation, y_validation)
            show(f"{name}: {held_out.error:.2%} of the validation rows wrong")
            fit = _fit(candidate, final, dataset, dataset.X_train, dataset.y_train)
            final[name] = fit.model
            path_of_model = _model_path(folder, name, "final", keys[name])
            joblib.dump(fit.model, path_of_model)
            fit.model.predict(dataset.X_test[:64])
            tested = score_model(fit.model, dataset.X_test, dataset.y_test)
        low, high = tested.error_interval
        measured = Measured(
            name=name,
            validation_error=held_out.error,
            test_error=tested.error,
            test_error_low=low,
            test_error_high=high,
            fit_seconds=fit.seconds + sum(results[m]["fit_seconds"] for m in candidate.members),
            predict_seconds=tested.seconds,
            latency_ms=float(np.median(latencies(fit.model, dataset.X_test))),
            model_bytes=path_of_model.stat().st_size,
            n_threads=n_jobs,
            key=keys[name],
        )
        results[name] = asdict(measured)
        show(
            f"{name}: {measured.test_error:.2%} of the test rows wrong, "
            f"{measured.fit_seconds:.0f} s"
        )
        stored |= {
            **run_facts("frontier", dataset),
            "fingerprint": dataset.fingerprint,
            "n_validation": len(split.validation),
            "results": [results[n] for n in track if n in results],
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
    truth = dataset.y_train[split.validation]
    fit, scores = fit_and_score(VirtualSVC(random_state=0), (X, y), (held_out, truth))
    ours, features = fit.model, fit.model.features_
    started = time.perf_counter()
    copies = features.copies(X, ours.n_copies, ours.distortion_seed_, ours.augmentation or JITTER)
    everything = np.concatenate([features.transform(X), *copies])
    copy_seconds = time.perf_counter() - started
    stock, stock_scores = fit_and_score(
        SVC(C=ours.C, gamma=ours.gamma_),
        (everything, np.tile(y, ours.n_copies + 1)),
        (features.transform(held_out), truth),
    )
    return {
        "n_rows": len(rows),
        "fit_seconds": fit.seconds,
        "stock_fit_seconds": copy_seconds + stock.seconds,
        "predict_seconds": scores.seconds,
        "stock_predict_seconds": stock_scores.seconds,
        "error": scores.error,
        "stock_error": stock_scores.error,
        "agreement": float(np.mean(scores.y_pred == stock_scores.y_pred)),
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
        fit = fit_model(model, X, dataset.y_train[train])
        # Decisions of several views are added up here, which is no prediction of the model's own.
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
                "fit_seconds": fit.seconds,
                "predict_seconds": predict_seconds,
            }
        )
    return {"n_train": len(train), "n_held_out": len(held_out), "rows": rows}


def winner_of(results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the result that was best on the validation rows; of equals the faster to fit."""
    return min(results, key=lambda row: (row["validation_error"], row["fit_seconds"]))


@styled
def frontier_figure(stored: dict[str, Any]) -> Figure:
    """Draw the test error against fit time and against latency, with published errors."""
    figure = new_figure(5.6, width=11.0)
    results, track = stored["results"], candidates_for(stored["dataset"])
    best = winner_of(results)["name"]
    errors = [row["test_error"] * 100 for row in results]
    # Rows that lie far above would squeeze the candidates together; the table has them all.
    top = max(row["test_error_high"] * 100 for row in results) * 1.1
    published = [row for row in PUBLISHED.get(stored["dataset"], ()) if row.error * 100 <= top]
    lows = [row["test_error_low"] * 100 for row in results]
    bottom = min([*lows, *(row.error * 100 for row in published)]) * 0.9
    panels = figure.subplots(1, 2, sharey=True)
    fields = (("fit_seconds", "fit time, s (log)"), ("latency_ms", "one image, ms (log)"))
    for axes, (field, label) in zip(panels, fields, strict=True):
        x = [row[field] for row in results]
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlim(min(x) / 2, max(x) * 8)
        axes.set_ylim(bottom, top)
        for row in published:
            axes.axhline(row.error * 100, color=GREY, linewidth=0.7, linestyle=(0, (4, 3)))
        colours = [ORANGE if row["name"] == best else BLUE for row in results]
        axes.scatter(x, errors, c=colours, s=36, zorder=3)
        for px, row in zip(x, results, strict=True):
            span = [row["test_error_low"] * 100, row["test_error_high"] * 100]
            axes.plot([px, px], span, color=GREY, linewidth=1, zorder=2)
        plain_log_ticks(axes.xaxis)
        plain_log_ticks(axes.yaxis)
        axes.set_xlabel(label)
    panels[0].set_ylabel("test error, % (log)")
    # Names of close rows are pushed apart, upwards.
    height = -1.0
    for row in sorted(published, key=lambda row: row.error):
        own = np.log(row.error * 100 / bottom) / np.log(top / bottom)
        height = max(own, height + 0.035)
        panels[1].annotate(
            f"{row.method}, {row.error:.2%}",
            (1.0, own),
            xytext=(1.03, height),
            xycoords="axes fraction",
            textcoords="axes fraction",
            fontsize=6.5,
            color=INK,
            va="center",
            arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.5, "shrinkB": 0},
        )
    panels[0].set_title("Error against fit time")
    panels[1].set_title("Error against latency")
    # Last, since room for the names of published rows makes the panels narrower.
    titles = [track[row["name"]].title for row in results]
    for axes, (field, _) in zip(panels, fields, strict=True):
        x = [row[field] for row in results]
        label_points(axes, x, errors, titles, [row["name"] == best for row in results])
    return figure


def render_report(stored: dict[str, Any]) -> str:
    """Return the report as Markdown."""
    results, track = stored["results"], candidates_for(stored["dataset"])
    best = winner_of(results)
    rows = [
        [
            f"**{track[row['name']].title}**" if row is best else track[row["name"]].title,
            f"{row['validation_error']:.2%}",
            f"{row['test_error']:.2%}",
            f"{row['test_error_low']:.2%}–{row['test_error_high']:.2%}",
            f"{row['fit_seconds']:.0f}",
            f"{row['predict_seconds']:.1f}",
            f"{row['latency_ms']:.1f}",
            f"{row['model_bytes'] / 2**20:.1f}",
        ]
        for row in results
    ]
    columns = ["candidate", "validation error", "test error", "95 % interval", "fit, s"]
    columns += ["predict test rows, s", "one image, ms", "size, MiB"]
    published = [
        [row.method, f"{row.error:.2%}", row.source] for row in PUBLISHED.get(stored["dataset"], ())
    ]
    lines = [
        f"# The accuracy frontier on {stored['dataset']}\n",
        f"The winner on the validation rows is **{track[best['name']].title}**: "
        f"**{best['test_error']:.2%}** test error, fitted in {best['fit_seconds']:.0f} s. "
        "No network sees pixels: all candidates learn from gradient directions, or from maps of "
        "filters that were learned by clustering patches.\n",
        table(columns, rows, "lrrrrrrr"),
        "\n![Test error against fit time and against latency](figures/frontier.png)\n",
        "## Candidates\n",
        *(f"- **{track[r['name']].title}**: {track[r['name']].summary}" for r in results),
        *_trial_lines(stored),
        *_shortcut_lines(stored),
        "\n## Published errors\n",
        table(["method", "test error", "source"], published, "lrl"),
        "\n## How it was measured\n",
        f"Candidates were ranked on {stored['n_validation']:,} validation rows, held out of the "
        f"{stored['n_train']:,} training rows; then each was refitted on all of them and scored "
        f"once on the {stored['n_test']:,} test rows. Times are wall times from raw pixels on "
        f"{results[0]['n_threads']} threads; other work on the machine inflates them. A "
        "committee's fit time is the sum of its members'.\n",
        measured_with(stored),
    ]
    return "\n".join(lines)


def _shortcut_lines(stored: dict[str, Any]) -> list[str]:
    if "shortcut" not in stored:
        return []
    short = stored["shortcut"]
    return [
        "\n## What the choice by margin saves\n",
        f"On {short['n_rows']:,} images with 8 copies of each, one thread: libsvm on all rows "
        f"takes {short['stock_fit_seconds']:.1f} s to fit and "
        f"{short['stock_predict_seconds']:.1f} s to predict {stored['n_validation']:,} images; "
        f"the virtual SVM takes {short['fit_seconds']:.1f} s and "
        f"{short['predict_seconds']:.1f} s "
        f"({short['stock_fit_seconds'] / short['fit_seconds']:.1f} and "
        f"{short['stock_predict_seconds'] / short['predict_seconds']:.1f} times faster, features "
        f"included). Labels agree on {short['agreement']:.2%} of the images; the errors are "
        f"{short['stock_error']:.2%} and {short['error']:.2%}. libsvm's time grows with the "
        "square of the rows, so the gap widens with more images.",
    ]


def _trial_lines(stored: dict[str, Any]) -> list[str]:
    if "trials" not in stored:
        return []
    trials = stored["trials"]
    rows = [
        [
            row["title"],
            f"{row['error']:.3%}",
            f"{row['fit_seconds']:.1f}",
            f"{row['predict_seconds']:.1f}",
        ]
        for row in trials["rows"]
    ]
    return [
        "\n## Variations tried\n",
        f"The convolution SVM on {trials['n_train']:,} training rows, on {trials['n_held_out']:,} "
        "other training rows; the test rows have no part in it. Two rows less than about 0.1 "
        "points apart cannot be distinguished on so few images.\n",
        table(["variation", "error", "fit, s", "predict, s"], rows, "lrrr"),
    ]


def main(
    dataset: DatasetName = "mnist",
    candidates: Annotated[str, typer.Option(help="Names, separated by commas.")] = "all",
    output_dir: Annotated[
        Path | None,
        typer.Option(help="Folder of the report.", show_default="reports/frontier[-DATASET]"),
    ] = None,
    max_train: MaxTrain = None,
    trials: Annotated[bool, typer.Option(help="Also run the variations.")] = False,
    jobs: Jobs = None,
) -> None:
    """Measure the candidates and write the report."""
    data = load_dataset(dataset, report=typer.echo, max_train=max_train)
    known = candidates_for(data.name)
    chosen = list(known) if candidates == "all" else candidates.split(",")
    names = [check_choice("candidate", name, known) for name in chosen]
    default = "frontier" if data.name == "mnist" else f"frontier-{data.name}"
    folder = output_dir or Path("reports") / default
    stored = measure(data, names, folder, jobs or available_cores(), typer.echo)
    if "shortcut" not in stored and "virtual_svm" in known:
        stored["shortcut"] = measure_shortcut(data)
        write_json(folder / "results.json", stored)
    if trials:
        stored["trials"] = run_trials(data, typer.echo)
    write_report(folder, render_report(stored), stored, frontier=frontier_figure(stored))


if __name__ == "__main__":
    run_app(main)
