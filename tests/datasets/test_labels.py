import pytest
from hypothesis import given
from hypothesis import strategies as st

from digitrec.datasets import digit_of_name, digits_of_names

WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
FORMS = [
    "{0}", "0{0}", "00{0}", " {0} ", "{0}.0", "digit_{0}", "digit{0}", "Digit {0}", "class {0}",
    "Class-0{0}", "label={0}", "num{0}", "{1}", "{0} - {1}", "{1}_{0}", "digit_{1}",
]  # fmt: skip


@given(st.sampled_from(FORMS), st.integers(0, 9), st.sampled_from([str, str.upper, str.title]))
def test_names_that_mean_a_digit(form, digit, case):
    assert digit_of_name(case(form.format(digit, WORDS[digit]))) == digit


@pytest.mark.parametrize(
    "name",
    ["", "a", "10", "-1", "1.5", "7a", "ten", "3/4", "1 2", "3 - four", "letter 7", None, True],
)
def test_names_that_mean_none(name):
    assert digit_of_name(name) is None


@given(st.permutations(range(10)), st.sampled_from(FORMS))
def test_sets_of_ten(order, form):
    assert digits_of_names([form.format(d, WORDS[d]) for d in order]) == tuple(order)


@given(st.permutations(range(1, 11)))
def test_ten_means_zero_where_the_classes_count_from_one(order):
    assert digits_of_names(order) == tuple(number % 10 for number in order)


@pytest.mark.parametrize(
    ("names", "digits"),
    [
        (["1", "one"], (None, None)),
        (["0", "00", "5"], (None, None, None)),
        (["0", "1", "other"], (0, 1, None)),
        (["9", "10", "11"], (9, None, None)),
        ([], ()),
    ],
)
def test_other_sets(names, digits):
    assert digits_of_names(names) == digits
