"""Middleware of every route: API key, body limits, security headers, error responses, counts."""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from digitrec.serving.counters import Metrics
from digitrec.serving.messages import Answer, RequestError, error_answer
from digitrec.serving.settings import Settings

_log = logging.getLogger("digitrec.serving")

BODY_KEY = "digitrec.body"
"""Where the request's whole body stands in the ASGI scope."""

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
SECURITY_HEADERS: list[tuple[bytes, bytes]] = [
    (b"content-security-policy", CONTENT_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"geolocation=(), microphone=(), payment=(), usb=()"),
]

_DRAIN_SECONDS = 1.0
_DRAIN_BYTES = 64 * 2**20


class _ClientGone(Exception):
    """The client closed the connection before its request was complete."""


class Gate:
    """ASGI middleware that lets through only whole requests within the limits.

    The body is read here, under a cap and a minimum rate, and handed on in the scope under
    `BODY_KEY`; nothing behind the gate waits for a client.

    Parameters
    ----------
    app : ASGI application
        The application that it wraps.
    settings : Settings
        Limits and the API key.
    metrics : Metrics
        Where requests are counted.
    route_name : callable
        From a path to the name under which it is counted.
    is_open : callable
        Whether a path is served without the API key.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        settings: Settings,
        metrics: Metrics,
        route_name: Callable[[str], str],
        is_open: Callable[[str], bool],
    ) -> None:
        self._app = app
        self._settings = settings
        self._metrics = metrics
        self._route_name = route_name
        self._is_open = is_open
        self._key = None if settings.api_key is None else settings.api_key.encode()
        self._buffered_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 0

        async def guarded_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *SECURITY_HEADERS]
            await send(message)

        n_bytes = 0
        body_complete = scope["method"] in ("GET", "HEAD", "OPTIONS")
        self._metrics.in_flight.inc()
        try:
            headers = dict(scope["headers"])
            self._check_head(scope["path"], headers)
            if not body_complete:
                body = bytearray()
                try:
                    await self._read_body(headers, receive, body)
                finally:
                    n_bytes = len(body)
                scope[BODY_KEY] = bytes(body)
                body_complete = True
            await self._app(scope, receive, guarded_send)
        except _ClientGone:
            status = 499
        except RequestError as error:
            self._metrics.refused.labels(error.code).inc()
            answer = error_answer(error.status, error.code, error.message)
            await self._refuse(answer, receive, guarded_send, body_complete)
        except Exception:
            _log.exception("unexpected error while answering %s", scope["path"])
            if status:
                raise
            answer = error_answer(500, "internal_error", "internal error; see the server's log")
            await send_answer(answer, guarded_send)
        finally:
            self._buffered_bytes -= n_bytes
            self._metrics.in_flight.dec()
            self._metrics.observe_request(
                self._route_name(scope["path"]), status, time.perf_counter() - started
            )

    def _check_head(self, path: str, headers: dict[bytes, bytes]) -> None:
        if self._key is not None and not self._is_open(path):
            scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
            given = token.strip() if scheme.lower() == b"bearer" else headers.get(b"x-api-key", b"")
            if not hmac.compare_digest(given, self._key):
                raise RequestError(
                    401, "wrong_key", "send the API key as 'Authorization: Bearer KEY'"
                )
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise RequestError(415, "unsupported_encoding", "send the body uncompressed")

    async def _read_body(
        self, headers: dict[bytes, bytes], receive: Receive, body: bytearray
    ) -> None:
        settings = self._settings
        too_large = RequestError(
            413, "body_too_large", f"the body is over the limit of {settings.max_body_bytes} bytes"
        )
        declared = headers.get(b"content-length", b"")
        if declared.isdigit() and int(declared) > settings.max_body_bytes:
            raise too_large
        loop = asyncio.get_running_loop()
        deadline = loop.time() + settings.body_grace_seconds
        try:
            async with asyncio.timeout_at(deadline) as limit:
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _ClientGone
                    chunk = message.get("body", b"")
                    body += chunk
                    self._buffered_bytes += len(chunk)
                    if len(body) > settings.max_body_bytes:
                        raise too_large
                    if self._buffered_bytes > settings.max_buffered_bytes:
                        raise busy_error()
                    if not message.get("more_body", False):
                        return
                    limit.reschedule(deadline + len(body) / settings.body_bytes_per_second)
        except TimeoutError as error:
            raise RequestError(408, "slow_body", "the body arrived too slowly") from error

    async def _refuse(
        self, answer: Answer, receive: Receive, send: Send, body_complete: bool
    ) -> None:
        extra: list[tuple[bytes, bytes]] = []
        if answer.status == 503:
            extra.append((b"retry-after", str(self._settings.retry_after_seconds).encode()))
        if answer.status == 401:
            extra.append((b"www-authenticate", b"Bearer"))
        if not body_complete:
            extra.append((b"connection", b"close"))
        await send(_start(answer, extra))
        if body_complete or answer.status == 408:
            await send({"type": "http.response.body", "body": answer.body})
            return
        await send({"type": "http.response.body", "body": answer.body, "more_body": True})
        # Closing at once would reset the connection, and the client would never see the answer.
        with_limit = asyncio.timeout(_DRAIN_SECONDS)
        try:
            async with with_limit:
                n_bytes = 0
                while n_bytes < _DRAIN_BYTES:
                    message = await receive()
                    n_bytes += len(message.get("body", b""))
                    if not message.get("more_body", False):
                        break
        except TimeoutError:
            pass
        await send({"type": "http.response.body", "body": b""})


def busy_error() -> RequestError:
    """Return the refusal of a request that the service has no room for."""
    return RequestError(503, "busy", "the service is busy; try again in a moment")


def _start(answer: Answer, extra: list[tuple[bytes, bytes]]) -> Message:
    return {
        "type": "http.response.start",
        "status": answer.status,
        "headers": [
            (b"content-type", answer.content_type),
            (b"content-length", str(len(answer.body)).encode()),
            (b"cache-control", b"no-store"),
            *answer.headers,
            *extra,
        ],
    }


async def send_answer(answer: Answer, send: Send) -> None:
    """Send a whole answer."""
    await send(_start(answer, []))
    await send({"type": "http.response.body", "body": answer.body})
