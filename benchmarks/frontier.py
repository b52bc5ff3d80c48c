"""How low the error goes without networks on pixels, and what that costs.

Each candidate is fitted to two thirds of the training rows and gives probabilities for the third
that is held out. Every mean of the probabilities of a few candidates is compared on those rows, and
the one with the lowest log loss wins. Its members are then fitted to all training rows, and the
test rows are scored once. What was computed from the same data with the same code is not computed
again.

Run: ``python -m benchmarks.frontier``; ``--retime`` fits the winner again for its times.
"""

from __future__ import annotations

import itertools
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import joblib
import numpy as np
import typer
from numpy.typing import NDArray
from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC

from benchmarks._common import DatasetName, Jobs, MaxTrain, kept, run_app, run_facts, write_report
from benchmarks._frontier_candidates import Candidate, candidates_for
from benchmarks._frontier_report import frontier_figure, render_report
from digitrec._code import cache_key
from digitrec._environment import available_cores
from digitrec._files import atomic_path
from digitrec.datasets import Dataset, load_dataset
from digitrec.errors import DigitrecError, check_choice
from digitrec.evaluation.fitting import fit_and_score, fit_model, latencies, score_model
from digitrec.evaluation.job import describe_parameters
from digitrec.evaluation.splits import Split, validation_split
from digitrec.models import MODELS
from digitrec.models._distorted import JITTER
from digitrec.models.virtual_svm import VirtualSVC
from digitrec.preprocessing import FEATURES, join_pipelines
from digitrec.statistics.paired import mcnemar_test

_log = logging.getLogger("digitrec.benchmarks.frontier")

# Rows held out to compare the candidates: 20,000 of MNIST's training rows. On 10,000, two means
# that misread 30 rows and share most of them do not differ significantly.
_HELD_OUT = 1 / 3
# Members of a mean at most: a larger one takes longer than a quarter of an hour to train.
_MOST_MEMBERS = 6
# Least probability that counts in the log loss.
_LEAST = 1e-7


def candidate_key(candidate: Candidate, dataset: Dataset) -> str:
    """Return the hash of all that determines what a candidate gives."""
    pipeline = _build(candidate, dataset)
    features, model = pipeline[:-1], pipeline[-1]
    facts = {
        "data": dataset.fingerprint,
        "features": describe_parameters(features),
        "model": describe_parameters(model),
    }
    return cache_key(facts, features, model)


def fit_candidate(
    candidate: Candidate, dataset: Dataset, rows: NDArray[np.intp] | slice
) -> Pipeline:
    """Return a Pipeline from raw pixels, fitted to some of the training rows."""
    return fit_model(_build(candidate, dataset), dataset.X_train[rows], dataset.y_train[rows]).model


def fit_on_all(candidate: Candidate, dataset: Dataset, n_jobs: int) -> tuple[Pipeline, float]:
    """Return a Pipeline fitted to all training rows, and the wall time in seconds."""
    started = time.perf_counter()
    # Estimators leave their threads to this context.
    with joblib.parallel_config("threading", n_jobs=n_jobs):
        pipeline = fit_candidate(candidate, dataset, slice(None))
    return pipeline, time.perf_counter() - started


def _build(candidate: Candidate, dataset: Dataset) -> Pipeline:
    spec, shape = FEATURES[candidate.features], dataset.image_shape
    model = MODELS[candidate.model].build(0, dict(candidate.parameters), candidate.features)
    return join_pipelines(spec.build_fixed(shape), spec.build_fitted(), model=model)


