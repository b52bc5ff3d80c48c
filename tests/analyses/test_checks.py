"""Each check finds the fault that is planted for it, and nothing in a clean run."""

import dataclasses
import json
import time

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.svm import SVC

import digitrec
from digitrec._environment import core_seconds
from digitrec.analyses import ANALYSES, AnalysisContext, ReportContext
from digitrec.analyses.checks import CHECKS, Check, _analysis
from digitrec.analyses.checks.data import nearly_identical_images, useless_columns
from digitrec.analyses.checks.fits import edge_values
from digitrec.comparison.execution import run_experiment
from digitrec.comparison.experiment import Experiment
from digitrec.datasets import load_dataset
from digitrec.errors import ConfigurationError
from digitrec.evaluation.job_store import JobStore
from digitrec.evaluation.result import Candidate, Tuning


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


@pytest.fixture(scope="module")
def compare(tmp_path_factory):
    """Return a function that runs models on a dataset and returns run and context."""
    cache = tmp_path_factory.mktemp("shared")

    def compare(dataset, *models, **settings):
        settings = {"folder": tmp_path_factory.mktemp("run") / "digits", "n_jobs": 2} | settings
        experiment = Experiment(models=models, features=("gradients",), cache=cache, **settings)
        run = run_experiment(experiment, dataset, "digits").run
        context = AnalysisContext(
            dataset=dataset,
            # Other programs may keep the cores of a test machine busy.
            results=tuple(dataclasses.replace(r, core_wait=0.01) for r in run.results if r.ok),
            failed=tuple(r for r in run.results if not r.ok),
            winner=run.winner,
            store=JobStore(experiment.folder / "jobs"),
            random_state=0,
            n_jobs=1,
            cache=cache,
        )
        return run, context

    return compare


@pytest.fixture(scope="module")
def clean(compare, digits):
    return compare(digits, "svm", "dummy", parameters={"dummy": {"strategy": "prior"}})


@pytest.fixture(scope="module")
def noisy(compare, digits):
    """Half of the labels are drawn at random; one model stores rows, one is stopped at once."""
    y_train = digits.y_train.copy()
    rng = np.random.default_rng(0)
    rows = rng.random(len(y_train)) < 0.5
    y_train[rows] = rng.integers(0, 10, rows.sum())
    dataset = dataclasses.replace(digits, y_train=y_train, fingerprint="")
    overrides = {"logistic_regression": {"max_iter": 2}}
    return compare(dataset, "decision_tree", "logistic_regression", parameters=overrides)


def found(context, name):
    return CHECKS[name].run(context)


def with_results(context, **changes):
    results = tuple(dataclasses.replace(result, **changes) for result in context.results)
    return dataclasses.replace(context, results=results)


def test_a_clean_run_has_no_findings(clean):
    _, context = clean
    entries = ANALYSES["checks"].run(context)["checks"]
    assert len(entries) == len(CHECKS) >= 15
    assert {entry["name"]: entry["status"] for entry in entries} == dict.fromkeys(CHECKS, "passed")


def test_identical_and_nearly_identical_images_are_shown(clean, digits):
    X_test, y_test = digits.X_test.copy(), digits.y_test.copy()
    X_test[:3] = digits.X_train[10:13]
    y_test[:3] = digits.y_train[10:13]
    y_test[0] = (y_test[0] + 1) % 10
    brighter = np.minimum(0.9 * digits.X_train[20].astype(float) + 3, 255)
    X_test[7] = brighter.astype(X_test.dtype)
    dataset = dataclasses.replace(digits, X_test=X_test, y_test=y_test, fingerprint="")
    run, context = clean
    finding = found(dataclasses.replace(context, dataset=dataset), "duplicates")
    assert (finding.numbers["identical"], finding.numbers["nearly_identical"]) == (3, 1)
    assert finding.numbers["other_label"] >= 1
    assert [7, 20] in finding.numbers["rows"]
    assert finding.pictures[:2] == [
        ("test", 0, f"test 0\n{y_test[0]}"),
        ("train", 10, f"training 10\n{digits.y_train[10]}"),
    ]
    entry = {"name": "duplicates", "title": "Twins", "severity": "warning", "status": "found"}
    output = {"checks": [{**entry, **dataclasses.asdict(finding)}]}
    changed = dataclasses.replace(
        run,
        analyses={"checks": output},
        dataset=dataclasses.replace(run.dataset, fingerprint=dataset.fingerprint),
    )
    content = ANALYSES["checks"].section(ReportContext(run=changed, dataset=dataset))
    assert "3 identical and 1 nearly identical" in content.markdown
    assert len(content.figures[0].draw().axes[0].images) == 8


