"""The registries of analyses and checks."""

import dataclasses
import time

import pytest

import digitrec
from digitrec.analyses import ANALYSES, run_analyses, selected_analyses
from digitrec.analyses.checks import CHECKS
from digitrec.errors import ConfigurationError
from digitrec.reporting import report_sections


@pytest.mark.parametrize("registry", [ANALYSES, CHECKS], ids=["analyses", "checks"])
def test_records_are_named_and_complete(registry):
    for name, record in registry.items():
        assert record.name == name
        assert record.title
        assert record.title[0].isupper()
    with pytest.raises(KeyError):
        registry["_registry"]


def test_analyses_ask_a_question_and_have_a_place_of_their_own():
    assert all(record.question.endswith("?") for record in ANALYSES.values())
    orders = [section.order for section in report_sections()]
    assert orders == sorted(set(orders))
    assert all(check.severity in ("warning", "note") for check in CHECKS.values())


def test_every_run_has_the_checks_and_unknown_names_are_refused():
    assert [record.name for record in selected_analyses(None)] == ["checks"]
    assert [record.name for record in selected_analyses(None, ["pareto"])] == ["checks", "pareto"]
    with pytest.raises(ConfigurationError, match="calibration"):
        selected_analyses(None, ["calibratoin"])


def test_the_budget_ends_an_analysis_that_has_begun(tmp_path):
    comparison = digitrec.compare("digits", "lda", max_train=200)
    context = dataclasses.replace(comparison._analysis_context({}), deadline=time.monotonic() + 0.5)

    def endless(context):
        while True:
            context.check_budget()

    records = [dataclasses.replace(ANALYSES["pareto"], run=endless), ANALYSES["robustness"]]
    found = run_analyses(records, context, tmp_path)
    assert found.outputs == {}
    assert found.failures == dict.fromkeys(["pareto", "robustness"], "not run: budget")
    assert list(tmp_path.iterdir()) == []