@dataclass(frozen=True)
class Means:
    """Every mean of a few candidates' probabilities, on the same rows.

    Attributes
    ----------
    members : list of tuple of str
        Candidates of each mean, single ones included.
    losses : ndarray of float32, shape (n_means, n_rows)
        Minus the log-probability of the right class.
    wrong : ndarray of bool, shape (n_means, n_rows)
        Rows that are misread.
    """

    members: list[tuple[str, ...]]
    losses: NDArray[np.float32]
    wrong: NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        probabilities: dict[str, NDArray[np.float32]],
        codes: NDArray[np.intp],
        most_members: int = _MOST_MEMBERS,
    ) -> Means:
        """Average probabilities, shape (n_rows, n_classes); `codes` are the right columns."""
        members = [
            chosen
            for size in range(1, min(most_members, len(probabilities)) + 1)
            for chosen in itertools.combinations(probabilities, size)
        ]
        losses = np.empty((len(members), len(codes)), dtype=np.float32)
        wrong = np.empty((len(members), len(codes)), dtype=bool)
        for i, chosen in enumerate(members):
            mean: NDArray = np.mean([probabilities[name] for name in chosen], axis=0)
            losses[i] = -np.log(np.maximum(mean[np.arange(len(codes)), codes], _LEAST))
            wrong[i] = mean.argmax(axis=1) != codes
        return cls(members, losses, wrong)

    def best(self) -> int:
        """Return the place of the mean with the lowest log loss."""
        return int(self.losses.mean(axis=1).argmin())

    def selection_bias(self, n_resamples: int = 500, random_state: int = 0) -> float:
        """Return by how much the error of the best flatters it, for having been chosen.

        The rows are drawn with replacement; the mean that is best on the rows drawn is scored on
        these and on those not drawn. The average difference of the two errors is the bias.
        """
        n_rows = self.losses.shape[1]
        random = np.random.RandomState(random_state)
        counts = random.multinomial(n_rows, np.full(n_rows, 1 / n_rows), n_resamples)
        chosen = (self.losses @ counts.T.astype(np.float32)).argmin(axis=0)
        wrong = self.wrong[chosen]
        drawn = np.sum(wrong * counts, axis=1) / n_rows
        left = np.sum(wrong & (counts == 0), axis=1) / np.sum(counts == 0, axis=1)
        return float(np.mean(left - drawn))


def measure(
    dataset: Dataset,
    names: Sequence[str],
    folder: Path,
    n_jobs: int,
) -> dict[str, Any]:
    """Compare candidates and their means on rows held out of the training rows.

    Returns
    -------
    dict
        JSON-safe facts; ``results`` has a row for each candidate and for the ten best means, the
        winner first.
    """
    track = candidates_for(dataset.name)
    split = validation_split(dataset.y_train, fraction=_HELD_OUT)
    y = dataset.y_train[split.validation]
    codes = np.searchsorted(np.unique(dataset.y_train), y)
    fits = {}
    for name in names:
        path = folder / "held_out" / f"{name}-{candidate_key(track[name], dataset)}.joblib"
        if path.exists():
            _log.info(f"{name}: measured before")
        fits[name] = kept(path, _measure_one, track[name], dataset, split, n_jobs)
        n_wrong = np.sum(fits[name]["probabilities"].argmax(axis=1) != codes)
        _log.info(f"{name}: {n_wrong / len(y):.3%} of {len(y):,} rows held out misread")
    means = Means.of({name: fit["probabilities"] for name, fit in fits.items()}, codes)
    best = means.best()
    ranked = np.argsort(means.losses.mean(axis=1), kind="stable")
    shown = [i for k, i in enumerate(ranked) if k < 10 or len(means.members[i]) == 1]
    rows = []
    for i in shown:
        members = means.members[i]
        paired = mcnemar_test(~means.wrong[best], ~means.wrong[i])
        rows.append(
            {
                "members": list(members),
                "held_out_error": float(means.wrong[i].mean()),
                "log_loss": float(means.losses[i].mean()),
                "only_winner_wrong": paired.only_second,
                "only_this_wrong": paired.only_first,
                "p_value": paired.p_value,
                "processor_seconds": sum(fits[name]["processor_seconds"] for name in members),
            }
        )
    return {
        "dataset": dataset.name,
        "fingerprint": dataset.fingerprint,
        "n_train": len(dataset.X_train),
        "n_fitted": len(split.train),
        "n_held_out": len(y),
        "n_test": len(dataset.X_test),
        "n_candidates": len(names),
        "n_means": len(means.members),
        "selection_bias": means.selection_bias(),
        "results": rows,
    }


def _measure_one(
    candidate: Candidate, dataset: Dataset, split: Split, n_jobs: int
) -> dict[str, Any]:
    """Fit a candidate without the held-out rows; return its probabilities of these."""
    started = time.process_time()
    # Estimators leave their threads to this context.
    with joblib.parallel_config("threading", n_jobs=n_jobs):
        pipeline = fit_candidate(candidate, dataset, split.train)
        seconds = time.process_time() - started
        probabilities = pipeline.predict_proba(dataset.X_train[split.validation])
    return {"probabilities": probabilities.astype(np.float32), "processor_seconds": seconds}


