"""Measure the recogniser on changed images: light, paper, lines, frames, optics.

Run: ``python -m benchmarks.image_changes --data DIR``, where DIR is a folder as
``benchmarks.real_images`` takes it. Without ``--data`` the images are made up from digits of
MNIST's test set, on plain paper.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.progress import track
from threadpoolctl import threadpool_limits

from benchmarks._assessment import LabelledImage, assess, read_labels
from benchmarks._common import OutputDir, Seed, run_app, write_report
from benchmarks._image_changes import CHANGES, apply_change
from benchmarks._labelled_images import DataFolder, MadeUpImages, ModelFile
from digitrec._environment import describe_hardware, digitrec_version
from digitrec.inference.image_io import load_image
from digitrec.inference.recognizer import Recognizer
from digitrec.rendering.markdown import escape, short_percent, table
from digitrec.rendering.style import new_figure

LARGEST = 1200
"""Longer side to which larger images are reduced, so that changes of pixels mean the same."""


def main(
    data: DataFolder = None,
    output_dir: OutputDir = Path("reports/image_changes"),
    model: ModelFile = None,
    count: Annotated[int, typer.Option(min=4, help="Made-up single digits.")] = 400,
    random_state: Seed = 0,
) -> None:
    """Recognise labelled images under each change and report what is still right."""
    recognizer = Recognizer(model)
    images = _reduced(read_labels(data)) if data else make_images(count, random_state)
    console = Console(stderr=True)
    with threadpool_limits(1):
        names = track(CHANGES, "Changing", console=console, disable=not console.is_terminal)
        rows = []
        for name in names:
            rows.append(measure(recognizer, images, name))
            if not console.is_terminal:
                typer.echo(
                    f"{name}: {short_percent(rows[-1]['single'])} of single digits", err=True
                )
    facts = {
        "digitrec": digitrec_version(),
        "hardware": describe_hardware(),
        "images": "labelled images" if data else "made-up images",
        "model": recognizer.model.name,
        "model_datasets": list(recognizer.model.datasets),
        "counts": {kind: sum(i.kind == kind for i in images) for kind in ("single", "negative")}
        | {"page": sum(i.kind in ("string", "sheet") for i in images)},
        "changes": rows,
    }
    write_report(output_dir, render_report(facts), facts, changes=examples_figure())


def make_images(count: int, random_state: int) -> list[LabelledImage]:
    """Make up `count` single digits and a quarter of that strings, on plain paper."""
    made_up = MadeUpImages(random_state)
    singles = made_up.images("single", count, lambda: [made_up.row(1)], traits=())
    return singles + made_up.images("string", count // 4, lambda: [made_up.row(3, 7)], traits=())


def _reduced(images: list[LabelledImage]) -> list[LabelledImage]:
    """Return the images that can be read, as pixels, at most `LARGEST` a side."""
    return [
        replace(image, source=load_image(image.source, look_side=LARGEST).pixels)
        for image in images
    ]


def measure(recognizer: Recognizer, images: list[LabelledImage], name: str) -> dict[str, Any]:
    """Return the shares of the images that are right under a change."""

    def changed() -> Iterator[LabelledImage]:
        for image in images:
            source = image.source
            assert isinstance(source, np.ndarray)
            yield replace(image, source=apply_change(name, source))

    trials = assess(recognizer, changed())

    def share(*kinds: str, naive: bool = False) -> float | None:
        right = [t.naive_right if naive else t.right for t in trials if t.image.kind in kinds]
        return sum(right) / len(right) if right else None

    singles = [t for t in trials if t.image.kind == "single"]
    return {
        "change": name,
        "single": share("single"),
        "naive": share("single", naive=True),
        "rejected": sum(not t.accepted for t in singles) / len(singles) if singles else None,
        "page": share("string", "sheet"),
        "negative": share("negative"),
    }


def examples_figure() -> Figure:
    """Show one made-up digit under each change."""
    (image,) = make_images(4, 3)[1:2]
    source = image.source
    assert isinstance(source, np.ndarray)
    columns = 6
    rows = -(-len(CHANGES) // columns)
    figure = new_figure(1.55 * rows)
    for axis, name in itertools.zip_longest(figure.subplots(rows, columns).flat, CHANGES):
        axis.axis("off")
        if name is not None:
            axis.imshow(_square(apply_change(name, source)))
            axis.set_title(name.replace(", ", ",\n"), fontsize=7)
    return figure


def _square(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Centre an image on a light grey square, so that all are shown at one scale."""
    side = max(pixels.shape[:2])
    out = Image.new("RGB", (side, side), (238, 238, 238))
    out.paste(
        Image.fromarray(pixels), ((side - pixels.shape[1]) // 2, (side - pixels.shape[0]) // 2)
    )
    return np.asarray(out)


def render_report(facts: dict[str, Any]) -> str:
    """Return the report as Markdown."""
    counts = facts["counts"]
    columns = {
        "single digits": "single",
        "naive": "naive",
        "rejected": "rejected",
        "strings and sheets": "page",
        "negatives rejected": "negative",
    }
    rows = [
        [row["change"], *(short_percent(row[key]) for key in columns.values())]
        for row in facts["changes"]
    ]
    parts = [
        "# Changes of the image",
        f"{counts['single']} single digits, {counts['page']} strings and sheets and "
        f"{counts['negative']} negatives ({facts['images']}), read by "
        f"{escape(facts['model'])} (trained from {', '.join(facts['model_datasets'])}), as "
        "they are and under changes that keep their digits. Naive: the same "
        "classifier on single digits squeezed into 28x28 grey pixels, inverted where the "
        f"mean is bright. digitrec {facts['digitrec']}.",
        table(["change", *columns], rows, "lrrrrr"),
        "A string or sheet counts when every digit is right. On images of less than 60 "
        "pixels no lines are drawn: they would be as thick as strokes.",
        "![One digit under each change](figures/changes.png)",
    ]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    run_app(main)
