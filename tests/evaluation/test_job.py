import json
import pickle

from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression

from digitrec.evaluation.job import Limits, describe_parameters
from digitrec.models import MODELS


def test_the_key_depends_on_what_determines_the_result(make_small_job):
    base = make_small_job("svm")
    others = [
        make_small_job("lda"),
        make_small_job("svm", parameters={"svm": {"C": 10.0}}),
        make_small_job("svm", random_state=1),
        make_small_job("svm", features=("raw",)),
        make_small_job("svm", augment=2),
    ]
    assert len({job.key for job in [base, *others]}) == 6


def test_the_key_does_not_depend_on_limits_and_places(make_small_job, tmp_path):
    base = make_small_job("svm")
    other = make_small_job("svm", timeout=5.0, n_jobs=1, folder=tmp_path / "elsewhere")
    assert base.key == other.key
    assert base.key == make_small_job("svm", parameters={"svm": {"C": 5.0}}).key


def test_a_job_is_small_and_survives_pickling(make_small_job):
    job = make_small_job("svm", parameters={"svm": {"C": 5.0}})
    pickled = pickle.dumps(job)
    assert len(pickled) < 5000
    assert pickle.loads(pickled) == job


def test_limits_by_model(make_small_job):
    job = make_small_job("svm", timeout={None: 5.0, "svm": 60.0}, max_memory=10**9)
    assert job.limits == Limits(timeout=60.0, max_memory=10**9, n_threads=job.limits.n_threads)
    assert make_small_job("knn", timeout={None: 5.0}).limits.timeout == 5.0


def test_rows_add_up(make_small_job, small_digits):
    job = make_small_job()
    assert job.n_train + job.n_validation == len(small_digits.y_train) == 300
    assert job.n_validation == 50
    assert job.n_test == len(small_digits.y_test)


def test_parameters_of_every_model_are_json_safe():
    for spec in MODELS.values():
        if spec.is_available:
            json.dumps(describe_parameters(spec.build(0)), allow_nan=False)


def test_threads_are_no_parameter_and_nested_parameters_are():
    member = LogisticRegression(C=3.0)
    parameters = describe_parameters(VotingClassifier([("a", member)], n_jobs=2))
    assert "n_jobs" not in parameters
    assert "a__n_jobs" not in parameters
    assert parameters["a__C"] == 3.0
    assert parameters["a"] == "LogisticRegression"
