import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from digitrec.datasets.memory import dataset_from_memory
from digitrec.errors import ConfigurationError, DatasetError

X = np.arange(60.0).reshape(20, 3)
Y = np.array(["no", "yes"] * 10)


def test_labels_of_any_kind_become_codes():
    for labels, names, values in (
        (Y, ("no", "yes"), ("no", "yes")),
        ([False, True] * 10, ("False", "True"), (False, True)),
        (np.tile([7, 3], 10), ("3", "7"), (3, 7)),
        (np.tile([0.0, 1.0], 10), ("0", "1"), ()),
        ([("a", 1), "b"] * 10, ("b", "('a', 1)"), ("b", ("a", 1))),
        (pd.Series(["x", "y"] * 10, dtype="category"), ("x", "y"), ("x", "y")),
    ):
        dataset = dataset_from_memory((X, labels))
        assert dataset.label_names == names
        assert dataset.label_values == values
        assert set(np.concatenate([dataset.y_train, dataset.y_test])) == {0, 1}


class Torchvision:
    """As torchvision's datasets hold images and labels."""

    def __init__(self, data, targets):
        self.data, self.targets = data, targets


class Columns:
    """A table of another library: columns by name, of which arrays can be made."""

    def __init__(self, table):
        self.columns, self._table = list(table.columns), table
        self.column_names = self.columns

    def __getitem__(self, name):
        return self._table[name].tolist()

    def to_pandas(self):
        raise ImportError("needs yet another library")


def test_dates_and_bytes_as_labels():
    days = np.tile(np.array(["2026-01-01", "2026-01-02"], "datetime64[ns]"), 10)
    for labels, names in (
        (days, ("2026-01-01 00:00:00", "2026-01-02 00:00:00")),
        (np.tile([b"a", b"b"], 10), ("a", "b")),
        (Y.astype(bytes).tolist(), ("no", "yes")),
    ):
        dataset = dataset_from_memory((X, labels))
        assert dataset.label_names == names
        assert dataset.label_values[dataset.y_train[0]] in list(labels)


@settings(max_examples=30)
@given(
    st.lists(
        st.one_of(st.integers(), st.text(max_size=3)), min_size=2, max_size=300, unique=True
    ).filter(lambda labels: len({str(label).strip() for label in labels}) == len(labels)),
    st.integers(2, 4),
)
def test_any_labels_and_any_number_of_classes_come_back(labels, n_each):
    y = labels * n_each
    rows = np.arange(len(y), dtype=float)[:, None]
    dataset = dataset_from_memory((rows, y))
    values = dataset.label_values or tuple(range(len(labels)))
    for part_X, part_y in ((dataset.X_train, dataset.y_train), (dataset.X_test, dataset.y_test)):
        assert [values[code] for code in part_y] == [y[int(row)] for row in part_X[:, 0]]
    assert len(dataset.y_train) + len(dataset.y_test) == len(y)


def test_forms_of_data():
    table = pd.DataFrame(X, columns=list("abc")).assign(target=Y)
    named = table.rename(columns={"target": "kind"})
    split = (X[:14], X[14:], Y[:14], Y[14:])
    for data, options in (
        ((X, Y), {}),
        ([X.tolist(), Y.tolist()], {}),
        (table, {}),
        (named, {"label": "kind"}),
        ({"data": X, "target": Y}, {}),
        ({"X": X, "labels": Y}, {}),
        (sparse.csr_array(X), {}),
        (Torchvision(X, Y), {}),
        (Columns(table), {}),
        (Columns(pd.DataFrame({"image": list(X), "label": Y})), {}),
    ):
        data = (data, Y) if sparse.issparse(data) else data
        dataset = dataset_from_memory(data, **options)
        assert (len(dataset.y_train), len(dataset.y_test)) == (16, 4)
        assert dataset.image_shape is None
    named_parts = dict(zip(("x_train", "x_test", "y_train", "y_test"), split, strict=True))
    parts = {"train": table[:14], "test": Columns(table[14:])}
    for data in (split, named_parts, parts):
        dataset = dataset_from_memory(data)
        assert (len(dataset.y_train), len(dataset.y_test)) == (14, 6)
        assert dataset.has_fixed_test


