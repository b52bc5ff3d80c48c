"""The cache of downloaded files, which are renamed to their final names after a sha256 check."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from digitrec._files import DISK_FULL, is_disk_full, sha256_file, write_text
from digitrec.datasets.mirrors import LocalFolder, Source, SourceError, find_unreachable
from digitrec.errors import DatasetError

_log = logging.getLogger(__name__)


_ORIGIN_FILE = "source.txt"
_UNKNOWN_ORIGIN = "local files"


def ensure_files(
    dataset: str,
    folder: Path,
    checksums: Mapping[str, str],
    sources: Sequence[Source],
) -> str:
    """Make sure that verified files are in `folder`, from the first source that has them.

    Files already there are checked; damaged ones are reported, removed and fetched again. Files
    with ``.gz`` or ``.Z`` added to their name in `folder` are the first source. After its first
    failure a source is not tried further; files fetched before are kept.

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

    Returns
    -------
    str
        Where the files came from.

    Raises
    ------
    DatasetError
        If no source has the files; the message lists each source with the reason and says how
        to supply the files manually.
    """
    try:
        missing = [name for name in checksums if not _is_intact(folder / name, checksums)]
        if not missing:
            path = folder / _ORIGIN_FILE
            return path.read_text(encoding="utf-8").strip() if path.exists() else _UNKNOWN_ORIGIN
        return _fetch_missing(dataset, folder, checksums, missing, sources)
    except OSError as error:
        problem, remedy = f"cannot use the cache folder {folder}: {error}", "that can be written"
        if is_disk_full(error):
            problem = f"{DISK_FULL}, with the cache folder {folder}"
            remedy = "on another disk, or free some space"
        raise DatasetError(
            f"{problem}; set the environment variable DIGITREC_DATA to a folder {remedy}"
        ) from error


def _fetch_missing(
    dataset: str,
    folder: Path,
    checksums: Mapping[str, str],
    missing: list[str],
    sources: Sequence[Source],
) -> str:
    tried, origins = [], []
    unreachable: dict[str, str] | None = None
    for source in (LocalFolder(folder, _UNKNOWN_ORIGIN), *sources):
        if source.url and unreachable is None:
            unreachable = find_unreachable([s.url for s in sources if s.url])
        try:
            if unreachable and source.url in unreachable:
                raise SourceError(unreachable[source.url])
            _fetch(source, missing, folder, checksums)
        except SourceError as error:
            tried.append(f"{source.title}: {error}")
            _log.info("%s: %s", dataset, tried[-1])
        still_missing = [name for name in missing if not (folder / name).exists()]
        if still_missing != missing:
            origins.append(source.title)
            n_new = len(missing) - len(still_missing)
            _log.info("%s: %d file(s) from %s, sha256 verified", dataset, n_new, source.title)
        missing = still_missing
        if not missing:
            origin = " and ".join(origins)
            write_text(folder / _ORIGIN_FILE, origin + "\n")
            return origin
    lines = "".join(f"\n  - {line}" for line in tried)
    is_idx = all("-idx" in name for name in checksums)
    raise DatasetError(
        f"could not find or download the dataset {dataset!r}. Tried:{lines}\n"
        f"Supply it manually: put {', '.join(checksums)} into {folder}, as they are or packed "
        "with .gz added to the name"
        + ("; or give a folder of these files as the dataset" if is_idx else "")
    )


def _fetch(
    source: Source, names: Sequence[str], folder: Path, checksums: Mapping[str, str]
) -> None:
    """Move verified files from a source into `folder`, until one fails."""
    folder.mkdir(parents=True, exist_ok=True)
    # In the target folder: the last step is a rename within one file system.
    with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as scratch:
        for name, path in zip(names, source.fetch(names, Path(scratch)), strict=True):
            digest = sha256_file(path)
            if digest != checksums[name]:
                raise SourceError(
                    f"{name} is damaged or another version: {path.stat().st_size} bytes with "
                    f"sha256 {digest[:16]}…, expected {checksums[name][:16]}…"
                )
            path.replace(folder / name)


def _is_intact(path: Path, checksums: Mapping[str, str]) -> bool:
    """Return whether a cached file exists and is correct; report and remove a damaged one."""
    if not path.exists():
        return False
    if sha256_file(path) == checksums[path.name]:
        return True
    n_bytes = path.stat().st_size
    _log.info("%s is damaged (%d bytes, wrong sha256); removed", path, n_bytes)
    path.unlink()
    return False
