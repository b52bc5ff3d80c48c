"""Files of finished jobs: predictions and model, and one JSON file each, which is written last."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import time
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from digitrec._files import atomic_path, read_record, sha256_file, write_json
from digitrec._platform import try_lock
from digitrec.errors import DigitrecError
from digitrec.evaluation.metrics import Predictions
from digitrec.evaluation.result import SCHEMA, Result, Run

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from digitrec.datasets import Dataset
    from digitrec.evaluation.job import Job, Limits


_LOCK_POLL_SECONDS = 0.2


@dataclass(frozen=True, kw_only=True, eq=False)
class JobPredictions:
    """What the models of one job said.

    Attributes
    ----------
    y_test_pred : ndarray of unsigned int, shape (n_test,)
        Labels predicted by the model fitted on training and validation rows.
    test_scores : ndarray of float32, shape (n_test, n_classes), or None
        Probabilities, or decision values where the model has no probabilities.
    y_validation_pred : ndarray of unsigned int, shape (n_validation,)
        Labels predicted by the model fitted on the training rows alone.
    validation_scores : ndarray of float32, shape (n_validation, n_classes), or None
        Its scores.
    validation_index : ndarray of int64, shape (n_validation,)
        The validation rows' places in the dataset's training set.
    has_probabilities : bool
        Whether the scores are probabilities.
    """

    y_test_pred: NDArray[np.unsignedinteger]
    test_scores: NDArray[np.float32] | None
    y_validation_pred: NDArray[np.unsignedinteger]
    validation_scores: NDArray[np.float32] | None
    validation_index: NDArray[np.int64]
    has_probabilities: bool


def small_labels(y: ArrayLike, n_classes: int) -> NDArray[np.unsignedinteger]:
    """Return labels below `n_classes` in the smallest type that fits them all.

    Examples
    --------
    >>> small_labels([0, 299], 300).dtype
    dtype('uint16')
    """
    return np.asarray(y).astype(np.min_scalar_type(max(n_classes - 1, 0)))


class JobStore:
    """Finished jobs of one dataset in one folder.

    A job is finished when its JSON file is there and whole; the file is written last, so that a
    crash at any moment costs at most the job that was running.

    Parameters
    ----------
    folder : path-like
        Folder of the files ``<features>-<model>-seed<seed>-<key>.{json,npz,joblib}``.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)

    @contextlib.contextmanager
    def lock(self, *, wait: bool = False) -> Iterator[None]:
        """Keep other runs out of the folder, and clear away what a killed run left half-written.

        Parameters
        ----------
        wait : bool
            Wait for another run that is using the folder: it may be computing what is wanted.

        Raises
        ------
        DigitrecError
            If another run is using the folder, unless it is waited for.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("w") as file:
            while not try_lock(file.fileno()):
                if wait:
                    time.sleep(_LOCK_POLL_SECONDS)
                    continue
                raise DigitrecError(
                    f"another run is writing to {self.folder}; wait for it or choose another "
                    "--output-dir"
                )
            self._clear_leftovers()
            yield

    def find(self, job: Job) -> tuple[Result, Limits] | None:
        """Return the stored result of a job and the limits it ran under.

        None where there is none, or where any of its files is missing or damaged: the job then
        counts as not run.
        """
        try:
            content = json.loads(job.path(".json").read_text(encoding="utf-8"))
            stored = _parse(content)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        result = stored[0]
        if result.key != job.key or (result.ok and not self._is_whole(result, job)):
            return None
        return stored

    def write_result(self, result: Result, limits: Limits, **facts: Any) -> None:
        """Write a result; call it when the other files of the job are in place.

        The file also vouches for the job's Pipeline, so that `digitrec.load_model` takes it;
        `facts` are further things to say of it, such as the label names.
        """
        from digitrec.persistence import FORMAT

        content = {"schema": SCHEMA, "limits": dataclasses.asdict(limits), **facts}
        model = self.pipeline_path(result)
        if result.ok and model.exists():
            content |= {"format": FORMAT, "sha256": sha256_file(model)}
        write_json(self._path(result, ".json"), {**content, **dataclasses.asdict(result)})

    def write_predictions(self, job: Job, predictions: JobPredictions) -> None:
        """Write the predictions of a job."""
        arrays = {
            name: value
            for name, value in vars(predictions).items()
            if value is not None and name != "has_probabilities"
        }
        with atomic_path(job.path(".npz")) as temporary:
            np.savez_compressed(
                temporary, has_probabilities=np.bool_(predictions.has_probabilities), **arrays
            )

    def read_predictions(self, result: Result) -> JobPredictions:
        """Return the predictions of a finished job.

        Raises
        ------
        DigitrecError
            If the file is missing or damaged.
        """
        with _open_predictions(self._path(result, ".npz")) as arrays:
            return JobPredictions(
                y_test_pred=arrays["y_test_pred"],
                test_scores=arrays.get("test_scores"),
                y_validation_pred=arrays["y_validation_pred"],
                validation_scores=arrays.get("validation_scores"),
                validation_index=arrays["validation_index"],
                has_probabilities=bool(arrays["has_probabilities"]),
            )

    def pipeline_path(self, result: Result) -> Path:
        """Return the path of a finished job's saved Pipeline."""
        return self._path(result, ".joblib")

    def read_pipeline(self, result: Result) -> Pipeline:
        """Return the saved Pipeline of a finished job, fitted on training and validation rows.

        Raises
        ------
        DigitrecError
            If the file is missing or damaged.
        """
        import joblib

        path = self.pipeline_path(result)
        try:
            return joblib.load(path)
        except Exception as error:  # A damaged pickle can raise anything.
            raise DigitrecError(
                f"stored model {path} is missing or damaged ({error}); run the job again"
            ) from error

    def all_results(self) -> list[Result]:
        """Return every stored result that can be read."""
        results = []
        for path in sorted(self.folder.glob("*.json")):
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                results.append(_parse(json.loads(path.read_text(encoding="utf-8")))[0])
        return results

    def write_stage(self, job: Job, stage: str) -> None:
        """Tell what a running job is doing, for the live view."""
        # No fsync: a lost stage harms nothing.
        path = job.path(".running")
        temporary = path.with_suffix(".stage")
        temporary.write_text(json.dumps({"stage": stage, "pid": os.getpid(), "at": time.time()}))
        temporary.replace(path)

    def read_stage(self, job: Job) -> str | None:
        """Return what a running job is doing, or None where it is not running."""
        try:
            return str(json.loads(job.path(".running").read_text())["stage"])
        except (OSError, ValueError, KeyError):
            return None

    def clear_stage(self, job: Job) -> None:
        """Forget what a job was doing."""
        job.path(".running").unlink(missing_ok=True)

    def _path(self, result: Result, suffix: str) -> Path:
        return self.folder / f"{result.stem}-{result.key}{suffix}"

    def _is_whole(self, result: Result, job: Job) -> bool:
        if job.part is not None and job.part.kind != "validation":  # a score and nothing else
            return True
        try:
            with zipfile.ZipFile(self._path(result, ".npz")) as archive:
                archive.getinfo("y_test_pred.npy")
            return (
                job.part is not None
                or self.pipeline_path(result).stat().st_size == result.model_bytes
            )
        except (OSError, KeyError, zipfile.BadZipFile):
            return False

    def _clear_leftovers(self) -> None:
        for pattern in (".*-*.json", ".*-*.npz", ".*-*.joblib", "*.running", "*.stage", "*.stop"):
            for path in self.folder.glob(pattern):
                path.unlink(missing_ok=True)