def test_images_are_found_and_scaled():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (20, 8, 8))
    for given_X, top in ((images, 255), (images / 255, 255), (images // 16, 255)):
        dataset = dataset_from_memory((given_X, Y))
        assert dataset.image_shape == (8, 8)
        assert dataset.X_train.dtype == np.uint8
        assert dataset.X_train.max() >= top - 16
    flat = dataset_from_memory((images.reshape(20, 64), Y))
    assert flat.image_shape == (8, 8)
    assert dataset_from_memory((X[:, :2], Y), image_shape=(1, 2)).image_shape == (1, 2)
    assert dataset_from_memory((rng.normal(size=(20, 64)), Y)).image_shape is None
    named = pd.DataFrame(images.reshape(20, 64), columns=[f"age{i}x" for i in range(64)])
    assert dataset_from_memory(named.assign(label=Y)).image_shape is None


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((X, Y[:-1]), "20 rows and 19 labels"),
        ((X, ["no"] * 20), "all rows are of class 'no'"),
        ((X, [*Y[:-1], "rare"]), "only one row is of class 'rare'"),
        ((X, [*Y[:-1], None]), "1 labels are missing, the first in row 19"),
        ((X, [*Y[:-1], float("nan")]), "labels are missing"),
        ((X, np.array([*Y[:-1], np.nan], object)), "labels are missing"),
        ((X, np.array(["NaT", "2026-01-01"] * 10, "datetime64[D]")), "labels are missing"),
        ((X, [1, "1"] * 10), "the labels 1 and '1' differ in their type"),
        ((X, ["1", " 1"] * 10), "differ in their type or in blanks only"),
        ((X, ["\u00e9", "e\u0301"] * 10), "differ in their type or in blanks only"),
        ((X, 3), "labels are 3; one label a row"),
        ((X, None), "labels are None; one label a row"),
        (pd.DataFrame({"a": np.arange(20) * 1j, "label": Y}), "column 'a' holds complex128"),
        ((np.ma.masked_equal(X, 4), Y), "masked"),
        ((sparse.coo_array((10**7, 10**7)), Y), "too large"),
        ((X, np.eye(20)), r"labels have the shape \(20, 20\)"),
        ((X, np.linspace(0, 1.5, 20) + 0.01), "only one row|different fractional numbers"),
        ((np.where(X == 4, np.inf, X), Y), "row 1, column 1 is infinite"),
        ((X.astype(str) + "a", Y), "not numbers"),
        ((X[:0], Y[:0]), "no rows"),
        ((X[:, :, None, None] * np.ones((1, 1, 4, 3)), Y), r"X\.mean\(axis=3\)"),
        ((X[:, :, None, None] * np.ones((1, 1, 4, 5)), Y), r"X\.mean\(axis=1\)"),
        ((np.ones((20, 2, 4, 5)), Y), r"\(n, height, width\) are needed$"),
        ((X[:14], X[14:, :2], Y[:14], Y[14:]), "must be equal"),
        ((X[:10], X[10:], ["no"] * 10, Y[10:]), "training rows are all of class 'no'"),
        (pd.DataFrame(X).assign(label=Y, text="word"), "column 'text'"),
    ],
)
def test_what_cannot_be_compared_on_is_refused(data, message):
    with pytest.raises(DatasetError, match=message):
        dataset_from_memory(data)


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (pd.DataFrame(X), {}, "pass label='column'"),
        (pd.DataFrame(X), {"label": "kind"}, "has no column 'kind'"),
        (5, {}, "cannot read data of type int"),
        ((X, Y, Y), {}, "tuple of 3"),
        ((X, Y), {"image_shape": (2, 2)}, "does not fit rows"),
        *(
            ((X, Y), {"image_shape": shape}, r"image_shape must be \(height, width\)")
            for shape in ("1x3", (1, 3, 1), (-1, -3), 3, (1.5, 2))
        ),
    ],
)
def test_what_is_not_understood_says_what_is(data, options, message):
    with pytest.raises(ConfigurationError, match=message):
        dataset_from_memory(data, **options)


def test_a_class_that_training_lacks_is_told():
    dataset = dataset_from_memory((X[:10], X[10:], Y[:10], ["other"] * 10))
    assert dataset.label_names == ("no", "other", "yes")
    assert "no training row is of class 'other'" in dataset.warnings[0]


def test_rows_that_may_be_images_but_are_a_table_are_told():
    images = np.random.default_rng(0).integers(0, 256, (20, 64))
    frame = pd.DataFrame(images, columns=[f"pixel{i}" for i in range(64)]).assign(label=Y)
    for data, told in (
        ((images / 127.5 - 1, Y), "pass image_shape=(8, 8)"),
        ((images.astype(np.int8), Y), "pass image_shape=(8, 8)"),
        (frame.assign(id=range(20)), "columns such as 'id'"),
    ):
        dataset = dataset_from_memory(data)
        assert dataset.image_shape is None
        assert told in dataset.warnings[0]
    assert dataset_from_memory(frame).warnings == ()


def test_missing_values_are_told():
    dataset = dataset_from_memory((np.where(X == 4, np.nan, X), Y))
    assert dataset.warnings == ("1 rows hold missing values (NaN)",)
