"""Generated photographs of forms, envelopes, ruled paper and sheets on tables, with labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage as ndi

from benchmarks._scenes import Scene, enlarge_digit
from digitrec.inference.printed import text_fonts

FloatImage = NDArray[np.float32]
Row = tuple[FloatImage, str]

_WORDS = ("name", "street", "city", "date", "total", "number", "please", "write", "code", "Weg")
_PAPERS = ((250, 250, 248), (244, 240, 228), (235, 225, 190), (222, 226, 234), (200, 200, 196))
_TABLES = ((60, 45, 35), (120, 90, 60), (170, 165, 160), (90, 100, 110), (30, 30, 32))
_PENS = ((25, 25, 30), (30, 45, 120), (60, 60, 65), (20, 20, 90), (120, 30, 30))
_FORM_COLOURS = ((230, 120, 40), (200, 40, 50), (40, 140, 90), (40, 90, 180), (30, 30, 30))


@dataclass(eq=False)
class _Sheet:
    """A sheet of paper that is being drawn on."""

    pixels: FloatImage
    rng: np.random.Generator
    pen: FloatImage
    texts: list[str] = field(default_factory=list)

    def write(self, ink: FloatImage, left: int, top: int, colour: ArrayLike) -> None:
        """Lay ink, 0-1, on the paper; what is beyond its borders is lost."""
        height, width = self.pixels.shape[:2]
        y, x = max(0, top), max(0, left)
        bottom, right = min(height, top + ink.shape[0]), min(width, left + ink.shape[1])
        if bottom <= y or right <= x:
            return
        part = ink[y - top : bottom - top, x - left : right - left, None]
        view = self.pixels[y:bottom, x:right]
        view += part * (np.minimum(view, np.asarray(colour, np.float32)) - view)

    def draw(self, shape: Callable[[ImageDraw.ImageDraw], None], colour: ArrayLike) -> None:
        """Draw lines and letters with Pillow."""
        mask = Image.new("L", self.pixels.shape[1::-1])
        shape(ImageDraw.Draw(mask))
        self.write(np.asarray(mask, np.float32) / np.float32(255), 0, 0, colour)


class PageMaker:
    """Makes pages of one kind after another from one stream of random numbers.

    Parameters
    ----------
    row : callable
        ``row(n)`` returns n digits, shape (n, 28, 28), ink 0-1, and what they say.
    rng : numpy.random.Generator
    fonts : sequence of Path
        Of the words on the pages; Matplotlib's by default.
    """

    def __init__(
        self,
        row: Callable[[int], Row],
        rng: np.random.Generator,
        fonts: Sequence[Path] = (),
    ) -> None:
        self._row = row
        self._rng = rng
        self._printed = text_fonts()
        self._fonts = tuple(fonts) or self._printed

    def make(self, kind: str) -> Scene:
        """Return a page of one of `PAGE_KINDS`."""
        sheet = self._blank(*((1000, 700) if kind == "envelope" else (900, 1200)))
        pixels = PAGE_KINDS[kind](self, sheet)
        return Scene(self._photograph(pixels), "\n".join(sheet.texts), (kind,))

    def _blank(self, width: int, height: int) -> _Sheet:
        rng = self._rng
        scale = rng.uniform(0.8, 1.5)
        shape = (round(height * scale), round(width * scale), 3)
        paper = np.asarray(_PAPERS[int(rng.integers(len(_PAPERS)))], np.float32)
        pixels = np.broadcast_to(paper, shape) + rng.normal(0, 2, shape)
        pen = np.asarray(_PENS[int(rng.integers(len(_PENS)))], np.float32)
        return _Sheet(pixels.astype(np.float32), rng, pen)

    def _digits(
        self,
        sheet: _Sheet,
        n: int,
        left: int,
        top: int,
        size: float,
        *,
        step: float | None = None,
        uneven: float = 0.08,
        thin: bool = False,
    ) -> None:
        """Write a row of digits; `step` apart from middle to middle, or as a hand does."""
        images, text = self._row(n)
        sheet.texts.append(text)
        x = float(left)
        pen = sheet.pen + (0.45 * (sheet.pixels.mean() - sheet.pen) if thin else 0)
        for image in images:
            height = size * float(np.exp(self._rng.normal(0, 0.06)))
            ink = enlarge_digit(image, height, level=0.72 if thin else 0.5)
            down = round(top + uneven * size * self._rng.normal())
            at = x + (step - ink.shape[1]) / 2 if step else x
            sheet.write(ink, round(at), down, pen)
            gap = size * self._rng.uniform(0.2, 0.7)
            x += step or ink.shape[1] + gap

    def _words(self, sheet: _Sheet, left: int, top: int, size: int, *, n: int, own: bool) -> None:
        """Write some words, printed, or in the fonts given."""
        fonts = self._fonts if own else self._printed
        face = ImageFont.truetype(str(fonts[int(self._rng.integers(len(fonts)))]), size)
        text = " ".join(self._rng.choice(_WORDS, n))
        colour = sheet.pen if own else (40, 40, 45)
        sheet.draw(lambda d: d.text((left, top), text, fill=255, font=face), colour)

    def _boxes(self, sheet: _Sheet, n: int, left: int, top: int, size: int) -> None:
        """Draw a row of boxes, apart or as one comb, with a digit in each."""
        rng = self._rng
        wide, tall = round(size * rng.uniform(1.0, 1.35)), round(size * rng.uniform(1.2, 1.6))
        gap = round(size * rng.choice([0, 0, 0.15, 0.4]))
        line = int(rng.integers(1, max(2, size // 14) + 1))
        colour = _FORM_COLOURS[int(rng.integers(len(_FORM_COLOURS)))]

        def shape(drawing: ImageDraw.ImageDraw) -> None:
            for index in range(n):
                x = left + index * (wide + gap)
                drawing.rectangle((x, top, x + wide, top + tall), outline=255, width=line)

        sheet.draw(shape, colour)
        self._digits(
            sheet,
            n,
            left,
            top + (tall - size) // 2,
            size * rng.uniform(0.7, 0.95),
            step=wide + gap,
            uneven=0.05,
        )

    def form(self, sheet: _Sheet) -> FloatImage:
        """Return a form: words, and rows of boxes with digits."""
        height, width = sheet.pixels.shape[:2]
        rng = self._rng
        size = round(rng.uniform(0.035, 0.055) * height)
        for index in range(int(rng.integers(1, 4))):
            top = round((0.12 + 0.26 * index) * height)
            self._words(sheet, round(0.08 * width), top, round(0.5 * size), n=4, own=False)
            n = int(rng.integers(4, 9))
            self._boxes(sheet, n, round(0.1 * width), top + round(1.2 * size), size)
        return self._turn(sheet, 2.0)

    def envelope(self, sheet: _Sheet) -> FloatImage:
        """Return an envelope: a printed address, a stamp, and a code in boxes."""
        height, width = sheet.pixels.shape[:2]
        rng = self._rng
        size = round(rng.uniform(0.05, 0.08) * height)
        for index in range(3):
            top = round((0.35 + 0.09 * index) * height)
            self._words(sheet, round(0.45 * width), top, round(0.05 * height), n=3, own=False)
        x, y = round(0.82 * width), round(0.06 * height)
        stamp = (x, y, x + round(0.13 * width), y + round(0.2 * height))
        sheet.draw(lambda d: d.rectangle(stamp, outline=255, width=2), (70, 70, 70))
        value = ImageFont.truetype(str(self._printed[3]), round(0.08 * height))
        price = str(int(rng.integers(20, 99)))
        sheet.draw(lambda d: d.text((x + 12, y + 12), price, fill=255, font=value), (60, 40, 120))
        self._boxes(sheet, 5, round(0.45 * width), round(0.75 * height), size)
        return self._turn(sheet, 2.0)

    def ruled(self, sheet: _Sheet) -> FloatImage:
        """Return rows of digits on ruled or squared paper, photographed at an angle."""
        height, width = sheet.pixels.shape[:2]
        rng = self._rng
        size = rng.uniform(0.04, 0.08) * height
        step = size * rng.uniform(1.2, 1.6)
        squared = rng.random() < 0.5
        colour = ((150, 170, 210), (170, 170, 170), (210, 150, 150))[int(rng.integers(3))]

        def lines(drawing: ImageDraw.ImageDraw) -> None:
            for y in np.arange(step / 2, height, step / (2 if squared else 1)):
                drawing.line((0, y, width, y), fill=255, width=2)
            for x in np.arange(step / 2, width, step / 2) if squared else (0.1 * width,):
                drawing.line((x, 0, x, height), fill=255, width=2)

        sheet.draw(lines, colour)
        self._rows(sheet, size, step * 2)
        return self._tilt(self._turn(sheet, 3.0), table=False)

    def on_table(self, sheet: _Sheet) -> FloatImage:
        """Return a sheet on a table, its edges in sight, written on with a thin pencil or a pen."""
        thin = self._rng.random() < 0.6
        size = self._rng.uniform(0.05, 0.1) * len(sheet.pixels)
        self._rows(sheet, size, size * 2.2, thin=thin)
        return self._tilt(sheet.pixels, table=True)

    def turned(self, sheet: _Sheet) -> FloatImage:
        """Return a page that is turned on its side or upside down."""
        size = self._rng.uniform(0.05, 0.09) * len(sheet.pixels)
        self._rows(sheet, size, size * 2.0)
        return np.rot90(sheet.pixels, int(self._rng.integers(1, 4)))

    def uneven(self, sheet: _Sheet) -> FloatImage:
        """Return one row of digits at different heights."""
        height, width = sheet.pixels.shape[:2]
        size = self._rng.uniform(0.08, 0.13) * width
        n = int(self._rng.integers(4, 7))
        self._digits(
            sheet, n, round(0.08 * width), round(0.45 * height), size, step=1.15 * size, uneven=0.3
        )
        return sheet.pixels

    def with_words(self, sheet: _Sheet) -> FloatImage:
        """Return lines of words, and rows of digits below them."""
        height, width = sheet.pixels.shape[:2]
        size = self._rng.uniform(0.045, 0.07) * height
        for index in range(int(self._rng.integers(1, 4))):
            top = round((0.08 + 0.08 * index) * height)
            self._words(sheet, round(0.08 * width), top, round(0.9 * size), n=3, own=True)
        self._rows(sheet, size, size * 2.0, first=0.4)
        return self._turn(sheet, 2.0)

    def _rows(
        self, sheet: _Sheet, size: float, step: float, *, thin: bool = False, first: float = 0.1
    ) -> None:
        height, width = sheet.pixels.shape[:2]
        most = int((0.9 - first) * height / step)
        for index in range(int(self._rng.integers(1, max(2, min(5, most)) + 1))):
            n = int(self._rng.integers(3, max(4, int(0.8 * width / (1.3 * size))) + 1))
            top = round(first * height + index * step)
            self._digits(sheet, min(n, 9), round(0.1 * width), top, size, uneven=0.04, thin=thin)

    def _turn(self, sheet: _Sheet, spread: float) -> FloatImage:
        angle = float(self._rng.normal(0, spread))
        turned = ndi.rotate(
            sheet.pixels, angle, axes=(0, 1), reshape=False, order=1, mode="nearest"
        )
        return np.asarray(turned, np.float32)

    def _tilt(self, pixels: FloatImage, *, table: bool) -> FloatImage:
        """Return a sheet in perspective, on a table or filling the picture."""
        height, width = pixels.shape[:2]
        rng = self._rng
        reach = 0.14 if table else -0.02
        corners = np.array([(0, 0), (0, 1), (1, 1), (1, 0)], float)
        moved = corners + rng.uniform(-0.05, 0.05, (4, 2))
        if table:
            moved = (1 - 2 * reach) * moved + reach + rng.uniform(-0.05, 0.05, 2)
        else:
            moved = (1 - 2 * reach) * moved + reach
        surface = np.asarray(_TABLES[int(rng.integers(len(_TABLES)))], np.float32)
        grain = ndi.gaussian_filter(rng.normal(0, 1, (height, width)), (1, 8))
        scene = surface + (8 * grain / max(grain.std(), 1e-6))[..., None]
        picture = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
        size = np.array([width, height])
        coefficients = _perspective(moved * size, corners * size)
        way = Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BICUBIC
        paper = np.asarray(picture.transform(picture.size, *way), np.float32)
        whole = Image.new("L", picture.size, 255).transform(picture.size, *way)
        cover = np.asarray(whole, np.float32)[..., None] / 255
        if not table:
            return np.where(cover > 0.5, paper, np.median(pixels, axis=(0, 1))).astype(np.float32)
        shadow = ndi.gaussian_filter(cover, (6, 6, 0))
        return np.asarray(paper * cover + scene * (1 - 0.3 * shadow) * (1 - cover), np.float32)

    def _photograph(self, pixels: FloatImage) -> NDArray[np.uint8]:
        """Return a page in uneven light, a little blurred and noisy."""
        rng = self._rng
        height, width = pixels.shape[:2]
        y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
        angle = rng.uniform(0, 2 * np.pi)
        slope = (x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle)
        light = rng.uniform(0.55, 1) * (1 + rng.uniform(0, 0.35) * slope)
        taken = ndi.gaussian_filter(pixels * light[..., None], (s := rng.uniform(0.4, 1.3), s, 0))
        taken += rng.normal(0, rng.uniform(0.5, 4), taken.shape)
        return np.clip(taken, 0, 255).astype(np.uint8)


def _perspective(to: NDArray[np.float64], origin: NDArray[np.float64]) -> tuple[float, ...]:
    """Return Pillow's eight coefficients of the map that takes `to` back to `origin`."""
    rows, goals = [], []
    for (x, y), (u, v) in zip(to, origin, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        goals += [u, v]
    return tuple(np.linalg.solve(np.array(rows), np.array(goals)).tolist())


PAGE_KINDS: dict[str, Callable[[PageMaker, _Sheet], FloatImage]] = {
    "form": PageMaker.form,
    "envelope": PageMaker.envelope,
    "ruled": PageMaker.ruled,
    "on a table": PageMaker.on_table,
    "turned": PageMaker.turned,
    "uneven": PageMaker.uneven,
    "with words": PageMaker.with_words,
}
"""By name: how a page of the kind is drawn."""
