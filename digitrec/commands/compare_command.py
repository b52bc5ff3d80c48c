"""The command that compares models and writes the report: ``digitrec compare``.

Also ``python -m benchmarks.run_all``, under its old name.
"""

from __future__ import annotations

import atexit
import dataclasses
import gc
import json
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from digitrec._files import write_json
from digitrec._messages import messages_to
from digitrec.errors import ConfigurationError, DigitrecError, check_choice

if TYPE_CHECKING:
    from digitrec.comparison import Comparison
    from digitrec.comparison.progress_view import ProgressView
    from digitrec.datasets import Dataset
    from digitrec.evaluation.result import Run

INTERRUPTED = 130
_ANALYSIS_FLAGS = ("significance", "calibration", "subsets", "robustness", "learning_curves")
# Options that say how to run, and not what to compare: a configuration does not repeat them.
_NOT_REPEATED = ("config", "force", "only_failed", "report_only", "list_choices", "quiet")


def _load_config(context: typer.Context, value: Path | None) -> Path | None:
    """Take options from a file, as defaults: those of the command line take precedence."""
    from digitrec.commands.options import read_config

    if value is not None:
        allowed = {
            parameter.name: getattr(parameter, "multiple", False)
            for parameter in context.command.params
            if parameter.name not in (None, "config", "help")
        }
        found = read_config(value, allowed)
        context.default_map = {**(context.default_map or {}), **found}
    return value


def compare_models(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            is_eager=True,
            callback=_load_config,
            help="TOML file with options by name; each report ends with one.",
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Names or paths of datasets, separated by commas. Default: mnist, or mnist_5k "
            "where MNIST cannot be downloaded.",
        ),
    ] = None,
    models: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Models, separated by commas, or 'all'. Own ones: package.module:name or "
            "file.py:name.",
        ),
    ] = None,
    features: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES", help="Feature sets, separated by commas, or 'all'; own ones too."
        ),
    ] = None,
    set: Annotated[
        list[str] | None,
        typer.Option(metavar="MODEL.PARAM=VALUE", help="Change a parameter of a model."),
    ] = None,
    augment: Annotated[
        int, typer.Option(min=0, help="Random copies of each training image to add.")
    ] = 0,
    max_train: Annotated[
        int | None, typer.Option(min=1, help="Keep at most this many training images.")
    ] = None,
    random_state: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed.")] = 0,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds to run each model with.")] = 1,
    metric: Annotated[
        str,
        typer.Option(
            help="What ranks the models on the validation rows: accuracy, balanced_accuracy, "
            "macro_f1, log_loss, or a scorer of scikit-learn."
        ),
    ] = "accuracy",
    tune: Annotated[
        str | None,
        typer.Option(
            metavar="N|TIME",
            help="Search the parameters of each model: candidates to draw, or a time such as 5m.",
        ),
    ] = None,
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
        bool, typer.Option("--subsets", "--lenses", help="Score parts of MNIST's test set.")
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
    ignore: Annotated[
        list[str] | None,
        typer.Option(metavar="NAMES", help="Checks to leave out of the report; --list names them."),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Jobs at a time. Default: one per core.")
    ] = None,
    timeout: Annotated[
        list[str] | None,
        typer.Option(metavar="[MODEL=]TIME", help="Time after which a job is killed: 600, 10m."),
    ] = None,
    max_memory: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Memory that a job may take, such as 4GB.")
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Time for each dataset, such as 5m: quick models first, the rest is not run.",
        ),
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
    """Compare models on handwritten digits or other data, choose the best and write the report."""
    options = dict(locals())
    # Looking for unused objects once more before the process ends takes a tenth of a short run.
    atexit.register(gc.freeze)
    # SIGTERM, as batch systems send it, interrupts like Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    started_at = time.monotonic()
    from digitrec.commands.options import split_names

    names: list[str | None] = list(split_names(dataset)) if dataset is not None else [None]
    runs_here = executor == "local" and not (report_only or list_choices)
    if runs_here and not _is_saved(names[0], output_dir):
        # The server of worker processes loads the libraries while this process does.
        from digitrec.evaluation.executors import process_context

        process_context()
    from rich.console import Console

    from digitrec.comparison.progress_view import ProgressView

    view = ProgressView(Console(), quiet=quiet)
    context.with_resource(messages_to(view.line))
    given = _given(context)
    if list_choices:
        from digitrec.commands.options import choices_table

        _refuse_others("--list", given, ("list_choices", "quiet"))
        view.console.print(choices_table())
        return
    if report_only:
        _refuse_others(
            "--report-only", given, ("report_only", "dataset", "output_dir", "quiet", "config")
        )
        runs = [_rebuild(_saved_folder(output_dir, name), view) for name in names]
        _publish_datasets(runs, output_dir, view)
        return
    arguments = _arguments(options, given)
    repeatable = {
        name: str(value) if isinstance(value, Path) else value
        for name, value in given.items()
        if name not in _NOT_REPEATED
    }
    found: list[Comparison] = []
    for name in names:
        config_of = {**repeatable, **({} if name is None else {"dataset": name})}
        found.append(_compare_on(name, output_dir, arguments, config_of, found, view, started_at))
        started_at = time.monotonic()
    _publish_datasets([comparison.run for comparison in found], output_dir, view)
    _fail_where_analyses_did(found)


