"""Shared by the benchmarks on labelled images: options, and generated images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks._assessment import LabelledImage
from benchmarks._pages import PAGE_KINDS, PageMaker
from benchmarks._scenes import Scene, make_scene
from digitrec.datasets import load_default_dataset

DataFolder = Annotated[
    Path | None, typer.Option(help="Folder with labels.csv; default: made-up images.")
]
ModelFile = Annotated[
    Path | None, typer.Option(help="Saved model; default: the default recogniser.")
]

Row = tuple[NDArray[np.float32], str]


class MadeUpImages:
    """Scenes with digits of MNIST's test set, all drawn from one stream of random numbers."""

    def __init__(self, random_state: int) -> None:
        dataset = load_default_dataset()
        self.digits = dataset.X_test.reshape(-1, 28, 28).astype(np.float32) / np.float32(255)
        self.labels = dataset.y_test
        self.rng = np.random.default_rng(random_state)

    def row(self, least: int, most: int | None = None) -> Row:
        """Return `least` digits, or a number drawn from `least` to `most`, and their labels."""
        n = least if most is None else int(self.rng.integers(least, most + 1))
        chosen = self.rng.integers(len(self.digits), size=n)
        return self.digits[chosen], "".join(str(label) for label in self.labels[chosen])

    def images(
        self, kind: str, n: int, rows: Callable[[], list[Row]], **scene: Any
    ) -> list[LabelledImage]:
        """Return `n` images of a kind, each with the rows that `rows` draws, by `make_scene`."""
        scenes = (make_scene(rows(), self.rng, **scene) for _ in range(n))
        return [
            _labelled(
                f"{kind} {index} ({', '.join(made.traits) or 'plain'})", made, kind, "made-up"
            )
            for index, made in enumerate(scenes, 1)
        ]

    def pages(self, n: int) -> list[LabelledImage]:
        """Return `n` pages of each of `PAGE_KINDS`: forms, envelopes, sheets on tables."""
        maker = PageMaker(self.row, self.rng)
        return [
            _labelled(f"{kind} {index}", maker.make(kind), "sheet", kind)
            for kind in PAGE_KINDS
            for index in range(1, n + 1)
        ]


def _labelled(name: str, scene: Scene, kind: str, tag: str) -> LabelledImage:
    label = "" if kind == "negative" else scene.text.replace("\n", "|")
    return LabelledImage(name, scene.pixels, label, kind, tag)
