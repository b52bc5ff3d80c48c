"""What ``digitrec calibrate`` does: choose a threshold on the user's own labelled images."""

from __future__ import annotations

import csv
import hashlib
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from digitrec._files import atomic_path, check_output
from digitrec.datasets.labels import digits_of_names
from digitrec.errors import ConfigurationError, DatasetError, DigitrecError
from digitrec.inference.command import expand_paths
from digitrec.inference.recognizer import Recognizer
from digitrec.inference.selection import (
    GRID,
    Choice,
    accuracy_by_threshold,
    choose_threshold,
    least_error,
    least_images,
    upper_bound,
)
from digitrec.inference.threshold_file import STARTS, write_threshold

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = 10
"""Images that are named in each list."""


@dataclass(frozen=True)
class LabelledFile:
    """An image file and the digit it shows, None where it shows none."""

    path: Path
    label: int | None


@dataclass(frozen=True, eq=False)
class Calibration:
    """What a recogniser says of labelled images, and the threshold that follows.

    Attributes
    ----------
    choice : Choice or None
        None where there are too few images, or too many mistakes, to guarantee anything.
    error, level : float
        The error that was to be guaranteed, and with which confidence.
    files : list of LabelledFile
        Those that could be read.
    guesses : list of int or None
        Best guess for each.
    confidence : ndarray of float64, shape (n,)
    acceptable : ndarray of bool, shape (n,)
        Whether a low enough threshold accepts the image.
    notes : list of str
        What was left out.
    """

    choice: Choice | None
    error: float
    level: float
    files: list[LabelledFile]
    guesses: list[int | None]
    confidence: NDArray[np.float64]
    acceptable: NDArray[np.bool_]
    notes: list[str]

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether the best guess is the label; shape (n,)."""
        return np.array(
            [guess == file.label for guess, file in zip(self.guesses, self.files, strict=True)],
            dtype=bool,
        )

    def confident_mistakes(self) -> list[int]:
        """Return which guesses differ from the labels, most confident first."""
        wrong = np.flatnonzero(self.acceptable & ~self.right)
        return wrong[np.argsort(-self.confidence[wrong], kind="stable")].tolist()


def read_labelled_folder(folder: Path) -> tuple[list[LabelledFile], list[str]]:
    """Find labelled images: by ``labels.csv`` (columns path and label) or by class folders.

    A label that means no digit, such as an empty one or the name of a folder ``other``, says that
    the image shows none.

    Returns
    -------
    files : list of LabelledFile
        Of identical files the first.
    notes : list of str
        What was left out.

    Raises
    ------
    DatasetError
        If there are no labelled images, or a file has two labels.
    """
    notes: list[str] = []
    table = folder / "labels.csv"
    if table.is_file():
        labelled = _read_table(table)
    else:
        labelled, notes = _read_class_folders(folder)
    if not labelled:
        raise DatasetError(
            f"folder {str(folder)!r} has no labelled images; give folders 0 to 9 of images, or a "
            "labels.csv with the columns path and label"
        )
    first: dict[str, LabelledFile] = {}
    repeated = 0
    for file in labelled:
        try:
            key = hashlib.sha256(file.path.read_bytes()).hexdigest()
        except OSError:
            key = str(file.path)  # the reader will say why
        known = first.setdefault(key, file)
        if known is file:
            continue
        if known.label != file.label:
            raise DatasetError(f"{known.path} and {file.path} are one image with two labels")
        repeated += 1
    if repeated:
        notes.append(f"left out {repeated:,} copies of other images")
    return list(first.values()), notes


def _read_table(table: Path) -> list[LabelledFile]:
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if not {"path", "label"} <= set(reader.fieldnames or ()):
                raise DatasetError(f"{table} must have the columns path and label")
            rows = [
                row for row in reader if (row.get("kind") or "single") in ("single", "negative")
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"cannot read {table}: {error}") from error
    digits = _digits([(row["label"] or "").strip() for row in rows])
    return [
        LabelledFile(table.parent / row["path"], digit)
        for row, digit in zip(rows, digits, strict=True)
    ]


def _read_class_folders(folder: Path) -> tuple[list[LabelledFile], list[str]]:
    if not folder.is_dir():
        raise DatasetError(f"{str(folder)!r} is no folder")
    try:
        files, notes = expand_paths([str(folder)])
    except ConfigurationError as error:
        raise DatasetError(str(error)) from error
    beside = [file for file in files if file.parent == folder]
    if beside:
        notes.append(f"left out {len(beside):,} images that lie in no class folder")
    inside = [file for file in files if file.parent != folder]
    names = [file.relative_to(folder).parts[0] for file in inside]
    digits = _digits(names)
    others = Counter(n for n, digit in zip(names, digits, strict=True) if digit is None)
    notes += [f"folder {n!r} means no digit: {k:,} images of none" for n, k in others.items()]
    return [LabelledFile(f, digit) for f, digit in zip(inside, digits, strict=True)], notes


def _digits(names: list[str]) -> list[int | None]:
    distinct = list(dict.fromkeys(names))
    meaning = dict(zip(distinct, digits_of_names(distinct), strict=True))
    return [meaning[name] for name in names]


def calibrate(
    recognizer: Recognizer,
    files: Iterable[LabelledFile],
    *,
    error: float,
    level: float = 0.95,
    context: str | None = None,
) -> Calibration:
    """Recognise labelled images and choose the threshold that keeps an error.

    Parameters
    ----------
    recognizer : Recognizer
        Its own threshold has no effect.
    files : iterable of LabelledFile
    error : float
        Greatest share of wrong digits among the accepted ones, 0–1.
    level : float
        Confidence of the guarantee, 0–1.
    context : {"crop"}, optional
        As `Recognizer.predict_digit` takes it; the threshold then holds with it alone.

    Returns
    -------
    Calibration
        Files that cannot be read are left out, and named in ``notes``.
    """
    for name, value in (("error", error), ("confidence", level)):
        if not 0 < value < 1:
            raise ConfigurationError(f"{name} must lie between 0 and 1, not {value!r}")
    undecided = Recognizer(recognizer.model, threshold=0.0)
    kept, guesses, confidence, acceptable, notes = [], [], [], [], []
    for file in files:
        try:
            prediction = undecided.predict_digit(file.path, context=context)
        except DigitrecError as problem:
            notes.append(f"left out {file.path}: {problem}")
            continue
        kept.append(file)
        guesses.append(prediction.guess)
        confidence.append(prediction.confidence)
        acceptable.append(prediction.accepted)
    result = Calibration(
        choice=None,
        error=error,
        level=level,
        files=kept,
        guesses=guesses,
        confidence=np.array(confidence, dtype=np.float64),
        acceptable=np.array(acceptable, dtype=bool),
        notes=notes,
    )
    choice = choose_threshold(
        result.confidence, result.right, result.acceptable, error=error, level=level
    )
    return Calibration(**{**vars(result), "choice": choice})


def calibrate_command(
    folder: Path,
    *,
    error: float,
    level: float = 0.95,
    output: Path = Path("threshold.json"),
    figure: Path | None = None,
    model: Path | None = None,
    unlabelled: Path | None = None,
    context: str | None = None,
    write: Callable[[str], Any] | None = None,
) -> int:
    """Choose a threshold, print what it does, and write it and its curve.

    Returns
    -------
    int
        Exit code: 0, or 1 where nothing can be guaranteed; then no threshold is written.
    """
    if output.suffix.lower() != ".json":
        raise ConfigurationError(f"the threshold file must end in .json, not {str(output)!r}")
    check_output(output, "threshold file", STARTS)
    picture = figure or output.with_suffix(".png")
    check_output(picture, "PNG image", (b"\x89PNG",))
    files, notes = read_labelled_folder(folder)
    others = [] if unlabelled is None else expand_paths([str(unlabelled)])[0]
    recognizer = Recognizer(model)
    found = calibrate(recognizer, files, error=error, level=level, context=context)
    for note in [*notes, *found.notes]:
        print(note, file=sys.stderr)
    lines = _describe(found)
    _save(risk_coverage_figure(found), picture)
    lines.append(f"curve: {picture}")
    if found.choice is not None:
        choice = found.choice
        facts = {
            "error": error,
            "confidence": level,
            "n_images": choice.n_images,
            "n_accepted": choice.n_accepted,
            "n_wrong": choice.n_wrong,
            "upper_bound": choice.bound,
            "model": recognizer.model.name,
            "context": context,
        }
        write_threshold(output, choice.threshold, recognizer.model, facts)
        lines.append(f"threshold file: {output} (digitrec predict --threshold {output} …)")
    lines += _to_check(found) + _to_label_next(recognizer, others, found, context)
    (write or sys.stdout.write)("\n".join(lines) + "\n")
    return int(found.choice is None)


def _describe(found: Calibration) -> list[str]:
    n, right = len(found.files), int(found.right.sum())
    lines = [f"{n:,} images, best guess right in {right:,} ({right / max(n, 1):.2%})"]
    choice = found.choice
    if choice is not None:
        return [
            *lines,
            f"threshold {choice.threshold:.6g} accepts {choice.n_accepted:,} of {n:,} images "
            f"({choice.n_accepted / n:.1%}), {choice.n_wrong:,} of them wrong",
            f"guarantee: of the digits that it accepts, at most {found.error:.3g} are wrong, with "
            f"{found.level:.0%} confidence, on images of the same kind "
            f"(upper bound {choice.bound:.3g})",
        ]
    needed = least_images(found.error, found.level)
    accepted, wrong = accuracy_by_threshold(found.confidence, found.right, found.acceptable)
    best, bound = least_error(wrong, accepted, found.level)
    too_few = n < needed or not wrong[best]
    why = (
        f"too few images: even without a mistake, {needed:,} accepted images are needed"
        if too_few
        else "the recogniser makes too many mistakes on them"
    )
    return [
        *lines,
        f"no threshold guarantees an error of at most {found.error:.3g} with "
        f"{found.level:.0%} confidence: {why}",
        f"about the least that these images could guarantee is an error of {bound:.2g} "
        f"(threshold {GRID[best]:.4g}: {wrong[best]:,} wrong of {accepted[best]:,} accepted)",
        "no threshold file was written",
    ]


def _to_check(found: Calibration) -> list[str]:
    """Name the labels that a confident answer contradicts: some of them may be wrong."""
    lines = []
    for index in found.confident_mistakes()[:SHOWN]:
        file = found.files[index]
        label = "no digit" if file.label is None else file.label
        lines.append(
            f"  {file.path}: labelled {label}, read as {found.guesses[index]} "
            f"({found.confidence[index]:.1%})"
        )
    return ["labels to check, most confident mistakes first:", *lines] if lines else []


def _to_label_next(
    recognizer: Recognizer, others: list[Path], found: Calibration, context: str | None
) -> list[str]:
    """Name unlabelled images whose confidence is nearest to where acceptance is decided."""
    if not others:
        if found.choice is None:
            return ["to see which images to label next: --unlabelled FOLDER"]
        return []
    goal = _logit(np.array([found.choice.threshold if found.choice else 1 - found.error]))[0]
    undecided = Recognizer(recognizer.model, threshold=0.0)
    ranked = []
    for path in others:
        try:
            prediction = undecided.predict_digit(path, context=context)
        except DigitrecError:
            continue
        if prediction.accepted:
            distance = abs(float(_logit(np.array([prediction.confidence]))[0]) - goal)
            ranked.append((distance, path, prediction))
    ranked.sort(key=lambda entry: entry[0])
    return [
        "images to label next, nearest to the threshold first:",
        *(f"  {path}: read as {p.guess} ({p.confidence:.1%})" for _, path, p in ranked[:SHOWN]),
    ]


def _logit(values: NDArray[np.float64]) -> NDArray[np.float64]:
    inside = np.clip(values, 1e-9, 1 - 1e-9)
    return np.log(inside / (1 - inside))


def risk_coverage_figure(found: Calibration) -> Figure:
    """Draw the error among accepted images, and its bound, over the share accepted."""
    from matplotlib.figure import Figure

    n = max(1, len(found.files))
    accepted, wrong = accuracy_by_threshold(found.confidence, found.right, found.acceptable)
    some = accepted > 0
    coverage, risk = accepted[some] / n, wrong[some] / accepted[some]
    bound = upper_bound(wrong[some], accepted[some], found.level)
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(100 * coverage, 100 * risk, color="#0072b2", label="error among accepted")
    axes.plot(
        100 * coverage,
        100 * bound,
        color="#0072b2",
        linestyle=":",
        label=f"upper bound, {found.level:.0%}, of each threshold alone",
    )
    axes.axhline(100 * found.error, color="#d55e00", linewidth=1, label="error to keep")
    if found.choice is not None:
        at = 100 * found.choice.n_accepted / n, 100 * found.choice.n_wrong / found.choice.n_accepted
        axes.plot(*at, "o", color="#d55e00", label=f"threshold {found.choice.threshold:.4g}")
    axes.set(xlabel="Accepted images, %", ylabel="Error among accepted images, %", xlim=(0, 100))
    axes.set_ylim(0, 100 * max(4 * found.error, 1.3 * float(risk.max(initial=0))))
    axes.set_title(f"Error and share accepted, {len(found.files):,} images", loc="left")
    axes.legend(frameon=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure


def _save(figure: Figure, path: Path) -> None:
    try:
        with atomic_path(path) as temporary:
            figure.savefig(temporary, format="png", dpi=150)
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror}") from error
