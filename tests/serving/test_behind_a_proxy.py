"""The service under a path of another server, over HTTPS, and for pages of other origins."""

from __future__ import annotations

import asyncio
import dataclasses
import http.client
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from servers_for_tests import LiveServer, proxy_before

from digitrec.errors import ConfigurationError
from digitrec.serving import Settings, create_app
from digitrec.serving.server import server_config

ROWS = "application/octet-stream"


class Addresses(HTMLParser):
    """What a page refers to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in ("href", "src") and value]


@pytest.fixture(scope="module")
def mounted(start_server: Any) -> Iterator[LiveServer]:
    with start_server(root_path="/tools/digits/", keep_alive_seconds=1) as live:
        yield live


@pytest.mark.parametrize("how", ["keep", "strip"])
def test_pages_and_routes_work_under_a_path(mounted: LiveServer, how: str, digits: Any) -> None:
    root = "/tools/digits"
    with proxy_before(mounted, root, how) as proxied:
        for page in (f"{root}/", f"{root}/docs"):
            text = proxied.request(page).body.decode()
            addresses = Addresses(text).found
            assert len(addresses) >= 4
            for address in addresses:
                path = urljoin(page, address)
                assert path.startswith(f"{root}/")
                assert proxied.request(path).status == 200
        schema = proxied.request(f"{root}/openapi.json").json()
        assert urljoin(f"{root}/openapi.json", schema["servers"][0]["url"]) == f"{root}/"
        for path in (f"{root}/predict", f"{root}/predict/", f"{root}/predict/?normalised=true"):
            answer = proxied.post(path, digits[0][0].tobytes(), ROWS)
            assert (answer.status, answer.json()["digit"]) == (200, int(digits[1][0]))
        assert proxied.request(f"{root}/nowhere").json()["code"] == "not_found"
        if how == "keep":  # a proxy that takes the path off adds the slash itself
            assert proxied.request(root).status == 200


def test_no_script_or_page_names_an_address_from_the_root() -> None:
    import digitrec.serving

    static = Path(digitrec.serving.__file__).parent / "static"
    for path in static.iterdir():
        assert not re.findall(r"""["'`(]/[a-z]\w*[/."'`]""", path.read_text(encoding="utf-8")), path


def call(server: LiveServer, method: str, path: str, **headers: str) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=300)
    connection.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


@pytest.mark.parametrize("path", ["/tools/digits", "/docs/", "/tools/digits/docs/"])
def test_redirects_are_relative(mounted: LiveServer, path: str) -> None:
    answer, _ = call(mounted, "GET", path)
    location = answer.getheader("location")
    assert answer.status == 307
    assert urlsplit(location).netloc == ""
    assert not location.startswith("/")
    target, _ = call(mounted, "GET", urljoin(path, location))
    assert target.status == 200


@pytest.mark.parametrize(
    "path", ["/", "/health", "/docs", "/models", "/openapi.json", "/static/app.js", "/v2", "/nope"]
)
def test_head_is_get_without_the_body(server: LiveServer, path: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=300)
    replies = []
    for method in ("GET", "HEAD", "GET"):  # on one connection: a stray body would spoil it
        connection.request(method, path)
        answer = connection.getresponse()
        replies.append((answer.status, answer.getheader("content-length"), answer.read()))
    connection.close()
    assert replies[0] == replies[2]
    assert replies[1] == (*replies[0][:2], b"")


def test_head_of_a_route_that_takes_post_is_refused(server: LiveServer) -> None:
    answer, _ = call(server, "HEAD", "/predict")
    assert answer.status == 405


