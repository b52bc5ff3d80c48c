"""What ``digitrec predict`` does: find the images, recognise each, print in a format."""

from __future__ import annotations

import csv
import glob
import io
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from digitrec._files import atomic_path
from digitrec.datasets.image_folder import UNREADABLE, is_system_name
from digitrec.errors import ConfigurationError, DigitrecError, check_choice
from digitrec.inference.constraints import make_constraints, split_values
from digitrec.inference.image_io import read_image
from digitrec.inference.overlay import draw_overlay
from digitrec.inference.page import check_rotation
from digitrec.inference.prediction import Box, DigitPrediction, Reading
from digitrec.inference.recognizer import Recognizer

OUTPUT_FORMATS = ("text", "json", "csv")
NUMBER_OPTIONS = ("expected", "pattern", "check", "allowed")
"""Options of `Recognizer.read` that say what is known of a number."""
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
    crop: bool = False,
    known: Mapping[str, Any] | None = None,
    format: str = "text",
    overlay_dir: Path | None = None,
    threshold: float | str | Path | None = None,
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
    crop : bool
        Each image shows one digit, perhaps with pieces of its neighbours.
    known : mapping, optional
        Options of `Recognizer.read`: region, rotation, expected, pattern, check, allowed. Where
        any is given, all digits are read.
    format : {"text", "json", "csv"}
    overlay_dir : Path, optional
        Folder for a picture of each image with what was recognised.
    threshold : float or path, optional
        Least confidence to accept a digit, or a file that ``digitrec calibrate`` wrote.
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
    known = {name: value for name, value in (known or {}).items() if value is not None}
    read = read or bool(known)
    if crop and read:
        raise ConfigurationError(
            "--crop says that there is one digit; leave it out to read several (--read and the "
            "options of numbers)"
        )
    if crop:
        known = {"context": "crop"}
    # What makes no sense is refused before anything is loaded.
    make_constraints(**{name: known.get(name) for name in NUMBER_OPTIONS})
    check_rotation(known.get("rotation"))
    files, notes = expand_paths(paths)
    for note in notes:
        print(note, file=sys.stderr)
    recognizer = Recognizer(model, threshold=threshold)
    outcomes = []
    for path in _with_progress(files, quiet):
        outcome = recognise(recognizer, path, read=read, known=known)
        if overlay_dir is not None and not outcome.error:
            outcome = _write_overlay(outcome, Path(overlay_dir), files)
        outcomes.append(outcome)
    (write or sys.stdout.write)(render(outcomes, format, read=read))
    for outcome in outcomes:
        if outcome.error and format == "text":
            print(f"{outcome.path}: {outcome.error}", file=sys.stderr)
        for warning in outcome.result.warnings if isinstance(outcome.result, Reading) else ():
            print(f"{outcome.path}: warning: {warning}", file=sys.stderr)
    return int(any(outcome.error for outcome in outcomes))


def expand_paths(paths: Sequence[str]) -> tuple[list[Path], list[str]]:
    """Find the files that paths, folders and patterns stand for.

    Returns
    -------
    files : list of Path
        Each once, in order. Hidden files and those of operating systems are left out of folders.
    notes : list of str
        What else was left out of each folder.

    Raises
    ------
    ConfigurationError
        If a pattern or a folder holds no image.
    """
    found: list[Path] = []
    notes: list[str] = []
    for text in paths:
        if not text:
            raise ConfigurationError("the path of an image is empty; write . for this folder")
        path = Path(text).expanduser()
        if path.is_dir():
            inside, others = _search_folder(path)
            left_out = ", ".join(_describe(suffix, count) for suffix, count in others.items())
            if not inside:
                hint = f"; it holds {left_out}" if left_out else ""
                raise ConfigurationError(
                    f"folder {text!r} holds no image ({', '.join(SUFFIXES)}){hint}"
                )
            if left_out:
                notes.append(f"folder {text!r}: left out {left_out}")
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
    return list(dict.fromkeys(found)), notes


def _search_folder(folder: Path) -> tuple[list[Path], Counter[str]]:
    """Return the images in a folder and below, and how many other files of each suffix."""
    images: list[Path] = []
    others: Counter[str] = Counter()
    for path in sorted(folder.rglob("*")):
        if any(is_system_name(name) for name in path.relative_to(folder).parts):
            continue
        if path.suffix.lower() in SUFFIXES:
            images.append(path)
        elif path.is_file():
            others[path.suffix.lower()] += 1
    return images, others


def _describe(suffix: str, count: int) -> str:
    why = f" ({UNREADABLE[suffix]})" if suffix in UNREADABLE else ""
    return f"{count:,} {suffix or 'nameless'} file{'s' if count > 1 else ''}{why}"


def parse_region(text: str) -> Box:
    """Return the box that ``left,top,right,bottom`` means.

    Raises
    ------
    ConfigurationError
        If it is not four whole numbers.

    Examples
    --------
    >>> parse_region("10,20,300,90")
    (10, 20, 300, 90)
    """
    try:
        left, top, right, bottom = (int(part) for part in text.split(","))
    except ValueError as error:
        raise ConfigurationError(
            f"region {text!r} must be four whole numbers: left,top,right,bottom"
        ) from error
    return left, top, right, bottom


def parse_allowed(text: str) -> list[str]:
    """Return the values of a comma-separated list, or of a file with one value a line.

    Raises
    ------
    ConfigurationError
        If the file cannot be read.
    """
    path = Path(text).expanduser()
    if not path.is_file():
        return split_values(text)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read the allowed values in {text!r}: {error}") from error
    return [line.strip() for line in lines if line.strip()]


def recognise(
    recognizer: Recognizer, path: Path, *, read: bool, known: Mapping[str, Any] | None = None
) -> Outcome:
    """Recognise one file; an error of digitrec becomes part of the outcome."""
    try:
        if read:
            return Outcome(path, recognizer.read(path, **(known or {})))
        return Outcome(path, recognizer.predict_digit(path, **(known or {})))
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
    if isinstance(outcome.result, Reading):
        if outcome.result.match is not None:
            return f"{outcome.path}: {_describe_match(outcome.result)}\n"
        lines = outcome.text.split("\n") if outcome.text else ["no digits"]
        return "".join(f"{outcome.path}: {line}\n" for line in lines)
    prediction = outcome.digits[0]
    if prediction.digit is None:
        guess = "" if prediction.guess is None else f"; best guess {prediction.guess}"
        return f"{outcome.path}: no digit ({prediction.reason}{guess})\n"
    return f"{outcome.path}: {prediction.digit} ({prediction.confidence:.1%})\n"


def _describe_match(reading: Reading) -> str:
    match = reading.match
    assert match is not None
    second = ""
    if match.runner_up is not None:
        second = f"; runner-up {match.runner_up}, {match.runner_up_probability:.1%}"
    if reading.text and match.text:
        return f"{match.text} ({match.probability:.1%}{second})"
    guess = f"; best guess {match.text}" if match.text else ""
    return f"no number ({match.reason}{guess})"


def _render_csv(outcomes: Sequence[Outcome], read: bool) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    if read:
        writer.writerow(
            ["path", "text", "n_digits", "least_confidence", "probability", "runner_up", "error"]
        )
        for o in outcomes:
            accepted = [p.confidence for p in o.digits if p.accepted]
            least = f"{min(accepted):.4f}" if accepted else ""
            text = o.text.replace("\n", "|")
            match = o.result.match if isinstance(o.result, Reading) else None
            number = ["", ""] if match is None else [f"{match.probability:.4f}", match.runner_up]
            writer.writerow([o.path, text, len(accepted), least, *number, o.error])
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