@pytest.mark.parametrize("noise", [0, 2, 5])
def test_copies_with_noise_or_on_any_ground_are_found(noise):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (50, 28 * 28)).astype(np.uint8)
    copies = np.clip(X[:10].astype(float) + rng.normal(0, noise, (10, 784)), 0, 255)
    assert nearly_identical_images(X, copies.astype(np.uint8), (28, 28)) == [
        (i, i) for i in range(10)
    ]
    assert nearly_identical_images(X[:25], X[25:], (28, 28)) == []
    # Images without contrast are like no other.
    assert nearly_identical_images(np.full((3, 784), 9), np.full((2, 784), 9), (28, 28)) == []


def test_labels_that_all_models_contradict(compare, digits):
    _, context = compare(digits, "svm", "lda")
    before = found(context, "contradicted_labels")
    answers = context.predictions(context.one_per_model[0]).y_test_pred
    y_test = digits.y_test.copy()
    sure = [
        int(row)
        for row in range(40)
        if all(context.predictions(r).y_test_pred[row] == y_test[row] for r in context.results)
        and context.predictions(context.results[1]).test_scores[row].max() > 0.99
    ][:2]
    y_test[sure] = (y_test[sure] + 1) % 10
    dataset = dataclasses.replace(digits, y_test=y_test, fingerprint="")
    finding = found(dataclasses.replace(context, dataset=dataset), "contradicted_labels")
    assert set(sure) <= set(finding.numbers["rows"])
    known = 0 if before is None else before.numbers["count"]
    assert finding.numbers["count"] == known + 2
    assert f"row {sure[0]}: {y_test[sure[0]]}, predicted {answers[sure[0]]}" in finding.sentence


def test_rare_and_missing_classes(clean, digits):
    _, context = clean
    kept = digits.y_test != 3
    few = np.flatnonzero(digits.y_train == 5)[4:]
    y_train = digits.y_train.copy()
    y_train[few] = 6
    dataset = dataclasses.replace(
        digits, X_test=digits.X_test[kept], y_test=digits.y_test[kept], y_train=y_train,
        fingerprint="",
    )  # fmt: skip
    finding = found(dataclasses.replace(context, dataset=dataset), "rare_classes")
    assert "no test rows of 3" in finding.sentence
    assert "fewer than 10 training rows of 5 (4)" in finding.sentence


def test_models_that_store_rows(noisy):
    _, context = noisy
    finding = found(context, "overfitting")
    assert finding.numbers["gradients-decision_tree-seed0"]["training_accuracy"] > 0.7
    assert "gradients-decision_tree-seed0" in finding.sentence


def test_models_that_stopped_at_their_limit(noisy):
    _, context = noisy
    finding = found(context, "iteration_limit")
    assert "gradients-logistic_regression-seed0 (2 iterations)" in finding.sentence
    assert len(finding.numbers) == 1


def test_probabilities_far_from_calibrated(noisy):
    _, context = noisy
    assert "gradients-decision_tree-seed0" in found(context, "miscalibration").numbers


