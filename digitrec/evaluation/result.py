"""`Result` of a job, `Run` of a comparison, and the file ``results.json``."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from digitrec._files import file_safe, read_record, write_json
from digitrec.errors import DigitrecError
from digitrec.statistics.chance_gain import ChanceGain

if TYPE_CHECKING:
    from digitrec.datasets import Dataset
    from digitrec.persistence import ModelMetadata

SCHEMA = 1

Status = Literal["ok", "timeout", "out_of_memory", "error", "interrupted", "not_run"]


class ClassScores(NamedTuple):
    """Scores of each class, arrays of shape (n_classes,).

    Attributes
    ----------
    precision, recall, f1 : ndarray of float64
        In 0–1; 0 where nothing was, or was predicted to be, of the class.
    support : ndarray of int64
        Test rows of the class.
    """

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]
    support: NDArray[np.int64]


def score_classes(confusion: Any) -> ClassScores:
    """Return the scores of each class by a confusion matrix, whose rows are true labels."""
    counts = np.asarray(confusion, dtype=np.int64)
    right, true, predicted = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)

    def share(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)

    return ClassScores(
        precision=share(right, predicted),
        recall=share(right, true),
        f1=share(2 * right, true + predicted),
        support=true,
    )


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """What predictions of the test rows score; fractions in 0–1.

    Attributes
    ----------
    test_accuracy_low, test_accuracy_high : float
        Wilson 95 % interval of `test_accuracy`.
    balanced_accuracy, macro_f1 : float
        Mean recall and mean F1 score of the classes that have test rows.
    top2_accuracy : float or None
        Share of the rows whose class is among the two with the largest scores.
    log_loss : float or None
        Mean negative logarithm of the true class's probability.
    confusion : list of list of int
        Confusion matrix; rows are true labels. Empty without test rows.
    """

    test_accuracy: float | None = None
    test_error: float | None = None
    test_accuracy_low: float | None = None
    test_accuracy_high: float | None = None
    balanced_accuracy: float | None = None
    macro_f1: float | None = None
    top2_accuracy: float | None = None
    log_loss: float | None = None
    confusion: list[list[int]] = field(default_factory=list)

    @property
    def by_class(self) -> ClassScores:
        """Precision, recall, F1 score and rows of each class."""
        return score_classes(self.confusion)


@dataclass(frozen=True, kw_only=True)
class Result(Metrics):
    """What one job (dataset, features, model and parameters, seed) gave.

    Everything is JSON-safe. A measurement is None where the job failed or the model
    has no such thing (the log loss of a model without probabilities). Accuracies, errors and
    scores, those of `Metrics` among them, are fractions in 0–1; times are seconds unless the name
    says otherwise.

    Attributes
    ----------
    key : str
        Hash of all that determines the result; names the job's files.
    dataset, features, model : str
        Registry keys, or names of the caller's own (for a dataset read from a path: its name).
    title : str
        Name for people of a model that is the caller's own, which may have the name of one of the
        registry; else empty.
    parameters : dict
        Parameters of the estimator as built, overrides included.
    random_state : int
        Seed of the job.
    part : str
        Rows that the job was about, such as ``"fold 1 of 5, seed 0"``; empty for all.
    status : {"ok", "timeout", "out_of_memory", "error", "interrupted", "not_run"}
        How the job ended.
    reason : str
        Why, where `status` is not ``"ok"``; details such as a traceback follow the first line.
    validation_score : float or None
        Score on the validation rows by which the run ranks models, more is better; None where
        that is `validation_accuracy`.
    is_ranked : bool
        Whether the metric of the run can be computed of the model: the log loss cannot of one
        without probabilities, which then cannot win.
    fit_seconds : float
        Wall time of the fit that the test score belongs to (training and validation rows).
    validation_fit_seconds : float
        Wall time of the fit on the training rows alone, by which models are ranked.
    feature_seconds : float
        Wall time of computing the shared features of all rows; spent once, not per model.
    predict_seconds : float
        Wall time of a warm batch prediction of all test rows, from features.
    latency_p50_ms, latency_p99_ms : float
        Milliseconds from one raw image to its label with the saved Pipeline.
    model_bytes : int
        Size of the saved Pipeline.
    peak_memory_bytes : int
        Peak resident memory of the job's process.
    iterations, iteration_limit : int or None
        Iterations that the solver made on all training rows, and those it was allowed; None where
        the model does not say.
    reached_limit : bool
        Whether a fit stopped at its iteration limit, or otherwise short of convergence.
    core_wait : float or None
        Seconds that the job's threads waited for a free core, per second that they ran: on an
        idle machine near 0, and a time was up to so much too long; None where the system does
        not count them.
    curves : dict of list of float
        Per-iteration values of iterative models (``training_loss``, ``validation_accuracy``, …).
    n_threads : int
        Threads the job was allowed to use.
    test_fingerprint : str
        `Dataset.test_fingerprint`; empty in files of earlier versions.
    """

    key: str
    dataset: str
    features: str
    model: str
    title: str = ""
    parameters: dict[str, Any]
    random_state: int
    part: str = ""
    status: Status
    reason: str = ""
    n_train: int
    n_validation: int
    n_test: int
    validation_accuracy: float | None = None
    validation_score: float | None = None
    is_ranked: bool = True
    fit_seconds: float | None = None
    validation_fit_seconds: float | None = None
    feature_seconds: float | None = None
    predict_seconds: float | None = None
    latency_p50_ms: float | None = None
    latency_p99_ms: float | None = None
    model_bytes: int | None = None
    peak_memory_bytes: int | None = None
    iterations: int | None = None
    iteration_limit: int | None = None
    reached_limit: bool = False
    core_wait: float | None = None
    curves: dict[str, list[float]] = field(default_factory=dict)
    n_threads: int = 1
    data_fingerprint: str
    test_fingerprint: str = ""
    versions: dict[str, str]
    hardware: dict[str, Any]
    finished_at: str

    @property
    def stem(self) -> str:
        """Name of the result's files: features, model and seed."""
        return f"{file_safe(self.features)}-{file_safe(self.model)}-seed{self.random_state}"

    @property
    def ok(self) -> bool:
        """Whether the job succeeded."""
        return self.status == "ok"

    @property
    def first_reason(self) -> str:
        """First line of the reason; empty without one."""
        return (self.reason.splitlines() or [""])[0]

    @property
    def ranking_score(self) -> float | None:
        """Score on the validation rows that ranks the model, more is better; None without."""
        if not self.is_ranked:
            return None
        return self.validation_accuracy if self.validation_score is None else self.validation_score


