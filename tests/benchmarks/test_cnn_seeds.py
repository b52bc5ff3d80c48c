"""The table of seeds: every seed is shown, and committees average probabilities."""

import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB

from benchmarks.cnn_seeds import measure, render
from digitrec._optional import is_installed
from digitrec.datasets import load_dataset


@pytest.mark.skipif(
    not (is_installed("keras") and is_installed("tensorflow")),
    reason="the extra 'cnn' is not installed",
)
@pytest.mark.slow
def test_seeds_and_committees(tmp_path):
    digits = load_dataset("digits", max_train=200)
    winner = GaussianNB(var_smoothing=0.1).fit(digits.X_train, digits.y_train)
    recipe = {"epochs": 2, "filters": (4, 4, 4), "hidden": 8, "validation_fraction": 0.0}
    facts = measure(digits, 2, tmp_path, winner, recipe=recipe)
    assert [row["seed"] for row in facts["seeds"]] == [0, 1]
    alone = int(np.sum(winner.predict(digits.X_test) != digits.y_test))
    # Two epochs teach little: the committee owes its answers to the other member.
    assert all(row["wrong_with_winner"] < row["wrong"] for row in facts["seeds"])
    assert facts["committees"][1]["wrong"] <= alone * 1.2
    again = measure(digits, 2, tmp_path, None, recipe=recipe)
    assert [row["wrong"] for row in again["seeds"]] == [row["wrong"] for row in facts["seeds"]]
    assert [row["fit_seconds"] for row in again["seeds"]] == [
        row["fit_seconds"] for row in facts["seeds"]
    ]
    assert len(again["committees"]) == 1
    text = render(facts)
    assert f"{100 * facts['committees'][0]['wrong'] / len(digits.y_test):.2f}" in text
