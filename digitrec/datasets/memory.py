"""Build a `Dataset` from arrays and tables in memory."""

from __future__ import annotations

import math
import operator
import re
import unicodedata
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from digitrec.datasets._dataset import Dataset
from digitrec.datasets.array_files import find_role
from digitrec.datasets.assemble import check_memory, prepare_images
from digitrec.datasets.columns import arrange_columns
from digitrec.datasets.stratified import split_rows
from digitrec.errors import ConfigurationError, DatasetError, PixelError

# Columns that hold the labels of a table where the caller does not name one.
_LABEL_NAMES = ("label", "labels", "target", "class", "y", "digit")
_PIXEL_COLUMN = re.compile(r"(pixel|px|p)?[ _]?\d+([_x]\d+)?", re.IGNORECASE)
# Columns of a table from which they may be the pixels of a square image.
_MIN_PIXELS = 64


def dataset_from_memory(
    data: Any,
    *,
    label: Hashable | None = None,
    image_shape: tuple[int, int] | None = None,
    name: str = "data",
) -> Dataset:
    """Make a `Dataset` of arrays or a table.

    Parameters
    ----------
    data : tuple, DataFrame, mapping or dataset
        ``(X, y)``, of which a fifth of each class is held out for testing, always the same rows;
        ``(X_train, X_test, y_train, y_test)`` as `sklearn.model_selection.train_test_split`
        returns them; a DataFrame (pandas, Polars, Arrow) with a column of labels; a mapping with
        arrays X and y, or x_train, y_train, x_test and y_test, or two such parts train and test;
        or what `sklearn.datasets`, torchvision or Hugging Face's datasets load.
        `X` is of shape (n_samples, n_columns), or (n_samples, height, width) for images. Labels
        are of any kind that can be a key of a dict: strings, numbers, booleans.
    label : hashable, optional
        Column of labels of a DataFrame; None means the one called label, target, class or y.
    image_shape : tuple of int, optional
        ``(height, width)`` of the images that rows hold. Rows are taken for images without it
        where they hold as many values as a square of at least 8x8 has, all of one scale of
        pixels (0–1, or whole numbers up to 255); otherwise for rows of a table.
    name : str
        Name of the dataset, for titles and folders.

    Returns
    -------
    Dataset

    Raises
    ------
    DatasetError
        If rows and labels differ in number, values or labels are missing or not numbers, there
        is one class only, or a class has too few rows to be split.
    ConfigurationError
        If the data are of a kind that is not known, or the column of labels is not.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.arange(20.0).reshape(10, 2), np.array(["no", "yes"] * 5)
    >>> dataset = dataset_from_memory((X, y))
    >>> dataset.label_names, dataset.X_train.shape, dataset.X_test.shape, dataset.image_shape
    (('no', 'yes'), (8, 2), (2, 2), None)
    """
    X_parts, y_parts = _take_apart(data, label)
    columns = _columns(X_parts[0])
    arrays = [_numbers(X, part) for X, part in zip(X_parts, _names(X_parts), strict=True)]
    if len({array.shape[1:] for array in arrays}) > 1:
        raise DatasetError(
            f"training rows have the shape {arrays[0].shape[1:]} and test rows "
            f"{arrays[1].shape[1:]}; they must be equal"
        )
    labels = [_label_list(y) for y in y_parts]
    for X, y in zip(arrays, labels, strict=True):
        if len(X) != len(y):
            raise DatasetError(
                f"there are {len(X):,} rows and {len(y):,} labels; the numbers must be equal"
            )
        if not len(y):
            raise DatasetError("there are no rows")
    values, codes = _encode(labels)
    names = _label_names(values)
    shape = _image_shape(arrays, image_shape, columns)
    rows = [array.reshape(len(array), math.prod(array.shape[1:])) for array in arrays]
    notes: list[str] = []
    pixel_range = None
    if shape is not None:
        rows, notes, pixel_range = _pixels(
            rows, shape, codes, names, [_columns(X) for X in X_parts]
        )
    else:
        notes += [*_check_table(rows), *_table_note(arrays[0], columns)]
    fixed = len(rows) == 2
    if fixed:
        (X_train, X_test), (y_train, y_test) = rows, codes
        if len(np.unique(y_train)) < 2:
            raise DatasetError(
                f"the training rows are all of class {names[int(y_train[0])]!r}; at least two "
                "classes are needed"
            )
        absent = sorted(set(y_test.tolist()) - set(y_train.tolist()))
        if absent:
            listed = ", ".join(repr(names[code]) for code in absent[:5])
            notes.append(f"no training row is of class {listed}: its test rows count as errors")
    else:
        train, test = _split(codes[0], names)
        X_train, X_test = rows[0][train], rows[0][test]
        y_train, y_test = codes[0][train], codes[0][test]
    plain = [repr(value) for value in values] == [str(code) for code in range(len(values))]
    return Dataset(
        name=name,
        X_train=X_train,
        y_train=y_train,
        X_test=X_test,
        y_test=y_test,
        image_shape=shape,
        label_names=names,
        label_values=() if plain else tuple(values),
        source="given in memory",
        license="",
        has_fixed_test=fixed,
        warnings=tuple(notes),
        pixel_range=pixel_range,
    )


