"""Compare models on any data with one call, and inspect the result."""

from digitrec.comparison.comparison import Comparison, read_comparison
from digitrec.comparison.run import compare

__all__ = ["Comparison", "compare", "read_comparison"]
