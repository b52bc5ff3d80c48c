"""Load a dataset by its name or from a path."""

from __future__ import annotations

import dataclasses
import functools
import logging
import os
from pathlib import Path

from digitrec.datasets._dataset import Dataset
from digitrec.datasets.builtin import DATASETS
from digitrec.datasets.paths import load_path
from digitrec.datasets.stratified import subsample_training_rows
from digitrec.errors import ConfigurationError, DatasetError

_log = logging.getLogger(__name__)


def load_dataset(
    name_or_path: str | os.PathLike[str],
    *,
    max_train: int | None = None,
    random_state: int = 0,
) -> Dataset:
    """Load a dataset of the registry or from a path.

    Parameters
    ----------
    name_or_path : str or path-like
        A key of `DATASETS`; a folder of images ``class_name/*`` (with or without ``train``,
        ``val`` and ``test`` above); a folder with the four IDX files, plain or ``.gz``; a table
        with the header ``label,pixel0,…``, of any separator and compression; ``.npz`` or
        ``.mat`` with images and labels; or ``.parquet``. If a folder contains one of these
        further down, that is loaded. A name takes precedence over a path of the same name; write
        ``./mnist`` for the folder.
    max_train : int, optional
        Keep at most this many training rows, stratified.
    random_state : int
        Seed of that choice.

    Returns
    -------
    Dataset

    Raises
    ------
    ConfigurationError
        If there is neither such a name nor such a path, or `max_train` is too small.
    DatasetError
        If the data cannot be found or downloaded, or are damaged. A name never falls back to
        another dataset.
    """
    name = os.fspath(name_or_path)
    if not name:
        raise ConfigurationError("the name of the dataset is empty; write . for this folder")
    if name in DATASETS:
        dataset = DATASETS[name].load()
    elif Path(name).expanduser().exists():
        dataset = load_path(Path(name).expanduser())
    else:
        raise ConfigurationError(
            f"unknown dataset {name!r}: it is neither a path that exists nor one of: "
            f"{', '.join(DATASETS)}"
        )
    if max_train is None:
        return dataset
    return subsample_training_rows(dataset, max_train, random_state)


def load_default_dataset(*, max_train: int | None = None, random_state: int = 0) -> Dataset:
    """Load MNIST or, where it cannot be downloaded, the 5,000 images that come with digitrec.

    The fallback is noted in `Dataset.warnings` and in a message. The parameters are those of
    `load_dataset`.
    """
    load = functools.partial(load_dataset, max_train=max_train, random_state=random_state)
    try:
        return load("mnist")
    except DatasetError:
        note = (
            "MNIST could not be downloaded or found; these are the 5,000 MNIST images that come "
            "with digitrec. Errors are far higher than on all of MNIST."
        )
        _log.info("%s", note)
        dataset = load("mnist_5k")
        return dataclasses.replace(dataset, warnings=(note, *dataset.warnings))