def _take_apart(data: Any, label: Hashable | None) -> tuple[list[Any], list[Any]]:
    """Return the parts of rows and those of labels."""
    data = _as_pandas(data)
    if isinstance(data, pd.DataFrame):
        column = _label_column(data, label)
        return [data.drop(columns=column)], [data[column]]
    if label is not None:
        raise ConfigurationError(
            "label= names a column of a DataFrame; these data are not a DataFrame"
        )
    if isinstance(data, Mapping) and "data" in data and "target" in data:
        images = data.get("images")
        return [data["data"] if images is None else images], [data["target"]]
    if isinstance(data, (tuple, list)) and len(data) == 2:
        return [data[0]], [data[1]]
    if isinstance(data, (tuple, list)) and len(data) == 4:
        return [data[0], data[1]], [data[2], data[3]]
    if hasattr(data, "data") and hasattr(data, "targets"):  # torchvision's datasets
        return [data.data], [data.targets]
    named = _named_arrays(data)
    if named:
        return [images for images, _ in named], [labels for _, labels in named]
    size = f" of {len(data)}" if isinstance(data, (tuple, list)) else ""
    raise ConfigurationError(
        f"cannot read data of type {type(data).__name__}{size}; give a name, a path, a Dataset, "
        "(X, y), (X_train, X_test, y_train, y_test), a mapping with X and y or x_train, y_train, "
        "x_test and y_test, or a DataFrame with a column of labels"
    )


def _as_pandas(data: Any) -> Any:
    """Return tables of other libraries (Polars, Arrow) as a DataFrame of pandas."""
    names = getattr(data, "column_names", None) or getattr(data, "columns", None)
    if isinstance(data, pd.DataFrame | Mapping) or names is None or not hasattr(data, "to_pandas"):
        return data
    if any(str(name).lower() in ("image", "images") for name in names):
        return data  # whole images in one column, as Hugging Face's datasets have them
    # Without `to_pandas` itself: some libraries need another one for it.
    return pd.DataFrame({name: np.asarray(data[name]) for name in names})


def _named_arrays(data: Any) -> list[tuple[Any, Any]]:
    """Return images and labels of the training and test part, or of all, by their names."""
    names = data if isinstance(data, Mapping) else getattr(data, "column_names", ())
    roles = {find_role(str(name)): name for name in names}
    parts = ("train", "test") if ("images", "train") in roles else ("",)
    wanted = [(roles.get(("images", part)), roles.get(("labels", part))) for part in parts]
    if all(None not in pair for pair in wanted):
        return [(data[images], data[labels]) for images, labels in wanted]
    if isinstance(data, Mapping) and {"train", "test"} <= set(data):
        found = [_take_apart(data[part], None) for part in ("train", "test")]
        return [(X, y) for Xs, ys in found for X, y in zip(Xs, ys, strict=True)]
    return []


def _label_column(table: pd.DataFrame, label: Hashable | None) -> Hashable:
    if label is not None:
        if label not in table.columns:
            shown = ", ".join(map(repr, table.columns[:10]))
            raise ConfigurationError(f"the table has no column {label!r}; it has: {shown}")
        return label
    found = [column for column in table.columns if str(column).lower() in _LABEL_NAMES]
    if len(found) != 1:
        what = f"has the columns {found}" if found else f"has none of: {', '.join(_LABEL_NAMES)}"
        raise ConfigurationError(
            f"it is not clear which column holds the labels: the table {what}; pass label='column'"
        )
    return found[0]


def _columns(X: Any) -> list[str] | None:
    return [str(column) for column in X.columns] if isinstance(X, pd.DataFrame) else None


def _names(parts: Sequence[Any]) -> tuple[str, ...]:
    return ("rows",) if len(parts) == 1 else ("training rows", "test rows")


