from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks import image_changes
from benchmarks._common import make_app
from benchmarks._image_changes import CHANGES, apply_change


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("shape", [(28, 28), (90, 130)])
def test_a_change_changes_the_image_and_keeps_its_digit(name, shape):
    pixels = np.full((*shape, 3), 215, np.uint8)
    middle = slice(shape[0] // 3, 2 * shape[0] // 3), slice(shape[1] // 2, shape[1] // 2 + 3)
    pixels[middle] = 60
    changed = apply_change(name, pixels)
    assert changed.dtype == np.uint8
    assert changed.ndim == 3
    drawn_on = "ruled" in name.split(",")[0] or name == "squared"
    same = changed.shape == pixels.shape and np.array_equal(changed, pixels)
    assert same == (name == "none" or (drawn_on and "turned" not in name and max(shape) < 60))
    # There is something to see: ink apart from paper.
    assert int(changed.max()) - int(changed.min()) >= 30
    np.testing.assert_array_equal(changed, apply_change(name, pixels))


@pytest.mark.slow
def test_the_report(tmp_path: Path, digit_model_file: Path, monkeypatch: pytest.MonkeyPatch):
    chosen = ("none", "dark frame", "inverted")
    monkeypatch.setattr(image_changes, "CHANGES", {name: CHANGES[name] for name in chosen})
    arguments = ["--model", str(digit_model_file), "--count", "12", "--output-dir", str(tmp_path)]
    result = CliRunner().invoke(make_app(image_changes.main), arguments, catch_exceptions=False)
    assert result.exit_code == 0
    facts = json.loads((tmp_path / "results.json").read_text())
    assert facts["counts"] == {"single": 12, "negative": 0, "page": 3}
    assert [row["change"] for row in facts["changes"]] == list(chosen)
    assert all(row["single"] > 0.5 and row["negative"] is None for row in facts["changes"])
    assert "dark frame" in (tmp_path / "report.md").read_text()
    assert (tmp_path / "figures" / "changes.png").stat().st_size > 5000


def test_a_folder_without_labels_is_refused(tmp_path: Path, digit_model_file: Path):
    arguments = ["--data", str(tmp_path), "--model", str(digit_model_file)]
    result = CliRunner().invoke(make_app(image_changes.main), arguments)
    assert result.exit_code != 0
    assert "labels.csv" in str(result.exception)
