"""Compare two runs, model by model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from digitrec.errors import DigitrecError
from digitrec.evaluation.result import Result, Run
from digitrec.statistics.paired import PairedTest, holm, mcnemar_test

Verdict = Literal["better", "worse", "same", "failed", "recovered", "new", "gone"]
_TIMES = ("fit_seconds", "predict_seconds", "latency_p50_ms")


@dataclass(frozen=True, kw_only=True)
class ModelChange:
    """One model in two runs.

    Attributes
    ----------
    stem : str
        Features, model and seed.
    verdict : {"better", "worse", "same", "failed", "recovered", "new", "gone"}
        Significantly better or worse in the second run, or neither; failed in the second run
        only, or in the first only; in the second run only, or in the first only.
    test : PairedTest or None
        Second run (its `first`) against first run (its `second`).
    p_adjusted : float or None
        p-value after Holm's correction over all models.
    ratios : mapping of str to float
        Second run's time over the first's: ``fit_seconds``, ``predict_seconds``,
        ``latency_p50_ms``; less than 1 is faster.
    reason : str
        Why the job failed in the second run.
    """

    stem: str
    verdict: Verdict
    test: PairedTest | None
    p_adjusted: float | None
    ratios: Mapping[str, float]
    reason: str = ""

    @property
    def is_loss(self) -> bool:
        """Whether the second run is worse: significantly less accurate, or failed."""
        return self.verdict in ("worse", "failed")


def compare_runs(
    first: Run,
    second: Run,
    first_right: Mapping[str, ArrayLike],
    second_right: Mapping[str, ArrayLike],
    *,
    alpha: float = 0.05,
) -> list[ModelChange]:
    """Compare the models of two runs on the same test rows.

    Parameters
    ----------
    first, second : Run
        The runs; the second is judged against the first.
    first_right, second_right : mapping of str to array-like of bool
        For each `Result.key` whether the model got each test row right.
    alpha : float
        Chance, 0–1, of calling any model changed where none is.

    Returns
    -------
    list of ModelChange
        In the order of the first run, new models last.

    Raises
    ------
    DigitrecError
        If predictions of a model that succeeded are missing.
    """
    before = {result.stem: result for result in first.results}
    after = {result.stem: result for result in second.results}
    tests = {
        stem: mcnemar_test(
            _rows(second_right, after[stem], "second"), _rows(first_right, result, "first")
        )
        for stem, result in before.items()
        if result.ok and stem in after and after[stem].ok
    }
    adjusted = dict(zip(tests, holm([test.p_value for test in tests.values()]), strict=True))
    return [
        ModelChange(
            stem=stem,
            verdict=_verdict(before.get(stem), after.get(stem), tests.get(stem), adjusted, alpha),
            test=tests.get(stem),
            p_adjusted=float(adjusted[stem]) if stem in adjusted else None,
            ratios=_ratios(before.get(stem), after.get(stem)),
            reason=after[stem].reason if stem in after else "",
        )
        for stem in dict.fromkeys([*before, *after])
    ]


def _rows(right: Mapping[str, ArrayLike], result: Result, which: str) -> ArrayLike:
    if result.key not in right:
        raise DigitrecError(
            f"the {which} run has no stored predictions of {result.stem!r}; they belong into "
            "the folder predictions next to its results.json"
        )
    return np.asarray(right[result.key], dtype=bool)


def _verdict(
    before: Result | None,
    after: Result | None,
    test: PairedTest | None,
    adjusted: Mapping[str, float],
    alpha: float,
) -> Verdict:
    if before is None:
        return "new"
    if after is None:
        return "gone"
    if test is None:
        if before.ok:
            return "failed"
        return "recovered" if after.ok else "same"
    if adjusted[before.stem] >= alpha:
        return "same"
    return "better" if test.difference > 0 else "worse"


def _ratios(before: Result | None, after: Result | None) -> dict[str, float]:
    ratios = {}
    for name in _TIMES:
        old, new = getattr(before, name, None), getattr(after, name, None)
        if old and new is not None:
            ratios[name] = new / old
    return ratios
