"""`digitrec.compare` as a user calls it."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from own_estimators import (
    Centroids,
    Dies,
    Endless,
    Greedy,
    NotClonable,
    NotPicklable,
    Raises,
    WrongShape,
    report_text,
)
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, f1_score, make_scorer
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

import digitrec
from digitrec.commands.options import choose
from digitrec.errors import ConfigurationError, DatasetError, DigitrecError
from digitrec.evaluation.candidates import resolve_models
from digitrec.evaluation.frames import JOB_COLUMNS, LEADERBOARD_COLUMNS
from digitrec.evaluation.result import Result
from digitrec.preprocessing import FEATURES


def test_tables_have_the_documented_columns(compared):
    assert list(compared.to_frame().columns) == list(JOB_COLUMNS)
    board = compared.leaderboard()
    assert set(board.columns) <= {*LEADERBOARD_COLUMNS, "indistinguishable"}
    assert board["winner"].sum() == 1
    assert board.index[0] == compared.best_name
    ok = board[board["status"] == "ok"]
    assert ok["validation_accuracy"].is_monotonic_decreasing


def test_every_field_of_a_result_is_a_documented_column_or_nested():
    fields = {field.name for field in dataclasses.fields(Result)}
    assert fields == {*JOB_COLUMNS, "confusion", "curves", "versions", "hardware"}
    assert all(JOB_COLUMNS.values())


def test_predictions_and_matrices_speak_of_the_labels_that_were_given(compared, iris):
    _, y = iris
    found = compared.predictions("mine")
    assert set(found["split"]) == {"validation", "test"}
    test = found[found["split"] == "test"]
    assert set(test["y_true"]) == set(y)
    matrix = compared.confusion_matrix("mine")
    assert list(matrix.index) == sorted(set(y))
    assert matrix.to_numpy().sum() == len(test)
    wrong = (test["y_true"] != test["y_pred"]).mean()
    assert wrong == pytest.approx(compared.result("mine").test_error)
    report = compared.classification_report("mine")
    assert report["support"].sum() == len(test)


def test_the_best_estimator_takes_raw_rows_and_gives_labels(compared, iris):
    X, y = iris
    assert (compared.best_estimator.predict(X) == y).mean() > 0.9
    assert list(compared.best_estimator.classes_) == sorted(set(y))


def test_what_needs_images_says_so_and_the_rest_is_compared(compared):
    row = compared.leaderboard().loc["cnn"]
    assert row["status"] == "error"
    assert "images only" in row["reason"]
    with pytest.raises(DigitrecError, match="needs images"):
        compared.robustness()
    with pytest.raises(ConfigurationError, match="computed from images"):
        digitrec.compare(compared.dataset, "lda", features="gradients")


def test_analyses_are_methods_that_return_tables(compared):
    assert isinstance(compared.significance(), pd.DataFrame)
    assert {"significance", "calibration", "pareto"} <= set(dir(compared))
    with pytest.raises(AttributeError):
        compared.no_such_analysis()


def test_it_shows_itself(compared):
    text, page = repr(compared), compared._repr_html_()
    assert "★" in text
    assert "LDA" in text
    assert "mine" in text
    assert page.count("<tr") == 4
    assert 'class="winner"' in page
    assert "<script" not in page


def test_a_second_call_reads_what_is_stored(compared, iris):
    again = digitrec.compare(iris, {"mine": Centroids(), "lda": "lda", "cnn": "cnn"})
    assert again.to_frame()["finished_at"].equals(compared.to_frame()["finished_at"])
    other = digitrec.compare(iris, {"mine": Centroids(shift=1.0), "svm": Centroids()})
    assert other.result("mine").key != compared.result("mine").key
    # An own model may have a name of the registry, and is not called by its title.
    assert "svm" in repr(other)
    assert "SVM (RBF)" not in repr(other)


def test_it_is_read_back_and_reported(compared, tmp_path):
    read = digitrec.read_comparison(compared.folder)
    assert read.best_name == compared.best_name
    assert read.predictions("mine").equals(compared.predictions("mine"))
    page = read.report(tmp_path / "report")
    text = page.read_text()
    assert "mine" in text.lower()
    # No file of options repeats a run of objects.
    assert "digitrec.compare(…, models=…)" in text
    assert "## Configuration" not in text
    assert (tmp_path / "report" / "best_model.joblib").exists()
    saved = read.save_best(tmp_path / "model.joblib")
    assert digitrec.load_model(saved) is not None


def test_figures_by_name(compared):
    from matplotlib.figure import Figure

    assert isinstance(compared.plot.error(), Figure)
    assert isinstance(compared.plot.confusion("mine"), Figure)
    assert "confusion" in dir(compared.plot)
    with pytest.raises(ConfigurationError, match="no figure 'eror'"):
        compared.plot.eror()


def test_models_and_features_of_every_form(iris):
    c = digitrec.compare(
        iris,
        [GaussianNB, make_pipeline(StandardScaler(), LogisticRegression(C=0.5)), "dummy"],
        features={"two": PCA(2), "raw": "raw"},
    )
    board = c.leaderboard()
    assert set(board.index) == {
        f"{model} ({features})"
        for model in ("GaussianNB", "LogisticRegression", "dummy")
        for features in ("two", "raw")
    }
    assert (board["status"] == "ok").all()
    assert c.estimator("GaussianNB (two)").n_features_in_ == 4


def test_own_models_have_names_of_their_own():
    own = [Centroids(), Centroids(1.0), LogisticRegression(), "logistic_regression", GaussianNB]
    own.append(make_pipeline(StandardScaler(), LogisticRegression()))
    assert list(resolve_models(own)) == [
        *("centroids", "centroids_2", "LogisticRegression", "logistic_regression", "GaussianNB"),
        "LogisticRegression_2",
    ]


def test_all_features_of_the_registry():
    every = choose("feature set", "all", FEATURES)
    c = digitrec.compare("digits", "lda", features=every, max_train=150)
    assert {result.features for result in c.run.results if result.ok} == set(FEATURES)


def test_seeds_reach_estimators_that_take_one(iris):
    c = digitrec.compare(iris, DecisionTreeClassifier(max_features=1), seeds=2)
    frame = c.to_frame()
    assert list(frame["random_state"]) == [0, 1]
    seeds = [step.random_state for step in (c._store.read_pipeline(r)[-1] for r in c.run.results)]
    assert seeds == [0, 1]


def test_estimators_that_cannot_run_are_rows_that_say_why(iris):
    c = digitrec.compare(
        iris,
        {
            "good": Centroids(),
            "pickle": NotPicklable(),
            "clone": NotClonable(3),
            "raises": Raises(),
            "shape": WrongShape(),
        },
    )
    reasons = c.leaderboard()["reason"]
    assert c.best_name == "good"
    assert "cannot be pickled" in reasons["pickle"]
    assert "cannot be cloned" in reasons["clone"]
    assert reasons["raises"] == "ValueError: it never fits"
    assert "shape (3,)" in reasons["shape"]
    with pytest.raises(DigitrecError, match="never fits"):
        c.predictions("raises")


@pytest.mark.parametrize(
    ("metric", "score"),
    [
        ("balanced_accuracy", balanced_accuracy_score),
        ("macro_f1", lambda y, p: f1_score(y, p, average="macro")),
        (make_scorer(lambda y, p: -float(np.mean(y != p))), lambda y, p: -np.mean(y != p)),
    ],
)
def test_a_metric_ranks_on_the_validation_rows(iris, metric, score):
    c = digitrec.compare(iris, {"mine": Centroids(), "dummy": "dummy"}, metric=metric)
    found = c.predictions("mine")
    rows = found[found["split"] == "validation"]
    assert c.leaderboard().loc["mine", "validation_score"] == pytest.approx(
        score(rows["y_true"], rows["y_pred"])
    )
    assert c.best_name == "mine"


def test_log_loss_ranks_only_what_has_probabilities(iris):
    c = digitrec.compare(iris, ["lda", Centroids()], metric="log_loss")
    assert c.best_name == "lda"
    assert c.leaderboard().loc["lda", "validation_score"] < 0
    with pytest.raises(ConfigurationError, match="no model can be ranked by 'log_loss'"):
        digitrec.compare(iris, Centroids(), metric="log_loss")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"models": "svn"}, "unknown model 'svn'"),
        ({"models": [5]}, "5 is not a model"),
        ({"models": {"a b": "lda", "a_b": "qda"}}, "same file name"),
        ({"models": []}, "no model was given"),
        ({"models": "lda", "metric": "acuracy"}, "unknown metric 'acuracy'"),
        ({"models": "lda", "parameters": {"svm": {"C": 1}}}, "'svm'"),
        ({"models": "lda", "parameters": {"lda": {"D": 1}}}, "no parameter 'D'"),
        ({"models": "lda", "timeout": {"svm": 5}}, "'svm'"),
        ({"models": "lda", "timeout": "soon"}, "cannot read the time limit 'soon'"),
        ({"models": "lda", "budget": -1}, "cannot read the budget -1"),
        ({"models": "lda", "max_memory": "lots"}, "cannot read the size 'lots'"),
        ({"models": "lda", "seeds": 0}, "seeds must be"),
        ({"models": "lda", "repeats": 2}, "give cv="),
        ({"models": "lda", "scheduler": "tcp://x"}, "scheduler= is for"),
        ({"models": "lda", "analyses": "nothing"}, "unknown analysis 'nothing'"),
        ({"models": "lda", "label": "x"}, "label= names a column"),
    ],
)
def test_mistakes_are_told_before_anything_runs(iris, arguments, message):
    with pytest.raises(ConfigurationError, match=message.replace("(", r"\(")):
        digitrec.compare(iris, **arguments)


def test_a_budget_leaves_rows_that_were_not_run(iris):
    digitrec.compare(iris, "lda")  # what is stored needs no time
    c = digitrec.compare(iris, {"lda": "lda", "endless": Endless()}, budget=3)
    board = c.leaderboard()
    assert board.loc["lda", "status"] == "ok"
    assert board.loc["endless", "status"] == "not_run"
    assert "budget" in board.loc["endless", "reason"]


def test_models_that_reach_their_limit_are_marked_with_a_remedy():
    c = digitrec.compare(
        "digits", "logistic_regression", max_train=300,
        parameters={"logistic_regression": {"max_iter": 2}},
    )  # fmt: skip
    result = c.result("logistic_regression")
    assert result.reached_limit
    assert (result.iterations, result.iteration_limit) == (2, 2)
    assert c.leaderboard().loc["logistic_regression", "reached_limit"]
    assert "iteration limit" in repr(c)
    assert '"max_iter": 4' in repr(c)


SCRIPT = """
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_iris
import digitrec

