"""Checks of a run for faults in data, fits and times; functions with the decorator `check`."""

from digitrec.analyses.checks._analysis import ANALYSIS, found_warnings
from digitrec.analyses.checks._check import CHECKS, Check, Finding

__all__ = ["ANALYSIS", "CHECKS", "Check", "Finding", "found_warnings"]
