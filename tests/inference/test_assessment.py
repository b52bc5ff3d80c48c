from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks._assessment import (
    assess,
    edit_distance,
    naive_row,
    read_labels,
    risk_coverage,
)
from digitrec.errors import DatasetError


@pytest.fixture
def folder(tmp_path: Path, digits, page) -> Path:
    images, labels = digits
    Image.fromarray(page([(images[0], 20, 20)], 70, 70)).save(tmp_path / "a.png")
    Image.fromarray(page([(images[i], 40 + 50 * i, 40) for i in range(3)], 240, 110)).save(
        tmp_path / "b.png"
    )
    Image.fromarray(np.full((50, 50), 255, np.uint8)).save(tmp_path / "c.png")
    text = "".join(str(label) for label in labels[:3])
    (tmp_path / "labels.csv").write_text(
        "path,label,kind,tag,note\n"
        f"a.png,{labels[0]},single,scan,\nb.png,{text},string,scan,\n"
        "c.png,,negative,object,\nd.png,1,single,photo,missing\ne.png,1+1,expression,photo,\n"
    )
    return tmp_path


def test_trials_tell_right_from_wrong(recognizer, folder):
    trials = assess(recognizer, read_labels(folder))
    assert [t.image.kind for t in trials] == ["single", "string", "negative", "single"]
    assert [t.right for t in trials] == [True, True, True, False]
    assert trials[3].error
    assert all(t.seconds > 0 for t in trials)


def test_risk_falls_and_rejection_grows_with_the_threshold(recognizer, folder):
    trials = assess(recognizer, read_labels(folder)[:3])
    rows = risk_coverage(trials, (0.0, 0.5, 1.01))
    assert [row["coverage"] for row in rows] == sorted((r["coverage"] for r in rows), reverse=True)
    assert rows[0]["coverage"] == 1
    assert rows[-1]["negatives_rejected"] == 1
    assert rows[-1]["risk"] is None


def test_labels_that_cannot_be_read(tmp_path):
    with pytest.raises(DatasetError, match="cannot read"):
        read_labels(tmp_path)
    (tmp_path / "labels.csv").write_text("path,label\n")
    with pytest.raises(DatasetError, match="kind, tag"):
        read_labels(tmp_path)


@pytest.mark.parametrize(
    ("a", "b", "distance"), [("", "", 0), ("123", "123", 0), ("123", "13", 1), ("12", "345", 3)]
)
def test_edit_distance(a, b, distance):
    assert edit_distance(a, b) == edit_distance(b, a) == distance


def test_the_naive_baseline_inverts_bright_images():
    pixels = np.full((56, 56, 3), 250, np.uint8)
    pixels[20:30] = 0
    row = naive_row(pixels)
    assert row.shape == (784,)
    assert row.mean() < 127
    np.testing.assert_array_equal(row, naive_row(255 - pixels))
