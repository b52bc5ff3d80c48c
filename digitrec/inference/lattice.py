"""The readings that a row of pieces of ink can have, and the likeliest that meets a constraint.

Each piece is no digit, one digit, or two or three that touch; two neighbours may be one digit that
is broken. All ways to read a page are the paths of a graph from its first piece to its last.
Their probabilities are summed exactly for each string of digits, by dynamic programming over the
places of the graph and the states of the constraint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from digitrec.inference.constraints import START, Constraint, Constraints, State
from digitrec.inference.parameters import NUMBER

_Path = tuple[tuple[int, int], ...]
"""Item and digit of each step."""
_Ranked = tuple[str, float, float, _Path]
"""A string, its probability, that of its likeliest path, and that path."""
_Way = tuple[State, float, str, _Path]
"""A state that an edge leads to, with which factor, digits and path."""


@dataclass(frozen=True, eq=False)
class Step:
    """One digit of an edge.

    Attributes
    ----------
    probabilities : ndarray, shape (10,)
        Probability that this ink is each digit; the rest to 1 is that it is none.
    item : int
        Which of the caller's pieces, parts and joined pieces it is.
    """

    probabilities: NDArray[np.float64]
    item: int


@dataclass(frozen=True, eq=False)
class Edge:
    """Some neighbouring pieces read as some digits.

    Attributes
    ----------
    start, stop : int
        First piece, and the one after the last.
    steps : tuple of Step
        Digits from left to right.
    prior : float
        Probability of this way to cut or join before its digits are looked at.
    """

    start: int
    stop: int
    steps: tuple[Step, ...]
    prior: float = 1.0


@dataclass(frozen=True, eq=False)
class Lattice:
    """All ways to read some pieces in reading order.

    Attributes
    ----------
    skip : ndarray, shape (n,)
        Probability that each piece is no digit.
    edges : list of Edge
    """

    skip: NDArray[np.float64]
    edges: list[Edge] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Solution:
    """The likeliest string that meets a constraint.

    Attributes
    ----------
    digits : str
    steps : tuple of (int, int)
        Item and digit of each step of its likeliest path.
    probability : float
        That it is the number, 0–1, where the caller is right about the number.
    fit : float
        Share of all readings' probability that meets the constraint, 0–1.
    runner_up : str or None
    runner_up_probability : float
    """

    digits: str
    steps: _Path
    probability: float
    fit: float
    runner_up: str | None = None
    runner_up_probability: float = 0.0


@dataclass(eq=False)
class _Reached:
    """What leads to one state at one place: probability of all strings, and the likeliest."""

    mass: float = 0.0
    strings: dict[str, tuple[float, float, _Path]] = field(default_factory=dict)

    def add(
        self,
        mass: float,
        strings: list[_Ranked],
    ) -> None:
        self.mass += mass
        for text, total, best, steps in strings:
            known = self.strings.get(text)
            if known is None:
                self.strings[text] = (total, best, steps)
            else:
                longest = (best, steps) if best > known[1] else known[1:]
                self.strings[text] = (known[0] + total, *longest)

    def likeliest(self) -> list[_Ranked]:
        ranked = sorted(self.strings.items(), key=lambda entry: -entry[1][0])
        return [(text, *facts) for text, facts in ranked[: NUMBER.kept_strings]]


def solve(lattice: Lattice, known: Constraints) -> Solution | None:
    """Return the likeliest string of digits that meets what is known.

    Returns
    -------
    Solution or None
        None where no reading meets it.

    Examples
    --------
    >>> from digitrec.inference.constraints import make_constraints
    >>> sure = np.full(10, 0.01)
    >>> sure[7] = 0.9
    >>> doubtful = np.full(10, 0.01)
    >>> doubtful[[1, 4]] = 0.5, 0.4
    >>> edges = [Edge(0, 1, (Step(sure, 0),)), Edge(1, 2, (Step(doubtful, 1),))]
    >>> solution = solve(Lattice(np.array([0.02, 0.02]), edges), make_constraints(allowed=[74, 12]))
    >>> solution.digits, solution.runner_up
    ('74', '12')
    """
    likely = float(np.sum(1 - lattice.skip))
    lengths = range(
        max(1, int(likely) - NUMBER.spare_lengths), int(likely) + 2 + NUMBER.spare_lengths
    )
    constraints = known.of_lengths(lengths)
    for least_share in (NUMBER.min_share, 0.0):
        ends = [end for c in constraints if (end := _search(lattice, c, least_share)) is not None]
        if ends:
            return _decide(ends, _mass_of_all(lattice))
    return None


def _decide(ends: list[_Reached], everything: float) -> Solution:
    # Rules of one name, such as ISBN of 10 and 13 digits, share the answer.
    mass = sum(end.mass for end in ends)
    merged = _Reached()
    for end in ends:
        merged.add(end.mass, [(text, *facts) for text, facts in end.strings.items()])
    ranked = merged.likeliest()
    digits, total, _, steps = ranked[0]
    second = ranked[1] if len(ranked) > 1 else None
    return Solution(
        digits=digits,
        steps=steps,
        probability=total / mass,
        fit=min(1.0, mass / everything),
        runner_up=None if second is None else second[0],
        runner_up_probability=0.0 if second is None else second[1] / mass,
    )


def _relative(edge: Edge, lattice: Lattice) -> float:
    """Return an edge's prior over the probability that all its pieces are no digits.

    Probabilities relative to "no digit at all" neither vanish nor depend on pieces passed over.
    """
    return edge.prior / float(np.prod(_skips(lattice)[edge.start : edge.stop]))


def _skips(lattice: Lattice) -> NDArray[np.float64]:
    return np.clip(lattice.skip, NUMBER.min_skip, 1.0)


def _mass_of_all(lattice: Lattice) -> float:
    """Return the sum over all readings, of any length."""
    mass = np.zeros(len(lattice.skip) + 1)
    mass[0] = 1.0
    by_start = _by_start(lattice)
    for place in range(len(lattice.skip)):
        mass[place + 1] += mass[place]
        for edge in by_start[place]:
            weight = _relative(edge, lattice)
            for step in edge.steps:
                weight *= float(np.maximum(step.probabilities, NUMBER.min_digit).sum())
            mass[edge.stop] += mass[place] * weight
    return float(mass[-1])


def _by_start(lattice: Lattice) -> list[list[Edge]]:
    by_start: list[list[Edge]] = [[] for _ in range(len(lattice.skip) + 1)]
    for edge in lattice.edges:
        by_start[edge.start].append(edge)
    return by_start


def _search(lattice: Lattice, constraint: Constraint, least_share: float) -> _Reached | None:
    """Return the strings that meet a constraint at the end of the graph, None without any."""
    n_places = len(lattice.skip)
    by_start = _by_start(lattice)
    reached: list[dict[State, _Reached]] = [{} for _ in range(n_places + 1)]
    reached[0][START] = _Reached(1.0, {"": (1.0, 1.0, ())})
    for place in range(n_places):
        for state, here in reached[place].items():
            strings = here.likeliest()
            _reach(reached[place + 1], state, here.mass, strings)
            for edge in by_start[place]:
                weight = _relative(edge, lattice)
                ways: list[_Way] = [(state, weight, "", ())]
                for step in edge.steps:
                    ways = _follow(ways, step, constraint, least_share)
                for state_after, factor, text, steps in ways:
                    longer = [
                        (known + text, total * factor, best * factor, (*path, *steps))
                        for known, total, best, path in strings
                    ]
                    _reach(reached[edge.stop], state_after, here.mass * factor, longer)
        reached[place] = {}
    accepted = [end for state, end in reached[-1].items() if constraint.accepts(state)]
    if not accepted:
        return None
    merged = _Reached()
    for end in accepted:
        merged.add(end.mass, end.likeliest())
    return merged


def _reach(
    reached: dict[State, _Reached],
    state: State,
    mass: float,
    strings: list[_Ranked],
) -> None:
    reached.setdefault(state, _Reached()).add(mass, strings)


def _follow(
    ways: Sequence[_Way],
    step: Step,
    constraint: Constraint,
    least_share: float,
) -> list[_Way]:
    """Return the ways that some ways become with one more digit."""
    probabilities = np.maximum(step.probabilities, NUMBER.min_digit)
    tried = np.flatnonzero(probabilities >= least_share * probabilities.max()).tolist()
    return [
        (end, factor * float(probabilities[digit]), f"{text}{digit}", (*steps, (step.item, digit)))
        for state, factor, text, steps in ways
        for digit in tried
        if (end := constraint.step(state, digit)) is not None
    ]