def _numbers(X: Any, what: str) -> NDArray[Any]:
    """Return rows as an array of numbers."""
    if isinstance(X, pd.DataFrame):
        for column, kind in X.dtypes.items():
            is_real = pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_complex_dtype(
                kind
            )
            if not (is_real or pd.api.types.is_bool_dtype(kind)):
                raise DatasetError(
                    f"column {column!r} holds {kind}, not numbers; encode it, with "
                    "pandas.get_dummies or sklearn's OrdinalEncoder, or drop it"
                )
        array = X.to_numpy(dtype=np.float64, na_value=np.nan) if len(X.columns) else X.to_numpy()
    elif hasattr(X, "toarray"):
        check_memory(2 * math.prod(X.shape) * X.dtype.itemsize, f"the sparse matrix of {what}")
        array = X.toarray()
    elif isinstance(X, np.ma.MaskedArray) and np.ma.is_masked(X):
        raise DatasetError(f"the {what} hold masked values; fill them in, or leave those rows out")
    else:
        try:
            array = np.asarray(X)
        except (ValueError, TypeError, RuntimeError) as error:
            raise DatasetError(f"the {what} are not an array: {error}") from error
    if array.dtype == object:
        try:
            array = array.astype(np.float64)
        except (ValueError, TypeError) as error:
            raise DatasetError(f"the {what} hold values that are not numbers: {error}") from error
    if array.dtype.kind not in "buif":
        raise DatasetError(f"the {what} hold {array.dtype}, not numbers")
    sides = list(array.shape[1:])
    if len(sides) == 3 and 1 in (sides[0], sides[2]):
        sides.remove(1)
        array = array.reshape(len(array), *sides)
    if array.ndim not in (2, 3) or (len(array) and 0 in array.shape[1:]):
        axis = next((k for k in (3, 1) if len(sides) == 3 and sides[k - 1] in (3, 4)), None)
        raise DatasetError(
            f"the {what} have the shape {array.shape}; (n, columns) or grey images "
            "(n, height, width) are needed"
            + (f"; make colour images grey, such as X.mean(axis={axis})" if axis else "")
        )
    return array


def _label_list(y: Any) -> list[Any]:
    """Return labels as Python values."""
    if isinstance(y, pd.DataFrame):
        y = y.to_numpy()
    if isinstance(y, pd.Series):
        y = y.tolist()
    if hasattr(y, "to_pylist"):  # Arrow's arrays
        y = y.to_pylist()
    if not isinstance(y, Iterable):
        raise DatasetError(f"labels are {y!r}; one label a row is needed")
    if hasattr(y, "shape") and not isinstance(y, list):
        array = np.asarray(y)
        if array.ndim == 2 and array.shape[1] == 1:
            array = array[:, 0]
        if array.ndim != 1:
            raise DatasetError(
                f"labels have the shape {array.shape}; one label a row is needed, such as "
                "y.argmax(axis=1) of one column a class"
            )
        # NumPy makes integers of dates.
        y = pd.Series(array).tolist() if array.dtype.kind in "mM" else array.tolist()
    values = [_plain(value) for value in y]
    for place, value in enumerate(values):
        if value is None or value is pd.NA or value is pd.NaT or value != value:
            missing = sum(v is None or v is pd.NA or v is pd.NaT or v != v for v in values)
            raise DatasetError(
                f"{missing:,} labels are missing, the first in row {place}; drop those rows"
            )
        if not isinstance(value, Hashable):
            raise DatasetError(f"row {place} has the label {value!r}; a label is one value")
    return values


def _plain(value: Any) -> Any:
    """Return a label as a Python value; whole floats as the integers that they mean."""
    if isinstance(value, np.generic):
        value = value.item()
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _encode(labels: Sequence[list[Any]]) -> tuple[list[Any], list[NDArray[np.int64]]]:
    """Return the classes in order, and the labels as indices into them."""
    distinct = dict.fromkeys(value for part in labels for value in part)
    # 1 and True are the same key and yet not the same class.
    kinds = {type(value) for part in labels for value in part}
    if bool in kinds and kinds & {int, float}:
        raise DatasetError("labels mix booleans and numbers; use one kind")
    texts: dict[str, Any] = {}
    for value in distinct:
        seen = unicodedata.normalize("NFKC", _text(value)).replace("\u200b", "").strip()
        other = texts.setdefault(seen, value)
        if other is not value:
            raise DatasetError(
                f"the labels {other!r} and {value!r} differ in their type or in blanks only; "
                "write a class in one way"
            )
    try:
        values = sorted(distinct)
    except TypeError:
        values = sorted(distinct, key=lambda value: (type(value).__name__, repr(value)))
    if len(values) < 2:
        raise DatasetError(f"all rows are of class {values[0]!r}; at least two classes are needed")
    if float in kinds and any(isinstance(v, float) for v in values) and len(values) > 20:
        raise DatasetError(
            f"the labels are {len(values):,} different fractional numbers: classes are needed, "
            "and these look like measurements"
        )
    index = {value: code for code, value in enumerate(values)}
    return values, [np.array([index[v] for v in part], dtype=np.int64) for part in labels]


