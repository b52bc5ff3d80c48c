"""One dataset in many forms: each gives the rows of the plain form, or a typed refusal.

A form is a scale, a polarity and a container with its own freedoms: order of columns, separator,
compression, header, orientation, transparency, layout of folders, names of classes, files and
arrays.
"""

from __future__ import annotations

import gzip
import io
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from digitrec.datasets import load_dataset
from digitrec.datasets.bundled import load_bundled_digits
from digitrec.datasets.idx import IDX_FILES, idx_bytes
from digitrec.datasets.memory import dataset_from_memory
from digitrec.datasets.stratified import split_rows
from digitrec.errors import DatasetError

N_EACH = 4
ALL_X, ALL_Y = load_bundled_digits()
CHOSEN = np.concatenate([np.flatnonzero(digit == ALL_Y)[:N_EACH] for digit in range(10)])
X, Y = ALL_X[CHOSEN].reshape(-1, 28, 28), ALL_Y[CHOSEN]
TRAIN, TEST = split_rows(Y, [str(digit) for digit in range(10)])
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]

# Values of each scale, and by how much the bytes that are made of them may differ.
SCALES = {
    "bytes": (lambda a: a, 0),
    "floats": (lambda a: a.astype(np.float64), 0),
    "int64": (lambda a: a.astype(np.int64), 0),
    "0–1": (lambda a: (a / 255).round(6), 0),
    "0–0.1": (lambda a: (a / 2550).round(7), 0),
    "-1–1": (lambda a: (a / 127.5 - 1).round(6), 0),
    "0–16": (lambda a: np.rint(a * (16 / 255)).astype(np.int64), 8),
    "0–100": (lambda a: np.rint(a * (100 / 255)).astype(np.int64), 2),
    "12 bits": (lambda a: a.astype(np.uint16) * 16, 0),
    "16 bits": (lambda a: a.astype(np.uint16) * 257, 0),
}
POLARITIES = st.one_of(
    st.just(np.zeros(len(X), bool)),
    st.just(np.ones(len(X), bool)),
    st.lists(st.booleans(), min_size=len(X), max_size=len(X)).map(np.array),
)
scales = st.sampled_from(sorted(SCALES))
few = settings(max_examples=12)


@contextmanager
def empty_folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="digitrec-test-"))
    try:
        yield path
    finally:
        shutil.rmtree(path)


def in_form(scale, inverted):
    """Return the images with some of them dark on light, in a scale."""
    return SCALES[scale][0](np.where(inverted[:, None, None], 255 - X, X))


def assert_same(dataset, tolerance=0, train=TRAIN, test=TEST):
    assert dataset.label_names == tuple("0123456789")
    assert dataset.image_shape == (28, 28)
    for found, labels, rows in (
        (dataset.X_train, dataset.y_train, train),
        (dataset.X_test, dataset.y_test, test),
    ):
        np.testing.assert_array_equal(labels, Y[rows])
        assert found.dtype == np.uint8
        assert np.abs(found.astype(int) - X[rows].reshape(len(rows), -1)).max() <= tolerance


def headers(draw):
    style = draw(
        st.sampled_from(["pixel{}", "{}", "px_{}", "x{}", "grid", "grid from 1", "p{:03d}"])
    )
    if style.startswith("grid"):
        first = int(style.endswith("1"))
        return [f"{first + i // 28}x{first + i % 28}" for i in range(784)]
    first = draw(st.sampled_from([0, 1]))
    return [style.format(first + i) for i in range(784)]


@few
@given(data=st.data(), scale=scales, inverted=POLARITIES)
def test_tables(data, scale, inverted):
    draw = data.draw
    table = pd.DataFrame(in_form(scale, inverted).reshape(len(X), -1), columns=headers(draw))
    order = draw(st.sampled_from(["file", "text", "shuffled"]))
    if order == "text":
        table = table.sort_index(axis=1)
    elif order == "shuffled":
        rng = np.random.default_rng(draw(st.integers(0, 99)))
        table = table.iloc[:, rng.permutation(784)]
    name = draw(st.sampled_from(["label", "Label", "class", "target", "y", "digit"]))
    names = draw(st.sampled_from([list(range(10)), WORDS, [f"digit_{d}" for d in range(10)]]))
    label = pd.Series([names[digit] for digit in Y], name=name)
    table.insert(draw(st.sampled_from([0, 400, 784])), name, label)
    separator = draw(st.sampled_from([",", ";", "\t", "|"]))
    decimal = "," if separator == ";" and draw(st.booleans()) else "."
    end = draw(st.sampled_from(["", ".gz", ".bz2", ".xz", ".zip"]))
    with empty_folder() as folder:
        path = folder / f"train.csv{end}"
        table.to_csv(path, sep=separator, decimal=decimal, index=draw(st.booleans()))
        if not end and draw(st.booleans()):
            text = path.read_bytes().replace(b"\n", b"\r\n")
            path.write_bytes(b"\xef\xbb\xbf\r\n\r\n" + text)
        assert_same(load_dataset(path), SCALES[scale][1])


