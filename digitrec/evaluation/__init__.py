"""One job (dataset, features, model, seed) -> `Result`; the runner of many; metrics, statistics."""

from digitrec.evaluation.result import Result, Run, Status, read_run, write_run

__all__ = ["Result", "Run", "Status", "read_run", "write_run"]
