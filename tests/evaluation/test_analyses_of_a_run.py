"""All further analyses of one small, real run."""

from __future__ import annotations

import dataclasses
import functools
import json

import numpy as np
import pytest

from digitrec._messages import messages_to
from digitrec.analyses import ANALYSES, AnalysisContext
from digitrec.analyses.learning_curves import curve_sizes, growth_exponent
from digitrec.analyses.pareto import pareto_front
from digitrec.comparison.execution import run_experiment
from digitrec.errors import ConfigurationError
from digitrec.evaluation.splits import fold_rows, nested_rows
from digitrec.preprocessing.corruptions import CORRUPTIONS

OPTIONS = {"cv": 3, "repeats": 2}


@pytest.fixture(scope="module")
def experiment(tmp_path_factory, shared_cache):
    from digitrec.comparison.experiment import Experiment

    return Experiment(
        models=("lda", "knn", "ridge"),
        features=("gradients",),
        folder=tmp_path_factory.mktemp("analysed") / "digits",
        cache=shared_cache,
        max_train=300,
        n_jobs=2,
        analyses="full",
        options=OPTIONS,
    )


@pytest.fixture(scope="module")
def lines():
    return []


@pytest.fixture(scope="module")
def run(experiment, small_digits, lines):
    with messages_to(lines.append):
        return run_experiment(experiment, small_digits, "digits").run


def stems(run):
    return {result.stem for result in run.results}


def test_every_analysis_ran_and_is_json(run, lines):
    assert set(run.analyses) == set(ANALYSES), lines
    assert run.failures == {}
    json.dumps(run.analyses, allow_nan=False)


def test_every_analysis_gives_a_table(run):
    for name, output in run.analyses.items():
        frame = ANALYSES[name].frame(output)
        assert frame.columns.is_unique
        if name not in ("subsets", "support_vectors"):  # neither MNIST nor a support vector machine
            assert len(frame)
        if "name" in frame:
            assert set(frame["name"]) <= stems(run)


def test_significance_compares_all_models_with_the_winner(run):
    found = run.analyses["significance"]
    assert found["best"] == run.winning_result.stem
    assert len(found["pairs"]) == 3
    accuracy = {result.stem: result.test_accuracy for result in run.results}
    for pair in found["pairs"]:
        expected = accuracy[pair["first"]] - accuracy[pair["second"]]
        assert pair["difference"] == pytest.approx(expected)
    assert found["best"] in found["group"]


def test_calibration_covers_models_with_and_without_probabilities(run):
    found = {model["name"]: model for model in run.analyses["calibration"]["models"]}
    assert set(found) == stems(run)
    ridge = found["gradients-ridge-seed0"]
    assert not ridge["has_probabilities"]
    assert ridge["after"]["log_loss"] < ridge["before"]["log_loss"]
    by_stem = {result.stem: result for result in run.results}
    for stem, model in found.items():
        assert model["risk"]["table"][0]["error"] == pytest.approx(by_stem[stem].test_error)


def test_subsets_are_for_mnist_only(run):
    assert run.analyses["subsets"] == {}


def test_confused_pairs_add_up_to_the_errors(run):
    totals = run.analyses["confused_pairs"]["totals"]
    for result in run.results:
        assert totals[result.stem] == round(result.test_error * result.n_test)


def test_robustness_has_every_kind(run):
    found = run.analyses["robustness"]
    assert [kind["name"] for kind in found["kinds"]] == list(CORRUPTIONS)
    for model in found["models"]:
        assert model["mean_corruption_error"] > model["clean_error"]


def test_learning_curves_end_with_the_runs_own_fit(run):
    found = run.analyses["learning_curves"]
    assert found["sizes"] == [100, 300]
    assert {model["name"] for model in found["models"]} == stems(run)
    by_stem = {result.stem: result for result in run.results}
    for model in found["models"]:
        assert model["stopped"] == ""
        assert [point["n"] for point in model["points"]] == [100, 300]
        assert model["points"][-1]["error"] == by_stem[model["name"]].test_error


def test_cross_validation_scores_all_folds(run):
    found = run.analyses["cross_validation"]
    assert (found["n_folds"], found["n_repeats"], found["failed"]) == (3, 2, {})
    by_stem = {result.stem: result for result in run.results}
    for model in found["models"]:
        assert len(model["scores"]) == 6
        # Folds train on 200 rows, the run's ranking on 250.
        assert model["mean"] == pytest.approx(by_stem[model["name"]].validation_accuracy, abs=0.08)
    assert len(found["pairs"]) == 3


