"""Shared by the benchmarks: options, start and end, facts about the run, and output files."""

from __future__ import annotations

import multiprocessing
import shlex
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import joblib
import typer
from typer.core import TyperCommand

from digitrec._environment import describe_hardware, library_versions
from digitrec._files import atomic_path, write_json, write_text
from digitrec._messages import messages_to
from digitrec.commands.entry import run_command
from digitrec.datasets import Dataset
from digitrec.rendering.style import save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DatasetName = Annotated[str, typer.Option(help="Name or path of a dataset.")]
Jobs = Annotated[int | None, typer.Option(min=1, help="Threads; default: all cores.")]
MaxTrain = Annotated[int | None, typer.Option(min=20, help="Training rows at most.")]
OutputDir = Annotated[Path, typer.Option(help="Folder of the report.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed.")]


# The command that is running. typer brings a click of its own, whose context click cannot tell.
_CONTEXT: ContextVar[typer.Context | None] = ContextVar("context", default=None)


class _Command(TyperCommand):
    def invoke(self, ctx: Any) -> Any:
        token = _CONTEXT.set(ctx)
        try:
            return super().invoke(ctx)
        finally:
            _CONTEXT.reset(token)


def make_app(main: Callable[..., None]) -> typer.Typer:
    """Return a command line of one command."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(cls=_Command)(main)
    return app


def run_app(main: Callable[..., None]) -> None:
    """Run a command; bad input ends it with a line and exit code 2."""
    with messages_to(typer.echo):
        run_command(make_app(main))


def run_facts(name: str, dataset: Dataset | None = None, **further: Any) -> dict[str, Any]:
    """Return the command with the options that were given, the rows, machine and versions."""
    facts: dict[str, Any] = {"command": f"python -m benchmarks.{name}{_given_options()}"}
    if dataset is not None:
        facts |= {
            "dataset": dataset.name,
            "n_train": len(dataset.y_train),
            "n_test": len(dataset.y_test),
        }
    return facts | further | {"hardware": describe_hardware(), "versions": library_versions()}


def _given_options() -> str:
    context = _CONTEXT.get()
    words: list[str] = []
    for parameter in context.command.params if context else ():
        assert context is not None
        name = str(parameter.name)
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE" and name != "output_dir":
            value = context.params[name]
            for one in value if isinstance(value, list | tuple) else [value]:
                words += [parameter.opts[0]] if one is True else [parameter.opts[0], str(one)]
    return "".join(f" {word}" for word in map(shlex.quote, words))


def measured_with(facts: dict[str, Any]) -> str:
    """Return the sentence that ends a report: the command, the machine and the versions."""
    hardware = facts["hardware"]
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    return (
        f"Measured with `{facts['command']}` on {hardware['processor']}, {hardware['cores']} "
        f"cores, {hardware['memory_gib']} GiB; {versions}."
    )


def write_report(folder: Path, report: str, facts: Any, **figures: Figure) -> None:
    """Write ``report.md``, ``results.json`` and ``figures/<name>.png``, and print its path."""
    write_json(folder / "results.json", facts)
    for name, figure in figures.items():
        save_figure(figure, folder / "figures" / f"{name}.png")
    write_text(folder / "report.md", report.rstrip("\n") + "\n")
    typer.echo(f"report: {folder / 'report.md'}")


def kept(path: Path, compute: Callable[..., Any], *arguments: Any, refit: bool = False) -> Any:
    """Return what a function returned: from its file, which is written where there is none yet."""
    if refit or not path.exists():
        found = compute(*arguments)
        with atomic_path(path) as temporary:
            joblib.dump(found, temporary)
    return joblib.load(path)


def in_fresh_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a function returns in a new process, whose peak memory is its own."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function, *arguments).result()
