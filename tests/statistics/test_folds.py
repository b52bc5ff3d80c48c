"""Tests for correlated folds, against worked numbers and baycomp."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import t

from digitrec.analyses.cross_validation import compare_folds
from digitrec.errors import ConfigurationError
from digitrec.statistics.folds import correlated_test

rng = np.random.default_rng(0)
FIRST = 0.95 + 0.01 * rng.standard_normal(30)
SECOND = FIRST - 0.002 + 0.004 * rng.standard_normal(30)


def test_posterior_equals_baycomps():
    test = correlated_test(FIRST, SECOND, 10, rope=0.001)
    ours = (test.probability_second, test.probability_same, test.probability_first)
    # CorrelatedTTest.probs(SECOND, FIRST, rope=0.001, runs=3) of baycomp 1.0.3.
    assert ours == pytest.approx((0.10038390, 0.42808262, 0.47153348), abs=1e-8)
    assert sum(ours) == pytest.approx(1)


def test_corrected_t_by_hand():
    # Nadeau and Bengio (2003), equation 9: with test rows a ninth of the training rows, the
    # variance of the mean of n = 10 differences is (1/10 + 1/9) times theirs.
    differences = np.array([0.01, 0.02, 0.0, 0.03, 0.01, 0.02, 0.01, 0.0, 0.02, 0.03])
    test = correlated_test(0.9 + differences, np.full(10, 0.9), 10)
    deviation = math.sqrt(sum((d - 0.015) ** 2 for d in differences) / 9)
    statistic = 0.015 / math.sqrt((1 / 10 + 1 / 9) * deviation**2)
    assert test.statistic == pytest.approx(statistic)
    assert test.p_value == pytest.approx(2 * t.sf(statistic, 9))
    assert test.effect_size == pytest.approx(0.015 / deviation)
    # The uncorrected paired t-test would be far more confident.
    assert test.p_value > 2 * t.sf(0.015 / (deviation / math.sqrt(10)), 9) * 5


def test_correction_keeps_the_error_rate_where_the_plain_test_does_not():
    # Folds of one repeat share training rows; here they share a common deviation instead, with
    # the correlation 1/K that the correction assumes.
    generator = np.random.default_rng(1)
    shared = generator.normal(size=(2000, 1)) * math.sqrt(1 / 10)
    differences = shared + generator.normal(size=(2000, 10)) * math.sqrt(9 / 10)
    p_values = [correlated_test(row, np.zeros(10), 10).p_value for row in differences]
    assert 0.03 < np.mean(np.array(p_values) < 0.05) < 0.07


def test_folds_without_spread():
    same = correlated_test([0.9, 0.9], [0.9, 0.9], 2)
    assert (same.p_value, same.probability_same) == (1.0, 1.0)
    apart = correlated_test([0.9, 0.8], [0.8, 0.7], 2)
    assert (apart.p_value, apart.probability_first) == (0.0, 1.0)
    with pytest.raises(ConfigurationError, match="at least 2 folds"):
        correlated_test([0.9], [0.8], 5)


def test_all_pairs_are_adjusted():
    outcome = compare_folds({"a": FIRST, "b": SECOND, "c": FIRST - 0.05}, 10)
    assert (outcome.n_folds, outcome.n_repeats) == (10, 3)
    assert [(pair.first, pair.second) for pair in outcome.pairs] == [
        ("a", "b"),
        ("a", "c"),
        ("b", "c"),
    ]
    assert outcome.pairs[1].significant
    assert outcome.models[2].mean == pytest.approx(FIRST.mean() - 0.05)
