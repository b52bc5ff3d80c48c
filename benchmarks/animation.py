"""Record the drawing page while digits are drawn, as the small animated picture of the README.

Run: ``python -m benchmarks.animation``, with the extras ``browser`` and ``serve`` and a Chromium.
The page is the real one, answered by a real service with the recogniser of the package.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from PIL import Image

from benchmarks._common import run_app
from benchmarks.serving import running_server
from digitrec._files import atomic_path
from digitrec.errors import DigitrecError

WINDOW = (980, 620)  # CSS pixels
WIDTH = 720  # pixels of the picture
STROKE_STEPS = 6  # pictures of each stroke
FRAME_MS, PAUSE_MS = 90, 1100
PALETTE_PICTURES = 8
N_COLORS = 48  # enough for a page of few colours
ANSWER_SECONDS = 20  # a busy machine may be slow

Strokes = Sequence[Sequence[tuple[float, float]]]


def record(url: str, digits: Sequence[Strokes], chromium: str) -> list[tuple[Image.Image, int]]:
    """Return pictures of the page and how long each is shown, in milliseconds.

    `digits` are the strokes of each digit, points in units of the board's height; `chromium` is
    the path of the browser.
    """
    from playwright.sync_api import sync_playwright

    frames: list[tuple[Image.Image, int]] = []

    def shoot(page: Any, milliseconds: int) -> None:
        picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        height = round(picture.height * WIDTH / picture.width)
        frames.append((picture.resize((WIDTH, height), Image.Resampling.LANCZOS), milliseconds))

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        page: Any = browser.new_page(
            viewport={"width": WINDOW[0], "height": WINDOW[1]}, color_scheme="light"
        )
        page.goto(url)
        page.locator("#model option").first.wait_for(state="attached")
        for strokes in digits:
            box = page.locator("#pad").bounding_box()
            before = page.locator("#answer").inner_text()
            for stroke in strokes:
                points = [
                    (
                        box["x"] + box["width"] / 2 + (x - 0.5) * box["height"],
                        box["y"] + y * box["height"],
                    )
                    for x, y in stroke
                ]
                page.mouse.move(*points[0])
                page.mouse.down()
                step = max(1, len(points) // STROKE_STEPS)
                for index, point in enumerate(points):
                    page.mouse.move(*point)
                    if index % step == 0:
                        shoot(page, FRAME_MS)
                page.mouse.up()
            deadline = time.monotonic() + ANSWER_SECONDS
            while page.locator("#answer").inner_text() == before and time.monotonic() < deadline:
                page.wait_for_timeout(50)
            page.wait_for_timeout(400)  # bars move to their places
            shoot(page, PAUSE_MS)
            page.locator("#clear").click()
            page.wait_for_timeout(200)
        browser.close()
    return frames


def write_animation(frames: Sequence[tuple[Image.Image, int]], path: Path) -> int:
    """Write pictures as an animated GIF of one palette; return its size in bytes."""
    if not frames:
        raise DigitrecError("no pictures were recorded")
    # One palette for all pictures, of some that stand for them.
    chosen = [picture for picture, _ in frames[:: max(1, len(frames) // PALETTE_PICTURES)]]
    width, height = chosen[0].size
    together = Image.new("RGB", (width, height * len(chosen)))
    for index, picture in enumerate(chosen):
        together.paste(picture, (0, height * index))
    palette = together.quantize(N_COLORS, dither=Image.Dither.NONE)
    pictures = [
        picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture, _ in frames
    ]
    with atomic_path(path) as temporary:
        pictures[0].save(
            temporary,
            save_all=True,
            append_images=pictures[1:],
            duration=[milliseconds for _, milliseconds in frames],
            loop=0,
            optimize=True,
        )
    return path.stat().st_size


def main(
    output: Annotated[Path, typer.Option(help="Picture to write.")] = Path("docs/drawing.gif"),
    strokes: Annotated[Path, typer.Option(help="JSON with the strokes of each digit.")] = Path(
        "tests/browser/strokes.json"
    ),
    digits: Annotated[str, typer.Option(help="Digits to draw.")] = "2735",
) -> None:
    """Record the drawing page as an animated GIF."""
    chromium = os.environ.get("DIGITREC_CHROMIUM") or next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if chromium is None:
        raise DigitrecError("no Chromium was found; install it or set DIGITREC_CHROMIUM")
    recorded = json.loads(strokes.read_text(encoding="utf-8"))
    if unknown := set(digits) - set(recorded):
        raise DigitrecError(f"{strokes} has no strokes of {', '.join(sorted(unknown))}")
    with running_server([]) as server:
        url = f"http://127.0.0.1:{server.port}"
        frames = record(url, [recorded[digit] for digit in digits], chromium)
    size = write_animation(frames, output)
    typer.echo(f"{output}: {len(frames)} pictures, {size / 1000:,.0f} kB")


if __name__ == "__main__":
    run_app(main)
