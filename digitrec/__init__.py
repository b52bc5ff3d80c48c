"""Compare classical machine-learning models on handwritten digits and use the winner.

The public names are imported on first use, so that ``import digitrec`` stays light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from digitrec.comparison import Comparison, compare, read_comparison
    from digitrec.datasets import Dataset, load_dataset
    from digitrec.inference import Recognizer
    from digitrec.persistence import load_model, save_model

__all__ = [
    "Comparison",
    "Dataset",
    "Recognizer",
    "__version__",
    "compare",
    "load_dataset",
    "load_model",
    "read_comparison",
    "save_model",
]

_HOMES = {
    "Comparison": "digitrec.comparison",
    "compare": "digitrec.comparison",
    "read_comparison": "digitrec.comparison",
    "Dataset": "digitrec.datasets",
    "Recognizer": "digitrec.inference",
    "load_dataset": "digitrec.datasets",
    "load_model": "digitrec.persistence",
    "save_model": "digitrec.persistence",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from digitrec._environment import digitrec_version

        return digitrec_version()
    if name not in _HOMES:
        raise AttributeError(f"module 'digitrec' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
