"""The routes that recognise images and rows of pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from starlette.types import ASGIApp, Receive, Scope, Send

from digitrec.serving.batching import BusyError, EngineFailure, EnginePool
from digitrec.serving.counters import Metrics
from digitrec.serving.limits import BODY_KEY, busy_error, send_answer
from digitrec.serving.messages import (
    ROW_PIXELS,
    Answer,
    RequestError,
    Task,
)
from digitrec.serving.query import parse_query


async def recognise(pool: EnginePool, metrics: Metrics, task: Task) -> Answer:
    """Return the answer to a task.

    Raises
    ------
    RequestError
        With status 503 if the queue is full, 422 if the task took too long.
    """
    try:
        answer = await pool.submit(task)
    except BusyError as error:
        raise busy_error() from error
    except EngineFailure as error:
        if error.timed_out:
            raise RequestError(
                422, "too_slow", "recognising took longer than the limit; send a smaller image"
            ) from error
        raise RequestError(
            503, "engine_failed", "the request could not be processed; try again in a moment"
        ) from error
    metrics.observe_digits(task.model, answer.digits)
    if answer.code:
        metrics.refused.labels(answer.code).inc()
    return answer


def known_model(model: str | None, sources: Mapping[str, Any]) -> str:
    """Return the id of a model, the first one by default.

    Raises
    ------
    RequestError
        With status 404 if there is no such model.
    """
    if model is None:
        return next(iter(sources))
    if model not in sources:
        names = ", ".join(sources)
        raise RequestError(404, "unknown_model", f"unknown model {model!r}; choose one of: {names}")
    return model


class RecognitionRoutes:
    """ASGI middleware that answers ``POST /predict`` and ``POST /read``.

    It stands before FastAPI, which documents the two routes only: routing a request through the
    framework takes 60 microseconds of 80, recognising a raw row in a batch less than that.

    Parameters
    ----------
    app : ASGI application
        What answers the other requests.
    pool : EnginePool
        The engines.
    metrics : Metrics
        Where digits are counted.
    sources : mapping
        The models by id; the first is used unless a request names another.
    """

    def __init__(
        self, app: ASGIApp, *, pool: EnginePool, metrics: Metrics, sources: Mapping[str, Any]
    ) -> None:
        self._app = app
        self._pool = pool
        self._metrics = metrics
        self._sources = sources
        self._default = next(iter(sources))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        kind = _ROUTES.get(scope["path"]) if scope.get("method") == "POST" else None
        if kind is None:
            await self._app(scope, receive, send)
            return
        await send_answer(await recognise(self._pool, self._metrics, self._task(kind, scope)), send)

    def _task(self, kind: Literal["predict", "read"], scope: Scope) -> Task:
        body: bytes = scope[BODY_KEY]
        content_type = dict(scope["headers"]).get(b"content-type", b"").decode("latin-1")
        if scope["query_string"]:
            options = parse_query(kind, scope["query_string"])
            model = known_model(options.model, self._sources)
            return Task(
                *(kind, model, body, content_type),
                normalised=options.normalised,
                known=options.known(),
            )
        is_row = (
            kind == "predict"
            and len(body) == ROW_PIXELS
            and content_type == "application/octet-stream"
            and not any(body[:5])  # the background; images, text and other files begin otherwise
        )
        # One raw 28x28 image needs no parsing, and several are recognised together.
        return Task("row" if is_row else kind, self._default, body, content_type)


_ROUTES: dict[str, Literal["predict", "read"]] = {"/predict": "predict", "/read": "read"}
