import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from digitrec.datasets import load_dataset, read_kaggle_csv, tables
from digitrec.errors import DatasetError

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 9), dtype=np.uint8)
LABELS = np.arange(40) % 10


def to_text(pixels=PIXELS, labels=LABELS, end="\n"):
    header = [f"pixel{index}" for index in range(pixels.shape[1])]
    rows = [[str(value) for value in row] for row in pixels]
    if labels is not None:
        header = ["label", *header]
        rows = [[str(label), *row] for label, row in zip(labels, rows, strict=True)]
    return "".join(",".join(row) + end for row in [header, *rows])


def write(folder, text, name="train.csv"):
    path = folder / name
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_labelled(tmp_path, end):
    table = read_kaggle_csv(write(tmp_path, to_text(end=end)), labelled=True)
    np.testing.assert_array_equal(table.X, PIXELS)
    np.testing.assert_array_equal(table.y, LABELS)
    assert (table.X.dtype, table.y.dtype, table.image_shape) == (np.uint8, np.int64, (3, 3))


def test_unlabelled_keeps_the_order(tmp_path):
    table = read_kaggle_csv(write(tmp_path, to_text(labels=None)), labelled=False)
    np.testing.assert_array_equal(table.X, PIXELS)
    assert table.y is None


def test_packed(tmp_path):
    path = tmp_path / "train.csv.gz"
    path.write_bytes(gzip.compress(to_text().encode()))
    np.testing.assert_array_equal(read_kaggle_csv(path, labelled=True).X, PIXELS)
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(DatasetError, match=r"cannot read .*train\.csv\.gz"):
        read_kaggle_csv(path, labelled=True)


@pytest.mark.parametrize("text", ["0.0", " 0", '"0"', "+0"])
def test_other_ways_to_write_a_number(tmp_path, text):
    lines = to_text(PIXELS * 0).splitlines()
    lines[3] = lines[3].rsplit(",", 1)[0] + "," + text
    assert read_kaggle_csv(write(tmp_path, "\n".join(lines)), labelled=True).X.sum() == 0


def test_blank_lines_and_byte_order_mark(tmp_path):
    text = "\ufeff" + to_text().replace("\n", "\n\n")
    np.testing.assert_array_equal(read_kaggle_csv(write(tmp_path, text), labelled=True).y, LABELS)


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        (3, "", "row 5 .line 6., column 'pixel2': the value is missing"),
        (3, "NaN", "row 5 .line 6., column 'pixel2': the value is missing"),
        (3, "256", "row 5 .line 6., column 'pixel2': 256 is not between 0 and 255"),
        (3, "-1", "row 5 .line 6., column 'pixel2': -1 is not between"),
        (3, "99999999999999999999999", "row 5 .line 6., column 'pixel2'"),
        (3, "1e999", "column 'pixel2'"),
        (3, "seven", "column 'pixel2': 'seven' is not a number"),
        (0, "1.5", "row 5 .line 6., column 'label': '1.5' is not a whole number"),
        (0, "", "column 'label': the value is missing"),
        (9, "1,2", "row 5 .line 6.: 11 values, expected 10"),
        (9, "1,2,", "row 5 .line 6.: 12 values, expected 10"),
    ],
)
def test_bad_value_is_named(tmp_path, column, value, reason):
    lines = to_text().splitlines()
    row = lines[5].split(",")
    row[column] = value
    lines[5] = ",".join(row)
    with pytest.raises(DatasetError, match=reason) as caught:
        read_kaggle_csv(write(tmp_path, "\n".join(lines)), labelled=True)
    assert "train.csv" in str(caught.value)


@pytest.mark.parametrize("row", [1, 40])
@pytest.mark.parametrize("n_values", [1, 9, 11])
def test_wrong_column_count_is_named(tmp_path, row, n_values):
    lines = to_text().splitlines()
    lines[row] = ",".join(["1"] * n_values)
    with pytest.raises(DatasetError, match=rf"row {row} .*{n_values} values, expected 10"):
        read_kaggle_csv(write(tmp_path, "\n".join(lines)), labelled=True)


def test_rows_are_counted_over_all_parts_of_a_large_file(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "CHUNK_VALUES", 70)  # 7 rows of 10 values
    table = read_kaggle_csv(write(tmp_path, to_text()), labelled=True)
    np.testing.assert_array_equal(table.X, PIXELS)
    lines = to_text().splitlines()
    lines[30] = lines[30].rsplit(",", 1)[0] + ",256"
    with pytest.raises(DatasetError, match=r"row 30 \(line 31\), column 'pixel8': 256 is not"):
        read_kaggle_csv(write(tmp_path, "\n".join(lines)), labelled=True)


