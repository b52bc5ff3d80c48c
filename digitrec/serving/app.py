"""The HTTP routes."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.resources
import os
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from fastapi.security import HTTPBearer
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.middleware.cors import CORSMiddleware
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from digitrec._environment import digitrec_version
from digitrec.serving import schemas
from digitrec.serving.batching import EnginePool
from digitrec.serving.counters import Metrics
from digitrec.serving.limits import BODY_KEY, Gate
from digitrec.serving.messages import Answer, RequestError, Task
from digitrec.serving.mount import Mount
from digitrec.serving.open_inference_names import HEAD_LENGTH_HEADER, model_metadata
from digitrec.serving.query import PredictOptions, ReadOptions
from digitrec.serving.recognition import RecognitionRoutes, known_model, recognise
from digitrec.serving.settings import Settings
from digitrec.serving.sources import find_models

_STATIC = Path(__file__).parent / "static"
_COUNTED = ("/predict", "/read", "/models", "/health", "/metrics", "/docs", "/openapi.json", "/")
_OPEN_PATHS = frozenset(
    ("/", "/docs", "/openapi.json", "/health", "/v2/health/live", "/v2/health/ready")
)
_OPEN_FOLDERS = ("/static/", "/docs/")

_DESCRIPTION = """Recognises handwritten digits.

