"""Layouts that people have: what is found, what is left out and named, what is refused."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import struct

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from digitrec.datasets import load_dataset, tables, text_files
from digitrec.datasets.bundled import load_bundled_digits
from digitrec.datasets.idx import IDX_FILES, idx_bytes
from digitrec.datasets.text_files import open_text
from digitrec.errors import DatasetError

ALL_X, ALL_Y = load_bundled_digits()
IMAGES = ALL_X.reshape(-1, 28, 28)


def rows_of(digit, n, start=0):
    return IMAGES[digit == ALL_Y][start : start + n]


def write_classes(folder, names="0123", n=4, start=0):
    """Write `n` PNG files for each class; its name is that of the digit in this place."""
    for digit, name in enumerate(names):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index, image in enumerate(rows_of(digit, n, start)):
            Image.fromarray(image).save(folder / name / f"{start + index}.png")
    return folder


def write_idx(folder, n_classes=4, n=4, names=IDX_FILES, dtype=np.uint8):
    folder.mkdir(parents=True, exist_ok=True)
    for part, start in ((names[:2], 0), (names[2:], n)):
        images = np.concatenate([rows_of(digit, n, start) for digit in range(n_classes)])
        labels = np.repeat(np.arange(n_classes), n).astype(dtype)
        for name, array in zip(part, (images, labels), strict=False):
            (folder / name).write_bytes(idx_bytes(array))
    return folder


def table(digits=range(4), n=5, start=0):
    frame = pd.DataFrame(
        np.concatenate([rows_of(digit, n, start) for digit in digits]).reshape(-1, 784),
        columns=[f"pixel{i}" for i in range(784)],
    )
    frame.insert(0, "label", np.repeat(list(digits), n))
    return frame


def n_rows(dataset):
    return len(dataset.y_train), len(dataset.y_test)


# Stray folders and files (F10, F11)


@pytest.mark.parametrize(
    "stray", ["__MACOSX", "@eaDir", ".git", ".ipynb_checkpoints", "$RECYCLE.BIN", "lost+found"]
)
@pytest.mark.parametrize("with_image", [True, False])
def test_folders_of_systems_are_no_classes(tmp_path, stray, with_image):
    write_classes(tmp_path)
    (tmp_path / stray).mkdir()
    if with_image:
        Image.new("L", (9, 9)).save(tmp_path / stray / "thumb.png")
    dataset = load_dataset(tmp_path)
    assert dataset.label_names == tuple("0123")
    assert dataset.warnings == ()


def test_folders_without_images_are_no_classes_and_named(tmp_path):
    write_classes(tmp_path)
    for name in ("notes", "empty", "deep/er"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "notes" / "a.txt").write_text("about")
    dataset = load_dataset(tmp_path)
    assert dataset.label_names == tuple("0123")
    assert "Folders without images were left out: deep, empty, notes." in dataset.warnings


def test_files_left_out_are_counted_and_named(tmp_path):
    write_classes(tmp_path)
    for index in range(3):
        (tmp_path / "0" / f"IMG_{index}.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
        (tmp_path / "1" / f"._{index}.png").write_bytes(b"\0\5\x16\7")
    (tmp_path / "1" / "labels.txt").write_text("x")
    (tmp_path / "1" / "Thumbs.db").write_bytes(b"x")
    Image.new("L", (28, 28)).save(tmp_path / "beside.png")
    notes = " ".join(load_dataset(tmp_path).warnings)
    assert "3 .heic file(s) were left out (HEIC" in notes
    assert "1 .txt" in notes
    assert "1 image(s) next to the class folders" in notes
    assert "Thumbs" not in notes


def test_links_to_folders_above_bring_no_image_twice(tmp_path):
    write_classes(tmp_path)
    for name, target in (("0/up", ".."), ("1/here", "."), ("2/all", tmp_path.resolve())):
        (tmp_path / name).symlink_to(target, target_is_directory=True)
    assert sum(n_rows(load_dataset(tmp_path))) == 16


def test_files_that_are_written_but_not_read_as_images_are_left_out(tmp_path):
    write_classes(tmp_path)
    Image.new("L", (28, 28)).save(tmp_path / "0" / "scan.pdf")
    assert "1 .pdf file(s) were left out (PDF" in " ".join(load_dataset(tmp_path).warnings)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_missing_labels_are_no_class(tmp_path, bad):
    labels = np.array([0, 1, bad, 1, 0, 1, 0, 1])
    np.savez(tmp_path / "a.npz", X=IMAGES[:8], y=labels)
    with pytest.raises(DatasetError, match="1 labels are missing"):
        load_dataset(tmp_path / "a.npz")


def test_labels_as_bytes_are_their_text(tmp_path):
    np.savez(tmp_path / "a.npz", X=IMAGES[:20], y=np.array([b"3", b"8"] * 10))
    assert load_dataset(tmp_path / "a.npz").label_names == ("3", "8")


def test_images_of_writers_below_the_classes_are_read(tmp_path):
    write_classes(tmp_path)
    write_classes(tmp_path, [f"{digit}/anna" for digit in range(4)], n=3, start=4)
    write_classes(tmp_path, [f"{digit}/2019/ben" for digit in range(4)], n=2, start=7)
    assert sum(n_rows(load_dataset(tmp_path))) == 4 * 9


def test_classes_below_writers_are_joined_and_told(tmp_path):
    write_classes(tmp_path / "anna")
    write_classes(tmp_path / "ben", start=4)
    dataset = load_dataset(tmp_path)
    assert dataset.label_names == tuple("0123")
    assert sum(n_rows(dataset)) == 32
    assert "anna, ben" in dataset.warnings[0]


@pytest.mark.parametrize("below", [True, False], ids=["class/writer", "writer/class"])
def test_folders_of_writers_are_groups(tmp_path, below):
    for index, writer in enumerate(("anna", "ben", "carla")):
        names = [f"{digit}/{writer}" if below else f"{writer}/{digit}" for digit in range(4)]
        write_classes(tmp_path, names, n=5 + index, start=7 * index)
    dataset = load_dataset(tmp_path)
    assert "anna, ben, carla were taken for the writers" in " ".join(dataset.warnings)
    assert len(dataset.groups_train) == len(dataset.y_train)
    # Each row has the writer whose folder its image lies in.
    for writer, group in (("anna", 0), ("ben", 1), ("carla", 2)):
        files = tmp_path.glob(f"*/{writer}/*.png" if below else f"{writer}/*/*.png")
        own = {np.asarray(Image.open(file)).tobytes() for file in files}
        rows = {row.tobytes() for row in dataset.X_train[dataset.groups_train == group]}
        assert rows <= own
        assert rows


@pytest.mark.parametrize("lacking", ["1/anna", "0/anna"])
def test_folders_that_may_be_no_writers_are_no_groups(tmp_path, lacking):
    write_classes(tmp_path, [f"{digit}/anna" for digit in range(2) if f"{digit}/anna" != lacking])
    write_classes(tmp_path, ["0/ben", "1/ben"], start=4)
    assert load_dataset(tmp_path).groups_train is None


@pytest.mark.parametrize(
    ("folders", "n_train", "n_test", "note"),
    [
        (("train", "test"), 16, 16, None),
        (("Training", "TESTING"), 16, 16, None),
        (("train", "val"), 16, 16, "val/ are the test images"),
        (("train", "valid", "test"), 32, 16, "valid/ were added to the training images"),
        (("train", "dev", "test", "extra"), 32, 16, "left out: extra"),
    ],
)
def test_parts(tmp_path, folders, n_train, n_test, note):
    for index, name in enumerate(folders):
        write_classes(tmp_path / name, start=4 * index)
    dataset = load_dataset(tmp_path)
    assert n_rows(dataset) == (n_train, n_test)
    assert any(note in warning for warning in dataset.warnings) if note else not dataset.warnings


# Names of classes (F9)


@pytest.mark.parametrize(
    ("names", "label_names"),
    [
        (["zero", "one", "two", "three"], ("0", "1", "2", "3")),
        (["digit_0", "digit_1", "digit_2", "digit_3"], ("0", "1", "2", "3")),
        (["0 - zero", "1 - one", "2 - two", "3 - three"], ("0", "1", "2", "3")),
        (["0", "1", "2", "other"], ("0", "1", "2", "other")),
        (["cat", "dog", "1", "one"], ("1", "cat", "dog", "one")),
        (["000", "001", "002", "010"], ("000", "001", "002", "010")),
    ],
)
def test_class_names(tmp_path, names, label_names):
    assert load_dataset(write_classes(tmp_path, names)).label_names == label_names


def test_parts_that_name_the_digits_differently(tmp_path):
    write_classes(tmp_path / "train", "0123")
    write_classes(tmp_path / "test", ["zero", "one", "two", "three"], start=4)
    dataset = load_dataset(tmp_path)
    assert dataset.label_names == tuple("0123")
    assert n_rows(dataset) == (16, 16)
    assert "taken for digits" in dataset.warnings[0]


def test_parts_without_a_common_class_are_refused(tmp_path):
    write_classes(tmp_path / "train", "ab")
    write_classes(tmp_path / "test", "cd")
    with pytest.raises(DatasetError, match="no class in common"):
        load_dataset(tmp_path)


def test_images_without_class_folders(tmp_path):
    for index in range(3):
        Image.fromarray(IMAGES[index]).save(tmp_path / f"0_{index}.png")
    with pytest.raises(DatasetError, match="put its 3 images into one folder a class"):
        load_dataset(tmp_path)


# A level too high (F25)


@pytest.mark.parametrize("given", ["data", "data/MNIST", "data/MNIST/raw"])
def test_torchvision(tmp_path, given):
    write_idx(tmp_path / "data/MNIST/raw")
    (tmp_path / "data/MNIST/processed").mkdir()
    dataset = load_dataset(tmp_path / given)
    assert n_rows(dataset) == (16, 16)
    assert dataset.name == {"data": "MNIST", "data/MNIST": "MNIST"}.get(given, "raw")
    assert bool(dataset.warnings) == (given != "data/MNIST/raw")


def test_several_datasets_are_named(tmp_path):
    for name in ("MNIST", "FashionMNIST"):
        write_idx(tmp_path / name / "raw")
    with pytest.raises(DatasetError, match=r"several datasets.*FashionMNIST/raw, .*MNIST/raw"):
        load_dataset(tmp_path)


def test_folder_of_all_emnist_sets(tmp_path):
    for name in ("digits", "letters"):
        names = [f"emnist-{name}-{role.replace('t10k', 'test')}" for role in IDX_FILES]
        write_idx(tmp_path / "gzip", names=names)
    dataset = load_dataset(tmp_path)
    assert n_rows(dataset) == (16, 16)
    assert any("left out: 'emnist-letters-'" in note for note in dataset.warnings)


def test_competition_folder(tmp_path):
    table().to_csv(tmp_path / "train.csv", index=False)
    table().drop(columns="label").to_csv(tmp_path / "test.csv", index=False)
    (tmp_path / "sample_submission.csv").write_text("ImageId,Label\n1,0\n")
    dataset = load_dataset(tmp_path)
    assert n_rows(dataset) == (16, 4)
    assert "test.csv has no labels" in dataset.warnings[0]
    table(start=5).to_csv(tmp_path / "test.csv", index=False)
    assert n_rows(load_dataset(tmp_path)) == (20, 20)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.zip", "archive; unpack it"),
        ("mnist.pkl.gz", "pickle"),
        ("model.joblib", "pickle"),
        ("train-images-idx3-ubyte", "give the folder"),
        ("a.npy", "without labels"),
        ("a.doc", "is not a dataset"),
    ],
)
def test_files_that_are_no_dataset(tmp_path, name, message):
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(DatasetError, match=message):
        load_dataset(tmp_path / name)


# Tables (F8, F22, F23, F24)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([f"pixel{i}" for i in range(8)] + ["pixel9"], "'pixel8' is missing"),
        ([f"pixel{i}" for i in range(8)] + ["pixel7"], "two columns have the name 'pixel7'"),
        (list("abcdefghi"), "neither pixels nor a label"),
        (["Filename"], "put the images into one folder for each class"),
        ([f"{i}x{j}" for j in range(3) for i in range(3)], "row or the column"),
    ],
)
def test_pixel_names_that_say_no_order(tmp_path, names, message):
    frame = pd.DataFrame(np.arange(40 * len(names)).reshape(40, -1) % 251, columns=names)
    frame.insert(0, "label", np.arange(40) % 4)
    frame.to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(DatasetError, match=message):
        load_dataset(tmp_path / "a.csv")


@pytest.mark.parametrize("order", ["x{x}y{y}", "y{y}x{x}", "r{y}c{x}", "row{y}_col{x}", "c{x}r{y}"])
def test_pixel_names_of_two_numbers(tmp_path, order):
    frame = table().drop(columns="label")
    frame.columns = [order.format(x=i % 28, y=i // 28) for i in range(784)]
    frame = frame.sample(frac=1, axis=1, random_state=0).assign(label=table()["label"])
    frame.to_csv(tmp_path / "a.csv", index=False)
    found = load_dataset(tmp_path / "a.csv")
    table().to_csv(tmp_path / "b.csv", index=False)
    np.testing.assert_array_equal(found.X_train, load_dataset(tmp_path / "b.csv").X_train)


def test_pixel_names_of_two_numbers_tell_the_shape(tmp_path):
    names = [f"{i}x{j}" for i in range(3) for j in range(2)]
    frame = pd.DataFrame(np.arange(240).reshape(40, 6) % 251, columns=names)
    frame.assign(label=np.arange(40) % 4).to_csv(tmp_path / "a.csv", index=False)
    assert load_dataset(tmp_path / "a.csv").image_shape == (3, 2)


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (lambda frame: frame.assign(split="train", writer=7), "left out: 'split', 'writer'"),
        (lambda frame: frame.reset_index(), "left out: 'index'"),
        (lambda frame: frame.rename(columns=" {} ".format), None),
    ],
)
def test_other_columns_beside_a_label(tmp_path, change, note):
    change(table()).to_csv(tmp_path / "a.csv", index=False)
    dataset = load_dataset(tmp_path / "a.csv")
    assert n_rows(dataset) == (16, 4)
    assert any(note in warning for warning in dataset.warnings) if note else not dataset.warnings


@pytest.mark.parametrize("start", ["# made by hand\n", "\n \n", "#label,", "# label,"])
def test_what_may_stand_before_the_header(tmp_path, start):
    text = table().to_csv(index=False)
    text = text.removeprefix("label,") if start.endswith(",") else text
    (tmp_path / "a.csv").write_text(start + text)
    assert n_rows(load_dataset(tmp_path / "a.csv")) == (16, 4)


def test_two_columns_that_may_be_the_label(tmp_path):
    table().assign(target=1).to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(DatasetError, match="more than one column may be the label"):
        load_dataset(tmp_path / "a.csv")


@settings(max_examples=40)
@given(
    content=st.one_of(
        st.binary(max_size=3000),
        st.text(max_size=2000).map(str.encode),
        st.binary(max_size=500).map(gzip.compress),
        st.sampled_from([b"PK\x03\x04", b"BZh9", b"\xfd7zXZ\0", b"\x1f\x8b\x08"])
        .flatmap(lambda head: st.binary(max_size=300).map(lambda rest: head + rest)),
        st.integers(1, 3000).map(lambda n: b"label;" + b"a" * n + b"\n" + b"1;2\n" * 30),
    ),
    end=st.sampled_from([".csv", ".tsv", ".txt", ".csv.gz", ".csv.zip", ".data"]),
)  # fmt: skip
def test_messages_do_not_repeat_the_file(tmp_path_factory, content, end):
    path = tmp_path_factory.mktemp("t") / f"file{end}"
    path.write_bytes(content)
    with pytest.raises(DatasetError) as caught:
        load_dataset(path)
    assert len(str(caught.value)) < 260 + len(str(path))
    assert "\n" not in str(caught.value)


# Few classes, many classes (F27, B9)


@pytest.mark.parametrize("kind", ["idx", "csv", "folder", "npz"])
def test_one_class_is_refused(tmp_path, kind):
    if kind == "idx":
        path = write_idx(tmp_path, n_classes=1)
    elif kind == "folder":
        path = write_classes(tmp_path, ["4"])
    else:
        path = tmp_path / f"one.{kind}"
        one = table([4], 10)
        if kind == "csv":
            one.to_csv(path, index=False)
        else:
            np.savez(path, X=one.drop(columns="label"), y=one["label"])
    with pytest.raises(DatasetError, match="one class"):
        load_dataset(path)


@pytest.mark.parametrize("kind", ["idx", "csv", "npz"])
def test_three_hundred_classes_stay_apart(tmp_path, kind):
    rows, labels = ALL_X[::8][:600], np.repeat(np.arange(300), 2)
    path = tmp_path / f"many.{kind}"
    if kind == "csv":
        pd.DataFrame(rows).assign(label=labels).to_csv(path, index=False)
    elif kind == "npz":
        np.savez(path, X=rows, y=labels)
    else:
        path.mkdir()
        arrays = (rows.reshape(-1, 28, 28), labels.astype(np.int32)) * 2
        for name, array in zip(IDX_FILES, arrays, strict=True):
            (path / name).write_bytes(idx_bytes(array))
    dataset = load_dataset(path)
    assert len(dataset.label_names) == 300
    assert set(dataset.y_train) == set(dataset.y_test) == set(range(300))


def test_a_class_without_training_or_test_images_is_told(tmp_path):
    write_classes(tmp_path / "train", "0123")
    write_classes(tmp_path / "test", "012x")
    notes = load_dataset(tmp_path).warnings
    assert "No training images of 1 class(es): x." in notes
    assert "No test images of 1 class(es): 3." in notes


@pytest.mark.parametrize("value", [0, 7, 255])
def test_images_that_are_all_alike_are_refused(tmp_path, value):
    for name in "012":
        (tmp_path / name).mkdir()
        for index in range(4):
            Image.new("L", (28, 28), value).save(tmp_path / name / f"{index}.png")
    with pytest.raises(DatasetError, match="all 12 images are equal"):
        load_dataset(tmp_path)


# IDX in the wrong byte order (F26)


@pytest.mark.parametrize("role", [0, 1, 2, 3])
@pytest.mark.parametrize("pack", [False, True])
def test_little_endian_sizes_are_named(tmp_path, role, pack):
    write_idx(tmp_path)
    path = tmp_path / IDX_FILES[role]
    content = path.read_bytes()
    n = content[3]
    sizes = struct.unpack(f">{n}I", content[4 : 4 + 4 * n])
    content = content[:4] + struct.pack(f"<{n}I", *sizes) + content[4 + 4 * n :]
    path.write_bytes(gzip.compress(content) if pack else content)
    with pytest.raises(DatasetError, match="little-endian") as caught:
        load_dataset(tmp_path)
    assert str(path) in str(caught.value)


# Files larger than the memory


@pytest.fixture
def huge(tmp_path):
    """Return a function that makes a file of 4 TB of which nothing but the start is on disk."""

    def make(name, start=b""):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        with path.open("wb") as file:
            file.write(start)
            try:
                os.truncate(file.fileno(), 4 << 40)
            except OSError:
                pytest.skip("the file system holds no file of 4 TB")
        return path

    return make


def test_a_table_larger_than_the_memory_is_refused(huge):
    header = ",".join(["label", *(f"pixel{i}" for i in range(784))]) + "\n"
    path = huge("big.csv", header.encode() + b"1" + b",0" * 784 + b"\n")
    with pytest.raises(DatasetError, match=r"big\.csv is too large: .* GB of memory are free"):
        load_dataset(path)


@pytest.mark.parametrize("module", [gzip, bz2, lzma])
def test_a_packed_line_without_an_end_is_not_unpacked_whole(tmp_path, module, monkeypatch):
    for holder in (tables, text_files):
        monkeypatch.setattr(holder, "LINE_LIMIT", 1_000_000)
    header = ",".join(["label", *(f"pixel{i}" for i in range(784))]) + "\n"
    row = b"1" + b",0" * 784 + b"\n"
    path = tmp_path / "bomb.csv.packed"
    with module.open(path, "wb") as file:
        file.write(header.encode() + row + row)
        for _ in range(3):
            file.write(b"0," * 500_000)
    with pytest.raises(DatasetError, match=r"a line has more than 1,000,000|is not a table"):
        load_dataset(path.rename(tmp_path / "bomb.csv.gz"))


@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "a.npz", "m/a.parquet", "m/train.csv"])
def test_pointers_of_git_are_not_data(tmp_path, name):
    (tmp_path / "m").mkdir()
    (tmp_path / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:1\n")
    with pytest.raises(DatasetError, match="git lfs pull"):
        load_dataset(tmp_path / name.split("/")[0])


TABLE = b"".join(b"%d,%d,%d\n" % (i, i * 7 % 97, i * i % 89) for i in range(20_000))


def test_zstandard_is_unpacked_as_it_is_read(tmp_path):
    zstandard = pytest.importorskip("zstandard")
    path = tmp_path / "t.csv.zst"
    path.write_bytes(zstandard.ZstdCompressor().compress(b"label,pixel0\n" * 10_000_000))
    with open_text(path) as file:
        assert file.readline() == "label,pixel0\n"
    packed = zstandard.ZstdCompressor().compress(TABLE)
    path.write_bytes(packed + packed)
    with open_text(path) as file:
        assert file.read() == 2 * TABLE.decode()
    for cut in (10, len(packed) // 2, len(packed) - 1, len(packed) + 9):
        path.write_bytes((packed + packed)[:cut])
        with pytest.raises(EOFError, match="cut off"), open_text(path) as file:
            file.read()


@pytest.mark.parametrize("pack", [False, True])
def test_idx_files_larger_than_the_memory_are_refused(tmp_path, huge, pack):
    write_idx(tmp_path / "m")
    header = struct.pack(">2xBB3I", 8, 3, 1 << 31, 28, 28)
    if pack:
        (tmp_path / "m" / IDX_FILES[0]).write_bytes(gzip.compress(header + bytes(100_000)))
    else:
        huge(f"m/{IDX_FILES[0]}", header)
    with pytest.raises(DatasetError, match="is too large"):
        load_dataset(tmp_path / "m")
