"""Write the results of the saved MNIST run and of other experiments into the README.

The list of all reports, and the tables of models, features and datasets in the
documentation, are written again too.

Run: ``python -m benchmarks.readme``, after ``python -m benchmarks.run_all``.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks._common import run_app
from digitrec._files import write_text
from digitrec.analyses import ReportContext
from digitrec.datasets import DATASETS
from digitrec.errors import DigitrecError
from digitrec.evaluation.result import Run, read_run
from digitrec.models import DEFAULT_MODELS, MODELS
from digitrec.preprocessing import DEFAULT_FEATURES, FEATURES
from digitrec.rendering.markdown import code, escape, interval, percent, seconds, table_of
from digitrec.reporting import write_index


def render_block(report_dir: Path) -> str:
    """Return the README's part on results: a run, then the findings of other experiments."""
    results = render_results(read_run(report_dir / "results.json"), report_dir.as_posix())
    findings = render_findings(report_dir.parent)
    return f"{results}\n\nOther results:\n\n{findings}" if findings else results


def render_results(run: Run, folder: str) -> str:
    """Return the README's table, figure and source of a run whose report is in `folder`."""
    columns = {
        "model": lambda row: f"**{row.title}** ★" if row.is_winner else row.title,
        "validation accuracy, %": lambda row: percent(row.mean("validation_accuracy")),
        "test error, %": lambda row: percent(row.mean("test_error")),
        "95 % interval": lambda row: interval(
            1 - (row.mean("test_accuracy_high") or 0), 1 - (row.mean("test_accuracy_low") or 0)
        ),
        "fit, s": lambda row: seconds(row.mean("fit_seconds")),
        "one image, ms": lambda row: seconds(row.mean("latency_p50_ms")),
    }
    best = run.winning_result
    if best is None:
        raise DigitrecError(f"the run in {folder} has no winner; run the benchmark again")
    facts = best.hardware
    return "\n\n".join(
        [
            f"{run.dataset.n_train:,} training and {run.dataset.n_test:,} test images of "
            f"MNIST, {best.features} features (computed once for all models in "
            f"{seconds(best.feature_seconds)} s):",
            table_of(ReportContext(run=run).ok_rows, columns),
            f"![Test error of each model]({folder}/figures/error.png)",
            f"★ chosen on validation images. Measured with {code(run.command)} on "
            f"{facts['processor']}, {facts['cores']} cores, {facts['memory_gib']} GiB, "
            f"scikit-learn {best.versions['scikit-learn']}. The whole report: "
            f"[{folder}/report.md]({folder}/report.md).",
        ]
    )


def render_findings(reports: Path) -> str:
    """Return a list of what the other experiments found, of those that have results."""
    lines = []
    for name, render in _FINDINGS.items():
        path = reports / name / "results.json"
        if path.exists():
            found = render(json.loads(path.read_text(encoding="utf-8")))
            lines.append(f"- {found} ([report]({(reports / name / 'report.md').as_posix()}))")
    return "\n".join(lines)


def _peers(stored: dict[str, Any]) -> str:
    ours, theirs = (
        [timing for timing in stored["timings"] if timing["side"] == side]
        for side in ("digitrec", "peer")
    )
    error = {timing["model"]: timing["test_error"] for timing in ours}
    ratios = [timing["test_error"] / error[timing["model"]] for timing in theirs]
    spent = [
        sum(timing["fit_seconds"] + timing["predict_seconds"] for timing in timings)
        for timings in (ours, theirs)
    ]
    slower = spent[1] / (spent[0] + stored["feature_seconds"])
    return (
        "The usual scikit-learn models on raw pixels or their components make "
        f"{min(ratios):.1f} to {max(ratios):.1f} times as many errors and take {slower:.1f} times "
        "as long in total, measured in the same run."
    )


