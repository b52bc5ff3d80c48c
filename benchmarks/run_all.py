"""Compare models on handwritten digits and write the report: the main job.

Run: ``python -m benchmarks.run_all``.
"""

from __future__ import annotations

import errno
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from benchmarks._options import choose, parse_size, parse_timeouts, split_names
from digitrec._console import replace_unknown_characters
from digitrec.errors import DigitrecError, check_choice
from digitrec.evaluation.result import Run, read_run

if TYPE_CHECKING:
    from digitrec.datasets import Dataset
    from digitrec.evaluation.progress import ProgressView

__all__ = ["app", "main"]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

_INTERRUPTED = 130


@app.command()
def run_all(
    dataset: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Names or paths of datasets, separated by commas. Default: mnist, or mnist_5k "
            "where MNIST can be neither found nor downloaded.",
        ),
    ] = None,
    models: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Models, separated by commas, or 'all'.")
    ] = None,
    features: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="Feature sets, separated by commas, or 'all'."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="MODEL.PARAM=VALUE", help="Change a parameter of a model."),
    ] = None,
    augment: Annotated[
        int, typer.Option(min=0, help="Random copies of each training image to add.")
    ] = 0,
    max_train: Annotated[
        int | None, typer.Option(min=1, help="Keep at most this many training images.")
    ] = None,
    random_state: Annotated[int, typer.Option(min=0, help="Seed.")] = 0,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds to run each model with.")] = 1,
    profile: Annotated[
        str | None, typer.Option(help="Bundle of further analyses: fast or full.")
    ] = None,
    analyses: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Analyses, separated by commas, or 'all'.")
    ] = None,
    significance: Annotated[
        bool, typer.Option("--significance", help="Test whether the differences are chance.")
    ] = False,
    calibration: Annotated[
        bool, typer.Option("--calibration", help="Score the confidence, and rejection by it.")
    ] = False,
    subsets: Annotated[
        bool, typer.Option("--subsets", help="Score subsets of MNIST's test images.")
    ] = False,
    robustness: Annotated[
        bool, typer.Option("--robustness", help="Score corrupted copies of the test images.")
    ] = False,
    mnist_c: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            exists=True,
            file_okay=False,
            help="Published MNIST-C arrays to score instead; turns --robustness on.",
        ),
    ] = None,
    learning_curves: Annotated[
        bool, typer.Option("--learning-curves", help="Fit on growing parts of the training rows.")
    ] = False,
    cv: Annotated[
        int | None, typer.Option(metavar="K", min=2, help="Cross-validate with this many folds.")
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Repetitions of --cv.")] = 1,
    cv_groups: Annotated[
        str | None,
        typer.Option(help="writer: no writer on both sides of a fold of --cv, where known."),
    ] = None,
    rope: Annotated[
        float, typer.Option(min=0, max=1, help="Difference in accuracy that does not matter.")
    ] = 0.001,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Jobs at a time. Default: one per core.")
    ] = None,
    timeout: Annotated[
        list[str] | None,
        typer.Option(metavar="[MODEL=]SECONDS", help="Time after which a job is killed."),
    ] = None,
    max_memory: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Memory that a job may take, such as 4GB.")
    ] = None,
    executor: Annotated[str, typer.Option(help="Where jobs run: local or dask.")] = "local",
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Dask scheduler, such as tcp://host:8786.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Run again what is stored.")] = False,
    only_failed: Annotated[
        bool, typer.Option("--only-failed", help="Run again what is stored as failed.")
    ] = False,
    output_dir: Annotated[Path, typer.Option(help="Folder of the reports.")] = Path("reports"),
    report_only: Annotated[
        bool, typer.Option("--report-only", help="Rebuild the report; train nothing.")
    ] = False,
    list_choices: Annotated[
        bool, typer.Option("--list", help="List what the options take.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print warnings only.")] = False,
) -> None:
    """Compare models on handwritten digits, choose the best and write the report."""
    started_at = time.monotonic()
    from digitrec.evaluation.progress import ProgressView

    view = ProgressView(Console(), quiet=quiet)
    if list_choices:
        from benchmarks._terminal import choices_table

        view.console.print(choices_table())
        return
    names: list[str | None] = list(split_names(dataset)) if dataset is not None else [None]
    if report_only:
        runs = [_rebuild(_saved_folder(output_dir, name), view) for name in names]
        _publish_datasets(runs, output_dir, view)
        return
    common = _common_settings(
        models=models,
        features=features,
        settings=settings or [],
        profile=profile,
        analyses=analyses,
        timeout=timeout or [],
        max_memory=max_memory,
        cv_groups=cv_groups,
    )
    common |= {
        "random_state": random_state,
        "n_seeds": seeds,
        "augment": augment,
        "max_train": max_train,
        "jobs": jobs,
        "executor": executor,
        "scheduler": scheduler,
        "force": force,
        "only_failed": only_failed,
    }
    asked = {
        "significance": significance,
        "calibration": calibration,
        "subsets": subsets,
        "robustness": robustness or mnist_c is not None,
        "learning_curves": learning_curves,
        "cross_validation": cv is not None,
    }
    common["analyses"] += tuple(name for name, wanted in asked.items() if wanted)
    common["options"] = {
        "augment": augment,
        "mnist_c": str(mnist_c.resolve()) if mnist_c is not None else None,
        "cv": cv,
        "repeats": repeats,
        "rope": rope,
        "cv_groups": cv_groups,
    }
    runs = []
    for name in names:
        runs.append(_run_dataset(name, output_dir, common, view, started_at))
        started_at = time.monotonic()
    _publish_datasets(runs, output_dir, view)


