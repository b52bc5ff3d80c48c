"""The registries of analyses and checks: a file that is added is all that they need."""

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

ANALYSIS = '''"""Disagreement: how often two models give different answers."""

from __future__ import annotations

import itertools

import numpy as np

from digitrec.analyses._registry import Analysis
from digitrec.rendering.markdown import escape, percent, table
from digitrec.rendering.section import Content


def run(context):
    pairs = itertools.combinations(context.labels().items(), 2)
    return {"pairs": [[a, b, float(np.mean(x != y))] for (a, x), (b, y) in pairs]}


def frame(output):
    import pandas as pd

    return pd.DataFrame(output["pairs"], columns=["first", "second", "disagreement"])


def section(context):
    found = context.output("disagreement")
    if not found:
        return None
    rows = [[escape(context.labels[a]), escape(context.labels[b]), percent(d)]
            for a, b, d in found["pairs"]]
    body = table(["model", "other model", "disagreement, %"], rows, "llr")
    return Content(f"{ANALYSIS.heading}\\n\\n{body}")


ANALYSIS = Analysis(
    name="disagreement",
    title="Disagreement",
    question="How often do two models give different answers?",
    order=55,
    run=run,
    frame=frame,
    section=section,
)
'''

CHECK = '''"""Test sets that are too small."""

from digitrec.analyses.checks._check import Check, Finding


def run(context):
    n = len(context.dataset.y_test)
    if n >= 1000:
        return None
    return Finding(sentence=f"There are {n} test rows.", advice="Collect more.", numbers={"n": n})


CHECK = Check(name="small_test_set", severity="note", title="Few test rows", run=run)
'''

SCRIPT = """
import digitrec
c = digitrec.compare("digits", ["lda", "ridge"], max_train=300, output_dir="out", progress=False)
print(c.disagreement()["disagreement"].between(0, 1).all())
print(c.checks().set_index("check").loc["small_test_set", "sentence"])
c.report("report")
text = open("report/report.md").read()
print("## Disagreement" in text, "There are 359 test rows." in text)
"""


@pytest.mark.parametrize("registry", [ANALYSES, CHECKS], ids=["analyses", "checks"])
def test_records_are_named_after_their_files_and_complete(registry):
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


def test_an_analysis_and_a_check_are_one_file_each(tmp_path):
    shutil.copytree(Path(digitrec.__file__).parent, tmp_path / "digitrec")
    analyses = tmp_path / "digitrec" / "analyses"
    (analyses / "disagreement.py").write_text(ANALYSIS)
    (analyses / "checks" / "small_test_set.py").write_text(CHECK)
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
    assert done.stdout.splitlines()[-3:] == ["True", "There are 359 test rows.", "True True"]
