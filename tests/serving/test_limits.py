from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

ROW_HEAD = (
    b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\n"
    b"Content-Length: 784\r\n"
)


def read_reply(connection: socket.socket, seconds: float = 60) -> bytes:
    """Read until the server closes or one whole answer has come."""
    connection.settimeout(seconds)
    data = b""
    while True:
        try:
            chunk = connection.recv(65536)
        except ConnectionResetError:
            return data
        if not chunk:
            return data
        data += chunk
        head, separator, body = data.partition(b"\r\n\r\n")
        if separator:
            lengths = [
                int(line.split(b":")[1])
                for line in head.lower().split(b"\r\n")
                if line.startswith(b"content-length")
            ]
            if lengths and len(body) >= lengths[0]:
                return data


def status_of(reply: bytes) -> int:
    return int(reply.split(b" ", 2)[1])


def test_a_large_body_passes_in_one_piece(server: Any) -> None:
    # Larger than the limit of the head: the two must not be confused.
    reply = server.post("/predict", bytes(784 * 100), "application/octet-stream")
    assert reply.status == 200
    assert len(reply.json()["predictions"]) == 100


def test_a_body_without_a_length_is_capped_while_it_arrives(server: Any) -> None:
    with server.connect() as connection:
        connection.sendall(
            b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        chunk = b"10000\r\n" + bytes(65536) + b"\r\n"
        sent = 0
        try:
            for _ in range(200):
                connection.sendall(chunk)
                sent += 65536
        except OSError:
            pass
        reply = read_reply(connection)
    assert reply == b"" or status_of(reply) == 413
    assert sent <= 200 * 65536
    assert server.request("/health").status == 200


def test_the_client_sees_why_a_large_body_is_refused(server: Any) -> None:
    with server.connect() as connection:
        size = 3 * 2**20
        connection.sendall(
            b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size
        )
        connection.sendall(bytes(size))
        reply = read_reply(connection)
    assert status_of(reply) == 413
    assert b"connection: close" in reply.lower()
    assert json.loads(reply.partition(b"\r\n\r\n")[2])["code"] == "body_too_large"


def test_a_slow_body_is_given_up(server: Any) -> None:
    with server.connect() as connection:
        connection.sendall(ROW_HEAD + b"\r\n" + bytes(10))
        reply = read_reply(connection)
    assert status_of(reply) == 408


def test_a_dripping_body_is_given_up(server: Any) -> None:
    with server.connect() as connection:
        connection.sendall(ROW_HEAD + b"\r\n")
        with pytest.raises(OSError):
            for _ in range(700):  # fewer than the bytes that were announced
                connection.sendall(b"\0")
                time.sleep(0.05)


@pytest.mark.parametrize("drip", [b"", b"a", b"\r\n", b"x-a: b\r\n"])
def test_a_slow_head_is_given_up(server: Any, drip: bytes) -> None:
    with server.connect() as connection:
        if drip and drip != b"\r\n":
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n")
        connection.settimeout(0.2)
        for _ in range(300):
            try:
                if drip:
                    connection.sendall(drip)
                if not connection.recv(100):
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        else:
            pytest.fail("the server has waited for a minute")


def test_an_endless_head_is_given_up(server: Any) -> None:
    with server.connect() as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nx: ")
        with pytest.raises(OSError):
            for _ in range(1000):
                connection.sendall(b"a" * 65536)


def test_idle_connections_outlive_the_limit_of_the_head(server: Any) -> None:
    with server.connect() as connection:
        for _ in range(3):
            connection.sendall(ROW_HEAD + b"\r\n" + bytes(784))
            assert status_of(read_reply(connection)) == 200
            time.sleep(1.2)


def test_a_client_that_leaves_does_no_harm(server: Any, drawing: Any, encode: Any) -> None:
    data = encode(drawing)
    for cut in (len(data) // 2, len(data)):
        with server.connect() as connection:
            connection.sendall(
                b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"
                b"Content-Length: %d\r\n\r\n" % len(data)
            )
            connection.sendall(data[:cut])
    assert server.post("/predict", data, "image/png").json()["digit"] == 7


@pytest.mark.parametrize(
    "head",
    [
        b"\0\1\2\3\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"GET /%00%ff%zz HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_malformed_http_is_refused(server: Any, head: bytes) -> None:
    with server.connect() as connection:
        connection.sendall(head)
        reply = read_reply(connection)
    assert reply == b"" or 400 <= status_of(reply) < 500
    assert server.request("/health").status == 200


def test_the_api_key_guards_all_but_the_pages(guarded: Any, digits: Any) -> None:
    row = digits[0][0].tobytes()
    for path in ("/", "/static/app.js", "/docs", "/openapi.json", "/health", "/v2/health/live"):
        assert guarded.request(path).status == 200, path
    for path in ("/models", "/metrics", "/v2", "/v2/models/small"):
        assert guarded.request(path).status == 401, path

    def predict(**headers: str) -> Any:
        headers["Content-Type"] = "application/octet-stream"
        return guarded.request("/predict", row, headers)

    key = "sécret".encode().decode("latin-1")
    assert predict().status == 401
    assert predict().headers["www-authenticate"] == "Bearer"
    assert predict(Authorization="Bearer wrong").status == 401
    assert predict(Authorization="Bearer").status == 401
    assert predict(Authorization=f"Basic {key}").status == 401
    assert predict(Authorization=f"Bearer {key}").status == 200
    assert predict(**{"X-API-Key": key}).status == 200
    assert "sécret" not in guarded.log.read_text()
    if Path("/proc/self/environ").exists():
        for engine in psutil.Process(guarded.process.pid).children(recursive=True):
            variables = Path(f"/proc/{engine.pid}/environ").read_bytes()
            assert b"DIGITREC_API_KEY" not in variables