def test_best_parameters_at_the_edge_of_their_search(digits, tmp_path):
    X, y = digits.X_train[:300] / 255, digits.y_train[:300]
    inner = GridSearchCV(SVC(), {"gamma": [1e-9, 0.05, 1e4]}, cv=3).fit(X, y)
    assert inner.best_params_["gamma"] == 0.05, "the test needs a best value within"
    assert edge_values(inner) == {}
    edge = GridSearchCV(SVC(), {"gamma": [1e-9, 1e-4, 0.05]}, cv=3)
    comparison = digitrec.compare(
        (X, y), {"searched": edge}, features="raw", output_dir=tmp_path / "run"
    )
    checks = comparison.checks().set_index("check")
    assert checks.loc["search_edge", "status"] == "found"
    assert (
        "gamma of raw-searched-seed0 = 0.05 (tried 1e-09 to 0.05)"
        in (checks.loc["search_edge", "sentence"])
    )


def test_searches_of_the_run_count(clean):
    _, context = clean
    drawn = [Candidate(parameters={"C": 2.0**k}, accuracy=0.98 - 0.001 * k) for k in range(30)]
    fields = dict.fromkeys(field.name for field in dataclasses.fields(Tuning))
    fields |= {"model": "svm", "features": "gradients", "tuned": "tuned svm"}
    search = Tuning(**fields | {"candidates": drawn})
    searched = dataclasses.replace(context, tuning=(search,))
    assert found(searched, "search_edge").numbers["svm (gradients)"]["C"]["best"] == 1.0
    assert found(searched, "many_candidates").numbers["candidates"] == 32
    within = dataclasses.replace(search, candidates=[drawn[0], *drawn[:0:-1]])
    assert found(dataclasses.replace(context, tuning=(within,)), "search_edge") is None


def test_a_lead_within_chance(compare, digits):
    _, context = compare(digits, "lda", "ridge")
    finding = found(context, "close_lead")
    (numbers,) = finding.numbers.values()
    assert numbers["p_value"] >= 0.05
    assert "lead of" in finding.sentence


def test_more_candidates_than_the_validation_rows_can_tell_apart(clean):
    _, context = clean
    best = context.winning_result
    alike = [dataclasses.replace(best, model=f"m{i}", key=f"k{i}") for i in range(10)]
    finding = found(dataclasses.replace(context, results=tuple(alike)), "many_candidates")
    assert (finding.numbers["alike"], finding.numbers["candidates"]) == (10, 10)
    assert finding.numbers["optimism"] > finding.numbers["standard_error"]
    apart = [
        dataclasses.replace(r, validation_accuracy=0.9 - 0.08 * i) for i, r in enumerate(alike)
    ]
    assert found(dataclasses.replace(context, results=tuple(apart)), "many_candidates") is None


def test_validation_and_test_accuracy_further_apart_than_chance(clean):
    _, context = clean
    finding = found(with_results(context, test_accuracy=0.5), "validation_gap")
    assert set(finding.numbers) == {result.stem for result in context.results}


def test_test_rows_scored_before(compare, digits, tmp_path):
    folder = tmp_path / "digits"
    # Other training rows make other data, on which the same test rows are scored.
    fewer = dataclasses.replace(
        digits, X_train=digits.X_train[:300], y_train=digits.y_train[:300], fingerprint=""
    )
    _, first = compare(fewer, "lda", folder=folder)
    assert found(first, "test_reuse") is None
    run, second = compare(digits, "ridge", folder=folder)
    assert found(second, "test_reuse").numbers == {"earlier": 1, "this_run": 1}
    # A run has the checks without being asked for them.
    statuses = {entry["name"]: entry["status"] for entry in run.analyses["checks"]["checks"]}
    assert statuses["test_reuse"] == "found"


