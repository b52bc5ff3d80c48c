import numpy as np
import pytest

from digitrec.evaluation.splits import fold_rows


@pytest.fixture
def writers():
    generator = np.random.default_rng(0)
    return generator.integers(0, 10, 600), np.repeat(np.arange(60), 10)


def test_no_writer_stands_on_both_sides_of_a_fold(writers):
    y, groups = writers
    folds = fold_rows(y, 5, 0, groups)
    for fit, held_out in folds:
        assert not set(groups[fit]) & set(groups[held_out])
        assert set(y[held_out]) == set(range(10))
    np.testing.assert_array_equal(np.sort(np.concatenate([held for _, held in folds])), range(600))


def test_without_groups_folds_mix_writers(writers):
    y, groups = writers
    fit, held_out = fold_rows(y, 5, 0)[0]
    assert set(groups[fit]) & set(groups[held_out])
