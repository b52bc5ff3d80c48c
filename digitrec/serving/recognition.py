"""From a request to an engine and back; the short way for plain requests."""

from __future__ import annotations

from typing import Literal

from starlette.types import ASGIApp, Receive, Scope, Send

from digitrec.serving.batching import BusyError, EngineFailure, EnginePool
from digitrec.serving.limits import BODY_KEY, busy_error, send_answer
from digitrec.serving.messages import (
    ROW_PIXELS,
    Answer,
    RequestError,
    Task,
)
from digitrec.serving.metrics import Metrics

__all__ = ["PredictRoute", "recognise"]


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


class PredictRoute:
    """ASGI middleware that answers plain ``POST /predict`` requests, past the framework.

    A request without a query needs no more than its body, and routing it through FastAPI would
    cost more than recognising a raw row. Everything else is handed on.

    Parameters
    ----------
    app : ASGI application
        What answers the other requests.
    pool : EnginePool
        The engines.
    metrics : Metrics
        Where digits are counted.
    model : str
        The model used unless a request names another.
    """

    def __init__(self, app: ASGIApp, *, pool: EnginePool, metrics: Metrics, model: str) -> None:
        self._app = app
        self._pool = pool
        self._metrics = metrics
        self._model = model

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        body: bytes | None = scope.get(BODY_KEY)
        if (
            body is None
            or scope["path"] != "/predict"
            or scope["method"] != "POST"
            or scope["query_string"]
        ):
            await self._app(scope, receive, send)
            return
        content_type = dict(scope["headers"]).get(b"content-type", b"").decode("latin-1")
        task = Task(_kind(content_type, body), self._model, body, content_type)
        await send_answer(await recognise(self._pool, self._metrics, task), send)


def _kind(content_type: str, body: bytes) -> Literal["row", "predict"]:
    """Tell one raw 28x28 image, which needs no parsing, from everything else."""
    single_row = (
        len(body) == ROW_PIXELS
        and content_type == "application/octet-stream"
        and not any(body[:5])  # the background; images, text and other files begin with something
    )
    return "row" if single_row else "predict"
