"""Fit and score models: one job (dataset, features, model, seed) gives one `Result`."""

from digitrec.evaluation.result import Result, Run, Status, read_run, write_run

__all__ = ["Result", "Run", "Status", "read_run", "write_run"]
