import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from digitrec._messages import messages_to
from digitrec.analyses import (
    Analysis,
    AnalysisContext,
    _registry,
    run_analyses,
    selected_analyses,
)
from digitrec.comparison.execution import make_jobs, run_experiment
from digitrec.datasets import DATASETS
from digitrec.evaluation.job_store import JobStore
from digitrec.evaluation.result import read_run
from digitrec.models import MODELS


def test_every_model_on_every_feature_set_with_every_seed(make_experiment, small_digits):
    experiment = make_experiment(
        "lda", "ridge", features=("raw", "gradients"), seeds=2, random_state=5
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


@pytest.mark.parametrize("name", [*DATASETS, "my_images"])
def test_features_that_are_not_named_suit_the_dataset(make_experiment, small_digits, name):
    dataset = dataclasses.replace(small_digits, name=name)
    jobs = make_jobs(make_experiment("lda", "virtual_svm", features=None), dataset, name)
    suited = ("edges_no_deskew", "raw") if name == "fashion_mnist" else ("edges", "deskewed")
    assert tuple(job.features for job in jobs) == suited
    assert {job.model: job.features for job in jobs}["virtual_svm"] == suited[1]


def test_a_single_job_has_all_cores(make_experiment, monkeypatch):
    from digitrec.comparison import experiment as module

    monkeypatch.setattr(module, "available_cores", lambda: 8)
    assert [make_experiment("lda", n_jobs=None).n_threads(n) for n in (1, 2, 3, 8, 9)] == [
        8,
        4,
        2,
        1,
        1,
    ]


def test_jobs_times_threads_never_exceed_the_cores(make_experiment, monkeypatch):
    from digitrec.comparison import experiment as module

    monkeypatch.setattr(module, "available_cores", lambda: 8)
    for jobs, expected in ((None, (8, 1)), (1, (1, 8)), (3, (3, 2)), (20, (8, 1))):
        experiment = make_experiment("lda", n_jobs=jobs)
        assert (experiment.n_workers, experiment.n_threads(100)) == expected


def test_a_run_that_reuses_all_keeps_its_times(make_experiment, small_digits):
    experiment = make_experiment("lda", seeds=2)
    first = run_experiment(experiment, small_digits, "digits").run
    assert len({result.random_state for result in first.results}) == 2
    assert run_experiment(experiment, small_digits, "digits").run == first
    with_analysis = dataclasses.replace(experiment, analyses=("pareto",))
    second = run_experiment(with_analysis, small_digits, "digits").run
    assert second.total_seconds > first.total_seconds
    assert second.results == first.results
    assert read_run(experiment.folder / "results.json") == second
    one_seed = dataclasses.replace(experiment, seeds=1)
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


def made_up(name, run=dict, **settings):
    return Analysis(
        name=name,
        title=name.title(),
        question="?",
        order=ord(name[0]),
        run=run,
        frame=pd.DataFrame,
        section=lambda context: None,
        **settings,
    )


def test_analyses_by_profile_and_name(monkeypatch):
    records = [made_up("c", in_full=False), made_up("a", in_fast=True), made_up("b")]
    records.append(made_up("d", in_full=False))
    monkeypatch.setattr(_registry, "ANALYSES", {record.name: record for record in records})
    monkeypatch.setattr(_registry, "EVERY_RUN", ("d",))

    def names(*arguments):
        return [record.name for record in selected_analyses(*arguments)]

    assert names(None) == ["d"]
    assert names(None, ["b"]) == ["b", "d"]
    assert names("fast") == ["a", "d"]
    assert names("full") == ["a", "b", "d"]
    assert names("fast", ["c"]) == ["a", "c", "d"]


@pytest.fixture
def analysis_context(small_digits, tmp_path):
    return AnalysisContext(
        dataset=small_digits,
        results=(),
        winner=None,
        store=JobStore(tmp_path),
        random_state=0,
        n_jobs=1,
        cache=tmp_path,
        options={"k": 1, "other": 2},
    )


def test_an_analysis_runs_once_per_input(analysis_context, tmp_path):
    calls = []

    def count(context):
        calls.append(context.options["k"])
        return {"n": len(calls)}

    records = [made_up("count", count, options=("k",))]

    def outputs(options, **settings):
        context = dataclasses.replace(analysis_context, options=options)
        return run_analyses(records, context, tmp_path, **settings).outputs

    assert outputs({"k": 1, "other": 2}) == {"count": {"n": 1}}
    assert outputs({"k": 1, "other": 3}) == {"count": {"n": 1}}
    assert outputs({"k": 2, "other": 2}) == {"count": {"n": 2}}
    assert outputs({"k": 1}, force=True) == {"count": {"n": 3}}
    for path in tmp_path.glob("count-*.json"):
        assert json.loads(path.read_text())
        path.write_text('{"n":')
    assert outputs({"k": 1}) == {"count": {"n": 4}}


def test_what_ended_with_the_budget_is_run_again_and_what_is_stored_is_not(
    analysis_context, tmp_path
):
    record = made_up("count", lambda context: {"complete": not context.out_of_time})
    over = dataclasses.replace(analysis_context, deadline=0.0)
    assert run_analyses([record], over, tmp_path).failures == {"count": "not run: budget"}

    def outlast(context):
        ends.update(deadline=0.0)
        return {"complete": False}

    ends = {"deadline": None}

    class Ending(AnalysisContext):
        @property
        def out_of_time(self):
            return ends["deadline"] is not None

    fields = {f.name: getattr(over, f.name) for f in dataclasses.fields(over)}
    outcome = run_analyses([made_up("count", outlast)], Ending(**fields), tmp_path)
    assert outcome.outputs == {"count": {"complete": False}}
    assert not list(tmp_path.glob("count-*"))
    assert run_analyses([record], analysis_context, tmp_path).outputs == {
        "count": {"complete": True}
    }
    assert run_analyses([record], over, tmp_path).outputs == {"count": {"complete": True}}


def test_a_failed_analysis_costs_no_other_and_says_why_in_one_line(analysis_context, tmp_path):
    def fail(context):
        raise ValueError(f"no luck with {object()!r}\nof /tmp/x/y.npz")

    lines = []
    records = [made_up("fail", fail), made_up("good", lambda context: {"n": 1})]
    with messages_to(lines.append):
        outcome = run_analyses(records, analysis_context, tmp_path)
    assert outcome.outputs == {"good": {"n": 1}}
    assert outcome.failures == {"fail": "ValueError: no luck with <object object>"}
    assert lines == ["Fail …", f"Fail failed: {outcome.failures['fail']}", "Good …"]
    assert not list(tmp_path.glob("fail-*"))
