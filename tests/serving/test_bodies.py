from __future__ import annotations

import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from images_for_tests import png_header
from PIL import Image

from digitrec.serving.bodies import Images, Rows, check_image, parse_body
from digitrec.serving.messages import RequestError
from digitrec.serving.settings import Settings

SETTINGS = Settings(max_images=3, max_rows=5, max_pixels=1_000_000, max_jpeg_scans=20)
ROW = list(range(28)) * 28


def parse(body: bytes, content_type: str = "application/json") -> Rows | Images:
    return parse_body(content_type, body, SETTINGS)


def refusal(body: bytes, content_type: str = "application/json") -> RequestError:
    with pytest.raises(RequestError) as caught:
        parse(body, content_type)
    return caught.value


@pytest.mark.parametrize(
    ("value", "n", "single"),
    [
        (ROW, 1, True),
        (np.reshape(ROW, (28, 28)).tolist(), 1, True),
        ([ROW, ROW], 2, False),
        (np.reshape([ROW, ROW, ROW], (3, 28, 28)).tolist(), 3, False),
        ({"image": ROW}, 1, True),
        ({"images": [ROW]}, 1, False),
    ],
)
def test_json_shapes(value: object, n: int, single: bool) -> None:
    rows = parse(json.dumps(value).encode())
    assert isinstance(rows, Rows)
    assert rows.single is single
    np.testing.assert_array_equal(rows.values, [ROW] * n)


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ([1, 2, 3], 422),
        ([[1] * 784, [1] * 783], 422),
        ([["1"] * 28] * 28, 422),
        ([[True] * 28] * 28, 422),
        ([], 422),
        (7, 422),
        (None, 422),
        ({"image": [ROW, ROW]}, 422),
        ({"images": ROW}, 422),
        ({"image": ROW, "images": [ROW]}, 422),
        ({"path": "/etc/passwd"}, 422),
        ([256] * 784, 422),
        ([-1] * 784, 422),
        ([float("nan")] * 784, 422),
        ([10**400] * 784, 422),
        ([0.5] * 784, 422),
        ([ROW] * 6, 413),
    ],
)
def test_json_refusals(value: object, status: int) -> None:
    assert refusal(json.dumps(value).encode()).status == status


def test_pixels_scaled_to_one_are_named() -> None:
    assert "0 to 255" in refusal(json.dumps([0.25] * 784).encode()).message


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"[" * 100_000, b"nul"])
def test_malformed_json(body: bytes) -> None:
    assert refusal(body).status == 400


def test_octets_are_rows() -> None:
    rows = parse(bytes(784 * 2), "application/octet-stream")
    assert isinstance(rows, Rows)
    assert rows.values.shape == (2, 784)
    assert not rows.single


def test_an_unnamed_type_is_told_by_its_bytes() -> None:
    padded = png_header(9, 9).ljust(784, b"\0")
    assert isinstance(parse(padded, "application/octet-stream"), Images)
    assert isinstance(parse(b"BM....", "application/x-www-form-urlencoded"), Images)


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "video/mp4"])
def test_other_types_are_refused(kind: str) -> None:
    assert refusal(b"x", kind).status == 415


def test_an_empty_body_is_refused() -> None:
    assert refusal(b"", "image/png").status == 400


def multipart(*parts: tuple[str, bytes], end: bytes = b"--B--\r\n") -> bytes:
    return (
        b"".join(b"--B\r\n" + head.encode() + b"\r\n\r\n" + data + b"\r\n" for head, data in parts)
        + end
    )


FILE = 'Content-Disposition: form-data; name="file"; filename="../../x.png"'
TEXT = 'Content-Disposition: form-data; name="note"'


def test_multipart_files_are_taken_and_fields_are_not() -> None:
    body = multipart((TEXT, b"hello"), (FILE, b"\x89PNG\r\n--B-not-a-boundary"), (FILE, b"second"))
    images = parse(body, "multipart/form-data; boundary=B")
    assert isinstance(images, Images)
    assert images.files == [b"\x89PNG\r\n--B-not-a-boundary", b"second"]
    assert not images.single


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (multipart((FILE, b"x")), "multipart/form-data", 400),
        (b"rubbish", "multipart/form-data; boundary=B", 400),
        (multipart((FILE, b"x"), end=b""), "multipart/form-data; boundary=B", 400),
        (multipart((TEXT, b"x")), "multipart/form-data; boundary=B", 422),
        (multipart(*[(FILE, b"x")] * 4), "multipart/form-data; boundary=B", 413),
    ],
)
def test_multipart_refusals(body: bytes, content_type: str, status: int) -> None:
    assert refusal(body, content_type).status == status


def test_scans_of_a_progressive_jpeg_are_counted() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64)).save(buffer, "JPEG", progressive=True)
    check_image(buffer.getvalue(), SETTINGS)
    with pytest.raises(RequestError) as caught:
        check_image(buffer.getvalue() + b"\xff\xda\0\0" * 30, SETTINGS)
    assert caught.value.status == 413


@pytest.mark.parametrize("data", [b"%PDF-1.7", b"<svg/>", b"\0" * 64, b"GIF89a", b"\x89PNG\r\n"])
def test_other_formats_are_refused(data: bytes) -> None:
    with pytest.raises(RequestError) as caught:
        check_image(data, SETTINGS)
    assert caught.value.status == 415


def test_only_the_chosen_formats_are_decoded() -> None:
    buffer = io.BytesIO()
    Image.new("L", (9, 9)).save(buffer, "TIFF")
    check_image(buffer.getvalue(), SETTINGS)
    with pytest.raises(RequestError):
        check_image(buffer.getvalue(), Settings(image_formats=("PNG", "JPEG")))


TYPES = st.sampled_from(
    [
        "application/json",
        "multipart/form-data; boundary=B",
        "application/octet-stream",
        "image/png",
        "",
    ]
)


@given(st.binary(max_size=300), TYPES)
def test_any_bytes_are_parsed_or_refused(body: bytes, content_type: str) -> None:
    try:
        request = parse(body, content_type)
    except RequestError as error:
        assert 400 <= error.status < 500
        return
    if isinstance(request, Images):
        for data in request.files:
            with pytest.raises(RequestError):
                check_image(data, SETTINGS)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["image", "images", "x"]), inner, max_size=2)
    ),
    max_leaves=20,
)


@given(JSON)
def test_any_json_is_parsed_or_refused(value: object) -> None:
    assert 400 <= refusal(json.dumps(value).encode()).status < 500
