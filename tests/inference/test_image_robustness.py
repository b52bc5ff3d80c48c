"""Whatever comes in, the answer is a typed error or a reading, never a crash."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from digitrec.errors import DigitrecError

MOST_BYTES = 1_500_000_000


def encode(pixels: np.ndarray, format: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format)
    return file.getvalue()


def png_that_claims(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = b""
    for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 99)), (b"IEND", b"")):
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        body += struct.pack(">I", len(data)) + kind + data + checksum
    return b"\x89PNG\r\n\x1a\n" + body


def sample(rng: np.random.Generator) -> np.ndarray:
    pixels = np.full((60, 80), 230, np.uint8)
    pixels[15:45, 36:42] = 40
    return np.clip(pixels + rng.integers(-9, 9, pixels.shape), 0, 255).astype(np.uint8)


def check(recognizer, source) -> None:
    """Assert that single and page recognition answer, or refuse with an error of digitrec."""
    for answer in (recognizer.predict_digit, recognizer.read):
        try:
            result = answer(source)
        except DigitrecError as error:
            assert len(str(error)) > 10
            result = None
        if result is not None and answer == recognizer.predict_digit:
            assert result.digit is None or 0 <= result.digit <= 9
            assert 0 <= result.confidence <= 1
            assert np.isfinite(result.probabilities).all()


RNG = np.random.default_rng(0)
CORPUS: dict[str, object] = {
    "empty": b"",
    "text": b"GIF89a but not really",
    "random": RNG.bytes(5000),
    "html": b"<html><body>404</body></html>",
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "huge-png": png_that_claims(60_000, 60_000),
    "wide-png": png_that_claims(25_000_000, 1),
    "short-png": png_that_claims(100, 100),
    "zero-png": png_that_claims(0, 5),
    "1x1": np.zeros((1, 1), np.uint8),
    "1x10000": sample(RNG).repeat(200, axis=1)[:1, :10000],
    "10000x1": sample(RNG).repeat(200, axis=0)[:10000, :1],
    "2x2": np.array([[0, 255], [255, 0]], np.uint8),
    "black": np.zeros((400, 300, 3), np.uint8),
    "white": np.full((400, 300, 3), 255, np.uint8),
    "noise": RNG.integers(0, 256, (500, 700, 3), dtype=np.uint8),
    "checkerboard": np.kron(np.indices((40, 40)).sum(axis=0) % 2, np.ones((9, 9))) * 255.0,
    "fine-checkerboard": (np.indices((900, 900)).sum(axis=0) % 2 * 255).astype(np.uint8),
    "stripes": np.tile(np.arange(500) // 3 % 2 * 255, (400, 1)).astype(np.uint8),
    "dots": np.kron(np.eye(40), np.pad(np.ones((4, 4)), 8)) * 255.0,
    "nan": np.full((9, 9), np.nan),
    "infinite": np.full((9, 9), np.inf),
    "complex": np.zeros((9, 9), complex),
    "object": np.array([["a"]], object),
    "flat": np.zeros(100),
    "deep": np.zeros((3, 3, 3, 3)),
    "none": None,
    "list": [1, 2, 3],
    "missing": "/nowhere/at/all.png",
    "empty-array": np.zeros((0, 0)),
}


@pytest.mark.parametrize("name", CORPUS)
def test_the_corpus(recognizer, name):
    check(recognizer, CORPUS[name])


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF"])
def test_truncated_files(recognizer, format):
    content = encode(sample(RNG), format)
    for share in (0.01, 0.1, 0.5, 0.9, 0.99):
        check(recognizer, content[: int(share * len(content))])


@given(st.binary(max_size=300))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_bytes(recognizer, content):
    check(recognizer, content)


@given(
    arrays(
        st.sampled_from([np.uint8, np.uint16, np.float32, np.float64, np.int16, np.bool_]),
        array_shapes(min_dims=1, max_dims=4, max_side=40),
    )
)
@settings(max_examples=30)
def test_random_arrays(recognizer, array):
    check(recognizer, array)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_three_hundred_bad_inputs(recognizer):
    """Damage real files and arrays in every way at hand; seeded, so that failures repeat."""
    rng = np.random.default_rng(20)
    formats = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
    contents = [encode(sample(rng), format) for format in formats]
    process = psutil.Process()
    before = process.memory_info().rss
    for index in range(324):
        check(recognizer, _damaged(contents[index % 6], index // 6 % 6, rng))
    assert process.memory_info().rss - before < MOST_BYTES


def _damaged(content: bytes, way: int, rng: np.random.Generator) -> object:
    if way == 0:
        return content[: int(rng.integers(0, len(content)))]
    if way == 5:
        shape = tuple(int(n) for n in rng.integers(0, 60, rng.integers(1, 4)))
        values = rng.normal(100, 200, shape)
        return values.astype(rng.choice(["u1", "i2", "f4", "f8", "?"]))
    damaged = bytearray(content)
    if way == 1:
        for place in rng.integers(0, len(damaged), 1 + int(rng.integers(20))):
            damaged[place] = int(rng.integers(256))
    elif way == 2:
        # Headers: sizes, depths and offsets of any value.
        for place in rng.integers(0, min(64, len(damaged)), 3):
            damaged[place] = int(rng.integers(256))
    elif way == 3:
        start = int(rng.integers(len(damaged)))
        del damaged[start : start + int(rng.integers(1, 40))]
    else:
        start = int(rng.integers(len(damaged)))
        damaged[start:start] = rng.bytes(int(rng.integers(1, 60)))
    return bytes(damaged)
