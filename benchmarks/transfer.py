"""Train every model on MNIST and test it on other handwriting.

Run: ``python -m benchmarks.transfer``. Images of other sizes are framed as MNIST frames digits:
20 pixels at the longer side, stroke width in MNIST's range, centre of mass in the middle. Each
model is saved to the results as it is done; a run that was stopped goes on from there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import joblib
import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from threadpoolctl import threadpool_limits

from benchmarks._common import OutputDir, Seed, measured_with, run_app, run_facts, write_report
from digitrec._environment import available_cores
from digitrec._files import write_json
from digitrec.commands.options import split_names
from digitrec.datasets import DATASETS, Dataset, load_dataset, load_default_dataset
from digitrec.errors import DigitrecError, check_choice
from digitrec.evaluation.fitting import fit_model, score_model
from digitrec.evaluation.job import describe_parameters
from digitrec.inference.normalise import normalise_digit
from digitrec.models import MODELS
from digitrec.preprocessing import DEFAULT_FEATURES, FEATURES
from digitrec.rendering.markdown import escape, table

OTHER_HANDWRITING = ("usps", "optdigits", "digits", "semeion", "emnist_digits", "qmnist")

Rows = tuple[NDArray[np.uint8], NDArray[np.int64]]


def main(
    models: Annotated[
        str, typer.Option(metavar="NAMES", help="Models, separated by commas, or 'all'.")
    ] = "all",
    datasets: Annotated[
        str, typer.Option(metavar="NAMES", help="Sets to test on, or 'all'.")
    ] = "all",
    features: Annotated[str, typer.Option(help="Feature set.")] = DEFAULT_FEATURES,
    max_train: Annotated[
        int | None, typer.Option(min=100, help="Train on at most this many rows of MNIST.")
    ] = None,
    max_test: Annotated[int, typer.Option(min=100, help="Test on at most this many rows.")] = 10000,
    output_dir: OutputDir = Path("reports/transfer"),
    random_state: Seed = 0,
    force: Annotated[bool, typer.Option("--force", help="Fit again what is saved.")] = False,
) -> None:
    """Write the table of accuracies of each model on each set."""
    names = list(MODELS) if models == "all" else split_names(models)
    sets = list(OTHER_HANDWRITING) if datasets == "all" else split_names(datasets)
    for name in names:
        check_choice("model", name, MODELS)
    for name in sets:
        check_choice("dataset", name, DATASETS)
    check_choice("feature set", features, FEATURES)
    console = Console(stderr=True)
    training = load_default_dataset(max_train=max_train, random_state=random_state)
    tests, missing = gather(sets, max_test, random_state)
    tests = {training.name: (training.X_test, training.y_test), **tests}
    facts: dict[str, Any] = {
        **run_facts("transfer"),
        "n_threads": available_cores(),
        "features": features,
        "random_state": random_state,
        "trained_on": {
            "dataset": training.name,
            "n_rows": len(training.y_train),
            "fingerprint": training.fingerprint,
        },
        "tested_on": {name: len(y) for name, (_, y) in tests.items()},
        "missing": missing,
    }
    path = output_dir / "results.json"
    saved = {} if force else _saved_rows(path, facts)
    rows: list[dict[str, Any]] = []
    models_left = transfer_models(training, tests, names, features, random_state, saved)
    for row in track(
        models_left, "Models", len(names), console=console, disable=not console.is_terminal
    ):
        rows.append(row)
        facts["models"] = sorted(rows, key=lambda row: -_mean_elsewhere(row))
        # Saved rows that were not asked for are kept.
        others = [row for name, row in saved.items() if name not in names[: len(rows)]]
        write_json(path, {**facts, "models": facts["models"] + others})
        if not console.is_terminal:
            console.print(_line(row, len(rows), len(names)), soft_wrap=True, highlight=False)
    write_report(output_dir, render_report(facts), facts)


def _saved_rows(path: Path, facts: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the rows of an earlier run on the same data, with the same libraries, by model."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if any(stored.get(k) != value for k, value in facts.items() if k != "command"):
        return {}
    return {row["model"]: row for row in stored.get("models", ()) if not row["error"]}


def _line(row: dict[str, Any], done: int, total: int) -> str:
    if row["error"]:
        return f"[{done}/{total}] {row['title']}: {row['error']}"
    shares = (f"{name} {100 * entry['share']:.2f} %" for name, entry in row["accuracy"].items())
    return f"[{done}/{total}] {row['title']}: {', '.join(shares)}; {row['fit_seconds']:.0f} s"


def gather(
    names: list[str], max_rows: int, random_state: int
) -> tuple[dict[str, Rows], dict[str, str]]:
    """Load the sets that are available, framed as MNIST; the others come with the reason."""
    found: dict[str, Rows] = {}
    missing: dict[str, str] = {}
    for name in names:
        try:
            data = load_dataset(name)
        except DigitrecError as error:
            missing[name] = str(error).splitlines()[0].removesuffix(" Tried:")
            continue
        X, y = data.X_test, data.y_test
        if not data.has_fixed_test:
            # None of these rows was trained on, so all of them can test.
            X, y = np.concatenate([data.X_train, X]), np.concatenate([data.y_train, y])
        if len(X) > max_rows:
            chosen = np.random.default_rng(random_state).permutation(len(X))[:max_rows]
            X, y = X[chosen], y[chosen]
        found[name] = (frame(X, data.image_shape), y)
    return found, missing


def frame(X: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Return images of any size as rows of 784 pixels; those of 28x28 stay as they are."""
    if shape == (28, 28):
        return X
    images = X.reshape(-1, *shape)
    return np.stack([normalise_digit(image).reshape(-1) for image in images])


