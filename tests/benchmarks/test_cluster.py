"""Jobs on real Dask workers, timed."""

import pytest

from benchmarks._common import run_facts
from benchmarks.cluster import measure, render
from digitrec.datasets import load_dataset

pytest.importorskip("distributed")


@pytest.mark.slow
def test_jobs_of_a_cluster_are_timed():
    digits = load_dataset("digits", max_train=200)
    (row,) = measure(digits, ["lda", "ridge"], seeds=1, workers=[2])
    assert (row["workers"], row["jobs"], row["failed"]) == (2, 2, 0)
    measured = [{**row, "workers": 1, "seconds": 2 * row["seconds"]}, row]
    facts = run_facts("cluster", digits, models=["lda", "ridge"], seeds=1, measured=measured)
    lines = [line for line in render(facts).splitlines() if line.startswith("|")]
    assert lines[-1].split("|")[1:-1][-1].strip() == "0.50"
