"""Open text files of any compression and encoding that pandas understands, by their content."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import importlib
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from digitrec._optional import is_installed
from digitrec.errors import DatasetError

LINE_LIMIT = 10_000_000
"""Characters of a line from which a file is not a table."""
_PACKED_BYTES = 256
"""Bytes of a Zstandard file that are unpacked at a time: 4 of them may hold 128 KiB of zeros."""
#: What reading a damaged compressed file may raise.
READ_ERRORS = (
    OSError,
    EOFError,
    ValueError,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    tarfile.TarError,
)

_GZIP, _BZIP2, _XZ, _ZIP, _ZSTD = (
    b"\x1f\x8b",
    b"BZh",
    b"\xfd7zXZ",
    b"PK\x03\x04",
    b"\x28\xb5\x2f\xfd",
)
_TAR_NAMES = (".tar", ".tgz", ".tbz2", ".txz", ".tar.gz", ".tar.bz2", ".tar.xz")


def is_compressed(path: Path) -> bool:
    """Return, by its first bytes or its name, whether a file must be unpacked."""
    with path.open("rb") as file:
        head = file.read(6)
    return head.startswith((_GZIP, _BZIP2, _XZ, _ZIP, _ZSTD)) or path.name.lower().endswith(".tar")


@contextlib.contextmanager
def open_text(path: Path) -> Iterator[IO[str]]:
    """Open a file as text: plain, gzip, bzip2, xz, Zstandard, or one member of a zip or tar file.

    Raises
    ------
    DatasetError
        If an archive has more than one file, or the compression needs a package that is missing.
    """
    with contextlib.ExitStack() as stack:
        binary = _open_binary(path, stack)
        head = cast("io.BufferedReader", binary).peek(2)[:2]
        encoding = "utf-16" if head in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        yield _BoundedLines(binary, encoding=encoding, errors="replace", newline="")


class _BoundedLines(io.TextIOWrapper):
    """Text whose lines end: one without an end would be unpacked whole into the memory."""

    _since_end = 0

    def read(self, size: int | None = -1) -> str:
        """Return the next characters, as `io.TextIOWrapper` does.

        Raises
        ------
        ValueError
            If a line has more than `LINE_LIMIT` characters.
        """
        text = super().read(size)
        last = max(text.rfind("\n"), text.rfind("\r"))
        self._since_end = len(text) - 1 - last if last >= 0 else self._since_end + len(text)
        if self._since_end > LINE_LIMIT:
            raise ValueError(f"a line has more than {LINE_LIMIT:,} characters")
        return text


def _open_binary(path: Path, stack: contextlib.ExitStack) -> IO[bytes]:
    raw = stack.enter_context(path.open("rb"))
    head = raw.read(6)
    raw.seek(0)
    if path.name.lower().endswith(_TAR_NAMES):
        archive = stack.enter_context(tarfile.open(fileobj=raw))  # noqa: SIM115
        files = [member for member in archive if member.isfile() and _is_data(member.name)]
        member = archive.extractfile(_only(files, [m.name for m in files], path))
        assert member is not None
        return stack.enter_context(member)
    if head.startswith(_ZIP):
        packed = stack.enter_context(zipfile.ZipFile(raw))
        infos = [
            info for info in packed.infolist() if not info.is_dir() and _is_data(info.filename)
        ]
        return stack.enter_context(packed.open(_only(infos, [i.filename for i in infos], path)))
    if head.startswith(_GZIP):
        return cast("IO[bytes]", stack.enter_context(gzip.open(raw)))
    if head.startswith(_BZIP2):
        return stack.enter_context(bz2.open(raw))
    if head.startswith(_XZ):
        return stack.enter_context(lzma.open(raw))
    if head.startswith(_ZSTD):
        if not is_installed("zstandard"):
            raise DatasetError(
                f"{path} is compressed with Zstandard; run: pip install zstandard, or unpack it"
            )
        return stack.enter_context(io.BufferedReader(_Zstandard(raw)))
    return raw


class _Zstandard(io.RawIOBase):
    """Unpack frames of Zstandard.

    The package's own stream takes a file that was cut off for one that ends.
    """

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        self._decompressor = importlib.import_module("zstandard").ZstdDecompressor()
        self._frame = self._decompressor.decompressobj()
        self._unpacked = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._unpacked:
            ended = self._frame.eof
            packed = (ended and self._frame.unused_data) or self._raw.read(_PACKED_BYTES)
            if not packed:
                if ended:
                    return 0
                raise EOFError("the compressed file was cut off")
            if ended:
                self._frame = self._decompressor.decompressobj()
            self._unpacked = memoryview(self._frame.decompress(packed))
        count = min(len(buffer), len(self._unpacked))
        buffer[:count], self._unpacked = self._unpacked[:count], self._unpacked[count:]
        return count


def _is_data(name: str) -> bool:
    parts = name.split("/")
    return "__MACOSX" not in parts and not parts[-1].startswith(".")


def _only(members: list[Any], names: list[str], path: Path) -> Any:
    if len(members) != 1:
        listed = ", ".join(names[:5]) or "nothing"
        raise DatasetError(f"{path} must hold one table, it holds {listed}; unpack it")
    return members[0]
