"""The registries of analyses and checks."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import digitrec
from digitrec.analyses import ANALYSES, selected_analyses
from digitrec.analyses.checks import CHECKS
from digitrec.errors import ConfigurationError
from digitrec.reporting import report_sections

CHECK = """

@check("note", "Few test rows")
def small_test_set(context):
    n = len(context.dataset.y_test)
    if n >= 1000:
        return None
    return Finding(sentence=f"There are {n} test rows.", advice="Collect more.", numbers={"n": n})
"""

SCRIPT = """
import digitrec
c = digitrec.compare("digits", ["lda", "ridge"], max_train=300, output_dir="out", progress=False)
print(c.checks().set_index("check").loc["small_test_set", "sentence"])
c.report("report")
text = open("report/report.md").read()
print("There are 359 test rows." in text)
"""


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


def test_a_check_is_one_function(tmp_path):
    shutil.copytree(Path(digitrec.__file__).parent, tmp_path / "digitrec")
    checks = tmp_path / "digitrec" / "analyses" / "checks" / "data.py"
    checks.write_text(checks.read_text() + CHECK)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "DIGITREC_DATA": str(tmp_path / "data")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == ["There are 359 test rows.", "True"]