def _is_saved(name: str | None, output_dir: Path) -> bool:
    """Return whether a dataset has results, so that perhaps nothing needs to be run."""
    stem = Path(name).stem if name is not None else "mnist"
    return (output_dir / stem / "results.json").exists()


def _given(context: typer.Context) -> dict[str, Any]:
    """Return the options that are set on the command line or in a file, by parameter name."""
    given = {}
    for name, value in context.params.items():
        source = context.get_parameter_source(name)
        if source is not None and source.name != "DEFAULT":
            given[name] = value
    return given


def _refuse_others(option: str, given: dict[str, Any], allowed: tuple[str, ...]) -> None:
    others = [f"--{name.replace('_', '-')}" for name in given if name not in allowed]
    if others:
        raise ConfigurationError(f"{', '.join(others)} have no effect with {option}")


def _arguments(options: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of `Experiment`, checked before anything is loaded or run.

    Parameters
    ----------
    options : mapping
        All options of the command, by parameter name.
    given : mapping
        Those of them that are set.
    """
    from digitrec.analyses import ANALYSES
    from digitrec.analyses.checks import CHECKS
    from digitrec.commands.options import choose, parse_settings, parse_timeouts, split_names
    from digitrec.comparison.experiment import Experiment
    from digitrec.models import MODELS
    from digitrec.preprocessing import FEATURES

    if options["cv_groups"] is not None:
        check_choice("kind of group", options["cv_groups"], ("writer",))
    if options["profile"] is not None:
        check_choice("profile", options["profile"], ("fast", "full"))
    left_out = {name for text in options["ignore"] or () for name in split_names(text)}
    ignored = sorted(check_choice("check", name, CHECKS) for name in left_out)
    chosen = [] if options["profile"] is None else [options["profile"]]
    names = options["analyses"]
    if names is not None:
        chosen += ["all"] if names.strip() == "all" else split_names(names)
    for name in chosen:
        if name not in ("fast", "full", "all"):
            check_choice("analysis", name, ANALYSES)
    folds = options["cv"] is not None or {"cross_validation", "all", "full"} & {*chosen}
    for option in ("repeats", "rope", "cv_groups"):
        if option in given and not folds:
            raise ConfigurationError(
                f"--{option.replace('_', '-')} has no effect without --cv, such as --cv 5"
            )
    mnist_c = options["mnist_c"]
    asked = [name for name in _ANALYSIS_FLAGS if options[name]]
    if mnist_c is not None and "robustness" not in asked:
        asked.append("robustness")
    names = {field.name for field in dataclasses.fields(Experiment)} - {"config"}
    arguments = {
        **{name: value for name, value in options.items() if name in names},
        "n_jobs": options["jobs"],
        "models": choose("model", options["models"], MODELS),
        "features": choose("feature set", options["features"], FEATURES),
        "parameters": parse_settings(options["set"] or ()),
        "analyses": [*chosen, *asked],
        "timeout": parse_timeouts(options["timeout"] or ()),
        "repeats": 1,  # the analysis has it, which also runs without --cv
        "options": {
            "rope": options["rope"],
            "cv_groups": options["cv_groups"],
            "ignore": ignored,
            "mnist_c": str(mnist_c.resolve()) if mnist_c is not None else None,
            **({"repeats": options["repeats"]} if folds else {}),
        },
    }
    Experiment(folder=Path(), **arguments)
    return arguments


def _compare_on(
    name: str | None,
    output_dir: Path,
    arguments: dict[str, Any],
    config: dict[str, Any],
    before: list[Comparison],
    view: ProgressView,
    started_at: float,
) -> Comparison:
    from digitrec.analyses.cross_validation import known_writers
    from digitrec.comparison.execution import run_experiment
    from digitrec.comparison.experiment import Experiment
    from digitrec.comparison.run import as_dataset

    data, source = as_dataset(
        name,
        max_train=arguments["max_train"],
        random_state=arguments["random_state"],
    )
    for warning in data.warnings:
        view.warning(warning)
    if arguments["options"]["cv_groups"]:
        known_writers(data)
    folder = output_dir / data.name
    _refuse_taken(folder, source, before)
    experiment = Experiment(
        folder=folder, **arguments, config={"dataset": source, **config}, command=_command()
    )
    with view.live():
        found = run_experiment(experiment, data, source, started_at=started_at)
    deadline = None if experiment.budget is None else started_at + experiment.budget
    always = bool(arguments["force"])
    _publish(found.run, folder, data, view, always=always, deadline=deadline)
    if found.interrupted:
        view.warning("stopped; the same command continues the run")
        raise typer.Exit(INTERRUPTED)
    if found.run.winner is None:
        raise DigitrecError(f"no model succeeded; the reasons are in {folder / 'report.md'}")
    return found


def _refuse_taken(folder: Path, source: str, before: list[Comparison]) -> None:
    """Keep the results of one dataset from being replaced by those of another of its name."""
    from digitrec.evaluation.result import read_run

    runs = {comparison.folder.resolve(): comparison.run for comparison in before}
    there = runs.get(folder.resolve())
    if there is None:
        try:
            there = read_run(folder / "results.json")
        except DigitrecError:
            return
    location = there.dataset.location
    if location and location != source:
        raise ConfigurationError(
            f"{folder} holds the results of another dataset of this name ({location}); rename one "
            "of them, or choose another --output-dir"
        )


def _fail_where_analyses_did(found: list[Comparison]) -> None:
    """End with an error where an analysis that was asked for failed, after all is written."""
    reasons = []
    for comparison in found:
        asked = {*comparison.experiment.analyses} if comparison.experiment else {*()}
        for name, reason in comparison.run.failures.items():
            # A bundle leaves out what does not apply to the data; a name was meant.
            if name in asked or not reason.startswith("needs images"):
                reasons.append(f"{name} on {comparison.run.dataset.name}: {reason}")
    if reasons:
        raise DigitrecError(f"analyses that were asked for failed: {'; '.join(reasons)}")


def _publish(
    run: Run,
    folder: Path,
    data: Dataset | None,
    view: ProgressView,
    *,
    always: bool = True,
    deadline: float | None = None,
) -> None:
    """Write the report of a run, where it is not there already, and print the table.

    Parameters
    ----------
    run, folder, data, view
        The run, its folder, its data, and where to print.
    always : bool
        Write it even where it is up to date.
    deadline : float, optional
        ``time.monotonic()`` after which figures are left out, to be drawn by the next call.
    """
    from digitrec.analyses import ReportContext
    from digitrec.analyses.checks import found_warnings
    from digitrec.comparison.display import render_text
    from digitrec.evaluation.job_store import read_predictions
    from digitrec.reporting import write_index, write_report

    page, note = folder / "report.md", folder / ".report.json"
    key = _report_key(run, data)
    files = (page, folder / "report.html", folder / "results.csv", note)
    if always or not all(path.exists() for path in files) or _read_key(note) != key:
        page = write_report(run, folder, read_predictions(run, folder), data, deadline)
        if deadline is None or time.monotonic() <= deadline:
            write_json(note, {"key": key})
        else:
            note.unlink(missing_ok=True)
    write_index(folder.parent)
    if not view.quiet:
        view.console.print(render_text(run), markup=False, highlight=False, soft_wrap=True)
    for sentence in found_warnings(ReportContext(run=run)):
        view.warning(sentence)
    view.line(f"report: {page}")


def _report_key(run: Run, data: Dataset | None) -> str:
    """Return what a report depends on: the run, the images, and the code that draws it."""
    from digitrec._code import cache_key
    from digitrec.analyses import ANALYSES

    facts = dataclasses.asdict(run)
    # The wall time of a run that reused everything is that of the run before.
    images = None if data is None else data.fingerprint
    return cache_key(
        {"run": facts, "images": images},
        "digitrec.reporting.report",
        *(f"digitrec.analyses.{name}" for name in ANALYSES),
    )


def _read_key(note: Path) -> str | None:
    try:
        return str(json.loads(note.read_text(encoding="utf-8"))["key"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


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
    """Return the folder of a saved run, by the name or the path of its data."""
    from digitrec.evaluation.result import read_run

    if name is None:
        folder = output_dir / "mnist"
        return folder if folder.exists() else output_dir / "mnist_5k"
    if (output_dir / name / "results.json").exists():
        return output_dir / name
    location = str(Path(name).expanduser().resolve())
    for path in sorted(output_dir.glob("*/results.json")):
        try:
            if read_run(path).dataset.location == location:
                return path.parent
        except DigitrecError:
            continue
    stem = Path(name).name
    while Path(stem).suffix:
        stem = Path(stem).stem
    folders = {path.name.lower(): path for path in output_dir.glob("*") if path.is_dir()}
    return folders.get(stem.lower(), output_dir / stem)


def _rebuild(folder: Path, view: ProgressView) -> Run:
    """Write the report of a saved run again."""
    from digitrec.evaluation.result import read_run

    run = read_run(folder / "results.json")
    _publish(run, folder, _find_data(run, view), view)
    return run


def _find_data(run: Run, view: ProgressView) -> Dataset | None:
    """Return the data that a saved run was made on, or None where they cannot be loaded."""
    from digitrec.comparison.saved import load_dataset_of

    try:
        return load_dataset_of(run)
    except DigitrecError as error:
        view.warning(f"the report has no example images: {error}")
        return None


def _command() -> str:
    """Return the command of this process as a user would type it."""
    import shlex

    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name and not spec.name.startswith(("ipykernel", "pytest")):
        name = spec.name.removesuffix(".__main__")
        return shlex.join(["python", "-m", name, *sys.argv[1:]])
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