def transfer_models(
    training: Dataset,
    tests: dict[str, Rows],
    names: list[str],
    features: str,
    random_state: int,
    saved: dict[str, dict[str, Any]],
) -> Iterator[dict[str, Any]]:
    """Fit each model on the training rows and score it on each set.

    Yields
    ------
    dict
        ``model``, ``title``, ``features``, ``parameters``, ``fit_seconds``, ``accuracy`` (set to
        share, low, high) and ``error``, empty where the model was fitted. Rows of `saved` with
        the same parameters are yielded as they are.
    """
    prepared: dict[str, tuple[NDArray[np.float32], dict[str, NDArray[np.float32]]]] = {}
    for name in names:
        spec = MODELS[name]
        # Models that are bound to other features get the first of those.
        chosen = features if features in (spec.features or FEATURES) else spec.features[0]
        row: dict[str, Any] = {"model": name, "title": spec.title, "features": chosen, "error": ""}
        row |= {"parameters": {}, "fit_seconds": None, "accuracy": {}}
        try:
            if not spec.is_available:
                raise DigitrecError(f"needs: pip install 'digitrec[{spec.extra}]'")
            model = spec.build(random_state, features=chosen)
            row["parameters"] = describe_parameters(model)
            if saved.get(name, {}).get("parameters") == row["parameters"]:
                yield saved[name]
                continue
            if chosen not in prepared:
                prepared[chosen] = _prepare(training, tests, chosen)
            _fit_and_score(row, model, prepared[chosen], training.y_train, tests)
        except (DigitrecError, ValueError, MemoryError) as error:
            row["error"] = str(error)
        yield row


def _prepare(
    training: Dataset, tests: dict[str, Rows], features: str
) -> tuple[NDArray[np.float32], dict[str, NDArray[np.float32]]]:
    """Return the features of the training rows and of each test set."""
    fixed = FEATURES[features].build_fixed(training.image_shape)
    fitted = FEATURES[features].build_fitted()
    X_train = fitted.fit_transform(fixed.transform(training.X_train))
    return X_train, {name: fitted.transform(fixed.transform(X)) for name, (X, _) in tests.items()}


def _fit_and_score(
    row: dict[str, Any],
    model: Any,
    prepared: tuple[NDArray[np.float32], dict[str, NDArray[np.float32]]],
    y_train: NDArray[np.int64],
    tests: dict[str, Rows],
) -> None:
    X_train, X_tests = prepared
    # Estimators leave their threads to these contexts.
    n_threads = available_cores()
    with joblib.parallel_config("threading", n_jobs=n_threads), threadpool_limits(n_threads):
        fit = fit_model(model, X_train, y_train)
        row["fit_seconds"] = fit.seconds
        for name, (_, y) in tests.items():
            scores = score_model(fit.model, X_tests[name], y)
            low, high = scores.accuracy_interval
            row["accuracy"][name] = {"share": scores.accuracy, "low": low, "high": high}


def _mean_elsewhere(row: dict[str, Any]) -> float:
    shares = [entry["share"] for entry in list(row["accuracy"].values())[1:]]
    return float(np.mean(shares)) if shares else -1.0


def render_report(facts: dict[str, Any]) -> str:
    """Return the report as Markdown."""
    sets = list(facts["tested_on"])
    home = facts["trained_on"]
    body = []
    for row in facts["models"]:
        cells = [_cell(row["accuracy"].get(name)) for name in sets]
        fit = "–" if row["fit_seconds"] is None else f"{row['fit_seconds']:.1f}"
        body.append([escape(row["title"]), escape(row["features"]), *cells, fit])
    parts = [
        "# Transfer to other handwriting",
        f"Every model was trained on {home['n_rows']:,} rows of {escape(home['dataset'])} "
        "and never saw the other sets. Accuracy in per cent with Wilson's 95 % interval; sorted "
        "by the mean over the other sets. Images of other sizes were framed as MNIST frames "
        "digits. digits and optdigits are the same writers' images at 8x8 and 32x32; qmnist's "
        "test images begin with MNIST's own.",
        table(
            [
                "model",
                "features",
                *(f"{escape(name)} ({facts['tested_on'][name]:,})" for name in sets),
                "fit s",
            ],
            body,
            "ll" + "r" * (len(sets) + 1),
        ),
    ]
    failed = [row for row in facts["models"] if row["error"]]
    notes = [f"- {escape(row['title'])}: {escape(row['error'])}" for row in failed]
    notes += [f"- {escape(name)}: {escape(why)}" for name, why in facts["missing"].items()]
    if notes:
        parts += ["Left out:", "\n".join(notes)]
    parts.append(
        f"{measured_with(facts)} The fits used {facts['n_threads']} threads; other work on the "
        "machine lengthens them."
    )
    return "\n\n".join(parts) + "\n"


def _cell(entry: dict[str, float] | None) -> str:
    if entry is None:
        return "–"
    return f"{100 * entry['share']:.2f} ({100 * entry['low']:.1f}–{100 * entry['high']:.1f})"


if __name__ == "__main__":
    run_app(main)
