from __future__ import annotations

import base64
import io
import json
import re
import textwrap
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from images_for_tests import png_header
from PIL import Image

from digitrec.inference.row_layout import check_row_layout
from digitrec.serving.bodies import Images, Rows, check_image, parse_body
from digitrec.serving.messages import RequestError
from digitrec.serving.settings import Settings

SETTINGS = Settings(max_images=3, max_rows=5, max_pixels=1_000_000, max_jpeg_scans=20)
ROW = list(range(28)) * 28
FORM_TYPES = ("application/x-www-form-urlencoded", "image/*")


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
        ([], 422),
        ([[]], 422),
        (7, 422),
        (None, 422),
        ({"image": [ROW, ROW]}, 422),
        ({"images": ROW}, 422),
        ({"image": ROW, "images": [ROW]}, 422),
        ({"path": "/etc/passwd"}, 422),
        ([70_000] * 784, 422),
        ([-2] * 784, 422),
        ([float("nan")] * 784, 422),
        ([10**400] * 784, 422),
        ([7.5] * 784, 422),
        ([ROW] * 6, 413),
    ],
)
def test_json_refusals(value: object, status: int) -> None:
    assert refusal(json.dumps(value).encode()).status == status


@pytest.mark.parametrize(("scale", "number"), [(1 / 255, float), (1, float), (1, int), (257, int)])
def test_pixels_of_any_clear_scale_mean_the_same(scale: float, number: Any) -> None:
    image = [0] * 200 + [255, 128, 64, 200] * 100 + [0] * 184
    rows = parse(json.dumps([number(value * scale) for value in image]).encode())
    assert isinstance(rows, Rows)
    np.testing.assert_array_equal(rows.values, [image])


def test_booleans_are_black_and_white() -> None:
    rows = parse(json.dumps([[False] * 14 + [True] * 14] * 28).encode())
    assert isinstance(rows, Rows)
    assert set(rows.values.ravel()) == {0, 255}


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (30, 30)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("url", ["", "data:image/png;base64,", "DATA:;charset=x;BASE64,"])
@pytest.mark.parametrize("padding", [True, False])
@pytest.mark.parametrize("lines", [True, False])
def test_files_in_json_as_base64(encode: Any, url: str, padding: bool, lines: bool) -> None:
    text = encode(png()).decode()
    text = text if padding else text.rstrip("=")
    text = url + ("\n".join(textwrap.wrap(text, 76)) if lines else text)
    for value in (text, {"image": text}):
        found = parse(json.dumps(value).encode())
        assert isinstance(found, Images)
        assert (found.files, found.single) == ([png()], True)
    found = parse(json.dumps({"images": [text, text]}).encode())
    assert isinstance(found, Images)
    assert (found.files, found.single) == ([png(), png()], False)
    assert refusal(json.dumps({"images": [text] * 4}).encode()).status == 413
    assert refusal(json.dumps({"image": [text, text]}).encode()).status == 422


@pytest.mark.parametrize(
    "text", ["", "/etc/passwd", "seven", "data:image/png,abc", "data:", "é", "AAAA", "http://x/y"]
)
def test_text_in_json_that_is_no_image_says_what_to_send(text: str) -> None:
    error = refusal(json.dumps({"image": text}).encode())
    assert (error.status, error.code) == (422, "wrong_values")
    assert "send the image file itself" in error.message


@pytest.mark.parametrize("form", ["{}", "{}.0", "{:.3e}"])
def test_numbers_in_quotes_are_named(form: str) -> None:
    error = refusal(json.dumps({"image": [form.format(value) for value in ROW]}).encode())
    assert error.status == 422
    assert "without quotes" in error.message


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


SCALES = {
    "0–1": ("f2", "f4", "f8"),
    "standardised": ("f2", "f4", "f8"),
    "0–255": ("f2", "f4", "f8", "i2", "u2", "i4", "u4", "i8", "u8"),
    "0–65535": ("u2", "f4", "f8", "i4", "u4", "i8", "u8"),
    "0–1023": ("u2", "i2"),
}


@pytest.mark.parametrize(
    ("scale", "dtype"), [(scale, dtype) for scale, types in SCALES.items() for dtype in types]
)
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("n", [1, 3, 300])
def test_arrays_of_other_numbers_are_no_rows_of_bytes(
    bundled_digits: Any, dtype: str, order: str, scale: str, n: int
) -> None:
    rows = bundled_digits[0][:n].astype(np.float64)
    values = {
        "0–1": rows / 255,
        "0–255": rows,
        "0–65535": rows * 257,
        "0–1023": rows * 4 + 3 * (rows > 0),
        "standardised": (rows / 255 - 0.1307) / 0.3081,
    }[scale]
    body = values.astype(order + dtype).tobytes()
    error = refusal(body, "application/octet-stream")
    assert (error.status, error.code) == (422, "wrong_values")
    assert f"{np.dtype(dtype).itemsize * 8}" in error.message


@pytest.mark.parametrize("n", [1, 2, 4, 8, 16, 32])
@pytest.mark.parametrize("change", ["as they are", "faint", "binary", "inverted", "small", "blank"])
def test_rows_of_bytes_are_taken_for_no_other_numbers(
    bundled_digits: Any, n: int, change: str
) -> None:
    X = bundled_digits[0][::10]
    X = {
        "as they are": X,
        "faint": X // 4,
        "binary": (X > 127) * np.uint8(255),
        "inverted": 255 - X,
        "small": X * (np.arange(784) % 28 < 16),
        "blank": X * 0,
    }[change]
    for start in range(0, len(X) - n + 1, n):
        check_row_layout(X[start : start + n])