def test_idle_connections_are_kept_longer_than_by_nginx_and_as_long_as_set(
    mounted: LiveServer, digit_model_file: Path
) -> None:
    def seconds(settings: Settings) -> float:
        app = create_app([digit_model_file], settings)
        return server_config(app, settings, "127.0.0.1", 0).timeout_keep_alive

    assert seconds(Settings()) > 60
    assert seconds(Settings(keep_alive_seconds=3)) == 3
    with mounted.connect() as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        received = b""
        while chunk := connection.recv(65536):  # until the server closes
            received += chunk
        assert received.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://example.org", True),
        ("http://localhost:3000", True),
        ("http://example.org", False),
        ("https://example.org.evil.net", False),
        ("null", False),
    ],
)
def test_pages_of_named_origins_may_use_the_service(
    guarded: LiveServer, origin: str, allowed: bool
) -> None:
    preflight, _ = call(
        *(guarded, "OPTIONS", "/predict"),
        Origin=origin,
        Access_Control_Request_Method="POST",
        Access_Control_Request_Headers="authorization, content-type",
    )
    assert preflight.status == (200 if allowed else 400)
    for path, status in (("/health", 200), ("/models", 401), ("/nowhere", 401)):
        answer, _ = call(guarded, "GET", path, Origin=origin)
        assert answer.status == status
        granted = answer.getheader("access-control-allow-origin")
        assert granted == (origin if allowed else None)


def test_no_origin_is_allowed_unless_asked_for(server: LiveServer) -> None:
    answer, _ = call(server, "GET", "/health", Origin="https://example.org")
    assert answer.getheader("access-control-allow-origin") is None
    preflight, _ = call(
        server, "OPTIONS", "/predict", Origin="https://x.org", Access_Control_Request_Method="POST"
    )
    assert preflight.status == 405


@pytest.mark.parametrize(
    ("trusted", "peer", "scheme"),
    [
        ((), "127.0.0.1", "http"),
        (("127.0.0.1",), "127.0.0.1", "https"),
        (("127.0.0.1",), "192.0.2.1", "http"),
        (("10.0.0.0/8",), "10.1.2.3", "https"),
        (("*",), "192.0.2.1", "https"),
    ],
)
def test_the_scheme_of_a_trusted_proxy_holds(
    digit_model_file: Path, trusted: tuple[str, ...], peer: str, scheme: str
) -> None:
    app = create_app([digit_model_file], Settings(forwarded_allow_ips=trusted))
    seen: dict[str, Any] = {}

    async def record(scope: Any, receive: Any, send: Any) -> None:
        seen.update(scheme=scope["scheme"], client=scope["client"][0])

    app.router = record  # type: ignore[assignment]
    app.middleware_stack = app.build_middleware_stack()
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/health",
        "query_string": b"",
        "scheme": "http",
        "client": (peer, 1),
        "headers": [(b"x-forwarded-proto", b"https"), (b"x-forwarded-for", b"203.0.113.7")],
        "app": app,
    }
    asyncio.run(app.middleware_stack(scope, None, None))  # type: ignore[arg-type]
    assert seen == {"scheme": scheme, "client": "203.0.113.7" if scheme == "https" else peer}


@pytest.mark.parametrize(
    "wrong",
    [
        {"root_path": "/a b"},
        {"root_path": "https://x.org/a"},
        {"root_path": "/a//b"},
        {"root_path": "/a?b"},
        {"cors_origins": ("example.org",)},
        {"cors_origins": ("https://example.org/",)},
        {"cors_origins": ("https://",)},
        {"cors_origins": "https://example.org"},
        {"keep_alive_seconds": 0},
    ],
)
def test_options_that_cannot_be_meant_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings(**wrong)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", ["", "/", "digits", "/digits/", "/a/b", "a/b/"])
def test_root_paths_are_taken_with_any_slashes(path: str) -> None:
    inner = path.strip("/")
    assert Settings(root_path=path).root_path == (f"/{inner}" if inner else "")


def test_several_workers_get_the_options() -> None:
    settings = Settings(
        root_path="/d",
        cors_origins=("https://example.org",),
        forwarded_allow_ips=("10.0.0.0/8",),
        keep_alive_seconds=3,
    )
    options = json.loads(json.dumps(dataclasses.asdict(settings)))
    assert Settings(**options) == settings