`/predict` takes images of one digit, `/read` images of several. Images come as a file upload or
as the raw request body; `/predict` also takes 28x28 pixels as JSON or as 784 bytes.
Errors are JSON objects with the fields `error` (for people) and `code` (for programs)."""

Recognizers = Mapping[str, Any]


def create_app(
    models: Recognizers | Iterable[str | os.PathLike[str]] = (),
    settings: Settings | None = None,
    *,
    workers: int = 1,
) -> FastAPI:
    """Build the service.

    Parameters
    ----------
    models : mapping or iterable of path-like
        Model ids to paths, None (the default recogniser) or recognisers; or model files and
        run folders as `digitrec.serving.sources.find_models` takes them. The first model is the
        one used unless a request names another. Empty for the default recogniser.
    settings : Settings, optional
        Limits and options.
    workers : int
        Serving processes that share the machine; decides the number of engines of this one.

    Returns
    -------
    FastAPI
        An ASGI application; its engines start and stop with its lifespan.

    Raises
    ------
    ConfigurationError
        If a model file or folder does not exist.
    """
    settings = settings or Settings()
    sources = dict(models) if isinstance(models, Mapping) else dict(find_models(models))
    metrics = Metrics()
    pool = EnginePool(sources, settings, metrics, settings.engines_per_worker(workers))
    version = digitrec_version()

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await pool.start()
        try:
            yield
        finally:
            await pool.stop()

    app = FastAPI(
        title="digitrec",
        version=version,
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # to absolute addresses, which a proxy would have to correct
        # Relative to the document itself, wherever a proxy puts it.
        servers=[{"url": "."}],
        # Only documents the key, which the gate checks.
        dependencies=[Depends(HTTPBearer(auto_error=False))] if settings.api_key else [],
        responses={
            status: {"model": schemas.Problem} for status in (400, 401, 408, 413, 415, 422, 503)
        },
    )
    app.state.settings = settings
    app.state.pool = pool
    _add_recognition(app, sources)
    _add_inference_protocol(app, pool, sources, metrics)
    _add_operations(app, pool, metrics, version)
    _add_pages(app)
    app.add_exception_handler(StarletteHTTPException, _http_error)
    # The last one added is the outermost.
    app.add_middleware(RecognitionRoutes, pool=pool, metrics=metrics, sources=sources)
    app.add_middleware(
        Gate, settings=settings, metrics=metrics, route_name=_route_name, is_open=_is_open
    )
    app.add_middleware(Mount, root_path=settings.root_path)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
            expose_headers=[HEAD_LENGTH_HEADER, "retry-after"],
        )
    if settings.forwarded_allow_ips:
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(settings.forwarded_allow_ips))
    return app


def _response(answer: Answer) -> Response:
    response = Response(answer.body, status_code=answer.status)
    response.raw_headers += [
        (b"content-type", answer.content_type),
        (b"cache-control", b"no-store"),
        *answer.headers,
    ]
    return response


def _add_recognition(app: FastAPI, sources: Mapping[str, Any]) -> None:
    # These document the routes, and refuse other methods; `RecognitionRoutes` answers them.
    @app.post(
        "/predict",
        summary="Recognise images of one digit each",
        response_model=schemas.Prediction | schemas.BatchPrediction,
        openapi_extra=schemas.image_request(rows=True),
        tags=["recognition"],
    )
    async def predict(options: Annotated[PredictOptions, Query()]) -> None: ...

    @app.post(
        "/read",
        summary="Read the digits of an image, row by row",
        response_model=schemas.ReadingAnswer | schemas.BatchReading,
        openapi_extra=schemas.image_request(rows=False),
        tags=["recognition"],
    )
    async def read(options: Annotated[ReadOptions, Query()]) -> None: ...

    @app.get("/models", summary="The models of this service", tags=["recognition"])
    async def models() -> schemas.ModelList:
        return schemas.ModelList(models=list(sources))


def _add_inference_protocol(
    app: FastAPI, pool: EnginePool, sources: Mapping[str, Any], metrics: Metrics
) -> None:
    tags: list[Any] = ["Open Inference Protocol v2"]

    @app.get("/v2", tags=tags)
    async def server_metadata() -> dict[str, Any]:
        return {
            "name": "digitrec",
            "version": digitrec_version(),
            "extensions": ["binary_tensor_data"],
        }

    @app.get("/v2/health/live", tags=tags)
    async def live() -> dict[str, bool]:
        return {"live": True}

    @app.get("/v2/health/ready", tags=tags)
    async def ready() -> Response:
        return JSONResponse({"ready": pool.ready}, status_code=200 if pool.ready else 503)

    @app.get("/v2/models/{name}", tags=tags)
    @app.get("/v2/models/{name}/versions/1", tags=tags, include_in_schema=False)
    async def metadata(name: str) -> dict[str, Any]:
        return model_metadata(known_model(name, sources))

    @app.get("/v2/models/{name}/ready", tags=tags)
    @app.get("/v2/models/{name}/versions/1/ready", tags=tags, include_in_schema=False)
    async def model_ready(name: str) -> Response:
        known_model(name, sources)
        body = {"name": name, "ready": pool.ready}
        return JSONResponse(body, status_code=200 if pool.ready else 503)

    @app.post(
        "/v2/models/{name}/infer",
        tags=tags,
        response_model=dict[str, Any],
        openapi_extra=schemas.infer_request(),
    )
    @app.post("/v2/models/{name}/versions/1/infer", tags=tags, include_in_schema=False)
    async def infer(name: str, request: Request) -> Response:
        head_length = request.headers.get(HEAD_LENGTH_HEADER)
        if head_length is not None and not (head_length.isascii() and head_length.isdigit()):
            raise RequestError(
                400, "invalid_request", f"invalid {HEAD_LENGTH_HEADER}: {head_length!r}"
            )
        model = known_model(name, sources)
        n_head = None if head_length is None else int(head_length)
        task = Task("infer", model, request.scope[BODY_KEY], head_length=n_head)
        return _response(await recognise(pool, metrics, task))


def _add_operations(app: FastAPI, pool: EnginePool, metrics: Metrics, version: str) -> None:
    @app.get(
        "/health",
        summary="Whether the service can answer",
        response_model=schemas.Health,
        tags=["operations"],
    )
    async def health() -> Response:
        body = schemas.Health(status="ok" if pool.ready else "unavailable", version=version)
        return JSONResponse(body.model_dump(), status_code=200 if pool.ready else 503)

    @app.get("/metrics", summary="Counters for Prometheus", tags=["operations"])
    async def read_metrics() -> Response:
        return Response(await asyncio.to_thread(metrics.render), media_type=metrics.content_type)


def _add_pages(app: FastAPI) -> None:
    swagger = importlib.resources.files("fastapi_swagger") / "resources"

    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(_STATIC / "index.html", headers={"cache-control": "no-cache"})

    @app.get("/docs", include_in_schema=False)
    async def docs() -> FileResponse:
        return FileResponse(_STATIC / "docs.html", headers={"cache-control": "no-cache"})

    @app.get("/docs/{name}", include_in_schema=False)
    async def docs_asset(name: str) -> Response:
        # A fixed list: the name never becomes part of a path.
        for known in ("swagger-ui-bundle.js", "swagger-ui.css"):
            if name == known:
                return FileResponse(str(swagger / known))
        raise HTTPException(404)

    app.mount("/static", StaticFiles(directory=_STATIC))


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, StarletteHTTPException)
    codes = {404: "not_found", 405: "method_not_allowed"}
    return JSONResponse(
        {"error": str(error.detail), "code": codes.get(error.status_code, "http_error")},
        status_code=error.status_code,
        headers=error.headers,
    )


def _route_name(path: str) -> str:
    """Return a bounded set of names, so that clients cannot grow the metrics."""
    if path in _COUNTED:
        return path
    if path.startswith("/v2/"):
        return "/v2/…/infer" if path.endswith("/infer") else "/v2"
    return "/static" if path.startswith("/static/") else "other"


def _is_open(path: str) -> bool:
    return path in _OPEN_PATHS or path.startswith(_OPEN_FOLDERS)
