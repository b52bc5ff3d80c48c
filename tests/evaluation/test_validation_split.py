import numpy as np
import pytest

from digitrec.errors import DatasetError
from digitrec.evaluation.splits import validation_split


def test_a_sixth_is_held_out_class_by_class():
    y = np.repeat(np.arange(10), 60)
    split = validation_split(y, random_state=3)
    assert len(split.validation) == 100
    assert np.bincount(y[split.validation]).tolist() == [10] * 10
    assert np.array_equal(np.sort(np.concatenate(split)), np.arange(600))


def test_mnist_sizes():
    split = validation_split(np.arange(60_000) % 10)
    assert (len(split.train), len(split.validation)) == (50_000, 10_000)


def test_the_seed_decides():
    y = np.arange(300) % 10
    first, again, other = (validation_split(y, seed) for seed in (0, 0, 1))
    assert np.array_equal(first.validation, again.validation)
    assert not np.array_equal(first.validation, other.validation)


def test_too_few_rows_are_named():
    with pytest.raises(DatasetError, match="3 training rows"):
        validation_split(np.array([0, 1, 2]))
