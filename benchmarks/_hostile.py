"""Hostile clients: decompression bombs, damaged files, wrong types, slow and endless requests."""

from __future__ import annotations

import contextlib
import io
import random
import socket
import struct
import threading
import time
import zlib
from collections import Counter

from PIL import Image

_THREADS = 6
_SLOW_CONNECTIONS = 30


def attack(port: int, seconds: float, jpeg: bytes) -> Counter[str]:
    """Attack a server on loopback for some seconds; return what was sent, and how often.

    `jpeg` is a valid file, to be cut and damaged.
    """
    sent: Counter[str] = Counter()
    stop = time.monotonic() + seconds
    kinds = _bodies(jpeg)
    threads = [
        threading.Thread(target=_requests, args=(port, kinds, stop, sent, seed), daemon=True)
        for seed in range(_THREADS)
    ]
    threads.append(threading.Thread(target=_slow, args=(port, stop, sent), daemon=True))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds + 30)
    return sent


def _bodies(jpeg: bytes) -> dict[str, tuple[str, bytes]]:
    blank = io.BytesIO()
    Image.new("L", (4800, 4800)).save(blank, "PNG")
    rng = random.Random(0)
    damaged = bytearray(jpeg)
    for _ in range(200):
        damaged[rng.randrange(700, len(damaged))] = rng.randrange(256)
    return {
        "pixel bomb": ("image/png", _declared_png(60_000, 60_000)),
        "23-megapixel PNG": ("image/png", blank.getvalue()),
        "JPEG of a thousand scans": ("image/jpeg", jpeg[:-2] + b"\xff\xda\0\0" * 1000),
        "truncated JPEG": ("image/jpeg", jpeg[: len(jpeg) // 3]),
        "damaged JPEG": ("image/jpeg", bytes(damaged)),
        "random bytes": ("image/png", rng.randbytes(50_000)),
        "wrong type": ("text/html", b"<script>alert(1)</script>"),
        "deeply nested JSON": ("application/json", b"[" * 200_000),
        "JSON of wrong values": ("application/json", b"[" + b"1e999," * 783 + b"1]"),
        "multipart without end": ("multipart/form-data; boundary=x", b"--x\r\n" * 10_000),
        "body over the limit": ("image/png", bytes(11 * 2**20)),
    }


def _declared_png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(1_000_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels)


def _requests(
    port: int,
    kinds: dict[str, tuple[str, bytes]],
    stop: float,
    sent: Counter[str],
    seed: int,
) -> None:
    rng = random.Random(seed)
    names = list(kinds)
    while time.monotonic() < stop:
        name = rng.choice(names)
        content_type, body = kinds[name]
        path = rng.choice(("/predict", "/read", "/v2/models/default/infer"))
        head = (
            f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        with contextlib.suppress(OSError), _connect(port) as connection:
            connection.sendall(head.encode() + body)
            while connection.recv(65536):
                pass
        sent[name] += 1


def _slow(port: int, stop: float, sent: Counter[str]) -> None:
    """Keep many connections that send a byte now and then, in the head or in the body."""
    starts = {
        "slow head": b"POST /predict HTTP/1.1\r\nHost: x\r\nX-A: ",
        "slow body": b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 784\r\n\r\n",
    }
    connections: list[socket.socket] = []
    while time.monotonic() < stop:
        while len(connections) < _SLOW_CONNECTIONS:
            name = random.choice(list(starts))
            with contextlib.suppress(OSError):
                connection = _connect(port)
                connection.sendall(starts[name])
                connections.append(connection)
                sent[name] += 1
        time.sleep(0.2)
        for connection in list(connections):
            try:
                connection.sendall(b"a")
            except OSError:
                connection.close()
                connections.remove(connection)
    for connection in connections:
        connection.close()


def _connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=30)
