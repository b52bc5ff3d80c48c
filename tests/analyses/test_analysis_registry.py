"""The registries of analyses and checks."""

import pytest

from digitrec.analyses import ANALYSES, selected_analyses
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