def test_every_row_too_short(tmp_path):
    lines = to_text().splitlines()
    lines[1:] = [line.rsplit(",", 1)[0] for line in lines[1:]]
    with pytest.raises(DatasetError, match=r"row 1 .*9 values, expected 10"):
        read_kaggle_csv(write(tmp_path, "\n".join(lines)), labelled=True)


@pytest.mark.parametrize(
    ("text", "labelled", "reason"),
    [
        ("", True, "is empty"),
        (to_text().splitlines()[0], True, "no rows"),
        (to_text(labels=None), True, "has no label column"),
        (to_text(), False, "has a label column"),
        (to_text(PIXELS[:, :8]), True, "8 pixel columns, which is not a square"),
        ("label\n1\n", True, "0 pixel columns"),
    ],
)
def test_wrong_tables(tmp_path, text, labelled, reason):
    with pytest.raises(DatasetError, match=reason):
        read_kaggle_csv(write(tmp_path, text), labelled=labelled)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r"cannot read .*none\.csv"):
        read_kaggle_csv(tmp_path / "none.csv", labelled=True)


def test_dataset_from_csv(tmp_path):
    dataset = load_dataset(write(tmp_path, to_text()))
    assert (dataset.name, dataset.has_fixed_test) == ("train", False)
    assert (len(dataset.y_train), len(dataset.y_test)) == (30, 10)
    assert set(dataset.y_test) == set(range(10))
    rows = {row.tobytes() for row in np.concatenate([dataset.X_train, dataset.X_test])}
    assert rows == {row.tobytes() for row in PIXELS}


@settings(max_examples=30)
@given(pixels=hnp.arrays(np.uint8, st.tuples(st.integers(1, 8), st.sampled_from([4, 9, 16]))))
def test_round_trip(tmp_path_factory, pixels):
    pixels[:, -1] = 255  # full scale
    path = write(tmp_path_factory.mktemp("csv"), to_text(pixels, None))
    np.testing.assert_array_equal(read_kaggle_csv(path, labelled=False).X, pixels)


@settings(max_examples=60)
@given(content=st.binary(max_size=200), labelled=st.booleans())
def test_garbage_is_refused_with_the_name(tmp_path_factory, content, labelled):
    path = tmp_path_factory.mktemp("csv") / "garbage.csv"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"garbage\.csv"):
        read_kaggle_csv(path, labelled=labelled)


SPREADSHEETS = {
    "separator line": lambda text: "sep=;\n" + text.replace(",", ";"),
    "empty rows": lambda text: text.replace(",", ";") + 3 * (";" * 9 + "\n"),
    "empty rows within": lambda text: text.replace("\n", "\n,,,,,,,,,\n", 2),
    "empty rows first": lambda text: 2 * (";" * 9 + "\r\n") + text.replace(",", ";"),
    "byte order mark": lambda text: "\ufeff" + text.replace(",", ";").replace("\n", "\r\n"),
    "decimal commas": lambda text: text.replace(",", ",0;").replace("\n", ",0\n").replace(
        "label,0", "label").replace("0;pixel", ";pixel").replace(",;", ";").replace("8,0", "8", 1),
}  # fmt: skip


@pytest.mark.parametrize("form", SPREADSHEETS)
def test_what_spreadsheets_write(tmp_path, form):
    table = read_kaggle_csv(write(tmp_path, SPREADSHEETS[form](to_text())), labelled=True)
    np.testing.assert_array_equal(table.X, PIXELS)
    np.testing.assert_array_equal(table.y, LABELS)


def test_faults_are_found_behind_empty_rows(tmp_path):
    text = to_text().replace("\n", "\n,,,,,,,,,\n", 2) + "3,1,2,x,4,5,6,7,8,9\n"
    with pytest.raises(DatasetError, match=r"row 41 \(line 44\), column 'pixel2': 'x'"):
        read_kaggle_csv(write(tmp_path, text), labelled=True)


def test_a_workbook_is_named(tmp_path):
    path = tmp_path / "train.xlsx"
    path.write_bytes(b"PK\x03\x04")
    with pytest.raises(DatasetError, match="workbook; save its sheet as CSV"):
        load_dataset(path)


def test_a_first_row_that_pandas_took_for_a_header(tmp_path):
    rows = to_text().splitlines()[1:]
    seen: dict[str, int] = {}
    names = []
    for value in ["0", "0", "0", "0", "7", "0", "0", "0", "7", "0"]:
        count = seen[value] = seen.get(value, -1) + 1
        names.append(f"{value}.{count}" if count else value)
    text = "\n".join([",".join(names), *rows]) + "\n"
    table = read_kaggle_csv(write(tmp_path, text), labelled=True)
    np.testing.assert_array_equal(table.X, PIXELS)
    np.testing.assert_array_equal(table.y, LABELS)
