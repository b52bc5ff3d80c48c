"""Tests between models that answered the same rows, folds or datasets."""
