import json

import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier
from typer.testing import CliRunner

from benchmarks import optimizers
from benchmarks._common import make_app
from benchmarks.optimizers import curves_figure
from digitrec.datasets import load_dataset


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports")
    app = make_app(optimizers.main)
    arguments = ["--dataset", "digits", "--max-train", "400", "--epochs", "3"]
    done = CliRunner().invoke(app, [*arguments, "--output-dir", str(folder)])
    assert done.exit_code == 0, done.output
    return folder


@pytest.fixture(scope="module")
def measured(folder):
    return json.loads((folder / "results.json").read_text())


def test_every_optimizer_is_chosen_on_validation_rows(measured):
    names = [outcome["optimizer"] for outcome in measured["optimizers"]]
    assert names == ["adam", "sgd", "lbfgs"]
    for outcome in measured["optimizers"]:
        tried = [point for c in outcome["candidates"] for point in c["points"]]
        best = max(point["validation_accuracy"] for point in tried)
        assert outcome["validation_accuracy"] == best
        assert outcome["test_accuracy_low"] < outcome["test_accuracy"]
        assert outcome["points"][-1]["training_loss"] < outcome["points"][0]["training_loss"]
        times = [point["cpu_seconds"] for point in outcome["points"]]
        assert all(seconds > 0 for seconds in times)
    assert measured["optimizers"][2]["test_accuracy"] > 0.85
    assert measured["layers"] == [64, 128, 64, 10]


def test_the_report_shows_each_optimizer(folder, measured):
    text = (folder / "report.md").read_text()
    for outcome in measured["optimizers"]:
        assert f"| {outcome['title']}" in text
    assert (folder / "figures" / "optimizers.png").stat().st_size > 5000
    figure = curves_figure(measured["optimizers"])
    assert [line.get_label() for line in figure.axes[0].lines] == [
        outcome["title"] for outcome in measured["optimizers"]
    ]


def test_a_place_of_lbfgs_is_a_fit_that_stopped_there():
    rows = optimizers.split_rows(load_dataset("digits", max_train=300), 0)
    model = MLPClassifier((8,), solver="lbfgs", random_state=0)
    places = list(optimizers._full_batch_fits(model, rows, 12))
    assert [done for _, done, _ in places] == [2, 4, 8, 12]
    whole = MLPClassifier((8,), solver="lbfgs", random_state=0, max_fun=12, max_iter=12, tol=0)
    with pytest.warns(UserWarning, match="failed to converge|TOTAL NO"):
        whole.fit(rows.X_fit, rows.y_fit)
    np.testing.assert_array_equal(model.coefs_[0], whole.coefs_[0])
