"""How low the error goes without networks on pixels, and what that costs.

Each candidate is fitted to the training rows and ranked on the validation rows; then it is
refitted on both, saved, and scored on the test rows once. The winner is the one that was best
on the validation rows. Candidates already measured on the same data are not run again.

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
from sklearn.base import ClassifierMixin
from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC
from tabulate import tabulate

from digitrec._environment import available_cores, describe_hardware, library_versions
from digitrec._files import write_json, write_text
from digitrec.datasets import Dataset, load_dataset
from digitrec.errors import DigitrecError, check_choice
from digitrec.evaluation.metrics import wilson_interval
from digitrec.evaluation.splits import validation_split
from digitrec.models import MODELS
from digitrec.models.virtual_svm import JITTER, VirtualSVC
from digitrec.preprocessing import FEATURES, Augmentation, join_pipelines
from digitrec.reporting.published import PUBLISHED
from digitrec.reporting.style import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    label_points,
    new_figure,
    plain_log_ticks,
    save_figure,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Candidate", "Measured", "candidates_for", "frontier_figure", "main", "render_report"]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One way to a low error.

    Attributes
    ----------
    name, title : str
        Key, and name for tables.
    summary : str
        One sentence.
    features : str
        Feature set that it takes.
    model : str
        Registry key of the model; empty for a committee.
    parameters : dict
        Overrides of the model's parameters.
    members : tuple of str
        Names of the candidates whose probabilities a committee averages.
    """

    name: str
    title: str
    summary: str
    features: str
    model: str = ""
    parameters: tuple[tuple[str, Any], ...] = ()
    members: tuple[str, ...] = ()


_DIGITS = (
    Candidate(
        name="svm",
        title="SVM",
        summary="RBF kernel on 100 components of the gradients; no distortions.",
        features="gradients",
        model="svm",
    ),
    Candidate(
        name="augmented_mlp",
        title="MLP on distorted gradients",
        summary="512 hidden units, a new distorted copy of every image in each epoch.",
        features="deskewed",
        model="augmented_mlp",
    ),
    Candidate(
        name="virtual_svm_4",
        title="Virtual SVM, 4 copies",
        summary="Refitted with distorted copies, 4 of each image, that are near its margins.",
        features="deskewed",
        model="virtual_svm",
        parameters=(("n_copies", 4),),
    ),
    Candidate(
        name="virtual_svm",
        title="Virtual SVM, 8 copies",
        summary="The same with 8 copies of each image.",
        features="deskewed",
        model="virtual_svm",
    ),
    Candidate(
        name="committee",
        title="Virtual SVM and MLP",
        summary="The mean of the probabilities of the virtual SVM (8 copies) and the MLP.",
        features="deskewed",
        members=("virtual_svm", "augmented_mlp"),
    ),
)

# Garments hang straight: a deskew and strong distortions only take information away, and
# copies did not lower the validation error of the SVM.
_GARMENTS = (
    _DIGITS[0],
    Candidate(
        name="upright_svm",
        title="SVM without deskew",
        summary="RBF kernel on 250 components of the gradients of the images as they are.",
        features="raw",
        model="virtual_svm",
        parameters=(("n_copies", 0), ("n_components", 250), ("C", 5.0), ("gamma", 0.0056)),
    ),
    Candidate(
        name="augmented_mlp",
        title="MLP on distorted gradients",
        summary="512 hidden units, a new, gently distorted copy of every image in each epoch.",
        features="raw",
        model="augmented_mlp",
        parameters=(
            ("n_components", 300),
            ("n_epochs", 18),
            (
                "augmentation",
                Augmentation(rotation=4, scale=0.06, shear=0.05, elastic_alpha=6, thickness=0.1),
            ),
        ),
    ),
    Candidate(
        name="committee",
        title="SVM and MLP",
        summary="The mean of the probabilities of the SVM without deskew and the MLP.",
        features="raw",
        members=("upright_svm", "augmented_mlp"),
    ),
)


def candidates_for(dataset: str) -> dict[str, Candidate]:
    """Return the candidates for a dataset, by name."""
    track = _GARMENTS if dataset == "fashion_mnist" else _DIGITS
    return {candidate.name: candidate for candidate in track}


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