@few
@given(data=st.data(), scale=scales, inverted=POLARITIES)
def test_tables_without_a_header(data, scale, inverted):
    columns = [Y, in_form(scale, inverted).reshape(len(X), -1)]
    if data.draw(st.booleans(), "column by column"):
        columns[1] = columns[1].reshape(-1, 28, 28).transpose(0, 2, 1).reshape(len(X), -1)
    if data.draw(st.booleans(), "label last"):
        columns.reverse()
    separator = data.draw(st.sampled_from([",", ";", "\t", " "]))
    with empty_folder() as folder:
        path = folder / data.draw(st.sampled_from(["a.csv", "a.txt", "a.data", "a.tsv"]))
        np.savetxt(path, np.column_stack(columns), fmt="%.7g", delimiter=separator)
        assert_same(load_dataset(path), SCALES[scale][1])


def encode(image, draw):
    """Write an image of 8 bits in one of the forms that show the same picture; return its bytes."""
    form = draw(st.sampled_from(["L", "RGB", "P", "16 bits", "floats", "transparent", "turned"]))
    file, options, suffix = io.BytesIO(), {}, "png"
    picture = Image.fromarray(image)
    if form in ("RGB", "P"):
        picture = picture.convert(form)
    elif form == "16 bits":
        picture = Image.fromarray(image.astype(np.uint16) * 257)
    elif form == "floats":
        picture, suffix = Image.fromarray((image / 255).astype(np.float32)), "tif"
    elif form == "transparent":
        # Ink as opacity: light ink where the ground is dark, dark ink where it is light.
        light = image[0, 0] < 128
        ink = Image.new("L", picture.size, 255 if light else 0)
        picture = Image.merge("LA", (ink, Image.fromarray(image if light else 255 - image)))
    elif form == "turned":
        code, turns = draw(st.sampled_from([(3, 2), (6, 1), (8, 3)]))
        picture = Image.fromarray(np.ascontiguousarray(np.rot90(image, turns)))
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = code
    picture.save(file, "TIFF" if suffix == "tif" else "PNG", **options)
    return file.getvalue(), suffix


@few
@given(data=st.data(), inverted=POLARITIES)
def test_image_folders(data, inverted):
    draw = data.draw
    name = draw(st.sampled_from(["{}", "0{}", "digit_{}", "class {}", "words", "from one"]))
    above = draw(st.sampled_from(["", "mnist_png/", "data/raw/"]))
    below = draw(st.sampled_from(["", "writer 1/", "scans/2020/"]))
    images = in_form("bytes", inverted)
    with empty_folder() as folder:
        choice = draw(st.integers(0, 2**16))  # one form a folder
        for number, (image, digit) in enumerate(zip(images, Y, strict=True)):
            names = {"words": WORDS[digit], "from one": str(digit or 10)}
            target = folder / above / names.get(name, name.format(digit)) / below
            target.mkdir(parents=True, exist_ok=True)
            content, suffix = encode(image, _repeated(choice))
            (target / f"{number:02d}.{suffix}").write_bytes(content)
        for stray in ("__MACOSX", ".git", "notes", "@eaDir"):
            (folder / above / stray).mkdir()
        (folder / above / "notes" / "read me.txt").write_text("about these images")
        (folder / above / "@eaDir" / "0.png").write_bytes(b"")
        dataset = load_dataset(folder)
        assert_same(dataset)
        assert any("notes" in note for note in dataset.warnings)


def _repeated(seed):
    """Return a stand-in for `draw` that chooses the same again and again."""

    def draw(strategy):
        values = strategy.elements
        return values[seed % len(values)]

    return draw


