import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from digitrec.datasets import Dataset
from digitrec.datasets.stratified import split_rows, subsample_training_rows
from digitrec.errors import ConfigurationError, DatasetError

NAMES = tuple("abcdef")


def make_dataset(y, groups=None):
    y = np.asarray(y)
    X = np.arange(len(y), dtype=np.uint8)[:, None].repeat(4, axis=1)
    return Dataset(
        name="made",
        X_train=X,
        y_train=y,
        X_test=X[:2],
        y_test=y[:2],
        image_shape=(2, 2),
        label_names=NAMES,
        source="test",
        license="none",
        has_fixed_test=True,
        groups_train=groups,
    )


@given(st.lists(st.integers(2, 30), min_size=2, max_size=6))
def test_split_is_stratified_and_complete(counts):
    y = np.repeat(np.arange(len(counts)), counts)
    train, test = split_rows(y, NAMES)
    np.testing.assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(len(y)))
    assert set(y[train]) == set(y[test]) == set(y)
    for label, count in enumerate(counts):
        assert np.sum(y[test] == label) == max(1, round(count / 5))


def test_split_is_always_the_same():
    y = np.arange(100) % 5
    np.testing.assert_array_equal(split_rows(y, NAMES)[1], split_rows(y.copy(), NAMES)[1])


def test_class_too_small_is_named():
    with pytest.raises(DatasetError, match="class 'b' has one image"):
        split_rows(np.array([0, 0, 0, 1]), NAMES)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.integers(0, 200), st.integers(0, 9))
def test_subsample_keeps_the_shares(counts, extra, seed):
    y = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    n = min(len(counts) + extra, len(y))
    small = subsample_training_rows(make_dataset(y), n, random_state=seed)
    assert len(small.y_train) == n
    rows = small.X_train[:, 0].astype(int)
    np.testing.assert_array_equal(rows, np.unique(rows))  # in order, none twice
    np.testing.assert_array_equal(y[rows], small.y_train)
    kept = np.bincount(small.y_train, minlength=len(counts))
    assert kept.min() >= 1
    share = 1 + (np.array(counts) - 1) * (n - len(counts)) / max(len(y) - len(counts), 1)
    assert np.all(np.abs(kept - share) < 1 + 1e-9)


def test_subsample_is_seeded_and_changes_the_fingerprint():
    dataset = make_dataset(np.arange(200) % 6, groups=np.arange(200) // 10)
    first, again, other = (subsample_training_rows(dataset, 50, seed) for seed in (1, 1, 2))
    assert first.fingerprint == again.fingerprint
    assert len({dataset.fingerprint, first.fingerprint, other.fingerprint}) == 3
    np.testing.assert_array_equal(first.groups_train, first.X_train[:, 0] // 10)
    np.testing.assert_array_equal(first.X_test, dataset.X_test)


def test_subsample_of_all_rows_is_the_dataset():
    dataset = make_dataset([0, 1, 2])
    assert subsample_training_rows(dataset, 3, 0) is dataset


def test_subsample_too_small_is_refused():
    with pytest.raises(ConfigurationError, match="max_train=2 is too small"):
        subsample_training_rows(make_dataset([0, 1, 2, 2]), 2, 0)
