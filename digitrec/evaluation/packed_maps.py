"""Signed images in a JSON file."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["pack_maps", "unpack_maps"]


def pack_maps(maps: NDArray[np.floating]) -> dict[str, Any]:
    """Return signed images in 255 steps each, small enough for a JSON file.

    Parameters
    ----------
    maps : ndarray of float, shape (n, height, width)
        Images.

    Returns
    -------
    dict
        JSON-safe: ``shape``, the largest absolute value ``scale`` of each image, and ``data``,
        base64 of int8 values in units of ``scale / 127``.
    """
    scales = np.abs(maps).max(axis=(1, 2))
    steps = 127 * maps / np.where(scales > 0, scales, 1)[:, None, None]
    return {
        "shape": list(maps.shape),
        "scale": [float(f"{scale:.6g}") for scale in scales],
        "data": base64.b64encode(np.rint(steps).astype(np.int8).tobytes()).decode("ascii"),
    }


def unpack_maps(packed: Mapping[str, Any]) -> NDArray[np.float64]:
    """Return the images that `pack_maps` packed, shape (n, height, width)."""
    steps = np.frombuffer(base64.b64decode(packed["data"]), dtype=np.int8)
    scales = np.asarray(packed["scale"])[:, None, None]
    return steps.reshape(packed["shape"]) * scales / 127
