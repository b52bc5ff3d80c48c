import json

import pytest
from records_for_tests import make_result, make_run

from digitrec.errors import ConfigurationError
from digitrec.evaluation.ranking import save_winner, select_winner
from digitrec.persistence import metadata_path, read_metadata


def test_validation_accuracy_decides_and_the_test_set_does_not():
    results = [
        make_result("svm", 0.98, test_accuracy=0.5),
        make_result("knn", 0.97, test_accuracy=0.99),
    ]
    assert select_winner(results) == "raw-svm-0"


def test_a_tie_goes_to_the_first_by_name_whatever_the_times():
    for times in ((9.0, 1.0), (1.0, 9.0)):
        results = [
            make_result("svm", 0.98, fit_seconds=times[0]),
            make_result("knn", 0.98, fit_seconds=times[1]),
        ]
        assert select_winner(results) == "raw-knn-0"
        assert select_winner(results[::-1]) == "raw-knn-0"


def test_failures_cannot_win():
    results = [make_result("svm", 0.99, status="timeout"), make_result("knn", 0.5)]
    assert select_winner(results) == "raw-knn-0"
    assert select_winner(results[:1]) is None
    assert select_winner([]) is None


def test_seeds_are_averaged_and_the_lowest_stands_for_the_winner():
    results = [
        make_result("svm", 0.99, random_state=0),
        make_result("svm", 0.90, random_state=1),
        make_result("knn", 0.96, random_state=1),
        make_result("knn", 0.95, random_state=0),
    ]
    assert select_winner(results) == "raw-knn-0"


def test_a_model_that_lacks_a_seed_does_not_win_by_it():
    results = [
        make_result("svm", 0.99, random_state=0),
        make_result("svm", 0.0, random_state=1, status="timeout"),
        make_result("knn", 0.96, random_state=0),
        make_result("knn", 0.95, random_state=1),
    ]
    assert select_winner(results) == "raw-knn-0"


@pytest.fixture
def run():
    return make_run([make_result("svm", 0.98)], winner="raw-svm-0")


def test_the_winner_is_copied_once_with_its_metadata(run, tmp_path):
    source, path = tmp_path / "job.joblib", tmp_path / "best_model.joblib"
    source.write_bytes(b"\x80model")
    save_winner(run, source, path)
    metadata = read_metadata(path)
    assert path.read_bytes() == b"\x80model"
    assert metadata.model == "svm"
    assert metadata.metrics["validation_accuracy"] == 0.98
    saved_at = path.stat().st_mtime_ns
    save_winner(run, source, path)
    assert path.stat().st_mtime_ns == saved_at


def test_a_winner_whose_metadata_do_not_fit_is_written_again(run, tmp_path):
    source, path = tmp_path / "job.joblib", tmp_path / "best_model.joblib"
    source.write_bytes(b"\x80model")
    save_winner(run, source, path)
    path.write_bytes(b"\x80half")
    save_winner(run, source, path)
    assert path.read_bytes() == b"\x80model"
    metadata_path(path).write_text("{")
    save_winner(run, source, path)
    assert json.loads(metadata_path(path).read_text())["key"] == "raw-svm-0"


@pytest.mark.parametrize("name", ["model.json", "model.onnx", "."])
def test_a_winner_is_not_written_under_the_name_of_something_else(run, tmp_path, name):
    source = tmp_path / "job.joblib"
    source.write_bytes(b"\x80model")
    with pytest.raises(ConfigurationError):
        save_winner(run, source, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["job.joblib"]
