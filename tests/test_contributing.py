"""The changes that CONTRIBUTING.md shows apply to the code and do what it says."""

import re
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
CHANGES = dict(
    re.findall(r"^### (An? [\w ]+)\n.*?^```diff\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
)
CHECK = """

@check("note", "Few test rows")
def small_test_set(context):
    n = len(context.dataset.y_test)
    if n >= 1000:
        return None
    return Finding(sentence=f"There are {n} test rows.", advice="Collect more.", numbers={"n": n})
"""
LOOK = """
import digitrec
from digitrec.datasets import DATASETS
from digitrec.models import MODELS
from digitrec.preprocessing import FEATURES
c = digitrec.compare(
    "low_digits", ["nearest_mean"], features="pixel_components", analyses=["answer_counts"]
)
assert c.best_name == "nearest_mean"
assert c.leaderboard()["test_accuracy"].iloc[0] > 0.9
assert c.answer_counts().shape == (1, 6)
text = c.report("report").read_text(encoding="utf-8")
assert "0 models never give one of the answers." in text, text
assert "This report shows 1 results." in text
sentence = c.checks().set_index("check").loc["small_test_set", "sentence"]
assert sentence == "There are 180 test rows."
assert sentence in text
assert "low_digits" in DATASETS and "nearest_mean" in MODELS and "pixel_components" in FEATURES
"""


def _apply(text, folder):
    """Apply a unified diff whose line numbers may be old; each place must be found just once."""
    for target, body in re.findall(
        r"^--- [^\n]+\n\+\+\+ b/([^\n]+)\n(.*?)(?=^--- |\Z)", text, re.MULTILINE | re.DOTALL
    ):
        path = folder / target
        content = path.read_text(encoding="utf-8") if path.exists() else ""
        for hunk in re.split(r"^@@[^\n]*@@\n", body, flags=re.MULTILINE)[1:]:
            lines = hunk.splitlines()
            before = "\n".join(line[1:] for line in lines if line[:1] != "+")
            after = "\n".join(line[1:] for line in lines if line[:1] != "-")
            if not before:
                content = after + "\n"
                continue
            assert content.count(before) == 1, f"{target} does not hold once:\n{before}"
            content = content.replace(before, after)
        path.write_text(content, encoding="utf-8")


@pytest.mark.slow
def test_each_change_works(tmp_path):
    assert list(CHANGES) == [
        "A model", "A dataset", "A feature set", "An analysis", "A report section"
    ]  # fmt: skip
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "digitrec", tmp_path / "digitrec", ignore=ignored)
    for change in CHANGES.values():
        _apply(change, tmp_path)
    checks = tmp_path / "digitrec" / "analyses" / "checks" / "data.py"
    checks.write_text(checks.read_text(encoding="utf-8") + CHECK, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LOOK],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "DIGITREC_DATA": str(tmp_path / "cache"), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_the_folders_that_are_described_exist():
    folders = re.findall(r"`(digitrec/[\w/.]+)`", PAGE)
    assert len(folders) > 10
    assert not [folder for folder in folders if not (ROOT / folder).exists()]


def test_each_dependency_is_explained():
    config = ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    needed = re.findall(r"^([\w-]+)", config["options"]["install_requires"], re.MULTILINE)
    part = PAGE[PAGE.index("## What each dependency is for") :]
    listed = re.findall(r"^\| ([\w, -]+?) \|", part[: part.index("\n## ", 5)], re.MULTILINE)
    names = {name for line in listed for name in line.split(", ")} - {"package"}
    assert names == set(needed)
