from __future__ import annotations

import base64
import json

import numpy as np
import pandas as pd
from PIL import Image

from digitrec.inference.command import predict_paths
from digitrec.inference.recognizer import Recognizer


def test_the_best_guess_is_there_where_the_digit_is_rejected(recognizer_file, digits, page):
    images, labels = digits
    pixels = page([(images[0], 20, 20)], 70, 70)
    prediction = Recognizer(recognizer_file, threshold=1.0).predict_digit(pixels)
    assert (prediction.digit, prediction.guess) == (None, labels[0])
    facts = json.loads(json.dumps(prediction.to_dict(normalised=True)))
    assert facts["guess"] == labels[0]
    assert facts["digit"] is None
    seen = np.frombuffer(base64.b64decode(facts["normalised"]), np.uint8)
    np.testing.assert_array_equal(seen.reshape(28, 28), prediction.normalised)


def test_without_ink_there_is_no_guess(recognizer):
    assert recognizer.predict_digit(np.full((50, 50), 255, np.uint8)).guess is None
    assert recognizer.predict_rows(np.zeros((1, 784), np.uint8))[0].guess is None


def test_a_rejected_digit_is_printed_with_its_guess(recognizer_file, digits, page, tmp_path):
    images, labels = digits
    Image.fromarray(page([(images[0], 20, 20)], 70, 70)).save(tmp_path / "a.png")
    printed = {}
    for format in ("text", "csv"):
        output: list[str] = []
        options = {"model": recognizer_file, "threshold": 1.0, "write": output.append}
        predict_paths([str(tmp_path)], format=format, **options)
        printed[format] = "".join(output)
    assert f"; best guess {labels[0]})" in printed["text"]
    assert f"a.png,,{labels[0]}," in printed["csv"]


def test_a_reading_as_a_table(recognizer, digits, page):
    images, labels = digits
    pixels = page([(images[i], 40 + 50 * (i % 3), 40 + 90 * (i // 3)) for i in range(6)], 240, 220)
    reading = recognizer.read(pixels)
    frame = reading.to_frame()
    assert len(frame) == len(reading.digits) + len(reading.rejected)
    kept = frame[frame["accepted"]]
    lines = kept.groupby("line")["digit"].agg(lambda row: "".join(map(str, row)))
    assert list(lines) == reading.lines
    boxes = kept[["left", "top", "right", "bottom"]].to_numpy(dtype=int)
    np.testing.assert_array_equal(boxes, reading.boxes)
    rejected = Recognizer(recognizer.model, threshold=1.0).read(pixels).to_frame()
    assert rejected["digit"].isna().all()
    assert rejected["guess"].tolist() == labels[:6].tolist()
    empty = recognizer.read(np.full((90, 90), 255, np.uint8)).to_frame()
    pd.testing.assert_series_equal(empty.dtypes, frame.dtypes)
