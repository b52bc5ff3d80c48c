"""Atomic writes, checksums, and the cache folder."""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import errno
import functools
import hashlib
import json
import logging
import os
import re
import secrets
import sys
import tempfile
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from digitrec.errors import ConfigurationError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import DTypeLike

_ZEROS = 1 << 20
"""Bytes that are written at a time to take space on a disk."""
DISK_FULL = "the disk is full"
_FULL_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FULL_MESSAGES = r"\d+ requested and \d+ written|Not enough free space to write .*"
CACHE_VARIABLE = "DIGITREC_DATA"
"""Environment variable that names the root of the cache."""


def cache_dir(*parts: str) -> Path:
    """Return a folder under digitrec's cache, without creating it.

    The root is the environment variable ``DIGITREC_DATA`` where set, else the user cache
    directory of the platform.
    """
    root = os.environ.get(CACHE_VARIABLE)
    base = Path(root).expanduser() if root else _user_cache()
    return base.joinpath(*parts)


def _user_cache() -> Path:
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
        return Path(local, "digitrec", "digitrec", "Cache")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "digitrec"
    # The specification of base directories has relative paths ignored.
    given = os.environ.get("XDG_CACHE_HOME", "")
    return Path(given if Path(given).is_absolute() else Path.home() / ".cache", "digitrec")


def writable_cache_dir(*parts: str) -> Path:
    """Return a folder under digitrec's cache, or a temporary one where the cache is read-only.

    Results are then not kept for the next run: a warning of the logger
    ``digitrec`` is logged once. The temporary folder is removed when the process ends.
    """
    return _writable_root(cache_dir()).joinpath(*parts)


@functools.cache
def _writable_root(root: Path) -> Path:
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root):
            return root
    except OSError as error:
        logging.getLogger("digitrec").warning(
            "the cache folder %s cannot be written (%s): results are not kept for the next time; "
            "set %s to a folder that can be written",
            root,
            error.strerror or error,
            CACHE_VARIABLE,
        )
    folder = tempfile.TemporaryDirectory(prefix="digitrec-", ignore_cleanup_errors=True)
    atexit.register(folder.cleanup)
    return Path(folder.name)


# Two such names, a key and a kind of file make one of less than the 255 bytes of file systems.
MAX_NAME_BYTES = 80


def file_safe(name: str) -> str:
    """Return a name as part of a file name, of at most `MAX_NAME_BYTES`.

    Examples
    --------
    >>> file_safe("my model: C=1/2")
    'my_model_C=1_2'
    """
    safe = re.sub(r"[^\w.+=-]+", "_", name).strip(".") or "_"
    if len(safe.encode()) > MAX_NAME_BYTES:
        kept = safe.encode()[: MAX_NAME_BYTES - 9].decode(errors="ignore")
        safe = f"{kept}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return safe


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path next to `path` that replaces it when the block ends well.

    The temporary file keeps the suffix of `path`, so that writers that choose a format by
    suffix work. On any exception the temporary file is removed and `path` is left as it was.

    Parameters
    ----------
    path : path-like
        The file to write. Its folder is created.

    Yields
    ------
    pathlib.Path
        The temporary file to write to.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _create_beside(path)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _create_beside(path: Path) -> Path:
    """Create an empty file of a new name in the folder of `path`.

    `tempfile` makes private files, but a report should have the permissions of any new file:
    the system applies the umask itself, which cannot be read without changing it for a moment,
    for all threads.
    """
    while True:
        temporary = path.with_name(f".{path.stem}-{secrets.token_hex(4)}{path.suffix}")
        with contextlib.suppress(FileExistsError):
            temporary.touch(0o666, exist_ok=False)
            return temporary


def create_array(
    path: str | os.PathLike[str], dtype: DTypeLike, shape: tuple[int, ...]
) -> np.memmap[Any, Any]:
    """Return a new ``.npy`` file as a mapped array to be filled.

    Its space on the disk is taken first: writing to a mapped file that does not fit ends the
    process by a signal, without a message.

    Raises
    ------
    OSError
        If the disk has not that much space left.
    """
    import numpy as np  # slow to import, for commands that only say what there is

    array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    with Path(path).open("rb+") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, array.offset + array.nbytes)
        else:
            file.seek(array.offset)
            for start in range(0, array.nbytes, _ZEROS):
                file.write(bytes(min(_ZEROS, array.nbytes - start)))
    return array


def is_disk_full(error: OSError) -> bool:
    """Return whether an error says that a file could not grow.

    NumPy's ``tofile``, which ``numpy.save`` uses, gives no number of an error.
    """
    return error.errno in _FULL_ERRORS or bool(
        error.errno is None and re.fullmatch(_FULL_MESSAGES, str(error))
    )


def describe_os_error(error: OSError) -> str:
    """Return an error of the system as one line for the user, with the remedy where one is known.

    Examples
    --------
    >>> describe_os_error(OSError("1000 requested and 96 written"))
    'the disk is full; free some space and run the same command again: what is finished is kept'
    """
    if not is_disk_full(error):
        return str(error)
    name = f": {error.filename}" if error.filename else ""
    return (
        f"{DISK_FULL}{name}; free some space and run the same command again: what is finished "
        "is kept"
    )


def check_output(path: str | os.PathLike[str], what: str, starts: tuple[bytes, ...]) -> None:
    """Refuse to write a file where there is a folder, or a file of another kind.

    Parameters
    ----------
    path : path-like
        The file to write.
    what : str
        What the file is, for the message.
    starts : tuple of bytes
        First bytes of the files that may be replaced.

    Raises
    ------
    ConfigurationError
        If a folder or another file is there: data or a model would be lost.
    """
    path = Path(path)
    if not path.name or path.is_dir():
        raise ConfigurationError(f"{str(path)!r} is a folder; give the path of a file")
    if path.is_file() and path.stat().st_size:
        with path.open("rb") as file:
            is_kind = file.read(max(map(len, starts), default=0)).startswith(starts)
        if not is_kind:
            raise ConfigurationError(f"{str(path)!r} exists and is not a {what}; name a new file")


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write a value as indented JSON atomically; NaN and infinity are refused."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


_types = functools.cache(typing.get_type_hints)


def read_record(kind: Any, stored: Any) -> Any:
    """Return what JSON gave back as the type that it had before `dataclasses.asdict`.

    Parameters
    ----------
    kind : type
        A dataclass, or the type of one of its fields.
    stored : object
        What JSON gave back. Fields that the dataclass does not have are left out: earlier
        versions stored them.

    Raises
    ------
    TypeError
        If a field is missing.

    Examples
    --------
    >>> from digitrec.statistics.chance_gain import ChanceGain
    >>> read_record(ChanceGain, {"mean": 0.1, "high": 0.2, "p_value": 0.5, "unknown": 1})
    ChanceGain(mean=0.1, high=0.2, p_value=0.5)
    """
    kinds = typing.get_args(kind)
    if typing.get_origin(kind) is types.UnionType:
        return None if stored is None else read_record(kinds[0], stored)
    if typing.get_origin(kind) is tuple:
        return tuple(read_record(kinds[0], item) for item in stored or ())
    if typing.get_origin(kind) is list:
        return [read_record(kinds[0], item) for item in stored]
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        known = {name: kind for name, kind in _types(kind).items() if name in stored}
        return kind(**{name: read_record(of, stored[name]) for name, of in known.items()})
    return stored


def sha256_file(path: str | os.PathLike[str]) -> str:
    """Return the sha256 of a file's content as 64 hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
