"""Run the service with uvicorn."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import socket
import sys
import tempfile
from collections.abc import Iterable
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from digitrec.errors import ConfigurationError
from digitrec.serving.app import create_app
from digitrec.serving.settings import Settings
from digitrec.serving.sources import find_models

_OPTIONS_VARIABLE = "DIGITREC_SERVE_OPTIONS"
# uvicorn's choice for several workers on Windows can start no engine processes.
_LOOP = "asyncio:ProactorEventLoop" if sys.platform == "win32" else "auto"
# A worker answers nothing while it imports; after uvicorn's 5 s a busy machine would start it again
# and again.
_START_SECONDS = 60


def serve(
    models: Iterable[str | os.PathLike[str]] = (),
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    workers: int = 1,
    settings: Settings | None = None,
) -> None:
    """Serve until interrupted; requests in flight are finished.

    Parameters
    ----------
    models : iterable of path-like
        Model files or run folders; empty for the default recogniser.
    host : str
        Address to listen on.
    port : int
        Port to listen on.
    workers : int
        Serving processes.
    settings : Settings, optional
        Limits and options. The API key is always taken from the environment when there are
        several workers.

    Raises
    ------
    ConfigurationError
        If an option is not valid, the address cannot be listened on, or a model file or folder
        does not exist.
    DigitrecError
        If the first model cannot be loaded.
    """
    settings = settings or Settings()
    if workers < 1:
        raise ConfigurationError(f"workers must be at least 1; got {workers!r}")
    _check_address(host, port)
    paths = [os.fspath(path) for path in models]
    sources = find_models(paths)
    app = create_app(sources, settings)
    config = server_config(app, settings, host, port)
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        if workers == 1:
            with contextlib.suppress(KeyboardInterrupt):
                runner.run(_serve(app, uvicorn.Server(config)))
            return
        # Finds what is wrong with the models before any worker starts.
        runner.run(_try_engine(app))
    options = dataclasses.asdict(settings)
    del options["api_key"]
    os.environ[_OPTIONS_VARIABLE] = json.dumps(
        {"models": paths, "workers": workers, "settings": options}
    )
    with tempfile.TemporaryDirectory(prefix="digitrec-metrics-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        uvicorn.run(
            "digitrec.serving.server:app_from_environment",
            factory=True,
            workers=workers,
            **_server_options(settings, host, port),
        )


def _check_address(host: str, port: int) -> None:
    """Refuse an address that cannot be listened on, before models are loaded."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        socket.create_server(address[:2], family=family).close()
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigurationError(
            f"cannot listen on {host}:{port}: {reason}; choose another --host or --port"
        ) from error


async def _serve(app: FastAPI, server: uvicorn.Server) -> None:
    # Started here and not by the lifespan, so that a bad model raises its own error.
    await app.state.pool.start()
    await server.serve()


async def _try_engine(app: FastAPI) -> None:
    await app.state.pool.start()
    await app.state.pool.stop()


def app_from_environment() -> FastAPI:
    """Build the application of one of several workers, from what `serve` left for it."""
    options = json.loads(os.environ[_OPTIONS_VARIABLE])
    settings = Settings(**options["settings"])
    return create_app(options["models"], settings, workers=options["workers"])


def server_config(app: FastAPI, settings: Settings, host: str, port: int) -> uvicorn.Config:
    """Return uvicorn's configuration for one worker."""
    return uvicorn.Config(app, **_server_options(settings, host, port))


def _server_options(settings: Settings, host: str, port: int) -> dict[str, Any]:
    return {
        "host": host,
        "port": port,
        "loop": _LOOP,
        "http": _GuardedProtocol,
        "ws": "none",
        "lifespan": "on",
        "log_level": "info",
        "access_log": False,
        "server_header": False,
        "date_header": False,
        "proxy_headers": False,  # the application has its own, for every server
        "limit_concurrency": settings.max_connections,
        "timeout_keep_alive": settings.keep_alive_seconds,
        "timeout_graceful_shutdown": settings.shutdown_seconds,
        "timeout_worker_healthcheck": _START_SECONDS,
    }


class _GuardedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with a time limit and a size limit for the head of a request.

    uvicorn lets a client take forever, and as many bytes as it likes, to send its headers.
    """

    def __init__(self, config: uvicorn.Config, *args: Any, **kwargs: Any) -> None:
        super().__init__(config, *args, **kwargs)
        settings: Settings = config.loaded_app.state.settings
        self._header_seconds = settings.header_seconds
        self._max_header_bytes = settings.max_header_bytes
        self._in_head = True
        self._boundary_passed = False
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._boundary_passed = False
        super().data_received(data)
        if not self._in_head:
            return
        # Bytes that ended a request were not all of a head; counting starts with the next ones.
        self._head_bytes = 0 if self._boundary_passed else self._head_bytes + len(data)
        if self._head_bytes > self._max_header_bytes:
            self._close()
        elif self._head_timer is None and (self.cycle is None or self.cycle.response_complete):
            self._arm()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._boundary_passed = True
        self._disarm()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_head = True
        self._boundary_passed = True
        super().on_message_complete()

    def _arm(self) -> None:
        self._head_timer = self.loop.call_later(self._header_seconds, self._close)

    def _disarm(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _close(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()
