"""Parquet files: Hugging Face's (encoded images and a label) and tables of pixels."""

from __future__ import annotations

import io
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digitrec._optional import import_optional
from digitrec.datasets._dataset import Dataset
from digitrec.datasets.array_files import images_first
from digitrec.datasets.assemble import RawPart, assemble_dataset, check_memory
from digitrec.datasets.columns import LABEL_NAMES, arrange_columns, shorten, square_shape
from digitrec.errors import DatasetError
from digitrec.pixels import decode_grey


def load_parquet(train: Sequence[Path], test: Sequence[Path] = (), name: str = "") -> Dataset:
    """Load images and labels from parquet files.

    Parameters
    ----------
    train, test : sequence of pathlib.Path
        Files with a column of encoded images (bytes, or ``{"bytes": …}`` as Hugging Face saves
        them) or of lists of pixels and a label, or with one column a pixel. Without `test`, a
        stratified fifth is held out.
    name : str
        Name of the dataset; by default the stem of the first file.

    Raises
    ------
    MissingExtraError
        If pyarrow is not installed.
    DatasetError
        If a file is damaged or has other content.
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
    is_label = [name.strip().casefold() in LABEL_NAMES for name in names]
    whole = [
        place
        for place, field in enumerate(table.schema)
        if not is_label[place] and _is_image(field.type)
    ]
    if len(whole) != 1:
        if whole:
            listed = ", ".join(shorten(names[place]) for place in whole[:5])
            raise DatasetError(f"{path} has several columns of images: {listed}; keep one of them")
        try:
            columns = arrange_columns(names)
        except DatasetError as error:
            raise DatasetError(f"{path}: {error}") from error
        notes += columns.notes
        pixels = np.column_stack([_numbers(table.column(p), path) for p in columns.pixels])
        assert columns.label is not None
        labels = _labels(table.column(columns.label), path)
        return [pixels.reshape(len(pixels), *columns.image_shape)], labels
    if sum(is_label) != 1:
        many = "several label columns" if any(is_label) else "no label column"
        raise DatasetError(
            f"{path} has {many} next to the images: it has "
            f"{', '.join(shorten(name)[1:-1] for name in names[:5])}"
        )
    if not table.num_rows:
        raise DatasetError(f"{path} has no rows")
    labels = _labels(table.column(is_label.index(True)), path)
    column = table.column(whole[0])
    if _is_list(column.type):
        stack = images_first(path, _nested(column, path), len(labels))
        if stack.ndim == 2:
            try:
                stack = stack.reshape(len(stack), *square_shape(stack.shape[1]))
            except DatasetError as error:
                raise DatasetError(f"{path}: {error}") from error
        return [stack], labels
    images = []
    for row, value in enumerate(column.to_pylist()):
        images.append(_decode(value, f"{path}, row {row}"))
        if row == 0:
            check_memory(2 * images[0].nbytes * len(column), str(path))
        if images[row].shape != images[0].shape or images[row].dtype != images[0].dtype:
            sizes = sorted({image.shape for image in images})
            raise DatasetError(f"{path}, row {row}: images differ in size or depth: {sizes}")
    return [np.stack(images)], labels


def _is_image(kind: Any) -> bool:
    """Return whether a column has whole images: encoded, or lists of pixels."""
    types = import_module("pyarrow.types")
    is_encoded = types.is_struct(kind) or types.is_binary(kind) or types.is_large_binary(kind)
    return bool(is_encoded) or _is_list(kind)


def _is_list(kind: Any) -> bool:
    types = import_module("pyarrow.types")
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def _nested(column: Any, path: Path) -> NDArray[Any]:
    """Return lists of numbers, or of lists, as an array; all must have the same lengths."""
    values, shape = column.combine_chunks(), [len(column)]
    while _is_list(values.type):
        lengths = np.unique(values.value_lengths().to_numpy(zero_copy_only=False))
        if values.null_count or len(lengths) != 1:
            raise DatasetError(f"{path}: images differ in size, or some are missing")
        shape.append(int(lengths[0]))
        values = values.flatten()
    return _numbers(values, path).reshape(shape)


def _numbers(column: Any, path: Path) -> NDArray[Any]:
    """Return a column of pixels."""
    if column.null_count:
        raise DatasetError(f"{path}: {column.null_count:,} pixel values are missing")
    values = _to_numpy(column)
    if values.dtype.kind not in "buif":
        raise DatasetError(f"{path}: pixels must be numbers, not {column.type}")
    return values


def _labels(column: Any, path: Path) -> NDArray[Any]:
    """Return labels of whole numbers or texts."""
    if column.null_count:
        raise DatasetError(f"{path}: {column.null_count:,} labels are missing")
    labels = _to_numpy(column)
    if labels.dtype.kind in "iu" or (
        labels.dtype.kind == "f" and (labels == np.rint(labels)).all()
    ):
        return labels.astype(np.int64)
    if labels.dtype == bool:
        return labels.astype(str)
    texts = [v.decode(errors="replace") if isinstance(v, bytes) else v for v in labels]
    if all(isinstance(text, str) for text in texts):
        return np.array([text.strip() for text in texts])
    raise DatasetError(f"{path}: labels must be whole numbers or texts, not {column.type}")


def _to_numpy(column: Any) -> NDArray[Any]:
    if import_module("pyarrow.types").is_dictionary(column.type):
        column = column.cast(column.type.value_type)  # categories
    return np.asarray(column.to_numpy(zero_copy_only=False))


def _decode(value: object, where: str) -> NDArray[Any]:
    content = value.get("bytes") if isinstance(value, dict) else value
    if not isinstance(content, bytes):
        raise DatasetError(f"{where}: the image is not in the file")
    try:
        with Image.open(io.BytesIO(content)) as image:
            return decode_grey(image)
    except Exception as error:  # Pillow's decoders raise almost anything on damaged data
        raise DatasetError(f"{where}: the image is damaged, or of an unknown format") from error