def _fit(
    candidate: Candidate,
    fitted: dict[str, Pipeline],
    dataset: Dataset,
    X: NDArray[np.uint8],
    y: NDArray[np.int64],
    n_jobs: int,
) -> Pipeline:
    """Return a fitted Pipeline from raw pixels; members of a committee come from `fitted`."""
    spec = FEATURES[candidate.features]
    fixed = spec.build_fixed(dataset.image_shape, n_jobs=n_jobs)
    if candidate.members:
        members = [(n, FrozenEstimator(fitted[n].steps[-1][1])) for n in candidate.members]
        few = np.unique(y, return_index=True)[1]
        model = VotingClassifier(members, voting="soft").fit(fixed.transform(X[few]), y[few])
        return join_pipelines(fixed, model=model)
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
    results = {row["name"]: row for row in stored["results"]}
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
            trial.setdefault(member, _load(folder, member, "trial", dataset))
            final.setdefault(member, _load(folder, member, "final", dataset))
        trial[name] = _fit(candidate, trial, dataset, X, y, n_jobs)
        joblib.dump(trial[name], _model_path(folder, name, "trial", dataset))
        wrong = trial[name].predict(dataset.X_train[split.validation])
        validation_error = float(np.mean(wrong != dataset.y_train[split.validation]))
        show(f"{name}: {validation_error:.2%} of the validation rows wrong")
        started = time.perf_counter()
        final[name] = _fit(candidate, final, dataset, dataset.X_train, dataset.y_train, n_jobs)
        seconds = time.perf_counter() - started
        seconds += sum(results[member]["fit_seconds"] for member in candidate.members)
        joblib.dump(final[name], _model_path(folder, name, "final", dataset))
        results[name] = asdict(
            _score(name, final[name], dataset, validation_error, seconds, folder, n_jobs)
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


def _model_path(folder: Path, name: str, stage: str, dataset: Dataset) -> Path:
    path = folder / "models" / f"{name}-{stage}-{dataset.fingerprint}.joblib"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _load(folder: Path, name: str, stage: str, dataset: Dataset) -> Pipeline:
    path = _model_path(folder, name, stage, dataset)
    if not path.exists():
        raise DigitrecError(
            f"the committee needs {path}; measure {name!r} in the same run, or delete "
            f"{folder / 'results.json'} to measure everything again"
        )
    return joblib.load(path)


def _score(
    name: str,
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
        model_bytes=_model_path(folder, name, "final", dataset).stat().st_size,
        n_threads=n_jobs,
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


def winner_of(results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the result that was best on the validation rows; of equals the faster to fit."""
    return min(results, key=lambda row: (row["validation_error"], row["fit_seconds"]))


@styled
def frontier_figure(stored: dict[str, Any]) -> Figure:
    """Draw the test error against fit time and against latency, with published errors."""
    figure = new_figure(4.4, width=10.0)
    results, track = stored["results"], candidates_for(stored["dataset"])
    best = winner_of(results)["name"]
    errors = [row["test_error"] * 100 for row in results]
    published = [
        row for row in PUBLISHED.get(stored["dataset"], ()) if row.error * 100 <= 2.2 * max(errors)
    ]
    bottom = min([*errors, *(row.error * 100 for row in published)]) * 0.8
    top = max([*errors, *(row.error * 100 for row in published)]) * 1.15
    panels = figure.subplots(1, 2, sharey=True)
    fields = (("fit_seconds", "fit time, s (log)"), ("latency_ms", "one image, ms (log)"))
    for axes, (field, label) in zip(panels, fields, strict=True):
        x = [row[field] for row in results]
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlim(min(x) / 2.5, max(x) * 5)
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
        titles = [track[row["name"]].title for row in results]
        label_points(axes, x, errors, titles, [row["name"] == best for row in results])
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
    return figure


def render_report(stored: dict[str, Any]) -> str:
    """Return the report as Markdown."""
    results, track = stored["results"], candidates_for(stored["dataset"])
    best = winner_of(results)
    hardware = stored["hardware"]
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
    columns = [
        "candidate",
        "validation error",
        "test error",
        "95 % interval",
        "fit, s",
        "predict test rows, s",
        "one image, ms",
        "size, MiB",
    ]
    published = [
        [row.method, f"{row.error:.2%}", row.source] for row in PUBLISHED.get(stored["dataset"], ())
    ]
    lines = [
        f"# The accuracy frontier on {stored['dataset']}\n",
        f"The winner on the validation rows is **{track[best['name']].title}**: "
        f"**{best['test_error']:.2%}** test error, fitted in {best['fit_seconds']:.0f} s. "
        "No network sees pixels: all candidates learn from gradient features.\n",
        tabulate(rows, columns, tablefmt="github", disable_numparse=True),
        "\n![Test error against fit time and against latency](frontier.png)\n",
        "## Candidates\n",
        *(f"- **{track[r['name']].title}**: {track[r['name']].summary}" for r in results),
        *_shortcut_lines(stored),
        "\n## Published errors\n",
        tabulate(published, ["method", "test error", "source"], tablefmt="github"),
        "\n## How it was measured\n",
        f"Candidates were ranked on {stored['n_validation']:,} validation rows, held out of the "
        f"{stored['n_train']:,} training rows; then each was refitted on all of them and scored "
        f"once on the {stored['n_test']:,} test rows. Times are wall times from raw pixels on "
        f"{results[0]['n_threads']} threads of {hardware['processor']} ({hardware['cores']} "
        "cores), which other work may have shared; a committee's fit time is the sum of its "
        "members'. Made by `python -m benchmarks.frontier`.\n",
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


def main(
    dataset: Annotated[str, typer.Option(help="Dataset.")] = "mnist",
    candidates: Annotated[str, typer.Option(help="Names, separated by commas.")] = "all",
    output_dir: Annotated[Path, typer.Option(help="Folder of the reports.")] = Path("reports"),
    max_train: Annotated[int, typer.Option(help="Training rows; 0 means all.")] = 0,
    jobs: Annotated[int, typer.Option(help="Threads; 0 means all cores.")] = 0,
) -> None:
    """Measure the candidates and write the report."""
    try:
        data = load_dataset(dataset, report=typer.echo, max_train=max_train or None)
        known = candidates_for(data.name)
        chosen = list(known) if candidates == "all" else candidates.split(",")
        names = [check_choice("candidate", name, known) for name in chosen]
        folder = output_dir / ("frontier" if data.name == "mnist" else f"frontier-{data.name}")
        stored = measure(data, names, folder, jobs or available_cores(), typer.echo)
        if "shortcut" not in stored and "virtual_svm" in known:
            stored["shortcut"] = measure_shortcut(data)
            write_json(folder / "results.json", stored)
    except DigitrecError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    save_figure(frontier_figure(stored), folder / "frontier.png")
    write_text(folder / "report.md", render_report(stored))
    typer.echo(f"{folder / 'report.md'} written")


if __name__ == "__main__":
    typer.run(main)