def score_winner(
    dataset: Dataset,
    names: Sequence[str],
    folder: Path,
    n_jobs: int,
    *,
    retime: bool = False,
) -> dict[str, Any]:
    """Fit candidates to all training rows and score the mean of their probabilities.

    Returns
    -------
    dict
        ``members``, ``test_error`` with its Wilson 95 % interval (``test_error_low``,
        ``test_error_high``), ``fit_seconds`` (wall time from raw pixels, summed over the members),
        ``predict_seconds`` (of all test rows), ``latency_ms`` (median of single images),
        ``model_bytes``, ``n_threads`` and the facts of the run.
    """
    track = candidates_for(dataset.name)
    fitted, seconds = [], 0.0
    for name in names:
        path = folder / "models" / f"{name}-{candidate_key(track[name], dataset)}.joblib"
        pipeline, taken = kept(path, fit_on_all, track[name], dataset, n_jobs, refit=retime)
        fitted.append((name, FrozenEstimator(pipeline)))
        seconds += taken
    few = np.unique(dataset.y_train, return_index=True)[1]
    mean = VotingClassifier(fitted, voting="soft").fit(dataset.X_train[few], dataset.y_train[few])
    path = folder / "models" / "winner.joblib"
    with atomic_path(path) as temporary:
        joblib.dump(mean, temporary)
    with joblib.parallel_config("threading", n_jobs=n_jobs):
        tested = score_model(mean, dataset.X_test, dataset.y_test)
    low, high = tested.error_interval
    return {
        "members": list(names),
        "test_error": tested.error,
        "test_error_low": low,
        "test_error_high": high,
        "fit_seconds": seconds,
        "predict_seconds": tested.seconds,
        "latency_ms": float(np.median(latencies(mean, dataset.X_test))),
        "model_bytes": path.stat().st_size,
        "n_threads": n_jobs,
        **run_facts("frontier", dataset),
    }


def measure_shortcut(dataset: Dataset, n_rows: int = 3000) -> dict[str, float]:
    """Compare the virtual SVM with libsvm on the same images with all of their copies.

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
    everything = np.concatenate([features.pipeline_.transform(X), *copies])
    copy_seconds = time.perf_counter() - started
    stock, stock_scores = fit_and_score(
        SVC(C=ours.C, gamma=ours.gamma_),
        (everything, np.tile(y, ours.n_copies + 1)),
        (features.pipeline_.transform(held_out), truth),
    )
    return {
        "n_rows": len(rows),
        "n_predicted": len(held_out),
        "fit_seconds": fit.seconds,
        "stock_fit_seconds": copy_seconds + stock.seconds,
        "predict_seconds": scores.seconds,
        "stock_predict_seconds": stock_scores.seconds,
        "error": scores.error,
        "stock_error": stock_scores.error,
        "agreement": float(np.mean(scores.y_pred == stock_scores.y_pred)),
    }


def main(
    dataset: DatasetName = "mnist",
    candidates: Annotated[str, typer.Option(help="Names, separated by commas.")] = "all",
    output_dir: Annotated[
        Path | None,
        typer.Option(help="Folder of the report.", show_default="reports/frontier[-DATASET]"),
    ] = None,
    max_train: MaxTrain = None,
    retime: Annotated[
        bool, typer.Option(help="Fit the winner of the last run again, for its times.")
    ] = False,
    jobs: Jobs = None,
) -> None:
    """Compare the candidates, score the winner and write the report."""
    data = load_dataset(dataset, max_train=max_train)
    known = candidates_for(data.name)
    chosen = list(known) if candidates == "all" else candidates.split(",")
    names = [check_choice("candidate", name, known) for name in chosen]
    default = "frontier" if data.name == "mnist" else f"frontier-{data.name}"
    folder = output_dir or Path("reports") / default
    n_jobs = jobs or available_cores()
    if retime:
        stored = _stored_results(folder / "results.json", data, known)
    else:
        stored = measure(data, names, folder, n_jobs)
        if data.name == "mnist":
            stored["shortcut"] = measure_shortcut(data)
    winner = stored["results"][0]["members"]
    typer.echo(f"lowest log loss: the mean of {', '.join(winner)}")
    stored["winner"] = score_winner(data, winner, folder, n_jobs, retime=retime)
    write_report(folder, render_report(stored), stored, frontier=frontier_figure(stored))


def _stored_results(path: Path, data: Dataset, known: dict[str, Candidate]) -> dict[str, Any]:
    if not path.exists():
        raise DigitrecError(f"--retime needs the results of a run in {path}; run without it first")
    stored = json.loads(path.read_text(encoding="utf-8"))
    if stored.get("fingerprint") != data.fingerprint or "n_means" not in stored:
        raise DigitrecError(
            f"{path} holds results of other images or of an earlier version; run without --retime "
            "first"
        )
    for name in stored["results"][0]["members"]:
        check_choice("candidate", name, known)
    return stored


if __name__ == "__main__":
    run_app(main)
