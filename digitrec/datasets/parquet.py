"""Parquet files: Hugging Face's (encoded images and a label) and tables of pixels."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digitrec._optional import import_optional
from digitrec.datasets._dataset import Dataset
from digitrec.datasets.assemble import RawPart, assemble_dataset, check_memory
from digitrec.datasets.columns import LABEL_NAMES, arrange_columns, shorten
from digitrec.errors import DatasetError
from digitrec.pixels import decode_grey


def load_parquet(train: Sequence[Path], test: Sequence[Path] = (), name: str = "") -> Dataset:
    """Load images and labels from parquet files.

    Parameters
    ----------
    train, test : sequence of pathlib.Path
        Files with a column of encoded images (bytes, or ``{"bytes": …}`` as Hugging Face saves
        them) and a label, or with one column a pixel. Without `test`, a stratified fifth is held
        out.
    name : str
        Name of the dataset; by default the stem of the first file.

    Raises
    ------
    MissingExtraError
        If pyarrow is not installed.
    DatasetError
        If a file is damaged or holds something else.
    """
    notes: list[str] = []
    parts = [_read_files(files, notes) for files in (train, test) if files]
    return assemble_dataset(
        parts,
        name=name or train[0].name.split(".")[0],
        source=f"file: {train[0].name}",
        where=str(train[0]),
        notes=list(dict.fromkeys(notes)),
    )


def _read_files(paths: Sequence[Path], notes: list[str]) -> RawPart:
    images: list[NDArray[Any]] = []
    labels: list[NDArray[Any]] = []
    for path in paths:
        found, names = _read_file(path, notes)
        images += found
        labels.append(names)
    sizes = {array.shape[1:] for array in images}
    if len(sizes) > 1:
        raise DatasetError(f"{paths[0]}: images have different sizes: {sorted(sizes)[:3]}")
    kinds = {array.dtype for array in images}
    joined = [np.concatenate(images)] if len(kinds) == 1 else images
    return RawPart(joined, np.concatenate(labels))


def _read_file(path: Path, notes: list[str]) -> tuple[list[NDArray[Any]], NDArray[Any]]:
    parquet = import_optional("pyarrow.parquet", extra="parquet")
    try:
        with parquet.ParquetFile(path) as file:
            facts = file.metadata
            groups = [facts.row_group(i) for i in range(facts.num_row_groups)]
            # What repeats takes next to nothing in the file, and 8 bytes a value in memory.
            n_bytes = max(
                sum(group.total_byte_size for group in groups),
                8 * facts.num_rows * facts.num_columns,
            )
            check_memory(2 * n_bytes, str(path))
            table = file.read()
    except DatasetError:
        raise
    except Exception as error:  # pyarrow's errors have many types
        raise DatasetError(f"cannot read {path}: {shorten(error, 80)[1:-1]}") from error
    names = [str(name) for name in table.column_names]
    encoded = [n for n in names if str(table.schema.field(n).type).startswith(("struct", "binary"))]
    if len(encoded) != 1:
        try:
            columns = arrange_columns(names)
        except DatasetError as error:
            raise DatasetError(f"{path}: {error}") from error
        notes += columns.notes
        pixels = np.column_stack([table.column(place).to_numpy() for place in columns.pixels])
        assert columns.label is not None
        labels = np.asarray(table.column(columns.label).to_numpy())
        return [pixels.reshape(len(pixels), *columns.image_shape)], _plain(labels, path)
    found = [name for name in names if name.strip().casefold() in LABEL_NAMES]
    if len(found) != 1:
        raise DatasetError(
            f"{path} has no label column beside the images: it has "
            f"{', '.join(shorten(name)[1:-1] for name in names[:5])}"
        )
    images = [
        _decode(value, f"{path}, row {row}")
        for row, value in enumerate(table.column(encoded[0]).to_pylist())
    ]
    if not images:
        raise DatasetError(f"{path} has no rows")
    sizes = {image.shape for image in images}
    if len(sizes) > 1 or len({image.dtype for image in images}) > 1:
        raise DatasetError(f"{path}: images differ in size or depth: {sorted(sizes)[:3]}")
    return [np.stack(images)], _plain(np.asarray(table.column(found[0]).to_numpy()), path)


def _plain(labels: NDArray[Any], path: Path) -> NDArray[Any]:
    """Return labels of numbers or strings."""
    if labels.dtype.kind in "iu":
        return labels
    if labels.dtype == object and all(isinstance(label, str) for label in labels):
        return labels.astype(str)
    raise DatasetError(f"{path}: labels must be whole numbers or texts, none missing")


def _decode(value: object, where: str) -> NDArray[Any]:
    content = value.get("bytes") if isinstance(value, dict) else value
    if not isinstance(content, bytes):
        raise DatasetError(f"{where}: the image is not in the file")
    try:
        with Image.open(io.BytesIO(content)) as image:
            return decode_grey(image)
    except Exception as error:  # Pillow's decoders raise almost anything on damaged data
        raise DatasetError(f"{where}: the image is damaged, or of an unknown format") from error
