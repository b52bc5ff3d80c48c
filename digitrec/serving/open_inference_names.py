"""The names and types of the model's tensors in the Open Inference Protocol."""

from __future__ import annotations

from typing import Any

HEAD_LENGTH_HEADER = "inference-header-content-length"
INPUT_NAME = "pixels"
OUTPUTS: dict[str, tuple[str, list[int]]] = {
    "digit": ("INT64", [-1]),
    "confidence": ("FP32", [-1]),
    "accepted": ("BOOL", [-1]),
    "probabilities": ("FP32", [-1, 10]),
}
"""Name to data type and shape; ``digit`` is -1 where no digit was accepted."""


def model_metadata(model: str) -> dict[str, Any]:
    """Return a model's metadata as the protocol wants it."""
    return {
        "name": model,
        "versions": ["1"],
        "platform": "digitrec",
        "inputs": [{"name": INPUT_NAME, "datatype": "UINT8", "shape": [-1, 784]}],
        "outputs": [
            {"name": name, "datatype": datatype, "shape": shape}
            for name, (datatype, shape) in OUTPUTS.items()
        ],
    }
