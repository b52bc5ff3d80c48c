"""Measure the recogniser on real images: photos, scans, drawings, strings, sheets, negatives.

Run: ``python -m benchmarks.real_images --data DIR``, where DIR has a ``labels.csv`` with the
columns path, label, kind (single, string, sheet or negative) and tag. Without ``--data`` the
images are made up from digits of MNIST's test set.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from threadpoolctl import threadpool_limits

from benchmarks._assessment import (
    LabelledImage,
    Trial,
    assess,
    edit_distance,
    read_labels,
    risk_coverage,
)
from benchmarks._bounds import measure_bounds, render_bounds
from benchmarks._common import OutputDir, Seed, run_app, write_report
from benchmarks._labelled_images import DataFolder, MadeUpImages, ModelFile
from digitrec._environment import describe_hardware, digitrec_version
from digitrec._files import atomic_path
from digitrec.evaluation.metrics import wilson_interval
from digitrec.inference.image_io import read_image
from digitrec.inference.overlay import draw_overlay
from digitrec.inference.recognizer import Recognizer
from digitrec.inference.synthesis import make_non_digits
from digitrec.rendering.markdown import escape, short_percent, table_of

THRESHOLDS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
MOST_FAILURES = 60


def main(
    data: DataFolder = None,
    output_dir: OutputDir = Path("reports/real_images"),
    model: ModelFile = None,
    threshold: Annotated[float | None, typer.Option(min=0, max=1)] = None,
    gallery: Annotated[
        bool, typer.Option(help="Write pictures of the failures; mind the images' licences.")
    ] = True,
    count: Annotated[int, typer.Option(min=10, help="Made-up single digits.")] = 600,
    crop: Annotated[
        bool, typer.Option("--crop", help="Single digits are crops with neighbours.")
    ] = False,
    bounds: Annotated[
        bool,
        typer.Option("--bounds", help="Measure time and memory by size, the wheel, the start."),
    ] = False,
    random_state: Seed = 0,
) -> None:
    """Recognise labelled images and report accuracy, rejection and time."""
    recognizer = Recognizer(model, threshold=threshold)
    images = read_labels(data) if data else make_images(count, random_state)
    console = Console(stderr=True)
    with threadpool_limits(1):
        shown = track(images, "Recognising", console=console, disable=not console.is_terminal)
        trials = assess(recognizer, shown, context="crop" if crop else None)
    facts = measure(trials, recognizer)
    facts["context"] = "crop" if crop else None
    facts["images"] = "labelled images" if data else "made-up images"
    facts["bounds"] = measure_bounds() if bounds else None
    pictures = write_gallery(trials, output_dir / "gallery") if gallery else []
    write_report(output_dir, render_report(facts, pictures), facts)


def make_images(count: int, random_state: int) -> list[LabelledImage]:
    """Make up scenes: `count` single digits, a quarter strings, some pages, a quarter none."""
    made_up = MadeUpImages(random_state)
    images = made_up.images("single", count, lambda: [made_up.row(1)])
    images += made_up.images("string", count // 4, lambda: [made_up.row(2, 8)])
    images += made_up.images("sheet", count // 10, lambda: [made_up.row(2, 6) for _ in range(3)])
    images += made_up.pages(count // 50)
    rng = made_up.rng
    signs = make_non_digits(max(60, count), made_up.digits, made_up.labels, rng)
    return images + made_up.images(
        "negative", count // 4, lambda: [(signs[rng.integers(len(signs), size=1)], "")]
    )


def measure(trials: list[Trial], recognizer: Recognizer) -> dict[str, Any]:
    """Return all figures of the report, JSON-safe."""
    kinds = dict.fromkeys(t.image.kind for t in trials)
    by_kind = {k: [t for t in trials if t.image.kind == k] for k in kinds}
    groups = [
        {"kind": kind, "tag": tag, **_accuracy(chosen)}
        for kind, of_kind in by_kind.items()
        for tag in ["all", *sorted({t.image.tag for t in of_kind})]
        if (chosen := [t for t in of_kind if tag in ("all", t.image.tag)])
    ]
    singles = by_kind.get("single", [])
    strings = by_kind.get("string", [])
    return {
        "digitrec": digitrec_version(),
        "hardware": describe_hardware(),
        "model": recognizer.model.name,
        "model_datasets": recognizer.model.datasets,
        "threshold": recognizer.threshold,
        "n_images": len(trials),
        "accuracy": groups,
        "character_error_rate": _error_rate(strings, lambda t: t.guess),
        "naive_character_error_rate": _error_rate(strings, lambda t: t.naive_guess),
        "digits_rejected": _share([not t.accepted for t in singles]),
        "risk_coverage": risk_coverage(trials, THRESHOLDS),
        "milliseconds": _times(trials),
        "errors": [{"name": t.image.name, "error": t.error} for t in trials if t.error],
        "failures": [
            {"name": t.image.name, "label": t.image.label, "guess": t.guess}
            for t in trials
            if not t.right
        ],
    }


def _accuracy(trials: list[Trial]) -> dict[str, Any]:
    return {
        "n": len(trials),
        **_share([t.right for t in trials]),
        "naive": sum(t.naive_right for t in trials) / len(trials),
    }


def _share(values: list[bool]) -> dict[str, Any]:
    if not values:
        return {"share": None, "low": None, "high": None}
    low, high = wilson_interval(sum(values), len(values))
    return {"share": sum(values) / len(values), "low": low, "high": high}


def _error_rate(trials: list[Trial], guess: Callable[[Trial], str]) -> float | None:
    length = sum(len(t.image.label) for t in trials)
    return sum(edit_distance(guess(t), t.image.label) for t in trials) / length if length else None


def _times(trials: list[Trial]) -> list[dict[str, Any]]:
    """Return times by size of the image, of one-digit images and of pages."""
    bounds = ((0.0, 0.1), (0.1, 0.6), (0.6, 1.5), (1.5, 5.0), (5.0, 25.0))
    rows = []
    for task, kinds in (("one digit", ("single", "negative")), ("page", ("string", "sheet"))):
        for low, high in bounds:
            seconds = [
                t.seconds
                for t in trials
                if t.image.kind in kinds and low < t.megapixels <= high and not t.error
            ]
            if seconds:
                p50, p95 = (1000 * float(np.percentile(seconds, q)) for q in (50, 95))
                row = {"task": task, "megapixels": [low, high], "n": len(seconds)}
                rows.append({**row, "p50_ms": p50, "p95_ms": p95})
    return rows


def write_gallery(trials: list[Trial], folder: Path) -> list[tuple[str, str]]:
    """Write a picture of each failure; returns file names and captions."""
    shutil.rmtree(folder, ignore_errors=True)
    pictures: list[tuple[str, str]] = []
    for trial in [t for t in trials if not t.right and not t.error][:MOST_FAILURES]:
        file = f"{len(pictures) + 1:03d}.png"
        picture = draw_overlay(read_image(trial.image.source), trial.predictions)
        picture.thumbnail((480, 480))
        with atomic_path(folder / file) as temporary:
            picture.save(temporary)
        label = trial.image.label or "no digit"
        pictures.append((f"gallery/{file}", f"{trial.image.name}: {label}, read {trial.guess}"))
    return pictures


def render_report(facts: dict[str, Any], pictures: list[tuple[str, str]]) -> str:
    """Return the report as Markdown."""
    parts = [
        _title(facts),
        _intro(facts),
        "## Accuracy",
        "A digit counts as right when the best guess is, accepted or not; a string or sheet when "
        "every digit is; a negative when nothing was accepted. Intervals: Wilson, 95 %. Naive: "
        "the same classifier on the image squeezed into 28x28 grey pixels, inverted where the "
        "mean is bright.",
        table_of(
            facts["accuracy"],
            {
                "kind": "{kind}",
                "tag": lambda row: escape(row["tag"]),
                "images": "{n}",
                "right": lambda row: short_percent(row["share"]),
                "interval": lambda row: (
                    f"{short_percent(row['low'])} to {short_percent(row['high'])}"
                ),
                "naive": lambda row: short_percent(row["naive"]),
            },
            "llrrrr",
        ),
        _sentences(facts),
        "## Risk and coverage",
        "What a threshold on the confidence does: coverage is the share of single digits that "
        "are accepted, risk the share of wrong ones among these.",
        table_of(
            facts["risk_coverage"],
            {
                "threshold": "{threshold:.2f}",
                "coverage": lambda row: short_percent(row["coverage"]),
                "risk": lambda row: short_percent(row["risk"]),
                "negatives rejected": lambda row: short_percent(row["negatives_rejected"]),
            },
            "rrrr",
        ),
        "## Time per image",
        "From the file to the answer, on one thread; processor time, which other work on the "
        "machine hardly changes.",
        table_of(
            facts["milliseconds"],
            {
                "task": "{task}",
                "megapixels": "{megapixels[0]:g} to {megapixels[1]:g}",
                "images": "{n}",
                "median ms": "{p50_ms:.0f}",
                "95 % ms": "{p95_ms:.0f}",
            },
        ),
    ]
    if facts.get("bounds"):
        parts.append(render_bounds(facts["bounds"]))
    if pictures:
        parts.append("## Failures")
        parts += [
            f"![{escape(caption)}]({file})\n\n{escape(caption)}" for file, caption in pictures
        ]
    return "\n\n".join(parts) + "\n"


def _title(facts: dict[str, Any]) -> str:
    title = "Made-up images" if facts["images"] == "made-up images" else "Real images"
    return f"# {title}{', read as crops' if facts.get('context') else ''}"


def _intro(facts: dict[str, Any]) -> str:
    sets = ", ".join(facts["model_datasets"]) or "unknown data"
    made_up = (
        " The negatives come from the generator that the default recogniser learned from, with "
        "another seed: real ones are harder."
    )
    return (
        f"{facts['n_images']} {facts['images']}, read by {escape(facts['model'])} "
        f"(trained from {escape(sets)}) at threshold {facts['threshold']:g}. "
        + ("Single digits are read as crops with neighbours. " if facts.get("context") else "")
        + f"digitrec {facts['digitrec']}; {escape(facts['hardware']['processor'])}."
        + (made_up if facts["images"] == "made-up images" else "")
    )


def _sentences(facts: dict[str, Any]) -> str:
    rejected = facts["digits_rejected"]
    lines = [f"- Unreadable files: {len(facts['errors'])}."]
    if rejected["share"] is not None:
        lines.insert(0, f"- Single digits rejected: {short_percent(rejected['share'])}.")
    if facts["character_error_rate"] is not None:
        lines.insert(
            0,
            f"- Character error rate of strings: {short_percent(facts['character_error_rate'])} "
            f"(naive: {short_percent(facts['naive_character_error_rate'])}).",
        )
    return "\n".join(lines)


if __name__ == "__main__":
    run_app(main)