def test_constant_and_repeated_features(clean, digits):
    X = np.array([[1.0, 2, 2, 5], [1, 3, 3, 6], [1, 4, 4, 5]])
    assert useless_columns(X) == ([0], [2])
    X_train = digits.X_train.copy()
    X_train[:, 5] = X_train[:, 3]
    dataset = dataclasses.replace(digits, X_train=X_train, image_shape=None, fingerprint="")
    _, context = clean
    finding = found(dataclasses.replace(context, dataset=dataset), "constant_features")
    assert 5 in finding.numbers["repeated"]


def test_limits_that_were_hit(compare, digits):
    _, context = compare(digits, "lda", "random_forest", timeout={"random_forest": 0.05})
    finding = found(context, "limits_hit")
    assert finding.numbers == {"gradients-random_forest-seed0": "timeout"}


def test_a_busy_machine_and_its_measure(clean):
    _, context = clean
    assert found(with_results(context, core_wait=0.5), "busy_machine") is not None
    assert found(with_results(context, core_wait=None), "busy_machine") is None
    before = core_seconds()
    if before is None:
        pytest.skip("this system does not count waits")
    end = time.process_time() + 0.05
    while time.process_time() < end:
        pass
    running, waiting = (b - a for a, b in zip(before, core_seconds(), strict=True))
    assert running > 0.02
    assert waiting >= 0
    run, _ = clean
    assert all(result.core_wait is not None for result in run.results)


def test_other_threads_or_machines(clean):
    _, context = clean
    first, *others = context.results
    threads = (dataclasses.replace(first, n_threads=7), *others)
    assert (
        "threads" in found(dataclasses.replace(context, results=threads), "thread_counts").sentence
    )
    elsewhere = (dataclasses.replace(first, hardware={"processor": "other"}), *others)
    finding = found(dataclasses.replace(context, results=elsewhere), "thread_counts")
    assert finding.numbers["machines"] == 2


def test_a_run_without_results_has_checks_of_its_data(clean):
    _, context = clean
    options = {"ignore": ("test_reuse",)}
    empty = dataclasses.replace(context, results=(), failed=(), winner=None, options=options)
    statuses = {entry["status"] for entry in ANALYSES["checks"].run(empty)["checks"]}
    assert statuses == {"passed", "ignored"}


def test_results_are_called_by_their_models(clean):
    run, _ = clean
    other = [dataclasses.replace(r, random_state=1, key=f"{r.key}1") for r in run.results]
    entry = {"name": "busy_machine", "title": "", "severity": "note", "status": "found"}
    found = {"sentence": " ".join(r.stem for r in other), "advice": "", "pictures": []}
    changed = dataclasses.replace(
        run, results=[*run.results, *other], analyses={"checks": {"checks": [{**entry, **found}]}}
    )
    markdown = ANALYSES["checks"].section(ReportContext(run=changed)).markdown
    assert "SVM (RBF), seed 1 Dummy, seed 1" in markdown


def test_checks_may_be_ignored_or_fail(clean, monkeypatch):
    run, context = clean

    def fail(context):
        raise ValueError("no luck in /tmp/x/y.npz")

    checks = dict(CHECKS) | {
        "overfitting": Check(name="overfitting", severity="note", title="Fails", run=fail)
    }
    monkeypatch.setattr(_analysis, "CHECKS", checks)
    options = {"ignore": "test_reuse"}
    output = ANALYSES["checks"].run(dataclasses.replace(context, options=options))
    frame = ANALYSES["checks"].frame(json.loads(json.dumps(output))).set_index("check")
    assert frame.loc["test_reuse", "status"] == "ignored"
    assert frame.loc["overfitting", "sentence"] == "ValueError: no luck in y.npz"
    changed = dataclasses.replace(run, analyses={"checks": output})
    markdown = ANALYSES["checks"].section(ReportContext(run=changed)).markdown
    assert "Left out on request: `test_reuse`." in markdown
    assert "`overfitting` could not run: ValueError" in markdown
    wrong = dataclasses.replace(context, options={"ignore": ("test_reus",)})
    with pytest.raises(ConfigurationError, match="test_reuse"):
        ANALYSES["checks"].run(wrong)
