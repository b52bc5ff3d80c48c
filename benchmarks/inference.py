"""Measure how fast saved models answer, as joblib Pipelines and as ONNX graphs.

``python -m benchmarks.inference`` takes the models of a run (``reports/mnist`` by
default), measures the time for one image, the images per second of a batch, the time to load
and the size of the file, checks that both forms answer the same, and writes
``reports/inference/``.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import joblib
import numpy as np
import typer
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks._common import Jobs, OutputDir, measured_with, run_app, run_facts, write_report
from digitrec._environment import available_cores
from digitrec.datasets import load_dataset
from digitrec.errors import ConfigurationError, DigitrecError
from digitrec.evaluation.job_store import JobStore
from digitrec.evaluation.result import Result, read_run
from digitrec.persistence import (
    OnnxClassifier,
    build_onnx,
    compare_models,
    load_model,
    read_metadata,
)
from digitrec.rendering.markdown import table
from digitrec.rendering.style import BLUE, GREY, ORANGE, new_figure, plain_log_ticks, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LATENCY_CALLS = 500
WARM_CALLS = 20
BATCH_ROWS = 2000
MIN_BATCHES = 3


@dataclass(frozen=True, kw_only=True)
class Speed:
    """How fast one form of a model answers.

    Attributes
    ----------
    p50_ms, p99_ms : float
        Time from one raw image to its probabilities, one thread, in milliseconds.
    rows_per_second : float
        Raw images to probabilities in batches of 2,000, on the threads of the measurement;
        the median over batches.
    load_ms : float
        Time to make the model from the bytes of its file, median of three.
    n_bytes : int
        Size of the file.
    """

    p50_ms: float
    p99_ms: float
    rows_per_second: float
    load_ms: float
    n_bytes: int


def measure(
    load: Callable[[], Any],
    n_bytes: int,
    X: NDArray,
    *,
    n_jobs: int,
    seconds: float,
) -> tuple[Speed, Any]:
    """Measure one form of a model, each of two measurements for about `seconds`.

    `load` returns the model, whose file has `n_bytes`; `X` are raw images. Returns the speed and
    the model.
    """
    load_times = [_seconds(load) for _ in range(3)]
    model = load()
    answer = getattr(model, "predict_proba", None) or model.decision_function
    _set_threads(model, 1)
    with threadpool_limits(1):
        for i in range(WARM_CALLS):
            answer(X[i % len(X)][None, :])
        latencies = [
            _seconds(answer, X[i % len(X)][None, :]) for i in _until(LATENCY_CALLS, seconds)
        ]
    _set_threads(model, n_jobs)
    with threadpool_limits(n_jobs):
        starts = range(0, max(1, len(X) - BATCH_ROWS + 1), BATCH_ROWS)
        batches = [X[start : start + BATCH_ROWS] for start in starts]
        answer(batches[0])
        rates = []
        for i in _until(10**6, seconds, at_least=MIN_BATCHES):
            batch = batches[i % len(batches)]
            rates.append(len(batch) / _seconds(answer, batch))
    speed = Speed(
        p50_ms=1e3 * float(np.percentile(latencies, 50)),
        p99_ms=1e3 * float(np.percentile(latencies, 99)),
        rows_per_second=float(np.median(rates)),
        load_ms=1e3 * float(np.median(load_times)),
        n_bytes=n_bytes,
    )
    return speed, model


def _seconds(call: Callable[..., Any], *arguments: Any) -> float:
    started = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - started


def _until(calls: int, seconds: float, at_least: int = 30) -> Iterator[int]:
    """Count up to a number of calls, or until the time is over."""
    end = time.perf_counter() + seconds
    for i in range(calls):
        if i >= at_least and time.perf_counter() > end:
            return
        yield i


def _set_threads(model: Any, n_jobs: int) -> None:
    if isinstance(model, OnnxClassifier):
        model.n_jobs = n_jobs
        return
    names = [name for name in model.get_params() if name.rpartition("__")[2] == "n_jobs"]
    model.set_params(**dict.fromkeys(names, n_jobs))


def saved_models(report_dir: Path) -> Iterator[tuple[dict[str, Any], Path]]:
    """Yield the facts and the joblib file of each model of a run, or of a folder of models.

    Of several seeds the first is taken.

    Raises
    ------
    ConfigurationError
        If there are none.
    """
    run_file, found = report_dir / "results.json", False
    if run_file.exists():
        run = read_run(run_file)
        store = JobStore(report_dir / "jobs")
        firsts: dict[tuple[str, str], Result] = {}
        for result in sorted(run.results, key=lambda r: r.random_state):
            if result.ok and store.pipeline_path(result).exists():
                firsts.setdefault((result.model, result.features), result)
        for result in firsts.values():
            found = True
            facts = {
                "model": result.model,
                "features": result.features,
                "dataset": result.dataset,
                "is_winner": result.key == run.winner,
            }
            yield facts, store.pipeline_path(result)
    else:
        for path in sorted(report_dir.glob("*.joblib")):
            found = True
            # Checks the file before `measure` loads it.
            load_model(path)
            metadata = read_metadata(path)
            yield (
                {
                    "model": metadata.model or path.stem,
                    "features": metadata.features or "",
                    "dataset": metadata.dataset or "mnist",
                    "is_winner": path.stem == "best_model",
                },
                path,
            )
    if not found:
        raise ConfigurationError(
            f"{str(report_dir)!r} holds no saved models; run: python -m benchmarks.run_all"
        )


def compare_forms(
    facts: dict[str, Any], path: Path, X: NDArray, *, n_jobs: int, seconds: float
) -> dict[str, Any]:
    """Measure a model as joblib and as ONNX, and whether both answer the same.

    Returns
    -------
    dict
        `facts` with ``joblib`` and ``onnx`` (`Speed` as a dict; None where there is no ONNX
        form), ``parity`` and, where the ONNX form is missing or refused, ``reason``.
    """
    content = path.read_bytes()
    speed, model = measure(
        lambda: joblib.load(io.BytesIO(content)), len(content), X, n_jobs=n_jobs, seconds=seconds
    )
    row = {**facts, "joblib": asdict(speed), "onnx": None, "parity": None, "reason": ""}
    try:
        graph = build_onnx(model).SerializeToString()
    except DigitrecError as error:
        return {**row, "reason": str(error)}
    speed, candidate = measure(
        lambda: OnnxClassifier(graph), len(graph), X, n_jobs=n_jobs, seconds=seconds
    )
    parity = compare_models(model, candidate, X)
    reason = "" if parity.holds else f"`digitrec export` refuses it: {parity}"
    return {**row, "onnx": asdict(speed), "parity": asdict(parity), "reason": reason}


_PANELS = {
    "p50_ms": "median ms for one image",
    "rows_per_second": "images per second",
}
_FORMS = {"joblib": ("joblib", BLUE), "onnx": ("ONNX", ORANGE)}


@styled
def inference_figure(models: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw the time for one image and the images per second of each model, by form."""
    ordered = sorted(models, key=lambda row: -row["joblib"]["p50_ms"])
    places = np.arange(len(ordered))
    figure = new_figure(1.4 + 0.32 * len(ordered))
    panels = figure.subplots(1, len(_PANELS), sharey=True)
    for axes, (name, label) in zip(panels, _PANELS.items(), strict=True):
        for place, row in zip(places, ordered, strict=True):
            if row["onnx"] is not None:
                ends = [row[form][name] for form in _FORMS]
                axes.plot(ends, [place, place], color=GREY, linewidth=1, zorder=1)
        for form, (title, color) in _FORMS.items():
            known = [row[form] is not None for row in ordered]
            values = [row[form][name] for row in ordered if row[form] is not None]
            axes.scatter(values, places[known], color=color, s=36, label=title, zorder=2)
        axes.set_xscale("log")
        plain_log_ticks(axes.xaxis)
        axes.grid(axis="x")
        axes.set_xlabel(label)
    panels[0].set_yticks(
        places, [f"{row['model']}, {row['features']}".removesuffix(", ") for row in ordered]
    )
    panels[0].tick_params(axis="y", length=0)
    panels[1].tick_params(axis="y", length=0)
    handles, titles = panels[0].get_legend_handles_labels()
    figure.legend(handles, titles, loc="outside upper left", ncols=2, frameon=False)
    return figure