def _common_settings(
    *,
    models: str | None,
    features: str | None,
    settings: list[str],
    profile: str | None,
    analyses: str | None,
    timeout: list[str],
    max_memory: str | None,
    cv_groups: str | None,
) -> dict[str, Any]:
    """Check the names and numbers of the command line before anything is loaded or run."""
    from digitrec.analyses import ANALYSES
    from digitrec.models import DEFAULT_MODELS, MODELS, parse_overrides
    from digitrec.preprocessing import DEFAULT_FEATURES, FEATURES

    if cv_groups is not None:
        check_choice("kind of group", cv_groups, ("writer",))
    if profile is not None:
        check_choice("profile", profile, ("fast", "full"))
    available = [name for name, spec in MODELS.items() if spec.is_available]
    general, single = parse_timeouts(timeout, MODELS)
    return {
        "models": choose("model", models, available if models == "all" else MODELS, DEFAULT_MODELS),
        "features": choose("feature set", features, FEATURES, (DEFAULT_FEATURES,)),
        "overrides": parse_overrides(settings),
        "profile": profile,
        "analyses": choose("analysis", analyses, ANALYSES, ()),
        "timeout": general,
        "timeouts": single,
        "max_memory": parse_size(max_memory) if max_memory is not None else None,
    }


def _run_dataset(
    name: str | None,
    output_dir: Path,
    settings: dict[str, Any],
    view: ProgressView,
    started_at: float,
) -> Run:
    from digitrec.analyses.cross_validation import known_writers
    from digitrec.evaluation.experiment import Experiment, run_experiment

    data, source = _load(name, settings["max_train"], settings["random_state"], view.line)
    for warning in data.warnings:
        view.warning(warning)
    if settings["options"]["cv_groups"]:
        known_writers(data)
    folder = output_dir / data.name
    experiment = Experiment(folder=folder, **settings)
    with view.live():
        outcome = run_experiment(
            experiment, data, source, report=view.line, on_event=view, started_at=started_at
        )
    _publish(outcome.run, folder, data, view)
    if outcome.interrupted:
        view.warning("stopped; the same command goes on where it stopped")
        raise typer.Exit(_INTERRUPTED)
    asked = [name for name in settings["analyses"] if name in outcome.run.failures]
    if asked and outcome.run.winner is not None:
        reasons = "; ".join(f"{name}: {outcome.run.failures[name]}" for name in asked)
        raise DigitrecError(f"analyses that were asked for failed: {reasons}")
    if outcome.run.winner is None:
        raise DigitrecError(f"no model ended well; the reasons are in {folder / 'report.md'}")
    return outcome.run


def _load(
    name: str | None, max_train: int | None, random_state: int, report: Callable[[str], None]
) -> tuple[Dataset, str]:
    """Return a dataset and what `load_dataset` takes to find it from anywhere."""
    from digitrec.datasets import DATASETS, load_dataset, load_default_dataset

    if name is None:
        data = load_default_dataset(report=report, max_train=max_train, random_state=random_state)
        return data, data.name
    data = load_dataset(name, report=report, max_train=max_train, random_state=random_state)
    return data, name if name in DATASETS else str(Path(name).expanduser().resolve())


def _publish(run: Run, folder: Path, data: Dataset | None, view: ProgressView) -> None:
    """Write the report of a run and print the table."""
    from benchmarks._terminal import accuracy_table
    from digitrec.reporting import read_predictions, write_index, write_report

    page = write_report(run, folder, read_predictions(run, folder), data)
    write_index(folder.parent)
    if not view.quiet:
        view.console.print(accuracy_table(run))
    view.line(f"report: {page}")


def _publish_datasets(runs: list[Run], output_dir: Path, view: ProgressView) -> None:
    """Write the page over several datasets, where there are several."""
    if len(runs) < 2:
        return
    from digitrec.reporting import write_index
    from digitrec.reporting.datasets_page import write_datasets_page

    page = write_datasets_page(runs, output_dir)
    write_index(output_dir)
    if page is not None:
        view.line(f"over all datasets: {page}")


def _saved_folder(output_dir: Path, name: str | None) -> Path:
    """Return the folder of a saved run."""
    if name is not None:
        return output_dir / (name if (output_dir / name).exists() else Path(name).stem)
    folder = output_dir / "mnist"
    return folder if folder.exists() else output_dir / "mnist_5k"


def _rebuild(folder: Path, view: ProgressView) -> Run:
    """Write the report of a saved run again."""
    run = read_run(folder / "results.json")
    _publish(run, folder, _find_data(run, view), view)
    return run


def _find_data(run: Run, view: ProgressView) -> Dataset | None:
    """Return the data that a saved run was made on, or None where they are not at hand."""
    from digitrec._files import cache_dir
    from digitrec.datasets import load_dataset
    from digitrec.evaluation.shared import SharedData

    name, fingerprint = run.dataset["name"], run.dataset["fingerprint"]
    found = SharedData(cache_dir("shared")).get(name, fingerprint)
    if found is not None:
        return found
    try:
        data = load_dataset(name, report=view.line)
    except DigitrecError as error:
        view.warning(f"the report has no example images: {error}")
        return None
    return data


def main() -> None:
    """Run the command; errors of the user end with one line and exit code 2."""
    replace_unknown_characters()
    # A batch system's polite end is an interruption like Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console(stderr=True)
    try:
        app(standalone_mode=True)
    except (DigitrecError, OSError) as error:
        console.print("[bold red]Error:[/] ", end="")
        text = str(error)
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            text += "; free some space and run the same command again: finished jobs are kept"
        console.print(text, markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


if __name__ == "__main__":
    main()
