import gzip
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from digitrec.datasets.idx import IDX_FILES, idx_bytes, parse_idx, read_idx
from digitrec.datasets.idx_folder import find_idx_files, load_idx_folder
from digitrec.errors import DatasetError

IMAGES = 4 * np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3)
LABELS = np.array([3, 1, 4, 1, 5], np.uint8)


@given(
    hnp.arrays(
        st.sampled_from([np.dtype(code) for code in ("u1", "i1", ">i2", ">i4", ">f4", ">f8")]),
        hnp.array_shapes(max_dims=4, max_side=6, min_side=0),
    )
)
def test_round_trip(array):
    read = parse_idx(idx_bytes(array), "file")
    assert read.dtype == array.dtype
    np.testing.assert_array_equal(read, array)


@given(st.binary(max_size=64))
def test_garbage_is_refused_or_consistent(content):
    try:
        array = parse_idx(content, "file")
    except DatasetError as error:
        assert str(error).startswith("file is ")
    else:
        assert idx_bytes(array) == content


@given(
    st.sampled_from([8, 9, 11, 12, 13, 14]),
    st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=4),
    st.binary(max_size=32),
)
def test_any_declared_sizes(code, sizes, data):
    content = struct.pack(f">2xBB{len(sizes)}I", code, len(sizes), *sizes) + data
    try:
        assert parse_idx(content, "file").shape == tuple(sizes)
    except DatasetError as error:
        assert "header says" in str(error) or "little-endian" in str(error)


@given(st.integers(0, 75))
def test_every_truncation_is_named(n_bytes):
    with pytest.raises(DatasetError, match="file is truncated"):
        parse_idx(idx_bytes(IMAGES)[:n_bytes], "file")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "truncated: 0 bytes"),
        (b"\x89PNG\r\n", "bad magic '89504e47'"),
        (b"\0\0\x08\x00", "bad magic"),
        (b"\0\0\x07\x01\0\0\0\1a", "bad magic"),
        (idx_bytes(IMAGES) + b"x", "too long"),
        (b"\x1f\x8b garbage", "cannot read"),
        (gzip.compress(idx_bytes(IMAGES), mtime=0)[:-9], "gzip stream ends early"),
    ],
)
def test_damaged_file_is_named(tmp_path, content, reason):
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=reason) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(DatasetError, match="nothing-here"):
        read_idx(tmp_path / "nothing-here")


def test_types_without_a_code_are_refused():
    with pytest.raises(ValueError, match="int64"):
        idx_bytes(np.zeros(3, np.int64))


def write_folder(folder, names=IDX_FILES, pack=False):
    for name, role in zip(names, IDX_FILES, strict=True):
        content = idx_bytes(IMAGES if "images" in role else LABELS)
        path = folder / (name + ".gz" if pack else name)
        path.write_bytes(gzip.compress(content) if pack else content)


@pytest.mark.parametrize("pack", [False, True])
@pytest.mark.parametrize(
    "names",
    [
        IDX_FILES,
        [name.replace("-idx", ".idx") for name in IDX_FILES],
        [name.replace("t10k", "test") for name in IDX_FILES],
    ],
)
def test_folder_of_four_files(tmp_path, names, pack):
    write_folder(tmp_path, names, pack)
    dataset = load_idx_folder(tmp_path)
    assert dataset.has_fixed_test
    assert dataset.name == tmp_path.name
    assert dataset.image_shape == (4, 3)
    np.testing.assert_array_equal(dataset.X_test, IMAGES.reshape(5, 12))
    np.testing.assert_array_equal(dataset.y_train, LABELS)


def test_plain_file_goes_before_packed(tmp_path):
    write_folder(tmp_path)
    write_folder(tmp_path, pack=True)
    assert find_idx_files(tmp_path)[0][IDX_FILES[0]] == tmp_path / IDX_FILES[0]


def test_folder_that_lacks_a_file(tmp_path):
    write_folder(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DatasetError, match="lacks t10k-labels-idx1-ubyte"):
        load_idx_folder(tmp_path)


def test_folder_whose_image_sizes_disagree(tmp_path):
    write_folder(tmp_path)
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx_bytes(IMAGES.transpose(0, 2, 1)))
    with pytest.raises(DatasetError, match="another size"):
        load_idx_folder(tmp_path)