def render(measured: dict[str, Any]) -> str:
    """Return the Markdown report."""
    rows = []
    for row in measured["models"]:
        for form in ("joblib", "onnx"):
            speed = row[form]
            if speed is None:
                continue
            title = f"{row['model']}, {row['features']}".removesuffix(", ")
            rows.append(
                [
                    f"**{title}**" if row["is_winner"] else title,
                    _FORMS[form][0],
                    f"{speed['p50_ms']:.2f}",
                    f"{speed['p99_ms']:.2f}",
                    f"{speed['rows_per_second']:,.0f}",
                    f"{speed['n_bytes'] / 1e6:.1f}",
                    f"{speed['load_ms']:.0f}",
                    "" if form == "joblib" else f"{row['parity']['max_difference']:.0e}",
                ]
            )
    headers = ["model", "form", "one image, p50 ms", "p99 ms", "images/s", "MB", "load ms"]
    body = table([*headers, "largest difference"], rows, "llrrrrrr")
    notes = "".join(
        f"\n- {row['model']}, {row['features']}: {row['reason']}"
        for row in measured["models"]
        if row["reason"]
    )
    return f"""# How fast saved models answer

From raw pixels to probabilities, for the models of the run on {measured["dataset"]}; the winner
is in bold. One image at a time on one thread; images per second in batches of {BATCH_ROWS:,} on
{measured["n_jobs"]} threads.

{body}

![Time for one image and images per second, by model and form](figures/inference.png)

- *joblib* is the saved scikit-learn Pipeline, *ONNX* the same model as one graph in ONNX Runtime;
  `digitrec export` writes it. The models were compared on {measured["n_rows"]:,} test images: the
  largest difference of a probability (of a decision value, relative to the largest, where a model
  has no probabilities) is in the last column.
- One image costs scikit-learn mostly checks of its input, once for each of its steps.{notes}

{measured_with(measured)}
"""


def main(
    report_dir: Annotated[Path, typer.Option(help="Folder of a run, or of saved models.")] = Path(
        "reports/mnist"
    ),
    output_dir: OutputDir = Path("reports/inference"),
    seconds: Annotated[
        float, typer.Option(min=0.01, help="Time for each of a model's four measurements.")
    ] = 2.0,
    jobs: Jobs = None,
) -> None:
    """Measure the saved models of a run by joblib and by ONNX, and write the report."""
    n_jobs = jobs or available_cores()
    rows, data = [], None
    for facts, path in saved_models(report_dir):
        if data is None:
            data = load_dataset(facts["dataset"])
        typer.echo(f"{facts['model']}, {facts['features']}")
        rows.append(compare_forms(facts, path, data.X_test, n_jobs=n_jobs, seconds=seconds))
    assert data is not None, "saved_models yields at least one model or raises"
    measured = {
        **run_facts("inference", data, n_jobs=n_jobs),
        "n_rows": len(data.X_test),
        "models": rows,
    }
    measured["versions"] = {**measured["versions"], **_onnx_versions()}
    write_report(output_dir, render(measured), measured, inference=inference_figure(rows))


def _onnx_versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in ("onnx", "onnxruntime")}


if __name__ == "__main__":
    run_app(main)
