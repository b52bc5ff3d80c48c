"""What the caller knows of a number: its length, its pattern, its check digit, its values.

A `Constraint` says which strings of digits are possible. It is a finite automaton, so that the
search over the readings of a page (`digitrec.inference.lattice`) can follow it digit by digit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from digitrec.errors import ConfigurationError, check_choice

State = tuple[int, int, int]
"""Digits read so far, sum of the check so far, node of the tree of allowed values."""
MAX_DIGITS = 100
"""Digits of the longest number that is looked for."""
START: State = (0, 0, 0)
_ALL = frozenset(range(10))


@dataclass(frozen=True)
class _Rule:
    """A check digit: the weighted sum of all digits leaves a remainder.

    Attributes
    ----------
    modulus, remainder : int
    value : callable
        ``value(place, digit)``, what a digit adds; places count from the right, from 0.
    lengths : frozenset of int, optional
        Digits that such a number has; any from two on where None.
    """

    modulus: int
    remainder: int
    value: Callable[[int, int], int]
    lengths: frozenset[int] | None = None


def _luhn(place: int, digit: int) -> int:
    return digit if place % 2 == 0 else sum(divmod(2 * digit, 10))


_EAN = _Rule(
    10, 0, lambda place, digit: digit * (3 if place % 2 else 1), frozenset((8, 12, 13, 14))
)
_ISBN10 = _Rule(11, 0, lambda place, digit: digit * (place + 1), frozenset((10,)))
_ISBN13 = _Rule(10, 0, _EAN.value, frozenset((13,)))

CHECKS: dict[str, tuple[_Rule, ...]] = {
    "luhn": (_Rule(10, 0, _luhn),),
    "ean": (_EAN,),
    "isbn": (_ISBN10, _ISBN13),
    "isbn10": (_ISBN10,),
    "isbn13": (_ISBN13,),
    # The check digit counts once, those before it 2, 3, … 7, 2, 3, …
    "mod11": (
        _Rule(11, 0, lambda place, digit: digit * (1 if not place else 2 + (place - 1) % 6)),
    ),
    # ISO 7064: the number leaves 1 when divided by 97.
    "mod97": (_Rule(97, 1, lambda place, digit: digit * pow(10, place, 97)),),
}
"""Names of check digits and their rules. Luhn: payment cards; EAN: 8, 12, 13 or 14 digits; ISBN
of 10 (an X as check digit is not read) or of 13 digits; mod 11 with weights 2 to 7; mod 97 of
ISO 7064."""


@dataclass(frozen=True, eq=False)
class Constraint:
    """Strings of digits of one length that are possible.

    Attributes
    ----------
    n_digits : int
    places : tuple of frozenset of int
        Digits possible at each place.
    rule : _Rule, optional
        Check digit.
    nodes : tuple of dict, optional
        Tree of the allowed values: the node that each digit leads to.
    """

    n_digits: int
    places: tuple[frozenset[int], ...]
    rule: _Rule | None = None
    nodes: tuple[dict[int, int], ...] | None = None

    def step(self, state: State, digit: int) -> State | None:
        """Return the state after one more digit, None where it is not possible."""
        count, total, node = state
        if count == self.n_digits or digit not in self.places[count]:
            return None
        if self.nodes is not None:
            if digit not in self.nodes[node]:
                return None
            node = self.nodes[node][digit]
        if self.rule is not None:
            total = (total + self.rule.value(self.n_digits - 1 - count, digit)) % self.rule.modulus
        return count + 1, total, node

    def accepts(self, state: State) -> bool:
        """Return whether a state is the end of a possible string."""
        count, total, _ = state
        return count == self.n_digits and (self.rule is None or total == self.rule.remainder)

    def fits(self, text: str) -> bool:
        """Return whether a string of digits is possible."""
        state: State | None = START
        for character in text:
            state = None if state is None else self.step(state, int(character))
        return state is not None and self.accepts(state)


@dataclass(frozen=True, eq=False)
class Constraints:
    """All that a caller knows, before the number of digits on the page is known.

    Attributes
    ----------
    expected : int, optional
    pattern : tuple of frozenset of int, optional
        Digits possible at each place.
    shape : str
        The pattern with ``0`` for each digit and its separators in place; empty without any.
    rules : tuple of _Rule
    values : dict of str to str
        Digits of each allowed value, and the value as it was given.
    """

    expected: int | None = None
    pattern: tuple[frozenset[int], ...] | None = None
    shape: str = ""
    rules: tuple[_Rule, ...] = ()
    values: dict[str, str] | None = None

    @property
    def only_length(self) -> bool:
        """Whether nothing is known but how many digits there are."""
        return self.pattern is None and not self.rules and self.values is None

    @property
    def n_digits(self) -> int | None:
        """Number of digits, where only one is possible."""
        lengths = {c.n_digits for c in self.of_lengths((0, 1))}
        return lengths.pop() if len(lengths) == 1 else None

    def of_lengths(self, lengths: Iterable[int]) -> list[Constraint]:
        """Return one constraint for each possible number of digits and rule.

        Parameters
        ----------
        lengths : iterable of int
            Numbers of digits to try where none is known.
        """
        if self.values is not None:
            possible = {len(value) for value in self.values}
        elif self.pattern is not None:
            possible = {len(self.pattern)}
        elif self.expected is not None:
            possible = {self.expected}
        elif self.rules and all(rule.lengths for rule in self.rules):
            possible = set().union(*(rule.lengths or () for rule in self.rules))
        else:
            possible = set(lengths)
        found = []
        for n in sorted(possible):
            if self.expected not in (None, n) or (self.pattern and len(self.pattern) != n):
                continue
            places = self.pattern or (_ALL,) * n
            nodes = None
            if self.values is not None:
                nodes = _tree([value for value in self.values if len(value) == n])
            if not self.rules:
                found.append(Constraint(n, places, None, nodes))
            for rule in self.rules:
                if n >= 2 and (rule.lengths is None or n in rule.lengths):
                    found.append(Constraint(n, places, rule, nodes))
        return found

    def format(self, digits: str) -> str:
        """Return digits as the pattern or the list of values writes them."""
        if self.values is not None and digits in self.values:
            return self.values[digits]
        remaining = iter(digits)
        return "".join(next(remaining) if c == "0" else c for c in self.shape) or digits


def make_constraints(
    *,
    expected: int | None = None,
    pattern: str | None = None,
    check: str | None = None,
    allowed: Iterable[str | int] | None = None,
) -> Constraints | None:
    """Return what a caller knows of a number, None where that is nothing.

    Parameters
    ----------
    expected : int, optional
        Number of digits.
    pattern : str, optional
        As `parse_pattern` takes it.
    check : str, optional
        A name of `CHECKS`.
    allowed : iterable of str or int, optional
        Values; what is no digit in them is not read.

    Raises
    ------
    ConfigurationError
        If an option has no sense, or no number meets all of them.

    Examples
    --------
    >>> known = make_constraints(pattern="dd.dd.dddd")
    >>> known.format("24121998")
    '24.12.1998'
    """
    if expected is None and pattern is None and check is None and allowed is None:
        return None
    if expected is not None and not 1 <= expected <= MAX_DIGITS:
        raise ConfigurationError(f"expected must lie in 1–{MAX_DIGITS}, not {expected!r}")
    places, shape = (None, "") if pattern is None else parse_pattern(pattern)
    rules: tuple[_Rule, ...] = ()
    if check is not None:
        check_choice("check", check, tuple(CHECKS))
        rules = CHECKS[check]
    values = None if allowed is None else _read_values(allowed)
    known = Constraints(expected, places, shape, rules, values)
    if not known.of_lengths(range(1, MAX_DIGITS + 1)):
        raise ConfigurationError(
            "no number meets all that is asked for: check the numbers of digits of "
            f"expected={expected!r}, pattern={pattern!r}, check={check!r} and the allowed values"
        )
    if values is not None:
        constraints = known.of_lengths(())
        if not any(
            c.fits(value) for value in values for c in constraints if c.n_digits == len(value)
        ):
            raise ConfigurationError("none of the allowed values has the pattern and check digit")
    return known


_TOKEN = re.compile(r"d|[0-9]|\[(?P<set>[0-9-]+)\]")
_REPEAT = re.compile(r"\{(\d{1,3})\}")


def parse_pattern(pattern: str) -> tuple[tuple[frozenset[int], ...], str]:
    """Return which digits a pattern has at each place, and its shape.

    Parameters
    ----------
    pattern : str
        ``d`` for any digit, a digit for itself, ``[01]`` or ``[0-3]`` for some; each may be
        repeated, as in ``d{5}``. Spaces and punctuation stand for what is printed between the
        digits; they are not read.

    Returns
    -------
    places : tuple of frozenset of int
    shape : str
        ``0`` for each digit, and the separators.

    Raises
    ------
    ConfigurationError
        If the pattern has another sign, or no digit.

    Examples
    --------
    >>> places, shape = parse_pattern("[0-3]d.[01]d")
    >>> [sorted(digits) for digits in places[::2]], shape
    ([[0, 1, 2, 3], [0, 1]], '00.00')
    """
    places: list[frozenset[int]] = []
    shape = ""
    position = 0
    while position < len(pattern):
        token = _TOKEN.match(pattern, position)
        if token is None:
            sign = pattern[position]
            if sign.isalnum() or sign in "[]{}":
                raise ConfigurationError(
                    f"pattern {pattern!r}: {sign!r} at place {position + 1} is not understood; "
                    "use d for a digit, 0–9 for itself, [0-3] for some, d{5} for five, and "
                    "punctuation or spaces between"
                )
            shape += sign
            position += 1
            continue
        digits = _digits_of(token, pattern)
        position = token.end()
        repeat = _REPEAT.match(pattern, position)
        count = 1 if repeat is None else int(repeat[1])
        position = position if repeat is None else repeat.end()
        places += [digits] * count
        shape += "0" * count
        if len(places) > MAX_DIGITS:
            raise ConfigurationError(f"pattern {pattern!r} has more than {MAX_DIGITS} digits")
    if not places:
        raise ConfigurationError(f"pattern {pattern!r} has no digits; write d for each")
    return tuple(places), shape


def _digits_of(token: re.Match[str], pattern: str) -> frozenset[int]:
    inside = token["set"]
    if inside is None:
        return _ALL if token[0] == "d" else frozenset((int(token[0]),))
    digits: set[int] = set()
    for part in re.findall(r"\d-\d|\d|-", inside):
        if part == "-" or part[0] > part[-1]:
            raise ConfigurationError(
                f"pattern {pattern!r}: {token[0]!r} is no set of digits; write [012] or [0-2]"
            )
        digits |= set(range(int(part[0]), int(part[-1]) + 1))
    return frozenset(digits)


def split_values(text: str) -> list[str]:
    """Return the values of a comma-separated list.

    Examples
    --------
    >>> split_values("10115, 10117,")
    ['10115', '10117']
    """
    return [value for value in (part.strip() for part in text.split(",")) if value]


def _read_values(allowed: Iterable[str | int]) -> dict[str, str]:
    values: dict[str, str] = {}
    for value in [allowed] if isinstance(allowed, str) else allowed:
        text = str(value).strip()
        digits = "".join(c for c in text if c in "0123456789")
        if not digits:
            raise ConfigurationError(f"allowed value {text[:40]!r} has no digits")
        if len(digits) > MAX_DIGITS:
            raise ConfigurationError(
                f"allowed value {text[:40]!r}… has more than {MAX_DIGITS} digits"
            )
        if values.setdefault(digits, text) != text:
            raise ConfigurationError(
                f"allowed values {values[digits]!r} and {text!r} have the same digits"
            )
    if not values:
        raise ConfigurationError("the list of allowed values is empty")
    return values


def _tree(values: Sequence[str]) -> tuple[dict[int, int], ...]:
    nodes: list[dict[int, int]] = [{}]
    for value in values:
        node = 0
        for digit in map(int, value):
            if digit not in nodes[node]:
                nodes[node][digit] = len(nodes)
                nodes.append({})
            node = nodes[node][digit]
    return tuple(nodes)
