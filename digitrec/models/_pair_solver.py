"""The support vector machine of two classes, fitted to the rows near its boundary."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from sklearn.svm import SVC

# Fewer rows than this are fitted at once: there is nothing to gain.
_LEAST_ROWS = 1000
# Share of each class's rows, those nearest to a linear boundary, that are fitted first. On the
# pairs of MNIST's digits with 150 features, 5 to 12 % take about the same time.
_SHARE_NEAR = 0.06
# At least so many rows of each class are fitted first.
_LEAST_NEAR = 50
# One row in so many is fitted first, whatever its distance from the boundary.
_SPREAD = 20
# Left-out rows with less margin than this join when any of them violates the conditions: so
# little beyond 1, they would violate them after the next fit.
_MARGIN_JOINING = 1.02
# Fits of chosen rows before all rows are fitted at once.
_MOST_ROUNDS = 6
# With a larger share of the rows chosen, one fit of all rows is faster.
_MOST_NEAR = 0.35
# Rows whose kernel with the support vectors is held at once.
_CHUNK_ROWS = 2048


class PairMachine(NamedTuple):
    """A fitted machine of two classes.

    Attributes
    ----------
    support : ndarray of int, shape (n_support,)
        Rows that are support vectors, ascending.
    coefficients : ndarray of float64, shape (n_support,)
        Positive for rows of the first class.
    intercept : float
        The margin is positive for the first class.
    n_iterations : int
        Iterations of libsvm over all fits.
    """

    support: NDArray[np.intp]
    coefficients: NDArray[np.float64]
    intercept: float
    n_iterations: int


def fit_pair(
    rows: NDArray,
    is_first: NDArray[np.bool_],
    *,
    C: float,
    gamma: float,
    tol: float = 1e-3,
    cache_size: float = 500,
    sample_weight: NDArray | None = None,
) -> PairMachine:
    """Fit the machine of two classes with libsvm; the solution is that on all rows.

    Only rows on or inside the margin become support vectors. So the rows nearest to a linear
    boundary are fitted first, all others are checked against the conditions of the solution
    (Karush, Kuhn and Tucker: a row without a coefficient has a margin of at least 1), and those
    that violate them join the next fit, until none is left.

    Parameters
    ----------
    rows : ndarray of float, shape (n_samples, n_features)
        Features of the rows of both classes.
    is_first : ndarray of bool, shape (n_samples,)
        Which rows are of the first class; both occur.
    C, gamma, tol, cache_size
        As `sklearn.svm.SVC` has them; gamma is a number.
    sample_weight : ndarray of float, shape (n_samples,), optional
        Factor of `C` for each row, positive.

    Returns
    -------
    PairMachine
    """

    def fit(chosen: NDArray[np.intp]) -> SVC:
        machine = SVC(C=C, gamma=gamma, tol=tol, cache_size=cache_size)
        weights = None if sample_weight is None else sample_weight[chosen]
        return machine.fit(rows[chosen], is_first[chosen], weights)

    n_iterations = 0
    everything = np.arange(len(rows))
    if len(rows) >= _LEAST_ROWS:
        near = _near_linear_boundary(rows, is_first)
        for _ in range(_MOST_ROUNDS):
            if near.mean() > _MOST_NEAR:
                break
            chosen = np.flatnonzero(near)
            machine = fit(chosen)
            n_iterations += int(machine.n_iter_.sum())
            bounds = C if sample_weight is None else C * sample_weight[chosen][machine.support_]
            size = np.abs(machine.dual_coef_[0])
            if np.all(size >= bounds * (1 - 1e-9)):
                # Without a row inside its bounds, the intercept depends on rows left out.
                break
            others = np.flatnonzero(~near)
            margins = _margins(rows[others], machine, gamma)
            margins[~is_first[others]] *= -1
            if not len(others) or margins.min() >= 1 - tol:
                return _result(machine, chosen, n_iterations)
            # No more than are fitted now, those of the least margins: many violate where none
            # of the first rows is near.
            joining = others[margins < _MARGIN_JOINING]
            if len(joining) > len(chosen):
                joining = others[np.argpartition(margins, len(chosen))[: len(chosen)]]
            near[joining] = True
    machine = fit(everything)
    return _result(machine, everything, n_iterations + int(machine.n_iter_.sum()))


def _result(machine: SVC, chosen: NDArray[np.intp], n_iterations: int) -> PairMachine:
    support = chosen[machine.support_]
    order = np.argsort(support)
    return PairMachine(
        support=support[order],
        coefficients=machine.dual_coef_[0][order],
        intercept=float(machine.intercept_[0]),
        n_iterations=n_iterations,
    )


def _near_linear_boundary(rows: NDArray, is_first: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mark the rows of each class with the least margins in a ridge regression of the classes."""
    centred = rows - rows.mean(axis=0)
    targets = np.where(is_first, 1.0, -1.0).astype(centred.dtype)
    gram = centred.T @ centred
    # A little of the mean variance keeps the equations solvable whatever the columns are.
    gram[np.diag_indices_from(gram)] += 1e-3 * np.trace(gram) / len(gram) + 1e-12
    weights = scipy.linalg.solve(gram, centred.T @ (targets - targets.mean()), assume_a="pos")
    scores = (centred @ weights) * targets
    near = np.zeros(len(rows), dtype=bool)
    for members in (np.flatnonzero(is_first), np.flatnonzero(~is_first)):
        count = min(len(members), max(_LEAST_NEAR, round(_SHARE_NEAR * len(members))))
        near[members[np.argpartition(scores[members], count - 1)[:count]]] = True
    # The kernel bends the boundary: some rows from everywhere take part.
    near[::_SPREAD] = True
    return near


def _margins(rows: NDArray, machine: SVC, gamma: float) -> NDArray[np.float64]:
    """Return the decision function; float32 products are exact enough for the check."""
    vectors = machine.support_vectors_
    centre = vectors.mean(axis=0)
    # Distances lose fewer digits around the origin.
    vectors = (vectors - centre).astype(np.float32)
    coefficients = machine.dual_coef_[0].astype(np.float32)
    norms = np.float32(gamma) * np.einsum("ij,ij->i", vectors, vectors)
    vectors *= np.float32(2 * gamma)
    margins = np.empty(len(rows))
    for start in range(0, len(rows), _CHUNK_ROWS):
        part = (rows[start : start + _CHUNK_ROWS] - centre).astype(np.float32)
        kernel = part @ vectors.T
        kernel -= norms
        kernel -= np.float32(gamma) * np.einsum("ij,ij->i", part, part)[:, None]
        np.exp(np.minimum(kernel, 0, out=kernel), out=kernel)
        margins[start : start + _CHUNK_ROWS] = kernel @ coefficients
    return margins + machine.intercept_[0]
