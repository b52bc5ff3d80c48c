"""What a caller knows of a number: check digits, patterns, values."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digitrec.errors import ConfigurationError
from digitrec.inference.constraints import CHECKS, make_constraints, parse_pattern

VALID = {
    "luhn": ["4539148803436467", "79927398713", "0869", "18"],
    "ean": ["4006381333931", "73513537", "036000291452", "10012345678902"],
    "isbn": ["9780306406157", "0306406152"],
    "isbn10": ["0306406152"],
    "isbn13": ["9780306406157"],
    # 0·6 + 3·5 + 6·4 + 5·3 + 3·2 + 6 = 66 = 6·11
    "mod11": ["036536"],
    # An IBAN with its letters as numbers, and moved to the end: GB82 WEST 1234 5698 7654 32.
    "mod97": ["3214282912345698765432161182"],
}


def fits(check: str, text: str) -> bool:
    known = make_constraints(check=check)
    return any(c.fits(text) for c in known.of_lengths([len(text)]) if c.n_digits == len(text))


@pytest.mark.parametrize("check", CHECKS)
def test_published_examples(check):
    for text in VALID[check]:
        assert fits(check, text)
        if check != "mod97":
            assert not fits(check, text[:-1] + str((int(text[-1]) + 1) % 10))


@given(st.sampled_from(sorted(CHECKS)), st.data())
def test_one_wrong_digit_is_found(check, data):
    text = data.draw(st.sampled_from(VALID[check]))
    place = data.draw(st.integers(0, len(text) - 1))
    digit = data.draw(st.sampled_from([d for d in "0123456789" if d != text[place]]))
    assert not fits(check, text[:place] + digit + text[place + 1 :])


@given(st.text("0123456789", min_size=2, max_size=20))
def test_luhn_and_mod97_by_their_definitions(text):
    total = sum(
        int(c) if i % 2 == 0 else sum(map(int, str(2 * int(c)))) for i, c in enumerate(text[::-1])
    )
    assert fits("luhn", text) == (total % 10 == 0)
    assert fits("mod97", text) == (int(text) % 97 == 1)


TOKENS = st.sampled_from(["d", "7", "[01]", "[0-3]", "[2468]", ".", "-", " ", "/", "d{2}"])


@given(st.lists(TOKENS, min_size=1, max_size=8), st.text("0123456789", max_size=12))
def test_patterns_mean_what_regular_expressions_mean(tokens, text):
    pattern = "".join(tokens)
    expression = re.sub(
        "[^]d0-9{}[-]|(?<![0-9])-(?![0-9])", "", "".join(t for t in tokens if t != "-")
    )
    if not re.search("[d0-9]", pattern):
        with pytest.raises(ConfigurationError, match="no digits"):
            make_constraints(pattern=pattern)
        return
    known = make_constraints(pattern=pattern)
    (constraint,) = known.of_lengths([])
    wanted = re.fullmatch(expression.replace("d", "[0-9]"), text) is not None
    assert constraint.fits(text) == wanted
    if wanted:
        formatted = known.format(text)
        assert re.sub("[^0-9]", "", formatted) == text
        assert len(formatted) == len(parse_pattern(pattern)[1])


@pytest.mark.parametrize(
    "pattern", ["", "..", "x", "d[", "[a]", "[3-1]", "d{", "[-]", "d{101}", "ddé"]
)
def test_patterns_that_mean_nothing_are_refused(pattern):
    with pytest.raises(ConfigurationError, match="pattern"):
        make_constraints(pattern=pattern)


@given(st.sets(st.integers(0, 99999), min_size=1, max_size=30), st.integers(0, 99999))
def test_lists_of_values(values, other):
    known = make_constraints(allowed=values)
    for value in [*values, other]:
        accepted = any(c.fits(str(value)) for c in known.of_lengths([]))
        assert accepted == (value in values)


def test_values_keep_their_form():
    known = make_constraints(allowed=["12.05.1998", "AB-7"])
    assert known.format("12051998") == "12.05.1998"
    assert known.format("7") == "AB-7"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"expected": 0}, "expected must lie in"),
        ({"expected": 4, "pattern": "ddd"}, "no number meets"),
        ({"expected": 4, "check": "ean"}, "no number meets"),
        ({"allowed": []}, "empty"),
        ({"allowed": ["abc"]}, "has no digits"),
        ({"allowed": ["1-2", "12"]}, "same digits"),
        ({"allowed": ["12"], "pattern": "[34]d"}, "none of the allowed values"),
        ({"allowed": ["12"], "check": "luhn"}, "none of the allowed values"),
        ({"check": "crc"}, "check"),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(ConfigurationError, match=message):
        make_constraints(**options)


def test_nothing_known():
    assert make_constraints() is None
