"""A comparison that is read from its folder fits its models again, or says why it cannot."""

import dataclasses

import pytest
from sklearn.datasets import load_digits
from sklearn.naive_bayes import GaussianNB

import digitrec
from digitrec.comparison.saved import jobs_of, load_dataset_of
from digitrec.errors import DigitrecError

MODELS = ["lda", "mlp"]
PARAMETERS = {"mlp": {"hidden_layer_sizes": (8, 4), "max_iter": 3}}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return digitrec.compare(
        "digits",
        [*MODELS, GaussianNB()],
        parameters=PARAMETERS,
        features="raw",
        max_train=300,
        random_state=2,
        output_dir=tmp_path_factory.mktemp("saved") / "out",
    )


@pytest.fixture
def read(saved, tmp_path, monkeypatch):
    monkeypatch.setenv("DIGITREC_DATA", str(tmp_path / "another_cache"))
    return digitrec.read_comparison(saved.folder)


def test_the_data_are_loaded_again_and_the_jobs_are_the_same(saved, read):
    assert read.dataset is None
    dataset = load_dataset_of(read.run)
    assert dataset.fingerprint == saved.dataset.fingerprint
    jobs, reasons = jobs_of(read.run, dataset, read._store)
    assert {job.model: key for key, job in jobs.items()} == {
        result.model: result.key for result in saved.run.results if result.model in MODELS
    }
    assert all(job.key == key for key, job in jobs.items())
    assert len(reasons) == 1


def test_an_analysis_fits_models_of_the_registry_again(read):
    own = [result for result in read.run.results if result.model in MODELS]
    read.run = dataclasses.replace(read.run, results=own)
    table = read.cross_validation(cv=3)
    assert {name.split("-")[1] for name in table["name"]} == set(MODELS)


def test_what_the_caller_made_is_not_kept(read):
    with pytest.raises(DigitrecError, match=r"'GaussianNB.*what the caller made.*call digitrec"):
        read.cross_validation(cv=3)


def test_data_given_in_memory_cannot_be_loaded(tmp_path, monkeypatch):
    X, y = load_digits(return_X_y=True)
    folder = tmp_path / "out"
    digitrec.compare((X[:200], y[:200]), ["dummy"], features="raw", output_dir=folder)
    monkeypatch.setenv("DIGITREC_DATA", str(tmp_path / "another_cache"))
    with pytest.raises(DigitrecError, match="given in memory"):
        digitrec.read_comparison(folder).learning_curves()


def test_other_data_in_the_same_place_are_refused(read):
    facts = dataclasses.replace(read.run.dataset, fingerprint="that-of-then")
    read.run = dataclasses.replace(read.run, dataset=facts)
    with pytest.raises(DigitrecError, match="digits has changed since"):
        read.cross_validation(cv=3)
