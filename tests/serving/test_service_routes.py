from __future__ import annotations

import base64
import json
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from PIL import Image

from digitrec.serving import schemas

ROWS = "application/octet-stream"


def form(*files: bytes) -> tuple[bytes, str]:
    head = b'--B\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
    body = b"".join(head + data + b"\r\n" for data in files) + b"--B--\r\n"
    return body, "multipart/form-data; boundary=B"


def test_raw_rows_are_recognised(server: Any, digits: Any) -> None:
    X, y = digits
    answers = [server.post("/predict", row.tobytes(), ROWS).json() for row in X]
    for answer in answers:
        schemas.Prediction.model_validate(answer)
    right = np.mean([answer["digit"] == label for answer, label in zip(answers, y, strict=True)])
    assert right >= 0.95


def test_all_roads_give_the_same_answer(server: Any, digits: Any) -> None:
    row = digits[0][7]
    single = server.post("/predict", row.tobytes(), ROWS).json()
    as_json = server.post("/predict", json.dumps(row.tolist()).encode(), "application/json").json()
    nested = {"images": [row.reshape(28, 28).tolist()] * 2}
    batch = server.post("/predict", json.dumps(nested).encode(), "application/json").json()
    octets = server.post("/predict", row.tobytes() * 2, ROWS).json()
    schemas.BatchPrediction.model_validate(batch)
    for answer in (as_json, *batch["predictions"], *octets["predictions"]):
        assert answer["digit"] == single["digit"]
        assert answer["probabilities"] == pytest.approx(single["probabilities"], abs=1e-4)


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_image_formats(server: Any, drawing: Image.Image, encode: Any, image_format: str) -> None:
    data = encode(drawing, image_format)
    answer = server.post("/predict", data, f"image/{image_format.lower()}").json()
    assert answer["digit"] == 7
    assert answer["accepted"]
    left, top, right, bottom = answer["box"]
    assert 0 <= left < right <= 280
    assert 0 <= top < bottom <= 280


def test_an_upload_shows_what_the_model_saw(server: Any, drawing: Image.Image, encode: Any) -> None:
    body, content_type = form(encode(drawing))
    answer = server.post("/predict?normalised=true", body, content_type).json()
    pixels = np.frombuffer(base64.b64decode(answer["normalised"]), dtype=np.uint8)
    assert pixels.shape == (784,)
    assert pixels.max() > 200
    assert "normalised" not in server.post("/predict", body, content_type).json()


def test_an_image_of_784_bytes_is_not_taken_for_raw_pixels(
    server: Any, drawing: Image.Image, encode: Any
) -> None:
    data = encode(drawing.resize((28, 28)).quantize(4), optimize=True)
    assert len(data) < 784
    padded = data[:-12] + png_text(784 - len(data)) + data[-12:]
    assert len(padded) == 784
    answer = server.post("/predict", padded, ROWS).json()
    assert (answer["digit"], answer["box"] is None) == (7, False)


def png_text(size: int) -> bytes:
    """Return a PNG text chunk of a size, at least 14 bytes."""
    data = b"a\0".ljust(size - 12, b" ")
    return (
        struct.pack(">I", size - 12)
        + b"tEXt"
        + data
        + struct.pack(">I", zlib.crc32(b"tEXt" + data))
    )


def test_concurrent_images_keep_their_answers(server: Any, digits: Any, encode: Any) -> None:
    X, y = digits
    bodies = [encode(row.reshape(28, 28)) for row in X[::2]]
    with ThreadPoolExecutor(12) as threads:
        spoiled = [body if i % 5 else b"not an image" for i, body in enumerate(bodies)]
        replies = list(
            threads.map(lambda body: server.post("/predict", body, "image/png"), spoiled)
        )
    assert [reply.status for reply in replies] == [415, 200, 200, 200, 200] * 4
    right = [
        reply.json()["digit"] == label
        for reply, label in zip(replies, y[::2], strict=True)
        if reply.status == 200
    ]
    assert np.mean(right) >= 0.9
    assert 'digitrec_batch_size_bucket{kind="predict",le="1.0"}' in (
        server.request("/metrics").body.decode()
    )


def test_rows_of_digits_are_read(server: Any, digits: Any, encode: Any) -> None:
    X, y = digits
    chosen = [int(np.flatnonzero(y == digit)[0]) for digit in (3, 0, 7)]
    page = np.zeros((68, 160), dtype=np.uint8)
    for i, index in enumerate(chosen):
        page[20:48, 20 + 44 * i : 48 + 44 * i] = X[index].reshape(28, 28)
    image = Image.fromarray(255 - page).resize((640, 272), Image.Resampling.BICUBIC)
    answer = server.post("/read", encode(image), "image/png").json()
    schemas.ReadingAnswer.model_validate(answer)
    assert answer["text"] == "307"
    assert answer["lines"] == ["307"]
    assert len(answer["digits"]) == 3


def test_a_blank_page_holds_no_digit(server: Any, encode: Any) -> None:
    blank = encode(np.full((240, 320), 255, dtype=np.uint8))
    answer = server.post("/predict", blank, "image/png").json()
    assert answer["digit"] is None
    assert not answer["accepted"]
    assert answer["reason"]
    assert server.post("/read", blank, "image/png").json()["text"] == ""


