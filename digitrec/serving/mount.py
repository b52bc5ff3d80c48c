"""Root path behind a proxy, trailing slashes, and HEAD."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Mount:
    """ASGI middleware that maps the paths of requests to those of the routes.

    A root path is removed where the proxy has not done so; ``/predict/`` is ``/predict``; HEAD is
    GET without the body. All addresses that the service returns are relative, so that it works
    at any address. Pages whose relative addresses need a trailing slash are redirected.

    Parameters
    ----------
    app : ASGI application
        The service.
    root_path : str
        Such as ``"/digits"``; empty for the root.
    """

    def __init__(self, app: ASGIApp, *, root_path: str = "") -> None:
        self._app = app
        self._root = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path: str = scope["path"]
        if self._root and (path == self._root or path.startswith(f"{self._root}/")):
            path = path[len(self._root) :]
            if not path:
                await _redirect(f"{self._root.rpartition('/')[2]}/", send)
                return
        if path == "/docs/":
            await _redirect("../docs", send)
            return
        is_head = scope["method"] == "HEAD"
        if len(path) > 1 and path.endswith("/"):
            path = path.rstrip("/") or "/"
        if path != scope["path"] or is_head:
            method = "GET" if is_head else scope["method"]
            scope = {**scope, "path": path, "raw_path": path.encode(), "method": method}
        await self._app(scope, receive, _without_body(send) if is_head else send)


async def _redirect(location: str, send: Send) -> None:
    headers = [(b"location", location.encode()), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 307, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def _without_body(send: Send) -> Send:
    async def send_head(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return send_head
