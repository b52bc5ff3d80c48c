"""Tests between models that answered the same rows, folds or datasets."""

ALPHA = 0.05
"""Level of significance; of several tests, over all of them."""