class Mine(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        self.classes_, counts = np.unique(y, return_counts=True)
        return self
    def predict(self, X):
        return helper(self, X)

def helper(model, X):
    return np.full(len(X), model.classes_[ANSWER])

print("once")
c = digitrec.compare(load_iris(return_X_y=True), [Mine(), "lda"], name="twice")
print(c.result("mine").key, c.result("mine").finished_at, c.result("lda").finished_at)
"""


def test_scripts_at_once_share_what_they_compute_and_an_edit_fits_anew(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.replace("ANSWER", "0"))
    command = [sys.executable, str(script)]
    calls = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [call.communicate()[0].splitlines() for call in calls]
    assert [call.returncode for call in calls] == [0, 0]
    assert outputs[0] == outputs[1]
    assert outputs[0][0] == "once"
    assert len(outputs[0]) == 2
    script.write_text(SCRIPT.replace("ANSWER", "1"))
    edited = subprocess.run(command, capture_output=True, text=True, check=True)
    key, finished_at, of_lda = outputs[0][1].split()
    found = edited.stdout.splitlines()[1].split()
    assert key != found[0]
    assert finished_at != found[1]
    assert of_lda == found[2]


def test_without_a_folder_nothing_is_written_outside_the_cache(iris, tmp_path, monkeypatch, cache):
    monkeypatch.chdir(tmp_path)
    c = digitrec.compare(iris, "lda")
    assert list(tmp_path.iterdir()) == []
    assert Path(c.folder).is_relative_to(cache)


def test_the_public_names():
    assert digitrec.__version__
    assert {"compare", "read_comparison", "Comparison"} <= set(dir(digitrec))


def test_missing_values_are_a_row_for_models_that_cannot_take_them(iris):
    X, y = iris
    X = np.where(X == 5.1, np.nan, X)
    c = digitrec.compare(
        (X, y),
        {
            "lda": "lda",
            "boosting": "hist_gradient_boosting",
            "imputed": make_pipeline(SimpleImputer(), GaussianNB()),
        },
        parameters={"boosting": {"max_iter": 5}},
    )
    board = c.leaderboard()
    assert board.loc["lda", "status"] == "error"
    assert "missing values" in board.loc["lda", "reason"]
    assert set(board.loc[["boosting", "imputed"], "status"]) == {"ok"}
    with pytest.raises(ConfigurationError, match="missing values"):
        digitrec.compare((X, y), "lda")


def test_hundreds_of_classes():
    rng = np.random.default_rng(0)
    n_classes = 300
    y = np.repeat(np.arange(n_classes), 4)
    centres = rng.normal(size=(n_classes, 6)) * 10
    X = centres[y] + rng.normal(size=(len(y), 6))
    c = digitrec.compare((X, [f"class {label}" for label in y]), Centroids(), name="many")
    found = c.predictions("centroids")
    assert c.result("centroids").test_accuracy > 0.9
    assert "class 299" in set(found["y_pred"])
    assert c.confusion_matrix("centroids").shape == (300, 300)
    assert c.classification_report("centroids")["support"].sum() == 300
    assert "The figure shows the 30 hardest of 300 classes" in report_text(c)


def test_every_analysis_takes_own_models_and_features_on_images():
    c = digitrec.compare(
        "digits", {"mine": Centroids(), "lda": "lda"}, features={"few": PCA(8)}, max_train=300
    )
    assert len(c.cross_validation(cv=2)) > 0
    assert set(c.learning_curves()["name"]) == {"few-mine-seed0", "few-lda-seed0"}
    assert len(c.robustness()) > 0
    assert len(c.confused_pairs()) > 0
    for call in (lambda: c.cross_validation(folds=2), lambda: c.significance(cv=2)):
        with pytest.raises(ConfigurationError, match=r"no option '\w+' of \w+; there are: "):
            call()
    with pytest.raises(ConfigurationError, match="no option 'folds' of the analyses"):
        digitrec.compare("digits", "lda", options={"folds": 2})


def test_too_few_rows_to_hold_any_out_are_told_before_anything_runs():
    X, y = np.arange(12.0).reshape(6, 2), list("abcabc")
    with pytest.raises(DatasetError, match="cannot hold out 1 validation rows"):
        digitrec.compare((X, y), "lda")
    assert digitrec.compare((np.tile(X, (3, 1)), y * 3), "lda").best_name == "lda"


def test_own_models_are_killed_at_their_time_and_memory(iris):
    c = digitrec.compare(
        iris,
        {"endless": Endless(), "greedy": Greedy(), "dies": Dies(), "mine": Centroids()},
        timeout={"endless": 1.5},
        max_memory="700MB",
    )
    assert dict(c.leaderboard()["status"]) == {
        "mine": "ok",
        "dies": "error",
        "endless": "timeout",
        "greedy": "out_of_memory",
    }