def test_analyses_are_reused(run, experiment, small_digits):
    again = []
    with messages_to(again.append):
        outcome = run_experiment(experiment, small_digits, "digits")
    assert outcome.run.analyses == run.analyses
    assert not [line for line in again if "…" in line]


def test_parts_end_at_their_time_and_are_stored(experiment, small_digits):
    from digitrec.comparison.execution import make_jobs
    from digitrec.evaluation.job import Part, make_part_job
    from digitrec.evaluation.runner import run_part_jobs

    endless = {"hist_gradient_boosting": {"max_iter": 100_000}}
    slow, quick = make_jobs(
        dataclasses.replace(
            experiment, models=("hist_gradient_boosting", "lda"), parameters=endless, analyses=()
        ),
        small_digits,
        "digits",
    )
    jobs = [
        make_part_job(slow, Part(kind="validation"), timeout=0.5),
        *(make_part_job(quick, Part(kind="fold", n_folds=3, index=i)) for i in range(3)),
    ]
    run_parts = functools.partial(run_part_jobs, dataset=small_digits, n_workers=2)
    late, *folds = run_parts(jobs)
    assert late.status == "timeout"
    assert "time limit of 0.5 s" in late.reason
    assert [fold.n_train + fold.n_validation for fold in folds] == [300] * 3
    assert all(fold.ok and fold.test_accuracy is None for fold in folds)
    again = run_parts(jobs)
    assert again == [late, *folds]
    more = make_part_job(quick, Part(kind="fold", n_folds=4, index=0))
    over = run_parts([*jobs[1:], more], deadline=0.0)
    assert [(part.status, part.reason) for part in over[3:]] == [("not_run", "budget")]
    assert over[:3] == folds


def test_unknown_analyses_are_named(experiment):
    with pytest.raises(ConfigurationError, match="robustness"):
        dataclasses.replace(experiment, analyses=("robust",))


def test_the_winner_and_lowest_seeds_stand_for_their_models(run):
    first, second, third = run.results
    later = [
        dataclasses.replace(result, random_state=1, key=f"{result.key}-1") for result in run.results
    ]
    failed = dataclasses.replace(third, features="raw", status="timeout")
    context = AnalysisContext(
        dataset=None,
        results=(*later, failed, first, second, third),
        winner=later[1].key,
        store=None,
        random_state=0,
        n_jobs=1,
        cache=None,
    )
    assert {(r.model, r.random_state) for r in context.one_per_model} == {
        (first.model, 0),
        (second.model, 1),
        (third.model, 0),
    }


def test_samples_are_nested_and_stratified():
    y = np.arange(1000) % 10
    small, large = nested_rows(y, (100, 500), 0)
    assert (len(small), len(large)) == (100, 500)
    assert np.isin(small, large).all()
    assert np.bincount(y[small]).tolist() == [10] * 10


def test_folds_hold_every_row_out_once():
    y = np.arange(100) % 10
    held_out = np.concatenate([rows for _, rows in fold_rows(y, 5, 0)])
    assert sorted(held_out) == list(range(100))


def test_sizes_of_learning_curves():
    assert curve_sizes(60_000, 10) == (1000, 2000, 5000, 10_000, 20_000)
    assert curve_sizes(4000, 10) == (100, 200, 500, 1000)
    assert curve_sizes(120, 10) == ()


def test_growth_exponent_of_a_power_law():
    sizes = [1000, 2000, 5000, 10_000]
    fit = growth_exponent(sizes, [3e-7 * n**1.8 for n in sizes])
    assert fit["exponent"] == pytest.approx(1.8)
    assert fit["coefficient"] == pytest.approx(3e-7)
    assert fit["low"] == pytest.approx(1.8, abs=1e-6)
    assert growth_exponent(sizes, [0, 0, 1, 2]) is None


def test_pareto_front_by_hand(run):
    assert pareto_front([1, 2, 3, 1], [3, 1, 2, 3]).tolist() == [True, True, False, True]
    assert pareto_front([1, 1, 5], [0.1, 0.1, 0.05]).all()
    found = ANALYSES["pareto"].frame(run.analyses["pareto"]).set_index("name")
    best = min(run.results, key=lambda result: result.test_error)
    smallest = min(run.results, key=lambda result: result.model_bytes)
    assert found.loc[smallest.stem, "on_front_model_bytes"]
    assert found[found["on_front_fit_seconds"]]["error"].min() == best.test_error
