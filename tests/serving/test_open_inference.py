from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest


def infer(server: Any, request: Any, **headers: str) -> Any:
    return server.request(
        "/v2/models/small/infer",
        request if isinstance(request, bytes) else json.dumps(request).encode(),
        {"Content-Type": "application/json", **headers},
    )


def tensor(rows: Any, **fields: Any) -> dict[str, Any]:
    entry = {"name": "pixels", "shape": list(rows.shape), "datatype": "UINT8"}
    return {"inputs": [{**entry, "data": rows.ravel().tolist(), **fields}]}


def outputs(reply: Any) -> dict[str, Any]:
    assert reply.status == 200, reply.body
    return {output["name"]: output for output in reply.json()["outputs"]}


def test_health_and_metadata(server: Any) -> None:
    assert server.request("/v2/health/live").json() == {"live": True}
    assert server.request("/v2/health/ready").json() == {"ready": True}
    assert server.request("/v2").json()["name"] == "digitrec"
    metadata = server.request("/v2/models/small").json()
    assert metadata["inputs"] == [{"name": "pixels", "datatype": "UINT8", "shape": [-1, 784]}]
    assert server.request("/v2/models/small/ready").json() == {"name": "small", "ready": True}
    assert server.request("/v2/models/other").status == 404


def test_json_tensors(server: Any, digits: Any) -> None:
    X, y = digits
    named = outputs(infer(server, {**tensor(X), "id": "abc"}))
    assert named["digit"]["shape"] == [len(X)]
    assert np.mean(np.array(named["digit"]["data"]) == y) >= 0.95
    assert named["probabilities"]["shape"] == [len(X), 10]
    assert len(named["probabilities"]["data"]) == 10 * len(X)
    assert infer(server, {**tensor(X[:1]), "id": "abc"}).json()["id"] == "abc"


@pytest.mark.parametrize("shape", [(4, 28, 28), (4, 1, 28, 28), (4, 28, 28, 1)])
def test_image_shapes(server: Any, digits: Any, shape: tuple[int, ...]) -> None:
    X, _ = digits
    flat = outputs(infer(server, tensor(X[:4])))["digit"]["data"]
    assert outputs(infer(server, tensor(X[:4].reshape(shape))))["digit"]["data"] == flat


def test_chosen_outputs(server: Any, digits: Any) -> None:
    request = {**tensor(digits[0][:2]), "outputs": [{"name": "digit"}]}
    assert list(outputs(infer(server, request))) == ["digit"]


@pytest.mark.parametrize(
    ("datatype", "dtype"), [("UINT8", "u1"), ("FP32", "<f4"), ("INT64", "<i8")]
)
def test_binary_tensors(server: Any, digits: Any, datatype: str, dtype: str) -> None:
    X, y = digits
    data = X.astype(dtype).tobytes()
    head = {
        "inputs": [
            {
                "name": "pixels",
                "shape": list(X.shape),
                "datatype": datatype,
                "parameters": {"binary_data_size": len(data)},
            }
        ],
        "outputs": [{"name": "digit", "parameters": {"binary_data": True}}],
    }
    encoded = json.dumps(head).encode()
    length = {"Inference-Header-Content-Length": str(len(encoded))}
    reply = infer(server, encoded + data, **length)
    assert reply.status == 200, reply.body
    head_length = int(reply.headers["inference-header-content-length"])
    (output,) = json.loads(reply.body[:head_length])["outputs"]
    assert output["parameters"]["binary_data_size"] == 8 * len(X)
    assert np.mean(np.frombuffer(reply.body[head_length:], dtype="<i8") == y) >= 0.95


ROW = np.zeros((1, 784), dtype=np.uint8)


@pytest.mark.parametrize(
    "request_body",
    [
        b"{",
        [],
        {},
        {"inputs": [{}]},
        {"inputs": [1]},
        tensor(ROW, name="x"),
        tensor(ROW, datatype="BYTES"),
        tensor(ROW, shape=[2, 784]),
        tensor(ROW, shape=[-1, 784]),
        tensor(ROW, shape="x"),
        tensor(ROW, data=["a"] * 784),
        tensor(ROW, data=None),
        tensor(ROW, parameters={"binary_data_size": 784}),
        {**tensor(ROW), "outputs": [{"name": "nope"}]},
        {**tensor(ROW), "outputs": 3},
    ],
)
def test_malformed_requests(server: Any, request_body: Any) -> None:
    reply = infer(server, request_body)
    assert reply.status == 400
    assert reply.json()["error"]


@pytest.mark.parametrize("length", ["0", "999999", "x", "-4", "٣"])
def test_a_wrong_head_length_is_refused(server: Any, length: str) -> None:
    header = {"Inference-Header-Content-Length": length.encode().decode("latin-1")}
    assert infer(server, tensor(ROW), **header).status == 400


def test_tritons_client_works(server: Any, digits: Any) -> None:
    http = pytest.importorskip(
        "tritonclient.http", reason="Triton's client (tritonclient[http]) is not installed"
    )
    X, y = digits
    client = http.InferenceServerClient(f"127.0.0.1:{server.port}")
    try:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("small")
        assert client.get_model_metadata("small")["inputs"][0]["name"] == "pixels"
        for binary in (True, False):
            pixels = http.InferInput("pixels", list(X.shape), "UINT8")
            pixels.set_data_from_numpy(X, binary_data=binary)
            result = client.infer("small", [pixels])
            assert np.mean(result.as_numpy("digit") == y) >= 0.95
            assert result.as_numpy("probabilities").shape == (len(X), 10)
            assert result.as_numpy("accepted").dtype == bool
    finally:
        client.close()