@pytest.mark.parametrize("part", [np.s_[4:24, 12], np.s_[12, 4:24], np.s_[[5, 23], 4:24], np.s_[:]])
@pytest.mark.parametrize("n", [1, 2, 16])
def test_lines_of_one_pixel_and_noise_are_rows_of_bytes(part: Any, n: int) -> None:
    image = np.zeros((28, 28), np.uint8)
    image[part] = np.random.default_rng(0).integers(1, 256, image[part].shape)
    check_row_layout(np.stack([image] * n).reshape(n, 784))


@pytest.mark.parametrize("size", [(56, 28), (56, 56), (84, 84), (112, 112)])
@pytest.mark.parametrize("n", [1, 5])
def test_images_of_other_widths_are_no_rows(
    bundled_digits: Any, size: tuple[int, int], n: int
) -> None:
    images = [Image.fromarray(row.reshape(28, 28)) for row in bundled_digits[0][:n]]
    body = b"".join(image.resize(size).tobytes() for image in images)
    assert f"{size[0]} pixels wide" in refusal(body, "application/octet-stream").message


@pytest.mark.parametrize("mode", ["LA", "RGB", "RGBA"])
@pytest.mark.parametrize("n", [1, 5])
def test_colours_are_no_rows(bundled_digits: Any, mode: str, n: int) -> None:
    images = [Image.fromarray(row.reshape(28, 28)) for row in bundled_digits[0][:n]]
    body = b"".join(image.convert(mode).tobytes() for image in images)
    assert f"{len(mode)} bytes" in refusal(body, "application/octet-stream").message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"image": [0, 1]}', "Content-Type: application/json"),
        (b"[0, 1]", "Content-Type: application/json"),
        (b"\xef\xbb\xbf \n{}", "Content-Type: application/json"),
        (b"%PDF-1.7", "PDF"),
        (b"\0\0\0\x18ftypheic", "HEIC"),
        (b"\0\0\0\x18ftypavif", "AVIF"),
        (b"\x93NUMPY\1\0", "npy"),
        (b"label,pixel0\n7,0\n", "text"),
        (b"<?xml version='1.0'?><svg/>", "SVG"),
        (b"PK\3\4", "ZIP"),
        (b"\x1f\x8b\x08\0", "gzip"),
        (png().replace(b"\r", b"").replace(b"\n", b""), "--data-binary"),
        (png().replace(b"\r\n", b"\n"), "--data-binary"),
    ],
)
@pytest.mark.parametrize("kind", ["", "application/octet-stream", *FORM_TYPES])
@pytest.mark.parametrize("as_rows", [True, False])
def test_other_files_are_named(body: bytes, message: str, kind: str, as_rows: bool) -> None:
    # A length that rows could have does not make rows of it.
    body = body.ljust(784 if as_rows else 785, b" " if body[:1] in b"{[<lP" else b"\0")
    with pytest.raises(RequestError, match=re.escape(message)) as caught:
        found = parse(body, kind)
        assert isinstance(found, Images)
        check_image(found.files[0], SETTINGS)
    assert caught.value.status == 415


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "video/mp4"])
def test_other_types_are_refused(kind: str) -> None:
    assert refusal(b"x", kind).status == 415


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
    "head",
    [
        "Content-Disposition: form-data; name=\"file\"; filename*=UTF-8''%E6%95%B0.png",
        "content-disposition:form-data;name=file;filename*=utf-8'en'x.png",
        "Content-Disposition: form-data; FileName = x.png; name=file",
        'Content-Disposition: form-data; name="file"; filename*0="a"; filename*1="b.png"',
        "Content-Disposition: form-data; name=\"file\"; filename*0*=UTF-8''a",
        'Content-Disposition: form-data; name="a;b\\"c"; filename=""',
        'Content-Disposition: form-data; name="file"\r\nContent-Type: image/png',
        "Content-Type: Image/JPEG\r\nContent-Disposition: form-data; name=f",
    ],
)
def test_files_of_a_form_in_any_spelling(head: str) -> None:
    images = parse(multipart((head, png())), "multipart/form-data; boundary=B")
    assert isinstance(images, Images)
    assert images.files == [png()]


@pytest.mark.parametrize(
    "head",
    [
        'Content-Disposition: form-data; name="filename"',
        'Content-Disposition: form-data; name="x; filename=y"',
        'Content-Disposition: form-data; name="note"; myfilename="x"',
        'Content-Disposition: form-data; name="note"\r\nContent-Type: text/plain',
    ],
)
def test_fields_of_a_form_that_are_no_files(head: str) -> None:
    assert refusal(multipart((head, b"x")), "multipart/form-data; boundary=B").code == "no_file"


def test_a_file_field_that_nobody_filled_in_is_left_out() -> None:
    empty = 'Content-Disposition: form-data; name="file"; filename=""'
    images = parse(multipart((empty, b""), (FILE, png())), "multipart/form-data; boundary=B")
    assert isinstance(images, Images)
    assert (images.files, images.single) == ([png()], True)


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