def write_predictions(run: Run, store: JobStore, dataset: Dataset, folder: Path) -> None:
    """Write the test predictions of a run for its report, and remove those of earlier runs."""
    wanted = {result.stem: result for result in run.results if result.ok}
    for stem, result in wanted.items():
        path = folder / f"{stem}.npz"
        predictions = store.read_predictions(result)
        scores = predictions.test_scores
        with atomic_path(path) as temporary:
            np.savez_compressed(
                temporary,
                y_true=small_labels(dataset.y_test, len(dataset.label_names)),
                y_pred=predictions.y_test_pred,
                scores=np.empty((0, 0), dtype=np.float32) if scores is None else scores,
                has_probabilities=np.bool_(predictions.has_probabilities),
                key=np.str_(result.key),
            )
    for path in folder.glob("*.npz"):
        if path.stem not in wanted:
            path.unlink()


def read_predictions(run: Run, report_dir: Path) -> dict[str, Predictions]:
    """Read the stored predictions of a run; results without any are left out.

    Parameters
    ----------
    run : Run
        The run.
    report_dir : pathlib.Path
        Folder of the report; predictions are in ``predictions/<stem>.npz`` with the arrays
        ``y_true``, ``y_pred``, ``scores`` and ``has_probabilities``.

    Returns
    -------
    dict of str to Predictions
        By `Result.key`.

    Raises
    ------
    DigitrecError
        If a file is damaged.
    """
    found = {}
    for result in run.results:
        path = report_dir / "predictions" / f"{result.stem}.npz"
        if not result.ok or not path.exists():
            continue
        with _open_predictions(path) as arrays:
            scores = arrays.get("scores")
            found[result.key] = Predictions(
                y_true=arrays["y_true"],
                y_pred=arrays["y_pred"],
                scores=scores if scores is not None and scores.size else None,
                has_probabilities=bool(arrays["has_probabilities"]),
            )
    return found


@contextlib.contextmanager
def _open_predictions(path: Path) -> Iterator[Mapping[str, NDArray[Any]]]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            yield arrays
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DigitrecError(
            f"stored predictions {path} are missing or damaged ({error}); run it again"
        ) from error


def _parse(content: dict[str, Any]) -> tuple[Result, Limits]:
    from digitrec.evaluation.job import Limits

    if content.pop("schema") != SCHEMA:
        raise ValueError("written in another schema")
    return read_record(Result, content), read_record(Limits, content["limits"])