@dataclass(frozen=True, kw_only=True)
class RunDataset:
    """What a run records of its data; the fields are those of `Dataset` unless noted.

    Attributes
    ----------
    n_train, n_test : int
        Rows.
    n_columns : int
        Columns of a row.
    label_values : tuple
        The classes as the caller gave them; empty where they are 0, 1, 2, … or JSON has no such
        thing.
    location : str
        What `digitrec.datasets.load_dataset` takes to find the data again; empty for data that
        were given in memory.
    seen : tuple of str
        `Dataset.part_fingerprint` of the training rows, and of parts that were joined into them.
    test_fingerprint : str or None
        That of the test rows.
    """

    name: str
    n_train: int
    n_test: int
    image_shape: tuple[int, int] | None
    n_columns: int
    label_names: tuple[str, ...]
    label_values: tuple[Any, ...] = ()
    source: str
    location: str = ""
    license: str
    fingerprint: str
    seen: tuple[str, ...] = ()
    test_fingerprint: str | None = None
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(cls, dataset: Dataset, location: str = "") -> RunDataset:
        """Return the record of loaded data."""
        values = dataset.label_values
        if not all(isinstance(value, (str, int, float, bool)) for value in values):
            values = ()  # JSON has no such thing
        return cls(
            name=dataset.name,
            n_train=len(dataset.y_train),
            n_test=len(dataset.y_test),
            image_shape=dataset.image_shape,
            n_columns=int(dataset.X_train.shape[1]),
            label_names=dataset.label_names,
            label_values=values,
            source=dataset.source,
            location=location,
            license=dataset.license,
            fingerprint=dataset.fingerprint,
            seen=(dataset.part_fingerprint("train"), *dataset.merged_parts),
            test_fingerprint=dataset.test_fingerprint,
            warnings=dataset.warnings,
        )

    def model_metadata(self) -> ModelMetadata:
        """Return what a model file says of the data that the model was fitted on."""
        from digitrec.persistence import ModelMetadata

        return ModelMetadata(
            dataset=self.name,
            data_fingerprint=self.fingerprint,
            data_source=self.source,
            label_names=self.label_names,
            image_shape=self.image_shape,
            n_columns=self.n_columns,
            n_train=self.n_train,
            seen=self.seen,
            test_fingerprint=self.test_fingerprint,
        )


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """Parameters that a search tried; the default has none.

    `rows` is the number that it was last fitted on; a value that was not measured is None.
    """

    parameters: dict[str, Any]
    score: float | None = None
    accuracy: float | None = None
    rows: int | None = None
    fit_seconds: float | None = None
    status: str = "not_run"


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """What the search over the parameters of one model on one feature set gave.

    Attributes
    ----------
    stem : str
        `Result.stem` of the default.
    tuned : str or None
        Name of the model with the best parameters; None where no candidate beat the default.
    default, best : float or None
        Scores by `metric` on the validation rows, more is better.
    seconds : float
        Time of all fits.
    rounds : list of dict
        ``rows`` fitted on and ``candidates`` of each round.
    chance : ChanceGain or None
        What the choice alone gains; None where the default or the best has no score.
    reason : str
        Why candidates have no score, else empty.
    log : list of str
        Parameters drawn on a logarithmic scale.
    defaults : dict
        Values of the searched parameters in the default.
    candidates : list of Candidate
        The best first.
    test_gain, test_low, test_high : float or None
        Difference between the chosen and the default on the test rows, with its 95 % interval.
    """

    model: str
    features: str
    random_state: int
    stem: str
    metric: str
    tuned: str | None
    default: float | None
    best: float | None
    n_validation: int
    seconds: float
    rounds: list[dict[str, int]]
    chance: ChanceGain | None
    reason: str
    log: list[str]
    defaults: dict[str, Any]
    candidates: list[Candidate]
    test_gain: float | None = None
    test_low: float | None = None
    test_high: float | None = None


