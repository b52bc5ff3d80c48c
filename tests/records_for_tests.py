"""Records of jobs and runs as the runner makes them, without what a test does not look at."""

from digitrec.evaluation.result import Result, Run, RunDataset


def make_result(model, validation=None, **fields):
    """Return the record of a job on raw pixels of ``digits``."""
    features, seed = fields.get("features", "raw"), fields.get("random_state", 0)
    common = {
        "key": f"{features}-{model}-{seed}",
        "dataset": "digits",
        "features": features,
        "parameters": {},
        "random_state": seed,
        "status": "ok",
        "n_train": 10,
        "n_validation": 10,
        "n_test": 1000,
        "fit_seconds": 1.0,
        "latency_p50_ms": 1.0,
        "data_fingerprint": "0" * 16,
        "versions": {},
        "hardware": {},
        "finished_at": "2026-01-02T03:04:05+00:00",
    }
    if fields.get("status", "ok") == "ok":
        common["validation_accuracy"] = validation
    return Result(model=model, **(common | fields))


def make_run(results, name="digits", winner=None):
    """Return the record of a run on a dataset of ten classes."""
    return Run(
        dataset=RunDataset(
            name=name,
            n_train=12,
            n_test=1000,
            image_shape=(8, 8),
            n_columns=64,
            label_names=tuple("0123456789"),
            source="here",
            license="",
            fingerprint="0" * 16,
        ),
        results=results,
        winner=winner,
        command="test",
        total_seconds=1.0,
        created_at="2026-01-02T03:04:05+00:00",
    )
