"""Measure what a second Dask worker saves: the same jobs on one worker and on two.

Workers are processes on this machine with one thread each. Features are computed before, so that
what is timed are the jobs: fits with several seeds, predictions and their bookkeeping.

Run: ``python -m benchmarks.cluster``.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

import digitrec
from benchmarks._common import (
    DatasetName,
    MaxTrain,
    OutputDir,
    measured_with,
    run_app,
    run_facts,
    write_report,
)
from digitrec._optional import import_optional
from digitrec.datasets import Dataset, load_dataset
from digitrec.models import DEFAULT_MODELS
from digitrec.rendering.markdown import table_of

_log = logging.getLogger("digitrec.benchmarks.cluster")


def measure(
    dataset: Dataset,
    models: Sequence[str],
    *,
    seeds: int,
    workers: Sequence[int] = (1, 2),
) -> list[dict[str, Any]]:
    """Return ``workers``, ``seconds`` of wall time, ``jobs`` and ``failed`` for each cluster."""
    distributed = import_optional("distributed", extra="dask")
    measured = []
    with tempfile.TemporaryDirectory(prefix="digitrec-cluster-") as folder:
        # Features and images are shared: the first run would pay for them alone.
        digitrec.compare(dataset, ["lda"], seeds=seeds, output_dir=Path(folder) / "before")
        for n_workers in workers:
            with (
                distributed.LocalCluster(
                    n_workers=n_workers, threads_per_worker=1, dashboard_address=None
                ) as cluster,
                distributed.Client(cluster, set_as_default=False) as client,
            ):
                client.wait_for_workers(n_workers)
                started = time.perf_counter()
                result = digitrec.compare(
                    dataset,
                    list(models),
                    seeds=seeds,
                    executor="dask",
                    scheduler=cluster.scheduler_address,
                    output_dir=Path(folder) / str(n_workers),
                )
                seconds = time.perf_counter() - started
            jobs = result.to_frame()
            measured.append(
                {
                    "workers": n_workers,
                    "seconds": seconds,
                    "jobs": len(jobs),
                    "failed": int((jobs["status"] != "ok").sum()),
                }
            )
            _log.info(f"{n_workers} workers: {len(jobs)} jobs in {seconds:.1f} s")
    return measured


def render(facts: dict[str, Any]) -> str:
    """Return the Markdown report."""
    measured = facts["measured"]
    alone = measured[0]["seconds"]
    columns: dict[str, Any] = {
        "workers": "{workers}",
        "jobs": "{jobs}",
        "failed": "{failed}",
        "seconds": "{seconds:.1f}",
        "of the first row": lambda row: f"{row['seconds'] / alone:.2f}",
    }
    return f"""# The same jobs on one Dask worker and on two

{facts["dataset"]}, {facts["n_train"]:,} training images: {", ".join(facts["models"])} with
{facts["seeds"]} seeds. Workers are processes on one machine with one thread each; two of them can
need half of the time at best.

{table_of(measured, columns, "rrrrr")}

The seconds hold the fits, predictions and refits of all jobs, and what the main process does
between them; features were computed before.

{measured_with(facts)}
"""


def main(
    dataset: DatasetName = "mnist",
    models: Annotated[str, typer.Option(help="Names, separated by commas.")] = ",".join(
        DEFAULT_MODELS
    ),
    seeds: Annotated[int, typer.Option(min=1, help="Fits of each model.")] = 3,
    max_train: MaxTrain = None,
    output_dir: OutputDir = Path("reports/cluster"),
) -> None:
    """Time the same jobs on one worker and on two."""
    data = load_dataset(dataset, max_train=max_train)
    names = models.split(",")
    measured = measure(data, names, seeds=seeds)
    facts = run_facts("cluster", data, models=names, seeds=seeds, measured=measured)
    write_report(output_dir, render(facts), facts)


if __name__ == "__main__":
    run_app(main)
