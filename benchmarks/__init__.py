"""Experiments that measure the claims of the documentation."""