@few
@given(
    name=st.sampled_from(["{}", "mnist/raw/{}", "{}.gz", "{0}/{0}", "emnist-digits-{}.gz"]),
    scale=st.sampled_from(["bytes", "0–16", "0–100"]),
    inverted=POLARITIES,
    transposed=st.booleans(),
    parts=st.sampled_from(["four files", "training only"]),
)
def test_idx_folders(name, scale, inverted, transposed, parts):
    images = in_form(scale, inverted).astype(np.uint8)
    if transposed:
        images = images.transpose(0, 2, 1)
    arrays = [images, Y.astype(np.uint8)]
    if parts == "four files":
        arrays = [images[TRAIN], arrays[1][TRAIN], images[TEST], arrays[1][TEST]]
    with empty_folder() as folder:
        for role, array in zip(IDX_FILES, arrays, strict=False):
            path = folder / name.format(role)
            path.parent.mkdir(parents=True, exist_ok=True)
            content = idx_bytes(np.ascontiguousarray(array))
            path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
        assert_same(load_dataset(folder), SCALES[scale][1])


SHAPES = {
    "rows": lambda a: a.reshape(len(a), -1),
    "images": lambda a: a,
    "channel last": lambda a: a[..., None],
    "channel first": lambda a: a[:, None],
    "colours": lambda a: np.repeat(a[..., None], 3, axis=3),
    "images last": lambda a: np.moveaxis(a, 0, -1),
    "columns": lambda a: a.reshape(len(a), -1).T,
}


@few
@given(
    end=st.sampled_from(["npz", "mat"]),
    names=st.sampled_from(
        [("x_train", "y_train", "x_test", "y_test"), ("X", "y"), ("data", "target"),
         ("train_images", "train_labels", "test_images", "test_labels"), ("images", "labels")]
    ),
    shape=st.sampled_from(sorted(SHAPES)),
    scale=scales,
    inverted=POLARITIES,
)  # fmt: skip
def test_array_files(end, names, shape, scale, inverted):
    images = in_form(scale, inverted)
    if len(names) == 2:
        arrays = (SHAPES[shape](images), Y)
    else:
        arrays = (SHAPES[shape](images[TRAIN]), Y[TRAIN], SHAPES[shape](images[TEST]), Y[TEST])
    with empty_folder() as folder:
        path = folder / f"digits.{end}"
        named = dict(zip(names, arrays, strict=True))
        if end == "npz":
            np.savez(path, **named)
        else:
            from scipy import io as matlab

            matlab.savemat(path, named)
        assert_same(load_dataset(path), max(SCALES[scale][1], shape == "colours"))


@few
@given(
    scale=scales,
    inverted=POLARITIES,
    shape=st.sampled_from(["images", "channel last"]),
    order=st.sampled_from(["file", "text"]),
)
def test_arrays_in_memory(scale, inverted, shape, order):
    images = in_form(scale, inverted)
    assert_same(dataset_from_memory((images, Y)), SCALES[scale][1])
    if scale != "-1–1" and images.max() <= 255:  # else numbers that may be no pixels
        table = pd.DataFrame(images.reshape(len(X), -1), columns=[f"pixel{i}" for i in range(784)])
        table = table.sort_index(axis=1) if order == "text" else table
        assert_same(dataset_from_memory(table.assign(label=Y)), SCALES[scale][1])


PARQUET_FORMS = {
    "bytes": lambda a: _png(a),
    "dict": lambda a: {"bytes": _png(a), "path": None},
    "colours": lambda a: {"bytes": _png(255 - np.stack([a] * 3, axis=-1)), "path": "a.png"},
    "list": lambda a: a.ravel().tolist(),
    "nested list": lambda a: a.tolist(),
    "channel first": lambda a: (a[None] / 255).tolist(),
}
PARQUET_LABELS = {
    "numbers": lambda y: y.tolist(),
    "floats": lambda y: y.astype(float).tolist(),
    "texts": lambda y: [f"{label} " for label in y],
    "bytes": lambda y: [str(label).encode() for label in y],
    "categories": lambda y: pd.Categorical(y.astype(str)),
}
PARQUET_FILES = {
    "one file": ["digits.parquet"],
    "two parts": ["train-00000-of-00001.parquet", "test-00000-of-00001.parquet"],
    "folders of parts": ["train/0000.parquet", "test/0000.parquet"],
    "shards": ["data/train-0.parquet", "data/train-1.parquet", "data/test-0.parquet"],
}


