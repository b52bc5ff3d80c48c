"""The file of a threshold that was chosen on labelled images, and for which model it holds."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digitrec._files import write_json
from digitrec.errors import ConfigurationError
from digitrec.inference.model import DigitModel

KIND = "digitrec threshold"
STARTS = (f'{{\n  "kind": "{KIND}"'.encode(),)
"""First bytes of such files."""
TOLERANCE = 2e-3
"""Largest difference of the probes' probabilities between machines and library versions."""


def write_threshold(
    path: str | os.PathLike[str], threshold: float, model: DigitModel, facts: Mapping[str, Any]
) -> None:
    """Write a threshold, how it was chosen, and what tells the model that it holds for."""
    content = {"kind": KIND, "threshold": threshold, **facts, "probes": _probe(model)}
    write_json(path, content)


def read_threshold(path: str | os.PathLike[str], model: DigitModel) -> float:
    """Return the threshold of a file.

    Raises
    ------
    ConfigurationError
        If the file is no such file, or was made with another model.
    """
    name = repr(os.fspath(path))
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not JSON"
        raise ConfigurationError(
            f"cannot read the threshold file {name}: {reason}; "
            "give a number from 0 to 1, or a file that digitrec calibrate wrote"
        ) from error
    threshold = content.get("threshold") if isinstance(content, dict) else None
    if (
        not isinstance(threshold, float | int)
        or content.get("kind") != KIND
        or not 0 <= threshold <= 1
    ):
        raise ConfigurationError(f"{name} is no threshold file; make one with digitrec calibrate")
    probes = np.asarray(content.get("probes"), dtype=object)
    if probes.shape != np.shape(_probe(model)) or not np.allclose(
        probes.astype(float), _probe(model), atol=TOLERANCE
    ):
        raise ConfigurationError(
            f"the threshold in {name} was chosen for another model than {model.name}; "
            "run digitrec calibrate with this one"
        )
    return float(threshold)


def _probe(model: DigitModel) -> list[list[float]]:
    """Return the outputs of a model on fixed images of bars, which identify it."""
    rows: NDArray[np.uint8] = np.zeros((6, 28, 28), np.uint8)
    for index in range(6):
        rows[index, 4 : 14 + 2 * index, 12 + index % 3 : 15 + index % 3] = 255
        rows[index, 6 + 3 * index : 8 + 3 * index, 6 : 14 + index] = 200
    return np.round(model.probabilities(rows.reshape(6, 784)), 4).tolist()
