"""HTTP service and drawing page on top of inference (extra ``serve``).

`serve` runs the service, `create_app` builds it as an ASGI application, `Settings` holds its
limits. A serving process handles HTTP; its engine processes parse, decode and recognise.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from digitrec._optional import import_optional

if TYPE_CHECKING:
    from digitrec.serving.app import create_app
    from digitrec.serving.server import serve
    from digitrec.serving.settings import Settings

__all__ = ["Settings", "create_app", "serve"]

_HOMES = {"Settings": "settings", "create_app": "app", "serve": "server"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'digitrec.serving' has no attribute {name!r}")
    for package in ("fastapi", "uvicorn", "prometheus_client", "python_multipart"):
        import_optional(package, extra="serve")
    return getattr(importlib.import_module(f"digitrec.serving.{_HOMES[name]}"), name)
