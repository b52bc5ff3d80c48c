"""A web server on this machine that misbehaves in every way that a mirror can."""

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class MirrorServer(ThreadingHTTPServer):
    """Serves `files`; `faults` maps a path to the way its delivery goes wrong."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.faults: dict[str, str] = {}
        self.requests: list[str] = []
        self.released = threading.Event()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    server: MirrorServer

    def do_GET(self):
        server, name = self.server, self.path.lstrip("/")
        server.requests.append(name)
        fault = server.faults.get(name, "")
        content = server.files.get(name)
        if fault == "silent":
            server.released.wait(30)
            return
        if fault == "error":
            self.send_error(503)
            return
        if content is None:
            self.send_error(404)
            return
        if fault == "hang up":
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        if fault == "corrupt":
            middle = len(content) // 2
            content = content[:middle] + bytes([content[middle] ^ 0x55]) + content[middle + 1 :]
        if fault == "web page":
            content = b"<html>Please log in to this network</html>"
        if fault == "short":
            content = content[: len(content) // 2]
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if fault in {"truncated", "stalled"}:
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
            if fault == "stalled":
                server.released.wait(30)
            return
        self.wfile.write(content)

    def log_message(self, *args):
        """Keep quiet."""


@pytest.fixture
def make_mirror():
    """Return a function that starts a server with the given files."""
    servers = []

    def make(files=()):
        server = MirrorServer()
        server.files.update(files)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return server

    yield make
    for server in servers:
        server.released.set()
        server.shutdown()
        server.server_close()


@pytest.fixture
def closed_port():
    """Return a port of this machine that refuses connections."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    """Let the cache be an empty folder, and return it."""
    monkeypatch.setenv("DIGITREC_DATA", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def offline(monkeypatch):
    """Keep every source away that is not on this machine."""
    monkeypatch.setattr(
        "digitrec.datasets.cache.find_unreachable",
        lambda urls: dict.fromkeys(urls, "switched off in this test"),
    )
    monkeypatch.setattr("digitrec.datasets.clients.shutil.which", lambda program: None)
