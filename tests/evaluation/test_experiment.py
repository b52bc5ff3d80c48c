import dataclasses
import json

import numpy as np

from digitrec.evaluation import analyses
from digitrec.evaluation.analyses import AnalysisSpec, run_analyses, selected_analyses
from digitrec.evaluation.experiment import make_jobs, run_experiment
from digitrec.evaluation.result import read_run
from digitrec.models import MODELS


def test_every_model_on_every_feature_set_with_every_seed(make_experiment, small_digits):
    experiment = make_experiment(
        "lda", "ridge", features=("raw", "gradients"), n_seeds=2, random_state=5
    )
    jobs = make_jobs(experiment, small_digits, "digits")
    found = [(job.features, job.model, job.random_state) for job in jobs]
    assert found == [
        (features, model, seed)
        for features in ("raw", "gradients")
        for model in ("lda", "ridge")
        for seed in (5, 6)
    ]


def test_a_model_that_takes_raw_pixels_only_gets_them(make_experiment, small_digits, monkeypatch):
    picky = dataclasses.replace(MODELS["lda"], features=("raw",))
    monkeypatch.setitem(MODELS, "lda", picky)
    for asked, expected in (
        (("gradients",), [("gradients", "ridge"), ("raw", "lda")]),
        (("raw", "gradients"), [("raw", "lda"), ("raw", "ridge"), ("gradients", "ridge")]),
    ):
        jobs = make_jobs(make_experiment("lda", "ridge", features=asked), small_digits, "digits")
        assert [(job.features, job.model) for job in jobs] == expected


def test_jobs_times_threads_never_exceed_the_cores(make_experiment, monkeypatch):
    from digitrec.evaluation import experiment as module

    monkeypatch.setattr(module, "available_cores", lambda: 8)
    for jobs, expected in ((None, (8, 1)), (1, (1, 8)), (3, (3, 2)), (20, (8, 1))):
        experiment = make_experiment("lda", jobs=jobs)
        assert (experiment.n_workers, experiment.n_threads) == expected


def test_a_run_that_reuses_all_keeps_its_times(make_experiment, small_digits):
    experiment = make_experiment("lda", n_seeds=2)
    first = run_experiment(experiment, small_digits, "digits").run
    assert len({result.random_state for result in first.results}) == 2
    assert run_experiment(experiment, small_digits, "digits").run == first
    with_analysis = dataclasses.replace(experiment, analyses=("pareto",))
    second = run_experiment(with_analysis, small_digits, "digits").run
    assert second.total_seconds > first.total_seconds
    assert second.results == first.results
    assert read_run(experiment.folder / "results.json") == second
    one_seed = dataclasses.replace(experiment, n_seeds=1)
    assert run_experiment(one_seed, small_digits, "digits").run.results == first.results[:1]
    files = (experiment.folder / "predictions").iterdir()
    assert [path.name for path in files] == ["gradients-lda-seed0.npz"]


def test_predictions_of_a_run_are_those_of_its_winner(make_experiment, small_digits):
    experiment = make_experiment("lda")
    run = run_experiment(experiment, small_digits, "digits").run
    with np.load(experiment.folder / "predictions" / "gradients-lda-seed0.npz") as arrays:
        assert np.array_equal(arrays["y_true"], small_digits.y_test)
        accuracy = np.mean(arrays["y_pred"] == arrays["y_true"])
        assert np.array_equal(arrays["scores"].argmax(axis=1), arrays["y_pred"])
    assert accuracy == run.results[0].test_accuracy


def test_analyses_by_profile_and_name(monkeypatch):
    specs = [
        AnalysisSpec(name="a", title="A", run=dict, in_fast=True),
        AnalysisSpec(name="b", title="B", run=dict),
        AnalysisSpec(name="c", title="C", run=dict, in_full=False),
    ]
    monkeypatch.setattr(analyses, "ANALYSES", {spec.name: spec for spec in specs})

    def names(*arguments):
        return [spec.name for spec in selected_analyses(*arguments)]

    assert names(None) == []
    assert names("fast") == ["a"]
    assert names("full") == ["a", "b"]
    assert names("fast", ["c"]) == ["a", "c"]


def test_an_analysis_runs_once_per_input_and_may_fail(make_experiment, small_digits, tmp_path):
    from digitrec.evaluation.store import JobStore

    calls = []

    def count(context):
        calls.append(context.options["k"])
        return {"n": len(calls)}

    def fail(context):
        raise ValueError("no luck")

    lines = []
    context = analyses.AnalysisContext(
        dataset=small_digits,
        results=(),
        winner=None,
        store=JobStore(tmp_path),
        random_state=0,
        n_jobs=1,
        cache=tmp_path,
        options={"k": 1, "other": 2},
        report=lines.append,
    )
    specs = [
        AnalysisSpec(name="fail", title="Fail", run=fail),
        AnalysisSpec(name="count", title="Count", run=count, options=("k",)),
    ]
    assert run_analyses(specs, context, tmp_path) == {"count": {"n": 1}}
    assert lines == ["Fail …", "Fail failed: ValueError: no luck", "Count …"]
    assert run_analyses(specs[1:], context, tmp_path) == {"count": {"n": 1}}
    irrelevant = dataclasses.replace(context, options={"k": 1, "other": 3})
    assert run_analyses(specs[1:], irrelevant, tmp_path) == {"count": {"n": 1}}
    relevant = dataclasses.replace(context, options={"k": 2, "other": 2})
    assert run_analyses(specs[1:], relevant, tmp_path) == {"count": {"n": 2}}
    assert run_analyses(specs[1:], context, tmp_path, force=True) == {"count": {"n": 3}}
    for path in tmp_path.glob("count-*.json"):
        assert json.loads(path.read_text())
        path.write_text('{"n":')
    assert run_analyses(specs[1:], context, tmp_path) == {"count": {"n": 4}}