@dataclass(frozen=True, kw_only=True)
class Run:
    """All that a report is made from: results of one dataset and analyses of them.

    Attributes
    ----------
    dataset : RunDataset
        The data.
    results : list of Result
        One per job.
    winner : str or None
        `Result.key` of the job with the best validation accuracy.
    metric : str
        What ranks the models on the validation rows.
    analyses : dict
        JSON-safe output of each further analysis, by the name of its report section.
    tuning : list of Tuning
        What the search over each model gave.
    failures : dict of str to str
        Why an analysis that was asked for has no output, by its name.
    command : str
        Command, or call of `digitrec.compare`, that made the run.
    config : dict
        Options that repeat it, by name; JSON-safe. See `render_config`.
    total_seconds : float
        Wall time of the run.
    created_at : str
        ISO 8601 time in UTC.
    """

    dataset: RunDataset
    results: list[Result]
    winner: str | None
    metric: str = "accuracy"
    analyses: dict[str, Any] = field(default_factory=dict)
    tuning: list[Tuning] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    command: str
    total_seconds: float
    created_at: str

    @property
    def winning_result(self) -> Result | None:
        """The winner's result, or None where no job succeeded."""
        return next((result for result in self.results if result.key == self.winner), None)


def render_config(config: Mapping[str, Any]) -> str:
    """Return the options of a run as TOML, for ``digitrec compare --config``.

    Examples
    --------
    >>> print(render_config({"dataset": "digits", "set": ["svm.C=5"], "seeds": 3}))
    dataset = "digits"
    set = ["svm.C=5"]
    seeds = 3
    """
    lines = []
    for name, value in config.items():
        if value is not None:
            # Strings, numbers, booleans and lists of them are written alike in JSON and TOML.
            text = json.dumps(value, ensure_ascii=False)
            lines.append(f"{name.replace('_', '-')} = {text}")
    return "\n".join(lines)


def write_run(run: Run, path: Path) -> None:
    """Write a run as ``results.json``, atomically."""
    write_json(path, {"schema": SCHEMA, **dataclasses.asdict(run)})


def read_run(path: Path) -> Run:
    """Read a run that `write_run` wrote.

    Raises
    ------
    DigitrecError
        If the file is missing, is not JSON, or was written in another schema.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        if content.pop("schema") != SCHEMA:
            raise DigitrecError(f"{path} was written by another version of digitrec; run it again")
        if shape := content["dataset"]["image_shape"]:
            # Earlier versions did not record it.
            content["dataset"].setdefault("n_columns", shape[0] * shape[1])
        run: Run = read_record(Run, content)
        return run
    except FileNotFoundError as error:
        raise DigitrecError(
            f"no saved results at {path}; make them with: python -m benchmarks.run_all"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DigitrecError(
            f"{path} is not a results file of this version of digitrec; run it again ({error})"
        ) from error


def keep_times(run: Run, path: Path) -> Run:
    """Give a run that took stored results only the times of the run that made them.

    Parameters
    ----------
    run : Run
        The run whose jobs were all reused.
    path : pathlib.Path
        The ``results.json`` of the run before.

    Returns
    -------
    Run
        With the earlier date, command and time, where the run before had the same results and
        analyses; with the sum of both times, where it lacked analyses.
    """
    try:
        earlier = read_run(path)
    except DigitrecError:
        return run
    if _jobs_of(earlier) != _jobs_of(run):
        return run
    if set(run.analyses) - set(earlier.analyses):
        both = earlier.total_seconds + run.total_seconds
        return dataclasses.replace(run, total_seconds=both)
    return dataclasses.replace(
        run,
        total_seconds=earlier.total_seconds,
        created_at=earlier.created_at,
        command=earlier.command,
        config=earlier.config,
    )


def _jobs_of(run: Run) -> list[tuple[str, str]]:
    return [(result.key, result.finished_at) for result in run.results]
