"""The engine's answers do not depend on what else is recognised along with a request."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from images_for_tests import png_header
from PIL import Image

from digitrec.serving.engine import Engine
from digitrec.serving.messages import Start, Task
from digitrec.serving.settings import Settings


@pytest.fixture(scope="module")
def engine(digit_model_file: Path) -> Engine:
    return Engine(Start({"m": digit_model_file}, Settings(max_image_batch=3)))


@pytest.fixture(scope="module")
def files(digits: Any, encode: Any, drawing: Image.Image) -> list[bytes]:
    X, _ = digits
    pictures = [encode(row.reshape(28, 28)) for row in X[::6]]
    doubtful = np.random.default_rng(0).integers(0, 90, (60, 90), dtype=np.uint8)
    damaged = encode(drawing)
    return [
        *pictures[:3],
        encode(np.full((40, 40), 255, np.uint8)),
        damaged[: len(damaged) // 2],
        encode(doubtful),
        b"\x89PNG\r\n\x1a\nno image",
        encode(drawing, "JPEG"),
        *pictures[3:],
    ]


def assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    for key in (one.keys() | other.keys()) - {"milliseconds", "model"}:
        # Sums over more rows may be added up in another order.
        approximate = key in ("probabilities", "confidence")
        assert one[key] == (pytest.approx(other[key], abs=2e-5) if approximate else other[key])


def task(file: bytes) -> Task:
    return Task("predict", "m", file, "image/png")


def test_small_images_of_several_requests(engine: Engine, files: list[bytes]) -> None:
    alone = [engine.answer(task(file)) for file in files]
    assert {answer.status for answer in alone} == {200, 415, 422}
    together = engine.answer([task(file) for file in files])
    for one, other in zip(together, alone, strict=True):
        assert_same(json.loads(one.body), json.loads(other.body))
        assert (one.status, one.code, one.digits) == (other.status, other.code, other.digits)


def test_several_files_of_one_request(engine: Engine, files: list[bytes]) -> None:
    parts = b"".join(
        b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n' + file + b"\r\n"
        for file in files
    )
    body = parts + b"--b--\r\n"
    answer = engine.answer(Task("predict", "m", body, "multipart/form-data; boundary=b"))
    entries = json.loads(answer.body)["predictions"]
    for entry, file in zip(entries, files, strict=True):
        assert_same(entry, json.loads(engine.answer(task(file)).body))


def test_an_image_whose_detail_is_damaged_costs_only_itself(
    engine: Engine, files: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    recognizer = engine.recognizer("m")
    usual = recognizer.predict_digits

    def fails_on_wide_images(images: Any) -> Any:
        if any(image.size[0] == 90 for image in images):
            raise ValueError("damaged")
        return usual(images)

    monkeypatch.setattr(recognizer, "predict_digits", fails_on_wide_images)
    answers = engine.answer([task(file) for file in files])
    assert [answer.status for answer in answers][5] == 500
    assert sum(answer.status == 200 for answer in answers) == len(files) - 3


@pytest.mark.parametrize("kind", ["predict", "read"])
@pytest.mark.parametrize("limit", [1_000_000, 40_000_000])
def test_the_limit_of_the_settings_is_the_one_that_holds(
    digit_model_file: Path, encode: Any, kind: Any, limit: int
) -> None:
    engine = Engine(Start({"m": digit_model_file}, Settings(max_pixels=limit)))
    side = int(limit**0.5) - 1
    blank = encode(Image.new("1", (side, side), 1))
    assert engine.answer(Task(kind, "m", blank, "image/png")).status == 200
    for size in ((limit // 1000 + 1, 1000), (60_000, 60_000), (2**31 - 1, 2**31 - 1)):
        answer = engine.answer(Task(kind, "m", png_header(*size), "image/png"))
        assert (answer.status, answer.code) == (413, "image_too_large")
        assert f"{limit / 1e6:g} megapixels" in json.loads(answer.body)["error"]


@pytest.mark.parametrize("kind", ["predict", "read"])
def test_a_large_image_of_several_is_named_as_alone(
    engine: Engine, drawing: Image.Image, encode: Any, kind: Any
) -> None:
    parts = b"".join(
        b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n' + file + b"\r\n"
        for file in (png_header(60_000, 60_000), encode(drawing))
    )
    task = Task(kind, "m", parts + b"--b--\r\n", "multipart/form-data; boundary=b")
    answer = json.loads(engine.answer(task).body)
    entries = answer["predictions" if kind == "predict" else "readings"]
    assert entries[0]["code"] == "image_too_large"
    assert "error" not in entries[1]