def _label_names(values: Sequence[Any]) -> tuple[str, ...]:
    return tuple(_text(value) for value in values)


def _text(label: Any) -> str:
    return label.decode(errors="replace") if isinstance(label, bytes) else str(label)


def _split(y: NDArray[np.int64], names: Sequence[str]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    counts = np.bincount(y, minlength=len(names))
    if counts.min() < 2:
        few = np.flatnonzero(counts < 2)
        listed = ", ".join(repr(names[code]) for code in few[:5])
        more = f" and {len(few) - 5} more" if len(few) > 5 else ""
        raise DatasetError(
            f"only one row is of class {listed}{more}: at least two are needed, for training and "
            "test; drop such classes, or give (X_train, X_test, y_train, y_test)"
        )
    return split_rows(y, names)


def _image_shape(
    arrays: Sequence[NDArray[Any]], given: tuple[int, int] | None, columns: list[str] | None
) -> tuple[int, int] | None:
    shape: tuple[int, ...] = tuple(arrays[0].shape[1:])
    if given is not None:
        try:
            height, width = (operator.index(side) for side in given)
        except (TypeError, ValueError):
            height, width = 0, 0
        if min(height, width) < 1:
            raise ConfigurationError(f"image_shape must be (height, width), not {given!r}")
        if height * width != math.prod(shape) or (len(shape) == 2 and shape != (height, width)):
            raise ConfigurationError(
                f"image_shape={tuple(given)} does not fit rows of the shape {shape}"
            )
        return height, width
    if len(shape) > 1:
        return int(shape[0]), int(shape[1])
    side = math.isqrt(shape[0])
    if side * side != shape[0] or shape[0] < _MIN_PIXELS:
        return None
    if columns is not None and not all(_PIXEL_COLUMN.fullmatch(column) for column in columns):
        return None
    return (side, side) if all(_looks_like_pixels(array) for array in arrays) else None


def _table_note(array: NDArray[Any], columns: list[str] | None) -> list[str]:
    """Say why rows that may be images were taken for rows of a table."""
    if columns is not None:
        others = [name for name in columns if not _PIXEL_COLUMN.fullmatch(name)]
        n_pixels = len(columns) - len(others)
        if not others or n_pixels < _MIN_PIXELS or math.isqrt(n_pixels) ** 2 != n_pixels:
            return []
        return [
            f"rows were taken for rows of a table, not for images: with {n_pixels} pixels there "
            f"are columns such as {others[0]!r}; drop those for images"
        ]
    side = math.isqrt(array.shape[1])
    if side * side != array.shape[1] or side * side < _MIN_PIXELS:
        return []
    return [
        f"rows were taken for rows of a table, not for images: the values are not pixels of 0–1 or "
        f"0–255; pass image_shape=({side}, {side}) for images"
    ]


def _looks_like_pixels(array: NDArray[Any]) -> bool:
    if array.dtype in (np.bool_, np.uint8) or not array.size:
        return True
    low, high = array.min(), array.max()  # NaN fails every comparison
    if not (low >= 0 and high <= 255):
        return False
    return bool(high <= 1) or array.dtype.kind in "ui" or bool(np.all(array == np.floor(array)))


def _pixels(
    rows: Sequence[NDArray[Any]],
    shape: tuple[int, int],
    codes: Sequence[NDArray[np.int64]],
    names: Sequence[str],
    columns: Sequence[list[str] | None],
) -> tuple[list[NDArray[Any]], list[str], tuple[float, float] | None]:
    """Bring images to the scale, polarity and order of pixels that files are brought to."""
    notes: list[str] = []
    parts = []
    for array, found in zip(rows, columns, strict=True):
        if found is not None:
            arranged = arrange_columns(found, labelled=False)
            if arranged.image_shape == shape:
                array = array[:, list(arranged.pixels)]
                notes += arranged.notes
        parts.append([array.reshape(len(array), *shape)])
    try:
        stacks, image_notes, extremes = prepare_images(parts, codes, names)
    except PixelError as error:
        raise DatasetError(str(error)) from error
    return [stack.reshape(len(stack), -1) for stack in stacks], [*notes, *image_notes], extremes


def _check_table(rows: Sequence[NDArray[Any]]) -> list[str]:
    """Refuse infinite values, and report missing ones."""
    missing = 0
    for array in rows:
        if array.dtype.kind != "f":
            continue
        if np.isinf(array).any():
            row, column = np.argwhere(np.isinf(array))[0]
            raise DatasetError(f"row {row}, column {column} is infinite")
        missing += int(np.isnan(array).any(axis=1).sum())
    return [f"{missing:,} rows hold missing values (NaN)"] if missing else []
