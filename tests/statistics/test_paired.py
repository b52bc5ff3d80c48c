"""Paired tests, against worked examples and independent implementations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import cochrans_q, mcnemar
from statsmodels.stats.multitest import multipletests

from digitrec.analyses.significance import compare_predictions
from digitrec.errors import ConfigurationError
from digitrec.statistics.paired import (
    cochran_test,
    holm,
    mcnemar_test,
    paired_difference_interval,
)


def rights(both: int, only_first: int, only_second: int, neither: int) -> tuple:
    """Return whether two classifiers are right on each row, from the four counts."""
    first = [True] * (both + only_first) + [False] * (only_second + neither)
    second = [True] * both + [False] * only_first + [True] * only_second + [False] * neither
    return np.array(first), np.array(second)


@pytest.mark.parametrize(
    ("counts", "p_value", "low", "high"),
    [
        # Fagerland, Lydersen and Laake (2014), Statistics in Medicine 33:2850: airway
        # hyper-responsiveness before and after stem cell transplantation; complete response.
        ((1, 1, 7, 12), 0.070, -0.517, -0.026),
        ((59, 6, 16, 80), 0.052, -0.124, -0.0054),
    ],
)
def test_mcnemar_reproduces_published_examples(counts, p_value, low, high):
    test = mcnemar_test(*rights(*counts))
    assert test.p_value == pytest.approx(p_value, abs=5e-4)
    assert (test.low, test.high) == pytest.approx((low, high), abs=5e-4)
    assert test.difference == pytest.approx((counts[1] - counts[2]) / sum(counts))


def test_interval_equals_the_one_of_propcis():
    # scoreci.mp(28, 25, 618, conf.level = 0.9) of the R package PropCIs, signs as here.
    assert paired_difference_interval(28, 25, 618, 0.9) == pytest.approx(
        (-0.0148, 0.0247), abs=5e-5
    )


@given(*[st.integers(0, 60)] * 4)
def test_mcnemar_agrees_with_statsmodels(both, only_first, only_second, neither):
    if both + only_first + only_second + neither == 0:
        return
    test = mcnemar_test(*rights(both, only_first, only_second, neither))
    expected = mcnemar([[both, only_first], [only_second, neither]], exact=True).pvalue
    assert test.p_value == pytest.approx(min(1.0, expected), abs=1e-9)
    assert -1 <= test.low <= test.difference <= test.high <= 1


@pytest.mark.parametrize("n", range(1, 100))
def test_interval_of_models_that_are_never_right_together(n):
    low, high = paired_difference_interval(0, n, n)
    assert -1 <= low <= -1 + 1e-9 < high < 1
    assert paired_difference_interval(n, 0, n) == pytest.approx((-high, -low))


def test_interval_mirrors_when_the_models_swap():
    low, high = paired_difference_interval(12, 3, 200)
    assert paired_difference_interval(3, 12, 200) == pytest.approx((-high, -low))


def test_models_that_agree_everywhere_are_not_different():
    test = mcnemar_test([True, False, True], [True, False, True])
    assert (test.p_value, test.difference) == (1.0, 0.0)
    assert test.low < 0 < test.high
    assert cochran_test([[True, True], [False, False]]).p_value == 1.0


def test_different_rows_are_refused():
    with pytest.raises(ConfigurationError, match="same test set"):
        mcnemar_test([True], [True, False])


def test_cochran_reproduces_siegels_example():
    # Siegel (1956), Nonparametric Statistics, p. 163: 18 sets of three housewives, interviewed
    # in three ways; 13, 13 and 3 said yes; Q = 16.7, p < 0.001.
    rows = [(1, 1, 1)] * 2 + [(1, 1, 0)] * 10 + [(1, 0, 1), (0, 1, 0)] + [(0, 0, 0)] * 4
    test = cochran_test(np.array(rows, dtype=bool))
    assert test.statistic == pytest.approx(16.7, abs=0.05)
    assert test.degrees_of_freedom == 2
    assert test.p_value < 0.001
    assert test.effect_size == pytest.approx(16.667 / 36, abs=1e-3)


def test_cochran_of_two_models_is_mcnemars_chi_square():
    first, second = rights(40, 15, 5, 10)
    test = cochran_test(np.column_stack([first, second]))
    assert test.statistic == pytest.approx((15 - 5) ** 2 / (15 + 5))


def test_holm_reproduces_the_step_down_rule():
    # Holm (1979): the smallest of m is multiplied by m, the next by m - 1, never decreasing.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]).size == 0


@settings(max_examples=20)  # statsmodels takes a tenth of a second
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_agrees_with_statsmodels(p_values):
    expected = multipletests(p_values, method="holm")[1]
    assert holm(p_values) == pytest.approx(expected)


@given(st.lists(st.tuples(*[st.booleans()] * 4), min_size=1, max_size=40))
def test_cochran_agrees_with_statsmodels(rows):
    right = np.array(rows, dtype=int)
    test = cochran_test(right)
    if np.any(right.any(axis=1) != right.all(axis=1)):
        expected = cochrans_q(right)
        assert test.statistic == pytest.approx(expected.statistic)
        assert test.p_value == pytest.approx(expected.pvalue)
    else:
        assert (test.statistic, test.p_value) == (0.0, 1.0)


def test_group_holds_the_models_not_distinguishable_from_the_best():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, 2000)

    def wrong_on(fraction: float) -> np.ndarray:
        return np.where(rng.random(len(y)) < fraction, (y + 1) % 10, y)

    predictions = {"a": wrong_on(0.020), "b": wrong_on(0.022), "c": wrong_on(0.10), "d": y}
    outcome = compare_predictions(y, predictions, best="a")
    assert outcome.group == ["a", "b"]
    assert outcome.better == ["d"]
    assert len(outcome.pairs) == 6
    assert outcome.cochran.p_value < 1e-6
    by_pair = {(pair.first, pair.second): pair for pair in outcome.pairs}
    assert by_pair["a", "c"].significant
    assert by_pair["a", "c"].p_adjusted >= by_pair["a", "c"].p_value
    assert by_pair["a", "c"].low < by_pair["a", "c"].difference < by_pair["a", "c"].high


def test_one_model_has_nothing_to_be_compared_with():
    outcome = compare_predictions([0, 1], {"a": [0, 1]}, best="a")
    assert outcome.cochran is None
    assert (outcome.pairs, outcome.group) == ([], ["a"])
    with pytest.raises(ConfigurationError, match="no predictions"):
        compare_predictions([0, 1], {"a": [0, 1]}, best="b")