@pytest.mark.parametrize(
    ("path", "body", "content_type", "status", "code"),
    [
        ("/predict", b"", "image/png", 400, "empty_body"),
        ("/predict", b"{", "application/json", 400, "invalid_json"),
        ("/predict", b"[1]", "application/json", 422, "wrong_shape"),
        ("/predict", b"x" * 900, "image/png", 415, "unsupported_image"),
        ("/predict", b"hello", "text/plain", 415, "unsupported_type"),
        ("/predict", bytes(784 * 101), ROWS, 413, "too_many_images"),
        ("/predict", bytes(2 * 2**20 + 1), ROWS, 413, "body_too_large"),
        ("/predict?model=nope", bytes(784), ROWS, 404, "unknown_model"),
        ("/predict?normalised=perhaps", bytes(784), ROWS, 422, "wrong_parameter"),
        ("/predict?model=../../etc/passwd", bytes(784), ROWS, 404, "unknown_model"),
        ("/read", bytes(784), ROWS, 415, "unsupported_type"),
        ("/read", b'{"image": "/etc/passwd"}', "application/json", 422, "wrong_values"),
        ("/nowhere", b"x", ROWS, 404, "not_found"),
        ("/health", b"x", ROWS, 405, "method_not_allowed"),
        ("/v2/models/nope/infer", b"{}", "application/json", 404, "unknown_model"),
    ],
)
def test_errors_name_their_cause(
    server: Any, path: str, body: bytes, content_type: str, status: int, code: str
) -> None:
    reply = server.post(path, body, content_type)
    problem = reply.json()
    assert (reply.status, problem["code"]) == (status, code)
    schemas.Problem.model_validate(problem)
    assert "Traceback" not in problem["error"]


def test_compressed_bodies_are_refused(server: Any) -> None:
    headers = {"Content-Type": ROWS, "Content-Encoding": "gzip"}
    assert server.request("/predict", bytes(784), headers).status == 415


def test_models_and_health(server: Any) -> None:
    assert server.request("/models").json() == {"models": ["small"]}
    health = server.request("/health")
    assert health.status == 200
    assert health.json()["status"] == "ok"


def test_metrics_count_requests_and_digits(server: Any, digits: Any) -> None:
    server.post("/predict", digits[0][0].tobytes(), ROWS)
    server.post("/predict", b"x", "text/plain")
    text = server.request("/metrics").body.decode()
    assert 'digitrec_requests_total{route="/predict",status="200"}' in text
    assert 'digitrec_requests_total{route="/predict",status="415"}' in text
    assert 'digitrec_digits_total{digit="0",model="small"}' in text
    assert 'digitrec_refused_total{reason="unsupported_type"}' in text
    assert 'digitrec_request_seconds_bucket{le="0.1",route="/predict"}' in text
    assert "process_resident_memory_bytes" in text


def test_unknown_paths_share_one_counter(server: Any) -> None:
    for i in range(3):
        server.request(f"/made-up-{i}")
    assert "made-up" not in server.request("/metrics").body.decode()


def test_every_answer_carries_the_security_headers(server: Any) -> None:
    for reply in (
        server.request("/"),
        server.request("/nowhere"),
        server.request("/docs"),
        server.post("/predict", bytes(784), ROWS),
        server.post("/predict", b"x", "text/plain"),
    ):
        headers = {name.lower(): value for name, value in reply.headers.items()}
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "server" not in headers


def test_pages_name_no_other_host(server: Any) -> None:
    for path in ("/", "/docs", "/static/app.js", "/static/style.css", "/static/docs.js"):
        reply = server.request(path)
        assert reply.status == 200
        text = reply.body.decode().replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text
        assert "https://" not in text
        assert "<script>" not in text
        assert "style=" not in text


def test_static_files_stay_in_their_folder(server: Any) -> None:
    for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/docs/..%2fmain.py", "/static/"):
        assert server.request(path).status == 404


def test_openapi_has_examples_that_work(server: Any) -> None:
    document = server.request("/openapi.json").json()
    content = document["paths"]["/predict"]["post"]["requestBody"]["content"]
    assert {"multipart/form-data", "image/png", ROWS, "application/json"} <= set(content)
    for example in content["application/json"]["examples"].values():
        body = json.dumps(example["value"]).encode()
        assert server.post("/predict", body, "application/json").status == 200
    infer = document["paths"]["/v2/models/{name}/infer"]["post"]["requestBody"]["content"]
    body = json.dumps(infer["application/json"]["example"]).encode()
    reply = server.post("/v2/models/small/infer", body, "application/json")
    assert reply.json()["outputs"][0]["data"] == [1]


def test_what_is_known_of_a_number_is_taken_from_the_query(
    server: Any, digits: Any, encode: Any
) -> None:
    X, y = digits
    canvas = np.full((100, 240), 255, dtype=np.uint8)
    for place, row in enumerate(X[:3]):
        left = 30 + 60 * place
        canvas[36:64, left : left + 28] = 255 - row.reshape(28, 28)
    text = "".join(str(label) for label in y[:3])
    far = "".join(str((label + 5) % 10) for label in y[:3])
    image = encode(canvas)
    for query in ("expected=3", "pattern=d.dd", f"allowed={far}&allowed={text}"):
        answer = server.post(f"/read?{query}", image, "image/png").json()
        schemas.ReadingAnswer.model_validate(answer)
        assert answer["match"]["text"].replace(".", "") == text
        assert answer["text"] == text
    answer = server.post("/read?region=0,0,80,100&rotation=0", image, "image/png").json()
    assert answer["text"] == text[0]
    for query in (
        "pattern=xx",
        "check=crc",
        "expected=0",
        "region=5,5",
        "region=9,9,3,3",
        "rotation=nan",
    ):
        refused = server.post(f"/read?{query}", image, "image/png")
        assert refused.status == 422, query
        assert refused.json()["code"] == "wrong_parameter"
