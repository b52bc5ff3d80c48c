from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks import real_images, transfer
from benchmarks._common import make_app


@pytest.mark.slow
def test_the_report_of_made_up_images(tmp_path: Path, digit_model_file: Path):
    arguments = ["--model", str(digit_model_file), "--count", "12", "--output-dir", str(tmp_path)]
    result = CliRunner().invoke(make_app(real_images.main), arguments, catch_exceptions=False)
    assert result.exit_code == 0
    facts = json.loads((tmp_path / "results.json").read_text())
    report = (tmp_path / "report.md").read_text()
    kinds = {group["kind"] for group in facts["accuracy"]}
    assert kinds == {"single", "string", "sheet", "negative"}
    for heading in ("Accuracy", "Risk and coverage", "Time per image"):
        assert f"## {heading}" in report
    pictures = list((tmp_path / "gallery").glob("*.png")) if facts["failures"] else []
    assert len(pictures) == min(len(facts["failures"]), real_images.MOST_FAILURES)


@pytest.mark.slow
@pytest.mark.skipif(
    "DIGITREC_REAL_DIGITS" not in os.environ,
    reason="DIGITREC_REAL_DIGITS names no folder with labels.csv",
)
def test_the_default_recogniser_on_real_images(tmp_path: Path):
    arguments = ["--data", os.environ["DIGITREC_REAL_DIGITS"], "--no-gallery"]
    result = CliRunner().invoke(
        make_app(real_images.main),
        [*arguments, "--output-dir", str(tmp_path)],
        catch_exceptions=False,
    )
    assert result.exit_code == 0
    facts = json.loads((tmp_path / "results.json").read_text())
    share = {g["kind"]: g["share"] for g in facts["accuracy"] if g["tag"] == "all"}
    assert share["single"] > 0.97
    assert facts["digits_rejected"]["share"] < 0.02


def test_transfer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from digitrec.datasets import load_dataset

    monkeypatch.setattr(
        transfer,
        "load_default_dataset",
        lambda **options: load_dataset("mnist_5k", max_train=options["max_train"]),
    )
    arguments = ["--models", "lda,dummy,virtual_svm", "--datasets", "digits", "--max-train", "400"]
    result = CliRunner().invoke(
        make_app(transfer.main), [*arguments, "--output-dir", str(tmp_path)], catch_exceptions=False
    )
    assert result.exit_code == 0
    facts = json.loads((tmp_path / "results.json").read_text())
    shares = {row["model"]: row["accuracy"]["digits"]["share"] for row in facts["models"]}
    assert shares["lda"] > 0.6 > 0.2 > shares["dummy"]
    assert facts["models"][0]["accuracy"].keys() == {"mnist_5k", "digits"}
    report = (tmp_path / "report.md").read_text()
    assert "Virtual SVM" in report
    assert "[2/3] Dummy: mnist_5k" in result.stderr
    # A second run takes what is saved, fits what is not, and fits anew what has changed.
    facts["models"] = [row for row in facts["models"] if row["model"] != "lda"]
    for row in facts["models"]:
        row["fit_seconds"] = 1234.5
        if row["model"] == "dummy":
            row["parameters"]["strategy"] = "uniform"
    (tmp_path / "results.json").write_text(json.dumps(facts))
    again = CliRunner().invoke(
        make_app(transfer.main), [*arguments, "--output-dir", str(tmp_path)], catch_exceptions=False
    )
    assert again.exit_code == 0
    later = json.loads((tmp_path / "results.json").read_text())["models"]
    seconds = {row["model"]: row["fit_seconds"] for row in later}
    assert seconds.keys() == {"lda", "dummy", "virtual_svm"}
    assert [name for name, fit in seconds.items() if fit == 1234.5] == ["virtual_svm"]
    assert {row["model"]: row["accuracy"]["digits"]["share"] for row in later} == shares
