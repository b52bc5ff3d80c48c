"""Train the recogniser that comes with the package: ``python -m benchmarks.train_recognizer``.

It learns from MNIST, from USPS, Semeion and optdigits where they can be loaded (scikit-learn's
digits otherwise), and from generated material; ``--fonts`` names a folder of further fonts. The
weights, the facts about them and a model card go to ``digitrec/inference/weights``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks._common import run_app
from digitrec._files import write_text
from digitrec.inference.network import BUNDLED_WEIGHTS, RecognizerFacts
from digitrec.inference.network_training import find_fonts, train_recognizer


def main(
    output: Annotated[Path, typer.Option(help="Weights to write, .npz.")] = BUNDLED_WEIGHTS,
    fonts: Annotated[
        Path | None, typer.Option(help="Folder of fonts, handwriting say, for letters and digits.")
    ] = None,
    max_rows: Annotated[
        int | None, typer.Option(min=200, help="Rows of MNIST, for a quick trial.")
    ] = None,
    random_state: Annotated[int, typer.Option(min=0, help="Seed.")] = 0,
    crops_from: Annotated[
        Path | None,
        typer.Option(
            help="Weights whose network of crops is kept; single digits alone are fitted."
        ),
    ] = None,
) -> None:
    """Train the recogniser's networks and write their weights, facts and model card."""
    facts = train_recognizer(
        output,
        fonts=find_fonts(fonts) if fonts else (),
        max_rows=max_rows,
        random_state=random_state,
        crops_from=crops_from,
    )
    card = output.with_name("MODEL_CARD.md")
    write_text(card, render_model_card(facts))
    typer.echo(f"weights: {output}\nmodel card: {card}")


def render_model_card(facts: RecognizerFacts) -> str:
    """Return the model card as Markdown: what the networks are for, learned from, and do."""
    digit, crop = facts.held_out.digit, facts.held_out.crop
    names = ", ".join(f"{name} ({mark})" for name, mark in facts.datasets.items())
    fonts = ", ".join(facts.fonts)
    rows = [
        ("right, of all images", "accuracy"),
        ("right, of digits", "digits_read_right"),
        ("digits taken for no digit", "digits_rejected"),
        ("non-digits recognised as such", "non_digits_rejected"),
    ]
    table = "\n".join(
        f"| {title} | {getattr(digit, key):.2%} | {getattr(crop, key):.2%} |" for title, key in rows
    )
    old = facts.kept_crops
    earlier = (
        f"- The network of crops is that of the weights of {old.date} (sha256 "
        f"{old.sha256[:16]}), kept with `--crops-from`: learned from\n"
        f"  {old.n_images:,} images, {old.n_non_digits:,} of them no digits; "
        "its accuracies are of\n  crops of images that were held out then.\n"
        if old
        else ""
    )
    return f"""# The default recogniser

Two small convolutional networks that `digitrec predict`, `digitrec serve` and
`digitrec.inference.Recognizer()` read images with. One reads digits that were cut out and framed
as MNIST frames them (28x28 pixels); the other reads the central digit of a crop (36x36 pixels)
with pieces of its neighbours, full stops and ruled lines. Both know an eleventh class, "not a
digit". The weights are stored as 16-bit floats and computed with NumPy.

- Made by `python -m benchmarks.train_recognizer` on {facts.date}, seed {facts.random_state}.
- Learned from {facts.n_images:,} images, {facts.n_non_digits:,} of them no digits: the
  training rows of these sets (fingerprint of the data): {names}; varied copies of them, some with
  remnants of lines, grain or pieces of neighbours; digits and signs drawn from strokes; digits of
  displays, dot matrices, stencils and stamps; digits, letters and words of these fonts: {fonts};
  logos, scribbles and blobs.
{earlier}- Not learned from: test rows of any set, and photographs.

On {facts.held_out.n:,} of these images that were held out, and on crops composed of them:

| | digits | crops |
|---|---|---|
{table}

Held-out images come from the same sources as those learned from; photographs of other people's
handwriting are harder. `python -m benchmarks.real_images --data FOLDER` measures that. Digits
other than 0-9 in European handwriting, letters that look like digits (O, l, S, Z) and several
digits in one image are known limits: letters that look like digits are read as these.
"""


if __name__ == "__main__":
    run_app(main)
