import subprocess
import sys

import numpy as np
import pytest

from digitrec.errors import DigitrecError
from digitrec.evaluation.job import Limits
from digitrec.evaluation.job_store import JobPredictions, JobStore
from digitrec.evaluation.worker import run_job
from digitrec.persistence import load_model, read_metadata


@pytest.fixture(scope="module")
def finished(tmp_path_factory, shared_cache, small_digits):
    """A finished job of a quick model."""
    from digitrec.comparison.execution import make_jobs
    from digitrec.comparison.experiment import Experiment

    folder = tmp_path_factory.mktemp("finished")
    experiment = Experiment(
        models=("lda",), features=("gradients",), folder=folder, cache=shared_cache, max_train=300
    )
    (job,) = make_jobs(experiment, small_digits, "digits")
    job.folder.mkdir()
    return job, run_job(job)


@pytest.fixture
def copied(finished, tmp_path):
    """The finished job in a folder that a test may damage."""
    import dataclasses
    import shutil

    job, result = finished
    shutil.copytree(job.folder, tmp_path / "jobs")
    return dataclasses.replace(job, folder=tmp_path / "jobs"), result


def test_a_finished_job_is_found_with_its_limits(copied):
    job, result = copied
    assert JobStore(job.folder).find(job) == (result, job.limits)
    assert JobStore(job.folder).all_results() == [result]


def test_predictions_come_back_as_they_were(copied, small_digits):
    job, result = copied
    predictions = JobStore(job.folder).read_predictions(result)
    accuracy = np.mean(predictions.y_test_pred == small_digits.y_test)
    assert accuracy == pytest.approx(result.test_accuracy)
    held_out = small_digits.y_train[predictions.validation_index]
    assert np.mean(predictions.y_validation_pred == held_out) == result.validation_accuracy
    assert predictions.test_scores.shape == (len(small_digits.y_test), 10)
    assert predictions.has_probabilities


def test_predictions_without_scores(copied):
    job, result = copied
    store = JobStore(job.folder)
    y = np.array([1, 2], dtype=np.uint8)
    written = JobPredictions(
        y_test_pred=y,
        test_scores=None,
        y_validation_pred=y,
        validation_scores=None,
        validation_index=np.array([0, 1]),
        has_probabilities=False,
    )
    store.write_predictions(job, written)
    read = store.read_predictions(result)
    assert read.test_scores is None
    assert not read.has_probabilities


@pytest.mark.parametrize("suffix", [".json", ".npz", ".joblib"])
@pytest.mark.parametrize("damage", ["missing", "half", "empty"])
def test_a_damaged_job_counts_as_not_run(copied, suffix, damage):
    job, _ = copied
    path = job.path(suffix)
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(content[: len(content) // 2] if damage == "half" else b"")
    assert JobStore(job.folder).find(job) is None


def test_damaged_files_are_named(copied):
    job, result = copied
    store = JobStore(job.folder)
    job.path(".npz").write_bytes(b"PK")
    job.path(".joblib").write_bytes(b"\x80")
    with pytest.raises(DigitrecError, match=r"lda-seed0-.*\.npz .* run it again"):
        store.read_predictions(result)
    with pytest.raises(DigitrecError, match=r"lda-seed0-.*\.joblib .* run the job again"):
        store.read_pipeline(result)


def test_a_failure_is_found_without_predictions(make_small_job):
    job = make_small_job(timeout=3.0)
    store = JobStore(job.folder)
    failure = job.failed("timeout", "too slow")
    store.write_result(failure, job.limits)
    assert store.find(job) == (failure, Limits(timeout=3.0, n_threads=job.limits.n_threads))


def test_a_result_of_another_key_is_not_taken(copied, make_small_job):
    job, _ = copied
    assert JobStore(job.folder).find(make_small_job("svm")) is None


def test_one_run_at_a_time(tmp_path):
    store = JobStore(tmp_path)
    script = (
        "import sys\n"
        "from digitrec.errors import DigitrecError\n"
        "from digitrec.evaluation.job_store import JobStore\n"
        "try:\n"
        "    with JobStore(sys.argv[1]).lock(): print('locked')\n"
        "except DigitrecError as error: print(error)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with store.lock():
        other = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "another run is writing" in other.stdout
    other = subprocess.run(command, capture_output=True, text=True, check=True)
    assert other.stdout.strip() == "locked"


def test_leftovers_of_a_killed_run_are_cleared(copied):
    job, _ = copied
    store = JobStore(job.folder)
    left = [f".{job.stem}-x1y2{suffix}" for suffix in (".json", ".npz", ".joblib")]
    left += [f"{job.stem}.running", f"{job.stem}.stage"]
    for name in left:
        (job.folder / name).write_bytes(b"half")
    with store.lock():
        assert store.find(job) is not None
        assert not any((job.folder / name).exists() for name in left)


def test_stages_of_a_running_job(make_small_job):
    job = make_small_job()
    store = JobStore(job.folder)
    job.folder.mkdir(parents=True)
    assert store.read_stage(job) is None
    store.write_stage(job, "fit")
    assert store.read_stage(job) == "fit"
    store.clear_stage(job)
    assert store.read_stage(job) is None
    assert list(job.folder.iterdir()) == []


def test_the_saved_pipeline_of_a_job_is_a_model_file(finished):
    job, result = finished
    path = JobStore(job.folder).pipeline_path(result)
    assert load_model(path).n_features_in_ == 64
    metadata = read_metadata(path)
    assert metadata.label_names == [str(label) for label in range(10)]
    assert metadata.image_shape == [8, 8]
