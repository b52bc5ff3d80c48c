"""Bring files into the cache: from disk, over HTTP, from archives; always verified.

Deciding (`ensure_files`) knows nothing of how a source works; a source only puts files into a
scratch folder. Nothing gets its final name before its sha256 is right.
"""

from __future__ import annotations

import gzip
import shutil
import socket
import subprocess
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from digitrec._files import sha256_file, write_text
from digitrec.errors import DatasetError

__all__ = [
    "HttpMirror",
    "LocalFolder",
    "Report",
    "Source",
    "SourceError",
    "ZipArchive",
    "ensure_files",
    "find_unreachable",
]

Report = Callable[[str], None]

#: Seconds to resolve a name and connect; all hosts are tried at the same time.
CONNECT_TIMEOUT = 3.0
#: Seconds without a byte after which a download is given up.
READ_TIMEOUT = 8.0

_ORIGIN_FILE = "source.txt"


class SourceError(Exception):
    """A source cannot deliver; the text is the reason, in one line."""


class Source(Protocol):
    """One place that files can come from."""

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
            As soon as one of them cannot be had.
        """


@dataclass(frozen=True)
class LocalFolder:
    """Files that lie on disk, plain or with ``.gz`` added to their name."""

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


def ensure_files(
    dataset: str,
    folder: Path,
    checksums: Mapping[str, str],
    sources: Sequence[Source],
    report: Report,
) -> str:
    """Have verified files in `folder`, from the first source that delivers them.

    Files already there are checked; a damaged one is named, removed and fetched again. Files
    with ``.gz`` or ``.Z`` added to their name in `folder` are the first source. A source is
    given up at its first failure, and files it delivered until then are kept.

    Parameters
    ----------
    dataset : str
        Name for messages.
    folder : pathlib.Path
        Where the files are kept.
    checksums : mapping of str to str
        sha256 of the content of each file, by its name in `folder`.
    sources : sequence of Source
        Where to look, in this order.
    report : callable
        Told in one line of each damaged file, each failure and the success.

    Returns
    -------
    str
        Where the files came from.

    Raises
    ------
    DatasetError
        If no source delivers; the message lists each with its reason and says how to supply
        the files by hand.
    """
    try:
        missing = [name for name in checksums if not _is_intact(folder / name, checksums, report)]
        if not missing:
            return _read_origin(folder)
        return _fetch_missing(dataset, folder, checksums, missing, sources, report)
    except OSError as error:
        raise DatasetError(
            f"cannot use the cache folder {folder}: {error}; "
            "set the environment variable DIGITREC_DATA to a folder that can be written"
        ) from error


def _fetch_missing(
    dataset: str,
    folder: Path,
    checksums: Mapping[str, str],
    missing: list[str],
    sources: Sequence[Source],
    report: Report,
) -> str:
    tried, origins = [], []
    unreachable: dict[str, str] | None = None
    for source in (LocalFolder(folder, "files in the cache folder"), *sources):
        if source.url and unreachable is None:
            unreachable = find_unreachable([s.url for s in sources if s.url])
        try:
            if unreachable and source.url in unreachable:
                raise SourceError(unreachable[source.url])
            _fetch(source, missing, folder, checksums)
        except SourceError as error:
            tried.append(f"{source.title}: {error}")
            report(f"{dataset}: {tried[-1]}")
        still_missing = [name for name in missing if not (folder / name).exists()]
        if still_missing != missing:
            origins.append(source.title)
            report(
                f"{dataset}: {len(missing) - len(still_missing)} file(s) from {source.title}, "
                "sha256 verified"
            )
        missing = still_missing
        if not missing:
            origin = " and ".join(origins)
            write_text(folder / _ORIGIN_FILE, origin + "\n")
            return origin
    lines = "".join(f"\n  - {line}" for line in tried)
    raise DatasetError(
        f"dataset {dataset!r} cannot be had. Tried:{lines}\n"
        f"Supply it by hand: put {', '.join(checksums)} (plain or .gz) into {folder}"
    )


def _fetch(
    source: Source, names: Sequence[str], folder: Path, checksums: Mapping[str, str]
) -> None:
    """Move verified files from a source into `folder`, until one fails."""
    folder.mkdir(parents=True, exist_ok=True)
    # Beside the target, so that the last step is a rename within one file system.
    with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as scratch:
        for name, path in zip(names, source.fetch(names, Path(scratch)), strict=True):
            digest = sha256_file(path)
            if digest != checksums[name]:
                raise SourceError(
                    f"{name} is damaged or another version: {path.stat().st_size} bytes with "
                    f"sha256 {digest[:16]}…, expected {checksums[name][:16]}…"
                )
            path.replace(folder / name)


def _is_intact(path: Path, checksums: Mapping[str, str], report: Report) -> bool:
    """Tell whether a cached file is there and right; name and remove a damaged one."""
    if not path.exists():
        return False
    if sha256_file(path) == checksums[path.name]:
        return True
    report(f"{path} is damaged ({path.stat().st_size} bytes, wrong sha256); removed")
    path.unlink()
    return False


def _read_origin(folder: Path) -> str:
    path = folder / _ORIGIN_FILE
    return path.read_text(encoding="utf-8").strip() if path.exists() else "local files"


def find_unreachable(urls: Iterable[str], timeout: float = CONNECT_TIMEOUT) -> dict[str, str]:
    """Return the reason for each of `urls` whose host does not answer within `timeout` seconds.

    All hosts are tried at the same time, each in a thread that is left behind when it takes too
    long: a dead name server blocks for much longer than any time-out of a connection.
    """
    reasons = dict.fromkeys(urls, f"no connection within {timeout:g} s")

    def connect(url: str) -> None:
        try:
            with socket.create_connection(_endpoint(url), timeout=timeout):
                del reasons[url]
        except OSError as error:
            reasons[url] = f"cannot be reached ({error.strerror or error})"

    threads = [threading.Thread(target=connect, args=(url,), daemon=True) for url in reasons]
    for thread in threads:
        thread.start()
    deadline = threading.Event()
    threading.Timer(timeout, deadline.set).start()
    for thread in threads:
        while thread.is_alive() and not deadline.is_set():
            thread.join(0.05)
    return dict(reasons)


def _endpoint(url: str) -> tuple[str, int]:
    """Return host and port to connect to for `url`, the proxy's where one is set."""
    import requests.utils

    proxies = requests.utils.get_environ_proxies(url)
    parts = urlsplit(requests.utils.select_proxy(url, proxies) or url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _download(url: str, path: Path) -> Path:
    """Download `url` to `path`; a failure is a `SourceError` that names the file."""
    # Both take long to import, and most runs find everything in the cache.
    import pooch
    import requests
    import urllib3

    download = pooch.HTTPDownloader(timeout=(CONNECT_TIMEOUT, READ_TIMEOUT), chunk_size=1 << 16)
    name = urlsplit(url).path.rsplit("/", 1)[-1]
    try:
        download(url, str(path), None)
    except requests.HTTPError as error:
        raise SourceError(f"{name}: HTTP status {error.response.status_code}") from error
    except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
        raise SourceError(f"{name}: no data within {READ_TIMEOUT:g} s") from error
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise SourceError(f"{name}: the download broke off ({type(error).__name__})") from error
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
