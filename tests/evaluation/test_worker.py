import dataclasses
import json

import joblib
import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_info, threadpool_limits

from digitrec._platform import peak_memory_bytes
from digitrec.errors import DatasetError
from digitrec.evaluation.fitting import training_curves
from digitrec.evaluation.job_store import JobStore
from digitrec.evaluation.shared import SharedData
from digitrec.evaluation.worker import open_dataset, run_job


def run(job):
    job.folder.mkdir(parents=True, exist_ok=True)
    return run_job(job)


def test_a_job_measures_what_a_result_holds(make_small_job, small_digits):
    job = make_small_job("logistic_regression")
    result = run(job)
    assert result.ok
    assert result.test_accuracy > 0.9
    assert result.validation_accuracy > 0.8
    assert result.test_accuracy_low < result.test_accuracy < result.test_accuracy_high
    assert result.test_error == pytest.approx(1 - result.test_accuracy)
    assert 0 < result.log_loss < 1
    assert result.top2_accuracy >= result.test_accuracy
    assert np.sum(result.confusion) == result.n_test == len(small_digits.y_test)
    assert 0 < result.latency_p50_ms <= result.latency_p99_ms
    assert min(result.fit_seconds, result.validation_fit_seconds, result.predict_seconds) > 0
    assert result.model_bytes == job.path(".joblib").stat().st_size
    assert result.peak_memory_bytes > 10_000_000
    assert result.parameters["max_iter"] > 0
    json.dumps(dataclasses.asdict(result), allow_nan=False)


def test_the_saved_pipeline_takes_raw_pixels(make_small_job, small_digits):
    job = make_small_job("svm", features=("deskewed",))
    result = run(job)
    pipeline = joblib.load(job.path(".joblib"))
    predictions = JobStore(job.folder).read_predictions(result)
    assert np.array_equal(pipeline.predict(small_digits.X_test), predictions.y_test_pred)
    assert pipeline.steps[-1][0] == "model"


@pytest.mark.parametrize(
    ("model", "parameters"), [("random_forest", {"n_estimators": 5}), ("mlp", {"max_iter": 5})]
)
def test_one_seed_gives_one_result(make_small_job, tmp_path, model, parameters):
    quick = {"parameters": {model: parameters}}
    first, again = (make_small_job(model, folder=tmp_path / name, **quick) for name in ("a", "b"))
    results = [run(first), run(again)]
    scores = [
        JobStore(job.folder).read_predictions(r).test_scores
        for job, r in zip((first, again), results, strict=True)
    ]
    assert np.array_equal(*scores)
    other = make_small_job(model, folder=tmp_path / "c", random_state=1, **quick)
    assert not np.array_equal(
        scores[0], JobStore(other.folder).read_predictions(run(other)).test_scores
    )


def test_overrides_reach_the_model(make_small_job):
    job = make_small_job("svm", parameters={"svm": {"C": 0.5}})
    assert run(job).parameters["C"] == 0.5
    assert joblib.load(job.path(".joblib"))[-1].C == 0.5


def test_a_model_without_probabilities_has_scores_all_the_same(make_small_job):
    job = make_small_job("ridge")
    result = run(job)
    predictions = JobStore(job.folder).read_predictions(result)
    assert result.log_loss is None
    assert result.top2_accuracy > 0.9
    assert not predictions.has_probabilities
    assert np.array_equal(predictions.test_scores.argmax(axis=1), predictions.y_test_pred)


def test_curves_of_models_that_iterate(make_small_job):
    early = run(make_small_job("mlp", parameters={"mlp": {"early_stopping": True}}))
    for curves in (run(make_small_job("mlp")).curves, early.curves):
        assert curves["training_loss"][-1] < curves["training_loss"][0]
    assert len(early.curves["training_loss"]) == len(early.curves["validation_accuracy"])
    assert training_curves(MLPClassifier()) == {}


@pytest.mark.parametrize("model", [GradientBoostingClassifier, HistGradientBoostingClassifier])
def test_the_loss_of_gradient_boosting_is_a_loss(model):
    X = np.random.default_rng(0).normal(size=(60, 2))
    y = X[:, 0] > 0
    early = {"early_stopping": True} if model is HistGradientBoostingClassifier else {}
    fitted = model(random_state=0, **early)
    (name,) = (curves := training_curves(fitted.fit(X, y)))
    assert name == "training_loss"
    assert 0 <= curves[name][-1] < curves[name][0]
    if early:
        by_accuracy = fitted.set_params(scoring="accuracy").fit(X, y)
        assert list(training_curves(by_accuracy)) == ["training_score"]


def test_augmentation_adds_rows_to_the_fit_only(make_small_job):
    plain, augmented = make_small_job("knn"), make_small_job("knn", augment=2)
    assert run(augmented).n_train == run(plain).n_train == 250
    rows = [joblib.load(job.path(".joblib"))[-1].n_samples_fit_ for job in (plain, augmented)]
    assert rows == [300, 900]


def test_threads_are_limited_while_a_job_runs_and_not_after(make_small_job, monkeypatch):
    from digitrec.evaluation import worker

    seen = []
    fit = worker._fit

    def spy(job, X, y):
        seen.extend(pool["num_threads"] for pool in threadpool_info())
        return fit(job, X, y)

    monkeypatch.setattr(worker, "_fit", spy)
    job = make_small_job("random_forest", parameters={"random_forest": {"n_estimators": 5}})
    job = dataclasses.replace(job, limits=dataclasses.replace(job.limits, n_threads=1))
    with threadpool_limits(2):
        run(job)
        assert {pool["num_threads"] for pool in threadpool_info()} == {2}
    assert set(seen) == {1}
    assert joblib.load(job.path(".joblib"))[-1].n_jobs is None


def test_data_are_found_by_name_where_no_folder_is_shared(make_small_job, tmp_path):
    job = make_small_job(cache=tmp_path / "empty")
    assert open_dataset(job).fingerprint == job.fingerprint
    assert SharedData(job.cache).get("digits", job.fingerprint) is not None


def test_other_data_under_the_same_name_are_refused(make_small_job, tmp_path):
    job = dataclasses.replace(make_small_job(cache=tmp_path / "empty"), fingerprint="0" * 16)
    with pytest.raises(DatasetError, match="has the fingerprint"):
        open_dataset(job)


def test_peak_memory_grows_with_what_is_held():
    before = peak_memory_bytes()
    held = np.ones(before // 4)
    assert peak_memory_bytes() > before + held.nbytes // 2