def _frontier(stored: dict[str, Any]) -> str:
    best = stored["winner"]
    error, low, high = (
        percent(best[field]) for field in ("test_error", "test_error_low", "test_error_high")
    )
    where = " on Fashion-MNIST" if stored["dataset"] == "fashion_mnist" else ""
    return (
        f"Lowest test error{where} without neural networks on pixels: **{error} %** "
        f"({low}–{high}), trained in {best['fit_seconds'] / 60:.0f} minutes."
    )


def _real_images(stored: dict[str, Any]) -> str:
    single = next(
        row for row in stored["accuracy"] if (row["kind"], row["tag"]) == ("single", "all")
    )
    share, low, high, naive = (
        f"{100 * single[field]:.1f}" for field in ("share", "low", "high", "naive")
    )
    return (
        f"Of {single['n']} photographs, scans and drawings of a digit, which were used in "
        f"development, {share} % are recognised correctly ({low}–{high}); the same classifier on "
        f"images resized to 28x28 pixels: {naive} %."
    )


def _serving(stored: dict[str, Any]) -> str:
    rates = {
        cell["kind"]: f"{cell['requests_per_second']:,.0f}"
        for cell in stored["cells"]
        if cell["connections"] == 16
    }
    return (
        f"One worker of the service answers {rates['png']} PNG files of 28x28 pixels or "
        f"{rates['jpeg']} JPEG files of 700 pixels a second."
    )


_FINDINGS = {
    "peers": _peers,
    "frontier": _frontier,
    "frontier-fashion_mnist": _frontier,
    "real_images": _real_images,
    "serving": _serving,
}


def render_registries() -> str:
    """Return tables of the models, features and datasets of the registries."""
    names = {"name": lambda spec: code(spec.name)}
    models = names | {
        "default": lambda spec: "yes" if spec.name in DEFAULT_MODELS else "",
        "what it does": lambda spec: escape(spec.summary),
        "needs": lambda s: code(f"pip install 'digitrec[{s.extra}]'") if s.extra else "",
    }
    features = names | {
        "default": lambda spec: "yes" if spec.name == DEFAULT_FEATURES else "",
        "what they are": lambda spec: escape(spec.summary),
    }
    datasets = names | {
        "what it is": lambda spec: escape(spec.title),
        "training / test images": lambda spec: f"{spec.n_train:,} / {spec.n_test:,}",
        "pixels": lambda spec: "x".join(map(str, spec.image_shape)),
        "licence": lambda spec: escape(spec.license),
    }
    return "\n\n".join(
        [
            "## Models",
            table_of(MODELS.values(), models, "llll"),
            "## Features",
            table_of(FEATURES.values(), features, "lll"),
            "## Datasets",
            table_of(DATASETS.values(), datasets, "llrll"),
        ]
    )


def insert_part(page: str, name: str, part: str) -> str:
    """Return a page with the text between the two markers of a name replaced.

    Raises
    ------
    DigitrecError
        If the markers are missing.
    """
    start = f"<!-- {name}: written by python -m benchmarks.readme -->"
    end = f"<!-- /{name} -->"
    pattern = re.compile(f"{re.escape(start)}.*?{re.escape(end)}", re.DOTALL)
    if not pattern.search(page):
        raise DigitrecError(f"the page has no part between {start!r} and {end!r}")
    return pattern.sub(lambda _: f"{start}\n\n{part}\n\n{end}", page)


def main(
    report_dir: Annotated[Path, typer.Option(help="Folder of the run.")] = Path("reports/mnist"),
    readme: Annotated[Path, typer.Option(help="File to rewrite.")] = Path("README.md"),
    reference: Annotated[Path, typer.Option(help="Page of the documentation to rewrite.")] = Path(
        "docs/reference.md"
    ),
) -> None:
    """Put the results of a saved run into the README."""
    results = render_block(report_dir)
    write_text(readme, insert_part(readme.read_text(encoding="utf-8"), "results", results))
    registries = insert_part(
        reference.read_text(encoding="utf-8"), "registries", render_registries()
    )
    write_text(reference, registries)
    write_index(report_dir.parent)
    typer.echo(f"{readme} shows the results of {report_dir}")


if __name__ == "__main__":
    run_app(main)
