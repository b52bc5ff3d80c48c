"""Bounds on memory: data that cannot fit are refused before they fill it."""

from __future__ import annotations

import psutil

from digitrec.errors import DatasetError

MEMORY_SHARE = 0.8
"""Share of the free memory that the pixels of a dataset may take; features need the rest."""


def check_memory(n_bytes: float, what: str) -> None:
    """Refuse data that are larger than the memory that is free.

    Parameters
    ----------
    n_bytes : float
        What reading the data takes, in bytes.
    what : str
        Name of the data for the message.

    Raises
    ------
    DatasetError
        If it is more than `MEMORY_SHARE` of the free memory.
    """
    free = psutil.virtual_memory().available
    if n_bytes > MEMORY_SHARE * free:
        raise DatasetError(
            f"{what} is too large: reading it takes about {n_bytes / 1e9:,.1f} GB, "
            f"{free / 1e9:,.1f} GB of memory are free; give fewer rows"
        )
