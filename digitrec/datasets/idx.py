"""The IDX format of the MNIST family: a magic number, big-endian sizes, then the values.

Format described by LeCun, Cortes and Burges on the MNIST page: two zero bytes, a type code, the
number of dimensions, one unsigned 32-bit size per dimension, the values in row-major order.
"""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from digitrec.datasets.assemble import check_memory
from digitrec.errors import DatasetError

#: The four files of the MNIST family, in the order train images, train labels, test images,
#: test labels.
IDX_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)

_TYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype("u1"),
    0x09: np.dtype("i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
_LONGEST_HEADER = 20
_CODES = {dtype: code for code, dtype in _TYPES.items()}


def parse_idx(content: bytes, name: str) -> NDArray:
    """Return the array that the bytes of an IDX file hold.

    Parameters
    ----------
    content : bytes
        The whole uncompressed file.
    name : str
        Name of the file, for error messages.

    Returns
    -------
    ndarray
        Read-only, without a copy of the values; the type is the file's, in its byte order.

    Raises
    ------
    DatasetError
        If the magic number is wrong, or there are fewer or more values than the header says.
    """
    if len(content) < 4:
        raise DatasetError(f"{name} is truncated: {len(content)} bytes, too short for an IDX file")
    code, n_dimensions = content[2], content[3]
    if content[:2] != b"\0\0" or code not in _TYPES or not 1 <= n_dimensions <= 4:
        raise DatasetError(f"{name} is not an IDX file: it has the bad magic {content[:4].hex()!r}")
    header = 4 + 4 * n_dimensions
    if len(content) < header:
        raise DatasetError(f"{name} is truncated: {len(content)} bytes end within the header")
    shape = struct.unpack(f">{n_dimensions}I", content[4:header])
    dtype = _TYPES[code]
    expected = math.prod(shape) * dtype.itemsize
    found = len(content) - header
    if found != expected:
        swapped = struct.unpack(f"<{n_dimensions}I", content[4:header])
        if math.prod(swapped) * dtype.itemsize == found:
            raise DatasetError(
                f"{name} is not a valid IDX file: its sizes, {' x '.join(map(str, swapped))}, "
                "are little-endian; they must be big-endian"
            )
        fault = "truncated" if found < expected else "too long"
        raise DatasetError(
            f"{name} is {fault}: its header says {expected} bytes of data, it has {found}"
        )
    return np.frombuffer(content, dtype=dtype, offset=header).reshape(shape)


def idx_bytes(array: NDArray) -> bytes:
    """Return the content of an IDX file of `array`.

    Raises
    ------
    ValueError
        If the format has no code for the array's type.
    """
    dtype = array.dtype.newbyteorder(">")
    if dtype not in _CODES:
        raise ValueError(f"the IDX format cannot hold values of type {array.dtype}")
    header = struct.pack(f">2xBB{array.ndim}I", _CODES[dtype], array.ndim, *array.shape)
    return header + array.astype(dtype).tobytes()


def read_idx(path: str | os.PathLike[str]) -> NDArray:
    """Read an IDX file, compressed with gzip or not, by its content and not its name.

    Raises
    ------
    DatasetError
        If the file cannot be read, unpacked or parsed; the message names it and the reason.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            if not packed:
                check_memory(path.stat().st_size, str(path))
                content = file.read()
            else:
                content = _unpack(file, str(path))
    except EOFError as error:
        raise DatasetError(f"{path} is truncated: its gzip stream ends early") from error
    except (OSError, zlib.error) as error:
        raise DatasetError(f"cannot read {path}: {error}") from error
    return parse_idx(content, str(path))


def _unpack(file: IO[bytes], name: str) -> bytes:
    """Return the content of a gzip file, but no more than its header says and one byte."""
    with gzip.open(file) as unpacked:
        start = unpacked.read(_LONGEST_HEADER)
        expected = _expected_size(start)
        if expected is None:
            return start  # no IDX file
        check_memory(2 * expected, name)
        return start + unpacked.read(max(0, expected + 1 - len(start)))


def _expected_size(start: bytes) -> int | None:
    """Return the bytes of an IDX file that begins so, in either byte order; None for others."""
    if len(start) < 4 or start[:2] != b"\0\0" or start[2] not in _TYPES or not 1 <= start[3] <= 4:
        return None
    header = 4 + 4 * start[3]
    if len(start) < header:
        return None
    sizes = (struct.unpack(f"{order}{start[3]}I", start[4:header]) for order in "><")
    return header + min(map(math.prod, sizes)) * _TYPES[start[2]].itemsize
