"""The messages between the serving process and its engine processes.

Both ends are our own code on a private pipe, so frames are pickles with a length in front.
"""

from __future__ import annotations

import json
import pickle
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal

from digitrec.serving.settings import Settings

ROW_PIXELS = 784
IMAGE_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"II*\0", b"MM\0*")
"""How image files begin; BMP's two letters could be the first pixels of raw rows."""

_LENGTH = struct.Struct("<Q")
LENGTH_BYTES = _LENGTH.size


class RequestError(Exception):
    """A request that cannot be answered, with its HTTP status."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


@dataclass(frozen=True, eq=False)
class Start:
    """First message to an engine: what to load, and the limits.

    `sources` maps model ids to a path, to None (the default recogniser) or to an object with
    the methods of a Recognizer.
    """

    sources: dict[str, Path | Any | None]
    settings: Settings


@dataclass(frozen=True, eq=False)
class Ready:
    """First message from an engine; `error` says why it could not start."""

    error: str = ""


@dataclass(frozen=True, eq=False)
class Task:
    """One request, or for "row" several concurrent ones of one model.

    Attributes
    ----------
    kind : {"row", "predict", "read", "infer"}
    model : str
    body : bytes
        The request's body; for "row" the 784-byte bodies joined.
    content_type : str
    normalised : bool
        Whether the answer shows what the model saw.
    known : dict
        What the client knows of the image, as the recogniser's methods take it.
    head_length : int or None
        For "infer": bytes of the body that are its JSON head.
    """

    kind: Literal["row", "predict", "read", "infer"]
    model: str
    body: bytes
    content_type: str = ""
    normalised: bool = False
    known: dict[str, Any] = field(default_factory=dict)
    head_length: int | None = None


@dataclass(frozen=True, eq=False)
class Answer:
    """The answer to one request, as it goes on the wire.

    `digits` has one entry per recognised image for the metrics: the digit, or None.
    """

    body: bytes
    status: int = 200
    headers: tuple[tuple[bytes, bytes], ...] = ()
    content_type: bytes = b"application/json"
    digits: tuple[int | None, ...] = ()
    code: str = ""


def error_answer(status: int, code: str, message: str) -> Answer:
    """Return an error as the client sees it."""
    body = json.dumps({"error": message, "code": code}).encode()
    return Answer(body, status=status, code=code)


def pack(message: Any) -> bytes:
    """Return a message as a frame."""
    payload = pickle.dumps(message, protocol=5)
    return _LENGTH.pack(len(payload)) + payload


def unpack_length(head: bytes) -> int:
    """Return the length of the frame that `head` announces."""
    return int(_LENGTH.unpack(head)[0])


def read_message(stream: BinaryIO) -> Any | None:
    """Read one message from a blocking stream; None at its end."""
    head = stream.read(LENGTH_BYTES)
    if len(head) < LENGTH_BYTES:
        return None
    length = unpack_length(head)
    payload = stream.read(length)
    return pickle.loads(payload) if len(payload) == length else None