def _png(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("form", "labels", "files"),
    [
        *((form, "numbers", "one file") for form in [*PARQUET_FORMS, "pixels"]),
        *(("dict", labels, "one file") for labels in PARQUET_LABELS),
        *(("dict", "numbers", files) for files in PARQUET_FILES),
    ],
)
def test_parquet(tmp_path, form, labels, files):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    names = PARQUET_FILES[files]
    train = np.array_split(TRAIN, len(names) - 1) if len(names) > 1 else [np.arange(len(X))]
    for name, rows in zip(names, [*train, TEST], strict=False):
        if form == "pixels":
            columns = {f"pixel{i}": X[rows].reshape(len(rows), -1)[:, i] for i in range(784)}
        else:
            columns = {"image": [PARQUET_FORMS[form](image) for image in X[rows]]}
        columns["label"] = pyarrow.array(PARQUET_LABELS[labels](Y[rows]))
        (tmp_path / name).parent.mkdir(exist_ok=True)
        parquet.write_table(pyarrow.table(columns), tmp_path / name)
    assert_same(load_dataset(tmp_path / names[0] if len(names) == 1 else tmp_path))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"image": [[1, 2, 3, 4], [1, 2]], "label": [0, 1]}, "differ in size"),
        ({"image": [[1, 2, 3, None]] * 2, "label": [0, 1]}, "2 pixel values are missing"),
        ({"image": [{"bytes": None, "path": "a.png"}] * 2, "label": [0, 1]}, "not in the file"),
        ({"image": [b"a picture"] * 2, "label": [0, 1]}, "row 0: the image is damaged"),
        ({"image": [[1] * 4] * 2, "label": [0, None]}, "1 labels are missing"),
        ({"image": [[1] * 4] * 2, "label": [0.5, 1]}, "whole numbers or texts, not double"),
        ({"image": [[1] * 4] * 2, "label": [[0], [1]]}, "whole numbers or texts, not list"),
        ({"image": [[1] * 4] * 2}, "no label column next to the images: it has image"),
        ({"image": [[1] * 4] * 2, "label": [0, 1], "y": [0, 1]}, "several label columns"),
        ({"image": [[1] * 4] * 2, "mask": [[1] * 4] * 2, "label": [0, 1]}, "several columns of"),
        ({"image": [[1] * 5] * 2, "label": [0, 1]}, "5 pixels|square"),
        ({"image": [b""][:0], "label": [0][:0]}, "no rows|no label|column"),
    ],
)
def test_parquet_that_is_no_dataset_is_refused(tmp_path, columns, message):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.table(columns), tmp_path / "a.parquet")
    with pytest.raises(DatasetError, match=message):
        load_dataset(tmp_path / "a.parquet")


@few
@given(
    first=scales, second=scales, share=st.sampled_from([0.05, 0.3, 0.5, 0.9]),
    factor=st.sampled_from([1, 0.3081, 3.0]), shift=st.sampled_from([0, -0.1307, 40]),
)  # fmt: skip
def test_mixed_or_shifted_scales_are_understood_or_refused(first, second, share, factor, shift):
    """Values that no rule tells: never a dataset whose images differ in strength."""
    inverted = np.zeros(len(X), bool)
    a, b = in_form(first, inverted).astype(float), in_form(second, inverted).astype(float)
    values = np.where((np.arange(len(X)) < share * len(X))[:, None, None], a, b)
    values = (values + shift) / factor
    with empty_folder() as folder:
        np.savez(folder / "mixed.npz", X=values, y=Y)
        try:
            dataset = load_dataset(folder / "mixed.npz")
        except DatasetError as error:
            assert len(str(error)) < 300 + len(str(folder))
            return
    images = np.concatenate([dataset.X_train, dataset.X_test])
    expected = np.concatenate([X[TRAIN], X[TEST]]).reshape(len(X), -1)
    strong = np.ptp(images.astype(int), axis=1) > 64
    assert strong.mean() >= 0.9
    for image, wanted in zip(images[strong], expected[strong], strict=True):
        assert np.corrcoef(image, wanted)[0, 1] > 0.95
