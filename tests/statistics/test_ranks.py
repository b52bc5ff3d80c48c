"""Friedman and Nemenyi, against Demšar (2006) and independent implementations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import friedmanchisquare

from digitrec.errors import ConfigurationError
from digitrec.statistics.ranks import compare_over_datasets, nemenyi_critical_difference

# Demšar (2006), Table 6: area under the curve of C4.5, C4.5+m, C4.5+cf and C4.5+m+cf.
DEMSAR = [
    [0.763, 0.768, 0.771, 0.798],
    [0.599, 0.591, 0.590, 0.569],
    [0.954, 0.971, 0.968, 0.967],
    [0.628, 0.661, 0.654, 0.657],
    [0.882, 0.888, 0.886, 0.898],
    [0.936, 0.931, 0.916, 0.931],
    [0.661, 0.668, 0.609, 0.685],
    [0.583, 0.583, 0.563, 0.625],
    [0.775, 0.838, 0.866, 0.875],
    [1.000, 1.000, 1.000, 1.000],
    [0.940, 0.962, 0.965, 0.962],
    [0.619, 0.666, 0.614, 0.669],
    [0.972, 0.981, 0.97501, 0.975],  # printed as a tie, ranked without one in the paper
    [0.957, 0.978, 0.946, 0.970],
]


@pytest.fixture(scope="module")
def outcome():
    return compare_over_datasets(DEMSAR)


def test_mean_ranks_and_critical_difference_are_demsars(outcome):
    assert outcome.mean_ranks == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)
    assert outcome.critical_difference == pytest.approx(1.25, abs=5e-3)
    assert nemenyi_critical_difference(4, 14, alpha=0.10) == pytest.approx(1.12, abs=5e-3)
    # Demšar's 9.28 leaves out the correction for ties that the test here applies.
    centred = sum((rank - 2.5) ** 2 for rank in outcome.mean_ranks)
    assert 12 * 14 / (4 * 5) * centred == pytest.approx(9.28, abs=5e-3)
    assert not any(pair.significant for pair in outcome.pairs)


@pytest.mark.parametrize(
    ("n_models", "q"), [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (7, 2.949), (10, 3.164)]
)
def test_critical_values_are_those_of_demsars_table_5(n_models, q):
    unit = math.sqrt(n_models * (n_models + 1) / (6 * 9))
    assert nemenyi_critical_difference(n_models, 9) / unit == pytest.approx(q, abs=2e-3)


def test_friedman_agrees_with_scipy(outcome):
    expected = friedmanchisquare(*np.transpose(DEMSAR))
    assert outcome.chi_square == pytest.approx(expected.statistic)
    assert outcome.p_value == pytest.approx(expected.pvalue)


def test_nemenyi_agrees_with_scikit_posthocs(outcome):
    posthocs = pytest.importorskip("scikit_posthocs")
    expected = np.asarray(posthocs.posthoc_nemenyi_friedman(np.array(DEMSAR)))
    for pair in outcome.pairs:
        assert pair.p_value == pytest.approx(expected[pair.first, pair.second], abs=1e-3)


def test_iman_davenport_reproduces_demsar():
    # F = (N - 1) chi² / (N (k - 1) - chi²): 13 * 9.28 / (42 - 9.28) = 3.69 in the paper. The
    # first ten rankings without ties give a chi-square that the formula can be checked on.
    scores = np.argsort(np.random.default_rng(1).random((10, 4)), axis=1)
    outcome = compare_over_datasets(scores)
    chi_square = friedmanchisquare(*scores.T).statistic
    assert outcome.f_statistic == pytest.approx(9 * chi_square / (30 - chi_square))
    assert outcome.kendall_w == pytest.approx(chi_square / 30)


def test_datasets_in_full_agreement():
    outcome = compare_over_datasets([[3, 2, 1]] * 6)
    assert outcome.mean_ranks == [1, 2, 3]
    assert outcome.kendall_w == pytest.approx(1)
    assert outcome.f_statistic is None
    assert [pair.significant for pair in outcome.pairs] == [False, True, False]


def test_ties_everywhere_and_too_little_data():
    outcome = compare_over_datasets([[1, 1], [1, 1]])
    assert (outcome.chi_square, outcome.p_value) == (0.0, 1.0)
    with pytest.raises(ConfigurationError, match="at least 2 models"):
        compare_over_datasets([[1, 2]])
