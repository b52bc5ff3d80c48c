import dataclasses

import numpy as np
import pytest

from digitrec.evaluation import shared as shared_module
from digitrec.evaluation.shared import SharedData
from digitrec.evaluation.splits import validation_split
from digitrec.preprocessing import build_features


@pytest.fixture
def shared(tmp_path):
    return SharedData(tmp_path, n_jobs=1)


def test_a_dataset_comes_back_memory_mapped(shared, small_digits):
    assert shared.get("digits", small_digits.fingerprint) is None
    shared.put(small_digits)
    found = shared.get("digits", small_digits.fingerprint)
    assert np.array_equal(found.X_train, small_digits.X_train)
    assert not found.X_train.flags.writeable
    assert found.label_names == small_digits.label_names
    assert found.image_shape == small_digits.image_shape
    assert found.fingerprint == small_digits.fingerprint


@pytest.mark.parametrize("warnings", [(), ("faint",)])
@pytest.mark.parametrize("pixel_range", [None, (0.0, 16.0)])
def test_a_dataset_comes_back_with_its_types(shared, small_digits, warnings, pixel_range):
    changed = {"warnings": warnings, "pixel_range": pixel_range, "fingerprint": ""}
    dataset = dataclasses.replace(small_digits, **changed)
    shared.put(dataset)
    found = shared.get("digits", dataset.fingerprint)
    assert (found.warnings, found.pixel_range) == (warnings, pixel_range)


@pytest.mark.parametrize("name", ["raw", "gradients"])
def test_features_are_fitted_on_the_rows_the_split_leaves(shared, small_digits, name):
    split = validation_split(small_digits.y_train, 0)
    found = shared.features(small_digits, name, validation_seed=0)
    expected = build_features(name, small_digits.image_shape)
    X = expected.fit_transform(small_digits.X_train[split.train])
    np.testing.assert_allclose(found.X_fit, X, rtol=1e-5, atol=1e-4)
    held_out = expected.transform(small_digits.X_train[split.validation])
    np.testing.assert_allclose(found.X_score, held_out, rtol=1e-5, atol=1e-4)
    assert np.array_equal(found.y_fit, small_digits.y_train[split.train])
    assert np.array_equal(found.y_score, small_digits.y_train[split.validation])


def test_features_of_all_rows_score_the_test_set(shared, small_digits):
    found = shared.features(small_digits, "gradients", validation_seed=None)
    expected = build_features("gradients", small_digits.image_shape)
    np.testing.assert_allclose(
        found.X_fit, expected.fit_transform(small_digits.X_train), rtol=1e-5, atol=1e-4
    )
    np.testing.assert_allclose(
        found.X_score, expected.transform(small_digits.X_test), rtol=1e-5, atol=1e-4
    )
    assert np.array_equal(found.y_score, small_digits.y_test)


def test_features_are_computed_once(shared, small_digits):
    first = shared.features(small_digits, "gradients", validation_seed=0)
    files = {path: path.stat().st_mtime_ns for path in shared.root.rglob("*") if path.is_file()}
    again = shared.features(small_digits, "gradients", validation_seed=0)
    after = {path: path.stat().st_mtime_ns for path in shared.root.rglob("*") if path.is_file()}
    assert files == after
    assert first.seconds == again.seconds > 0
    assert type(again.X_fit) is np.ndarray


def test_copies_stand_behind_the_images(shared, small_digits):
    source = shared.with_copies(small_digits, 2, random_state=0)
    n = len(small_digits.y_train)
    assert source.X_train.shape == (3 * n, 64)
    assert np.array_equal(source.X_train[:n], small_digits.X_train)
    for k in (1, 2):
        copies = source.X_train[k * n : (k + 1) * n]
        assert not np.array_equal(copies, small_digits.X_train)
        assert np.array_equal(source.y_train[k * n : (k + 1) * n], small_digits.y_train)
        # A copy is a distorted image: it correlates more with its image than with another.
        own = np.corrcoef(copies[0], small_digits.X_train[0])[0, 1]
        assert own > 0.5
    assert source.fingerprint != small_digits.fingerprint


@pytest.mark.parametrize("name", ["raw", "gradients"])
def test_rows_that_go_to_a_file_are_those_of_memory(shared, small_digits, name, monkeypatch):
    options = {"validation_seed": 0, "n_copies": 1, "copies_seed": 0}
    expected = shared.features(small_digits, name, **options)
    monkeypatch.setattr(shared_module, "_MOST_BYTES_COPIED", 1000)
    monkeypatch.setattr(shared_module, "_CHUNK_ROWS", 7)
    for_files = SharedData(shared.root.with_name("files"), n_jobs=1)
    found = for_files.features(small_digits, name, **options)
    np.testing.assert_array_equal(found.X_fit, expected.X_fit)
    np.testing.assert_array_equal(found.X_score, expected.X_score)
    assert not found.X_fit.flags.writeable
    assert not list(for_files.root.rglob("rows.npy"))


def test_copies_of_held_out_images_are_not_fitted_on(shared, small_digits):
    found = shared.features(small_digits, "raw", validation_seed=0, n_copies=2, copies_seed=0)
    split = validation_split(small_digits.y_train, 0)
    n = len(small_digits.y_train)
    source = shared.with_copies(small_digits, 2, random_state=0)
    rows = np.concatenate([split.train, split.train + n, split.train + 2 * n])
    np.testing.assert_allclose(found.X_fit, source.X_train[rows] / np.float32(255), rtol=1e-6)
    assert len(found.X_score) == len(split.validation)
    assert np.array_equal(found.y_score, small_digits.y_train[split.validation])


def test_a_write_that_fails_leaves_nothing(shared, small_digits, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(OSError, match="No space left"):
        shared.put(small_digits)
    assert not any(path.is_file() for path in shared.root.rglob("*"))
    monkeypatch.undo()
    shared.put(small_digits)
    assert shared.get("digits", small_digits.fingerprint) is not None
