import json
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.animation import main, write_animation
from digitrec.errors import DigitrecError

ROOT = Path(__file__).parents[2]


def test_pictures_become_an_animation_that_keeps_their_times(tmp_path):
    frames = [(Image.new("RGB", (40, 30), color), 100 * i) for i, color in
              enumerate(("white", "navy", "red"), start=1)]  # fmt: skip
    size = write_animation(frames, tmp_path / "a.gif")
    assert size == (tmp_path / "a.gif").stat().st_size
    with Image.open(tmp_path / "a.gif") as image:
        assert image.n_frames == 3
        times = []
        for frame in range(3):
            image.seek(frame)
            times.append(image.info["duration"])
    assert times == [100, 200, 300]


def test_digits_without_strokes_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("DIGITREC_CHROMIUM", "chromium")
    (tmp_path / "strokes.json").write_text(json.dumps({"1": []}), encoding="utf-8")
    with pytest.raises(DigitrecError, match="no strokes of 2"):
        main(output=tmp_path / "a.gif", strokes=tmp_path / "strokes.json", digits="12")


def test_the_published_animation_is_small():
    path = ROOT / "docs" / "drawing.gif"
    assert path.stat().st_size < 400_000
    with Image.open(path) as image:
        assert image.n_frames > 10
