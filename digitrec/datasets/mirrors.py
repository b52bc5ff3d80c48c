"""Sources of files: folders on disk, web servers, archives on web servers.

A source puts files into a temporary folder; `digitrec.datasets.cache` chooses the source and checks
the files.
"""

from __future__ import annotations

import gzip
import shutil
import socket
import subprocess
import threading
import time
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from digitrec._files import is_disk_full

#: Seconds to resolve a name and connect; all hosts are tried at the same time.
CONNECT_TIMEOUT = 3.0
#: Seconds without a byte after which a download is given up.
READ_TIMEOUT = 8.0


class SourceError(Exception):
    """A source does not provide a file; the message is the reason, in one line."""


class Source(Protocol):
    """A source of files."""

    @property
    def title(self) -> str:
        """What the source is called in messages."""

    @property
    def url(self) -> str:
        """Address whose host must be reachable; empty for a source on this machine."""

    def fetch(self, names: Sequence[str], scratch: Path) -> Iterator[Path]:
        """Yield a file called after each of `names` in the folder `scratch`, in their order.

        Raises
        ------
        SourceError
            If one of them is not available.
        """


@dataclass(frozen=True)
class LocalFolder:
    """Files on disk, plain or with ``.gz`` added to their name."""

    folder: Path
    title: str
    url: str = ""

    def fetch(self, names: Sequence[str], scratch: Path) -> Iterator[Path]:
        """Copy or unpack the files."""
        for name in names:
            found = next((p for p in self._candidates(name) if p.is_file()), None)
            if found is None:
                raise SourceError(f"no {name} in {self.folder}")
            yield _unpack(found, scratch / name, keep=found.name == name)

    def _candidates(self, name: str) -> tuple[Path, ...]:
        return self.folder / name, self.folder / f"{name}.gz", self.folder / f"{name}.Z"


@dataclass(frozen=True)
class HttpMirror:
    """A folder on a web server; the files there have `suffix` added to their name."""

    url: str
    suffix: str = ""

    @property
    def title(self) -> str:
        """The address."""
        return self.url

    def fetch(self, names: Sequence[str], scratch: Path) -> Iterator[Path]:
        """Download and unpack the files one by one."""
        for name in names:
            packed = _download(f"{self.url}{name}{self.suffix}", scratch / f"{name}.download")
            yield _unpack(packed, scratch / name, keep=not self.suffix)
            packed.unlink(missing_ok=True)


@dataclass(frozen=True)
class ZipArchive:
    """A zip archive on a web server; the members are ``prefix + name + suffix``."""

    url: str
    prefix: str = ""
    suffix: str = ""

    @property
    def title(self) -> str:
        """The address."""
        return self.url

    def fetch(self, names: Sequence[str], scratch: Path) -> Iterator[Path]:
        """Download the archive once and take the files out of it."""
        archive = _download(self.url, scratch / "archive.zip")
        packed = scratch / "member"
        for name in names:
            try:
                with (
                    zipfile.ZipFile(archive) as opened,
                    opened.open(f"{self.prefix}{name}{self.suffix}") as member,
                    packed.open("wb") as out,
                ):
                    shutil.copyfileobj(member, out)
            except (KeyError, zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
                raise SourceError(f"{name} cannot be taken from the archive: {error}") from error
            yield _unpack(packed, scratch / name, keep=not self.suffix)


def find_unreachable(urls: Iterable[str], timeout: float = CONNECT_TIMEOUT) -> dict[str, str]:
    """Return the reason for each of `urls` whose host does not answer within `timeout` seconds.

    All hosts are tried at the same time, each in a daemon thread that is not
    waited for: a name server that does not answer blocks longer than any connection time-out.
    """
    reasons = dict.fromkeys(urls, f"no connection within {timeout:g} s")

    def connect(url: str) -> None:
        try:
            # Half of the time for an address, so that a dead IPv6 leaves time to try IPv4.
            with socket.create_connection(_endpoint(url), timeout=timeout / 2):
                del reasons[url]
        except OSError as error:
            reasons[url] = f"cannot be reached ({error.strerror or error})"

    threads = [threading.Thread(target=connect, args=(url,), daemon=True) for url in reasons]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + timeout
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return dict(reasons)


def _endpoint(url: str) -> tuple[str, int]:
    """Return host and port to connect to for `url`, the proxy's where one is set."""
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(url)
    proxy = "" if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme, "")
    if proxy:
        parts = urlsplit(proxy if "//" in proxy else f"//{proxy}")
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _download(url: str, path: Path) -> Path:
    """Download `url` to `path`; a failure is a `SourceError` that names the file."""
    # They take long to import, and most runs find everything in the cache.
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    name = urlsplit(url).path.rsplit("/", 1)[-1]
    # Some servers refuse the name that Python gives itself.
    request = Request(url, headers={"User-Agent": "digitrec"})
    try:
        with urlopen(request, timeout=READ_TIMEOUT) as response, path.open("wb") as file:
            shutil.copyfileobj(response, file, 1 << 16)
            expected = response.length  # what is left of the announced length
    except HTTPError as error:
        raise SourceError(f"{name}: {error.code} {error.reason}") from error
    except (OSError, HTTPException) as error:
        if isinstance(getattr(error, "reason", error), TimeoutError):
            raise SourceError(f"{name}: no data within {READ_TIMEOUT:g} s") from error
        if isinstance(error, OSError) and is_disk_full(error):
            raise  # another source would not help
        raise SourceError(
            f"{name}: the download was interrupted ({type(error).__name__})"
        ) from error
    if expected:
        raise SourceError(f"{name}: the download was interrupted ({expected:,} bytes are missing)")
    return path


def _unpack(packed: Path, target: Path, *, keep: bool) -> Path:
    """Write the content of `packed` to `target`: unpacked if it is gzip or compress(1) data.

    With `keep`, or where a server has already unpacked the data, the content is as it is.
    """
    with packed.open("rb") as file:
        magic = file.read(2)
    try:
        if magic == b"\x1f\x8b" and not keep:
            with gzip.open(packed) as source, target.open("wb") as out:
                shutil.copyfileobj(source, out, 1 << 20)
        elif magic == b"\x1f\x9d" and not keep:
            _uncompress(packed, target)
        else:
            shutil.copyfile(packed, target)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SourceError(f"{target.name} is damaged: {error}") from error
    return target


def _uncompress(packed: Path, target: Path) -> None:
    """Unpack a ``.Z`` file with the gzip program; Python has no module for it."""
    gzip_program = shutil.which("gzip")
    if gzip_program is None:
        raise SourceError(f"the program gzip is needed to unpack {target.name}.Z")
    with packed.open("rb") as source, target.open("wb") as out:
        done = subprocess.run(
            [gzip_program, "-dc"], stdin=source, stdout=out, stderr=subprocess.PIPE, check=False
        )
    if done.returncode != 0:
        raise SourceError(f"{target.name}.Z is damaged: {done.stderr.decode().strip()}")
