"""What ``digitrec predict`` does: find the images, recognise each, print in a format."""

from __future__ import annotations

import csv
import glob
import io
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from digitrec._files import atomic_path
from digitrec.errors import ConfigurationError, DigitrecError, check_choice
from digitrec.inference.image_io import read_image
from digitrec.inference.overlay import draw_overlay
from digitrec.inference.prediction import DigitPrediction, Reading
from digitrec.inference.recognizer import Recognizer

__all__ = ["OUTPUT_FORMATS", "Outcome", "expand_paths", "predict_paths", "recognise", "render"]

OUTPUT_FORMATS = ("text", "json", "csv")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif")


@dataclass(frozen=True)
class Outcome:
    """What became of one image: a digit, a reading, or an error.

    Attributes
    ----------
    path : Path
    result : DigitPrediction, Reading or None
        None where the image could not be read.
    error : str
        Why the image could not be read; empty where it could.
    """

    path: Path
    result: DigitPrediction | Reading | None
    error: str = ""

    @property
    def text(self) -> str:
        """The digit or digits; empty where there are none."""
        if isinstance(self.result, Reading):
            return self.result.text
        return "" if self.result is None or self.result.digit is None else str(self.result.digit)

    @property
    def digits(self) -> list[DigitPrediction]:
        """The digit, or the digits in reading order, then what was rejected."""
        if isinstance(self.result, Reading):
            return [*self.result.digits, *self.result.rejected]
        return [] if self.result is None else [self.result]


def predict_paths(
    paths: Sequence[str],
    *,
    model: Path | str | None = None,
    read: bool = False,
    format: str = "text",
    overlay_dir: Path | None = None,
    threshold: float | None = None,
    quiet: bool = False,
    write: Callable[[str], Any] | None = None,
) -> int:
    """Recognise images and print the results.

    Parameters
    ----------
    paths : sequence of str
        Files, folders (searched through for images) and patterns.
    model : path, optional
        A saved model; the default recogniser where None.
    read : bool
        Read all digits of each image, not one.
    format : {"text", "json", "csv"}
    overlay_dir : Path, optional
        Folder for a picture of each image with what was recognised.
    threshold : float, optional
        Least confidence to accept a digit.
    quiet : bool
        Show no progress.
    write : callable, optional
        Takes the output; by default it goes to standard output.

    Returns
    -------
    int
        Exit code: 0, or 1 where an image could not be read.
    """
    check_choice("format", format, OUTPUT_FORMATS)
    files = expand_paths(paths)
    recognizer = Recognizer(model, threshold=threshold, report=_silent if quiet else None)
    outcomes = []
    for path in _with_progress(files, quiet):
        outcome = recognise(recognizer, path, read=read)
        if overlay_dir is not None and not outcome.error:
            outcome = _write_overlay(outcome, Path(overlay_dir), files)
        outcomes.append(outcome)
    (write or sys.stdout.write)(render(outcomes, format, read=read))
    for outcome in outcomes:
        if outcome.error and format == "text":
            print(f"{outcome.path}: {outcome.error}", file=sys.stderr)
    return int(any(outcome.error for outcome in outcomes))


def expand_paths(paths: Sequence[str]) -> list[Path]:
    """Return the files that paths, folders and patterns stand for, each once, in order.

    Raises
    ------
    ConfigurationError
        If a pattern or a folder holds no image.
    """
    found: list[Path] = []
    for text in paths:
        path = Path(text).expanduser()
        if path.is_dir():
            inside = [p for p in sorted(path.rglob("*")) if p.suffix.lower() in SUFFIXES]
            if not inside:
                raise ConfigurationError(f"folder {text!r} holds no image ({', '.join(SUFFIXES)})")
            found += inside
        elif path.exists() or not glob.has_magic(text):
            # A missing file is reported like any other that cannot be read.
            found.append(path)
        else:
            start = Path(path.anchor)
            pattern = str(path.relative_to(start)) if path.anchor else str(path)
            matches = [p for p in sorted(start.glob(pattern)) if p.is_file()]
            if not matches:
                raise ConfigurationError(f"no file matches {text!r}")
            found += matches
    return list(dict.fromkeys(found))


def recognise(recognizer: Recognizer, path: Path, *, read: bool) -> Outcome:
    """Recognise one file; an error of digitrec becomes part of the outcome."""
    try:
        return Outcome(path, recognizer.read(path) if read else recognizer.predict_digit(path))
    except DigitrecError as error:
        return Outcome(path, None, str(error))


def render(outcomes: Sequence[Outcome], format: str, *, read: bool) -> str:
    """Return the results as text, JSON or CSV."""
    if format == "json":
        return json.dumps([_as_dict(outcome) for outcome in outcomes], indent=2) + "\n"
    if format == "csv":
        return _render_csv(outcomes, read)
    return "".join(_render_text(outcome, read) for outcome in outcomes if not outcome.error)


def _render_text(outcome: Outcome, read: bool) -> str:
    if read:
        lines = outcome.text.split("\n") if outcome.text else ["no digits"]
        return "".join(f"{outcome.path}: {line}\n" for line in lines)
    prediction = outcome.digits[0]
    if prediction.digit is None:
        guess = "" if prediction.guess is None else f"; best guess {prediction.guess}"
        return f"{outcome.path}: no digit ({prediction.reason}{guess})\n"
    return f"{outcome.path}: {prediction.digit} ({prediction.confidence:.1%})\n"


def _render_csv(outcomes: Sequence[Outcome], read: bool) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    if read:
        writer.writerow(["path", "text", "n_digits", "least_confidence", "error"])
        for o in outcomes:
            accepted = [p.confidence for p in o.digits if p.accepted]
            least = f"{min(accepted):.4f}" if accepted else ""
            text = o.text.replace("\n", "|")
            writer.writerow([o.path, text, len(accepted), least, o.error])
    else:
        writer.writerow(["path", "digit", "guess", "confidence", "reason", "error"])
        for o in outcomes:
            known = [
                ("" if p.guess is None else p.guess, f"{p.confidence:.4f}", p.reason)
                for p in o.digits
            ] or [("", "", "")]
            writer.writerow([o.path, o.text, *known[0], o.error])
    return file.getvalue()


def _as_dict(outcome: Outcome) -> dict[str, Any]:
    if outcome.error or outcome.result is None:
        return {"path": str(outcome.path), "error": outcome.error}
    return {"path": str(outcome.path), **outcome.result.to_dict()}


def _write_overlay(outcome: Outcome, folder: Path, files: Sequence[Path]) -> Outcome:
    """Write the picture; files of one name from several folders do not overwrite each other."""
    path = outcome.path
    namesakes = [other for other in files if other.name == path.name]
    prefix = f"{namesakes.index(path) + 1}-" if len(namesakes) > 1 else ""
    target = folder / f"{prefix}{path.name}.png"
    try:
        picture = draw_overlay(read_image(path), outcome.digits)
        with atomic_path(target) as temporary:
            picture.save(temporary)
    except OSError as error:
        reason = f"cannot write the overlay {target}: {error.strerror}"
        return replace(outcome, error=reason)
    return outcome


def _with_progress(files: list[Path], quiet: bool) -> Iterator[Path]:
    if quiet or len(files) < 5 or not sys.stderr.isatty():
        yield from files
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(files, description="Recognising", console=Console(stderr=True))


def _silent(line: str) -> None:
    """Take a progress line and drop it."""
