"""What one recipe of the convolutional network gives with several seeds, alone and in committees.

Each seed's network is fitted to all training rows and scored on the test rows; no seed is left out.
Committees average probabilities: of all networks, and of networks with the winner of
``benchmarks.frontier``, whose saved model is taken. What was computed with the same code is not
computed again.

Run: ``python -m benchmarks.cnn_seeds``, after ``python -m benchmarks.frontier`` for the committees.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import joblib
import numpy as np
import typer
from joblib import Parallel, delayed
from numpy.typing import NDArray

from benchmarks._common import (
    DatasetName,
    Jobs,
    OutputDir,
    kept,
    measured_with,
    run_app,
    run_facts,
    write_report,
)
from benchmarks._frontier_candidates import Candidate
from benchmarks.frontier import candidate_key, fit_on_all
from digitrec._environment import available_cores
from digitrec.datasets import Dataset, load_dataset
from digitrec.evaluation.metrics import wilson_interval
from digitrec.rendering.markdown import table

RECIPE: dict[str, Any] = {
    "augment": True,
    "epochs": 24,
    "averaged_epochs": 4,
    "average_shifts": True,
    "validation_fraction": 0.0,
}


def measure(
    dataset: Dataset,
    seeds: int,
    folder: Path,
    winner: Any | None,
    *,
    recipe: dict[str, Any] = RECIPE,
    n_jobs: int = 1,
) -> dict[str, Any]:
    """Fit a network with each seed, and score them and their committees on the test rows.

    Parameters
    ----------
    dataset : Dataset
        Its training rows are fitted on.
    seeds : int
        Networks: seeds 0 to ``seeds - 1``.
    folder : Path
        Probabilities are kept here.
    winner : estimator or None
        Fitted, from raw pixels; the other member of the committees.
    recipe : dict
        Parameters of the network.
    n_jobs : int
        Networks fitted at the same time, each in a process with one thread.

    Returns
    -------
    dict
        JSON-safe: ``seeds`` (a row each: ``seed``, ``wrong``, ``fit_seconds``, and
        ``wrong_with_winner`` where there is a winner), ``committees`` (``title``, ``wrong``),
        ``recipe``, and the facts of the run.
    """
    classes = np.unique(dataset.y_train)
    others = None if winner is None else winner.predict_proba(dataset.X_test)

    def wrong(*probabilities: NDArray) -> int:
        predicted = classes[np.mean(probabilities, axis=0).argmax(axis=1)]
        return int(np.sum(predicted != dataset.y_test))

    candidates = [
        Candidate(
            name="cnn",
            title="CNN",
            summary="",
            features="deskewed",
            model="cnn",
            parameters=(*recipe.items(), ("random_state", seed)),
        )
        for seed in range(seeds)
    ]
    # Two networks on a thread each take 0.7 of the time of one after the other on both threads,
    # and the same seed gives the same network again.
    found = Parallel(n_jobs=n_jobs)(
        delayed(kept)(
            folder / "networks" / f"{seed}-{candidate_key(candidate, dataset)}.joblib",
            *(_predict, candidate, dataset),
        )
        for seed, candidate in enumerate(candidates)
    )
    networks = [probabilities for probabilities, _ in found]
    rows = []
    for seed, (probabilities, seconds) in enumerate(found):
        row = {"seed": seed, "wrong": wrong(probabilities), "fit_seconds": seconds}
        if others is not None:
            row["wrong_with_winner"] = wrong(probabilities, others)
        rows.append(row)
    committees = []
    if seeds > 1:
        committees.append({"title": f"{seeds} networks", "wrong": wrong(*networks)})
    if others is not None and seeds > 1:
        mean = np.mean(networks, axis=0)
        title = f"{seeds} networks and the frontier's winner, half each"
        committees.append({"title": title, "wrong": wrong(mean, others)})
    return {
        **run_facts("cnn_seeds", dataset),
        "seeds": rows,
        "committees": committees,
        "recipe": recipe,
    }


def _predict(candidate: Candidate, dataset: Dataset) -> tuple[NDArray, float]:
    """Return the probabilities of the test rows, and the wall time of the fit in seconds."""
    network, seconds = fit_on_all(candidate, dataset, n_jobs=1)
    probabilities = network.predict_proba(dataset.X_test)
    wrong = np.sum(network.classes_[probabilities.argmax(axis=1)] != dataset.y_test)
    typer.echo(f"{wrong} of {len(dataset.y_test):,} test rows misread, fitted in {seconds:.0f} s")
    return probabilities, seconds


def render(facts: dict[str, Any]) -> str:
    """Return the report as Markdown."""
    n_test, rows = facts["n_test"], facts["seeds"]
    with_winner = "wrong_with_winner" in rows[0]

    def percent(wrong: float) -> str:
        return f"{100 * wrong / n_test:.2f}"

    errors = [
        [row["seed"], percent(row["wrong"])]
        + ([percent(row["wrong_with_winner"])] if with_winner else [])
        + [f"{row['fit_seconds']:.0f}"]
        for row in rows
    ]
    headers = ["seed", "test error, %"]
    headers += ["with the frontier's winner, %"] if with_winner else []
    wrong = np.array([row["wrong"] for row in rows])
    deviation = f" ± {100 * wrong.std(ddof=1) / n_test:.3f}" if len(rows) > 1 else ""
    lines = [
        f"# The convolutional network on {facts['dataset']} with {len(rows)} seeds\n",
        f"Mean test error of a network: **{100 * wrong.mean() / n_test:.3f} %**{deviation} (one "
        "standard deviation between seeds). All seeds are shown, and none was chosen.\n",
        table([*headers, "fit, s"], errors, "r" * (len(headers) + 1)),
    ]
    if facts["committees"]:
        committees = [
            [row["title"], percent(row["wrong"])]
            + [f"{100 * limit:.2f}" for limit in wilson_interval(row["wrong"], n_test)]
            for row in facts["committees"]
        ]
        lines += [
            "\n## Committees\n",
            "Means of probabilities.\n",
            table(["members", "test error, %", "95 % from", "to"], committees, "lrrr"),
        ]
    recipe = ", ".join(f"{name}={value}" for name, value in facts["recipe"].items())
    lines += [
        "\n## How it was measured\n",
        f"Recipe: `{recipe}`, on deskewed images, fitted to all training rows. Each network has "
        "a process with one thread. Times are wall times; other work on the machine inflates "
        "them.\n",
        measured_with(facts),
    ]
    return "\n".join(lines)


def main(
    seeds: Annotated[int, typer.Option(min=1, help="Networks.")] = 5,
    dataset: DatasetName = "mnist",
    epochs: Annotated[int, typer.Option(min=2, help="Passes over the training rows.")] = 24,
    jobs: Jobs = None,
    output_dir: OutputDir = Path("reports/cnn_seeds"),
) -> None:
    """Measure the network with several seeds and write the report."""
    data = load_dataset(dataset)
    frontier = "frontier" if data.name == "mnist" else f"frontier-{data.name}"
    saved = output_dir.parent / frontier / "models" / "winner.joblib"
    winner = joblib.load(saved) if saved.exists() else None
    if winner is None:
        typer.echo(f"no {saved}: committees with the frontier's winner are left out")
    recipe = {**RECIPE, "epochs": epochs, "averaged_epochs": max(1, epochs // 6)}
    n_jobs = jobs or available_cores()
    facts = measure(data, seeds, output_dir, winner, recipe=recipe, n_jobs=n_jobs)
    write_report(output_dir, render(facts), facts)


if __name__ == "__main__":
    run_app(main)
