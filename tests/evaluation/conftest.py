"""A small dataset and jobs on it; features are computed once for all tests of this folder."""

from pathlib import Path

import pytest

from digitrec.comparison.execution import make_jobs
from digitrec.comparison.experiment import Experiment
from digitrec.datasets import load_dataset
from digitrec.evaluation.job import Job


@pytest.fixture(scope="session")
def small_digits():
    return load_dataset("digits", max_train=300)


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("shared-cache")


@pytest.fixture
def make_experiment(tmp_path, shared_cache):
    """Return a function that describes an experiment in a folder of its own."""

    def make(*models: str, **settings) -> Experiment:
        settings = {"features": ("gradients",), "max_train": 300, "n_jobs": 2} | settings
        settings = {"folder": tmp_path / "digits", "cache": shared_cache} | settings
        return Experiment(models=models, **settings)

    return make


@pytest.fixture
def make_small_job(make_experiment, small_digits):
    """Return a function that describes one job on the small dataset."""

    def make(model: str = "lda", **settings) -> Job:
        (job,) = make_jobs(make_experiment(model, **settings), small_digits, "digits")
        return job

    return make
