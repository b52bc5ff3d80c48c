import dataclasses

import numpy as np
import pytest

from digitrec.analyses import ReportContext
from digitrec.errors import DigitrecError
from digitrec.evaluation.job_store import read_predictions
from digitrec.evaluation.metrics import Predictions

Y_TRUE = np.array([0, 1, 2, 2])
Y_PRED = np.array([0, 2, 2, 0])


def test_mistakes_are_ranked_by_the_probability_of_the_wrong_answer():
    scores = np.array([[0.9, 0.1, 0], [0.1, 0.2, 0.7], [0, 0, 1], [0.8, 0.1, 0.1]])
    predictions = Predictions(Y_TRUE, Y_PRED, scores.astype(np.float32), True)
    assert predictions.mistakes.tolist() == [3, 1]
    np.testing.assert_allclose(predictions.confidence, [0.9, 0.7, 1, 0.8], rtol=1e-6)


def test_decision_values_give_the_lead_over_the_next_class():
    scores = np.array([[3, 1, 0], [0, 1, 5], [0, 0, 1], [2.5, 0, 2]], dtype=np.float32)
    predictions = Predictions(Y_TRUE, Y_PRED, scores, False)
    np.testing.assert_allclose(predictions.confidence, [2, 4, 1, 0.5])
    assert predictions.mistakes.tolist() == [1, 3]


def test_without_scores_mistakes_stay_in_order():
    predictions = Predictions(Y_TRUE, Y_PRED)
    assert predictions.confidence is None
    assert predictions.mistakes.tolist() == [1, 3]


def test_rows_group_seeds_and_put_failures_last(with_second_features):
    context = ReportContext(run=with_second_features)
    rows = {(row.features, row.model): row for row in context.rows}
    row = rows["raw", "logistic_regression"]
    assert len(row.results) == 2
    assert row.mean("test_error") == pytest.approx(row.results[0].test_error + 0.01)
    assert row.spread("test_error") == pytest.approx(0.02 / 2**0.5)
    assert rows["gradients", "logistic_regression"].spread("test_error") is None
    assert context.rows[-1].model == "knn"
    assert [row.is_winner for row in context.rows].count(True) == 1
    order = [row.mean("validation_accuracy") for row in context.ok_rows]
    assert order == sorted(order, reverse=True)
    assert len(context.model_rows) == 4


def test_images_of_another_dataset_are_not_shown(run, predictions, dataset):
    found = ReportContext(run=run, dataset=dataset).images(predictions["svm"])
    assert found.shape == (500, 8, 8)
    other = dataclasses.replace(dataset, name="other", fingerprint="x")
    assert ReportContext(run=run, dataset=other).images(predictions["svm"]) is None
    shuffled = dataclasses.replace(dataset, y_test=dataset.y_test[::-1], fingerprint="x")
    assert ReportContext(run=run, dataset=shuffled).images(predictions["svm"]) is None
    assert ReportContext(run=run).images(predictions["svm"]) is None


def test_stored_predictions_come_back(run, predictions, tmp_path):
    folder = tmp_path / "predictions"
    folder.mkdir()
    result = run.results[0]
    stored = predictions[result.key]
    arrays = {"y_true": stored.y_true, "y_pred": stored.y_pred, "scores": stored.scores}
    np.savez(folder / f"{result.stem}.npz", has_probabilities=True, **arrays)
    found = read_predictions(run, tmp_path)
    assert list(found) == [result.key]
    assert found[result.key].has_probabilities
    np.testing.assert_array_equal(found[result.key].scores, stored.scores)


def test_damaged_predictions_are_named(run, tmp_path):
    path = tmp_path / "predictions" / f"{run.results[0].stem}.npz"
    path.parent.mkdir()
    path.write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(DigitrecError, match="logistic_regression-seed0"):
        read_predictions(run, tmp_path)
