"""The same jobs on one Dask worker and on two, both real."""

import pytest

from benchmarks._common import run_facts
from benchmarks.cluster import measure, render
from digitrec.datasets import load_dataset

pytest.importorskip("distributed")


@pytest.mark.slow
def test_the_same_jobs_run_on_each_cluster():
    digits = load_dataset("digits", max_train=200)
    measured = measure(digits, ["lda", "ridge"], seeds=1)
    assert [row["workers"] for row in measured] == [1, 2]
    assert measured[0]["jobs"] == measured[1]["jobs"] >= 2
    assert all(row["failed"] == 0 and row["seconds"] > 0 for row in measured)
    facts = run_facts("cluster", digits, models=["lda", "ridge"], seeds=1, measured=measured)
    text = render(facts)
    assert f"{measured[1]['seconds'] / measured[0]['seconds']:.2f}" in text
