"""Checks of a run: what a careful reviewer would ask, one module each.

A module whose name has no leading underscore is a check: it holds a record `CHECK`, and nothing
else needs to know of it.
"""

from digitrec.analyses.checks._analysis import ANALYSIS, found_warnings
from digitrec.analyses.checks._check import CHECKS, Check, Finding

__all__ = ["ANALYSIS", "CHECKS", "Check", "Finding", "found_warnings"]
