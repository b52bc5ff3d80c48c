"""The likeliest reading that meets a constraint, against the enumeration of all readings."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digitrec.inference.constraints import make_constraints
from digitrec.inference.lattice import Edge, Lattice, Step, solve
from digitrec.inference.parameters import NUMBER

KNOWN = [
    {"expected": 2},
    {"pattern": "[0-4]d.d"},
    {"check": "luhn", "expected": 3},
    {"check": "mod11", "expected": 2},
    {"allowed": ["12", "345", "77", "9081"]},
    {"allowed": range(100, 999), "check": "luhn"},
]


@st.composite
def lattices(draw) -> Lattice:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(1, 3))

    def step() -> Step:
        return Step(rng.dirichlet(np.full(10, 0.7)) * rng.uniform(0.2, 0.99) + 1e-3, 0)

    edges = [Edge(i, i + 1, (step(),)) for i in range(n)]
    edges += [
        Edge(i, i + 1, tuple(step() for _ in range(draw(st.integers(2, 3)))), 0.1)
        for i in draw(st.sets(st.integers(0, n - 1), max_size=1))
    ]
    edges += [Edge(i, i + 2, (step(),), 0.05) for i in range(n - 1) if draw(st.booleans())]
    return Lattice(rng.uniform(0.01, 0.9, n), edges)


def enumerate_readings(lattice: Lattice) -> dict[str, float]:
    found: dict[str, float] = defaultdict(float)

    def walk(place: int, text: str, weight: float) -> None:
        if place == len(lattice.skip):
            found[text] += weight
            return
        walk(place + 1, text, weight * lattice.skip[place])
        for edge in lattice.edges:
            if edge.start != place:
                continue
            ways = [(text, weight * edge.prior)]
            for step in edge.steps:
                ways = [(t + str(d), w * step.probabilities[d]) for t, w in ways for d in range(10)]
            for longer, product in ways:
                walk(edge.stop, longer, product)

    walk(0, "", 1.0)
    return found


@settings(max_examples=30)
@given(lattices(), st.sampled_from(KNOWN))
def test_the_likeliest_reading_is_that_of_the_enumeration(lattice, options):
    known = make_constraints(**options)
    constraints = known.of_lengths([])
    everything = enumerate_readings(lattice)
    fitting = {t: p for t, p in everything.items() if any(c.fits(t) for c in constraints)}
    with pytest.MonkeyPatch.context() as patch:
        # With all strings kept, the sums are exact.
        every = replace(NUMBER, kept_strings=10**6)
        patch.setattr("digitrec.inference.lattice.NUMBER", every)
        solution = solve(lattice, known)
    if not fitting:
        assert solution is None
        return
    ranked = sorted(fitting, key=lambda text: -fitting[text])
    mass = sum(fitting.values())
    assert solution.digits == ranked[0]
    assert solution.probability == pytest.approx(fitting[ranked[0]] / mass)
    assert solution.fit == pytest.approx(mass / sum(everything.values()))
    if len(ranked) > 1:
        assert solution.runner_up == ranked[1]
        assert solution.runner_up_probability == pytest.approx(fitting[ranked[1]] / mass)
    assert "".join(str(digit) for _, digit in solution.steps) == solution.digits


def test_a_hundred_pieces_neither_vanish_nor_overflow():
    sure = np.full(10, 1e-4)
    sure[3] = 0.99
    edges = [Edge(i, i + 1, (Step(sure, i),)) for i in range(100)]
    solution = solve(Lattice(np.full(100, 0.001), edges), make_constraints(expected=98))
    assert solution.digits == "3" * 98
    assert 0 < solution.probability <= 1
    assert 0 < solution.fit < 1e-2


def test_digits_that_seem_impossible_are_tried_where_nothing_else_fits():
    sure = np.zeros(10)
    sure[1] = 1.0
    lattice = Lattice(np.zeros(2), [Edge(i, i + 1, (Step(sure, i),)) for i in range(2)])
    solution = solve(lattice, make_constraints(allowed=["27"]))
    assert solution.digits == "27"
    assert solution.fit < 1e-9
