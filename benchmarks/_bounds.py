"""What the recogniser takes: time and memory by size of the image, the wheel, the first answer."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks._common import in_fresh_process
from benchmarks._labelled_images import MadeUpImages
from digitrec._platform import peak_memory_bytes
from digitrec.errors import ConfigurationError
from digitrec.inference.recognizer import Recognizer
from digitrec.rendering.markdown import table_of

MEGAPIXELS = (0.1, 1.0, 4.0, 9.0, 25.0)
KINDS = ("one digit", "rows of digits", "noise", "specks")
FIRST_ANSWERS = 3


def measure_bounds() -> dict[str, Any]:
    """Return what the recogniser takes, JSON-safe: ``images``, ``wheel_bytes``, ``first``.

    Raises
    ------
    ConfigurationError
        If no wheel can be built.
    """
    images = [
        {"kind": kind, "megapixels": size, **in_fresh_process(_measure, kind, size)}
        for kind in KINDS
        for size in MEGAPIXELS
    ]
    with tempfile.TemporaryDirectory() as folder:
        wheel = _build_wheel(Path(folder))
        first = _first_answers(Path(folder), wheel)
        return {"images": images, "wheel_bytes": wheel.stat().st_size, "first_seconds": first}


def _measure(kind: str, megapixels: float) -> dict[str, float]:
    """Return processor seconds of both ways to read an image, and the process's peak memory."""
    pixels = _picture(kind, megapixels)
    started = time.process_time()
    recognizer = Recognizer()
    made = time.process_time()
    recognizer.predict_digit(pixels)
    predicted = time.process_time()
    recognizer.read(pixels)
    read = time.process_time()
    return {
        "recognizer_seconds": made - started,
        "predict_seconds": predicted - made,
        "read_seconds": read - predicted,
        "peak_mb": peak_memory_bytes() / 1e6,
    }


def _picture(kind: str, megapixels: float) -> NDArray[np.uint8]:
    """Return a square image of some size."""
    side = round((megapixels * 1e6) ** 0.5)
    rng = np.random.default_rng(0)
    if kind == "noise":
        return rng.integers(0, 256, (side, side), np.uint8)
    if kind == "specks":
        # Of two pixels a side, on 8 % of the image: the most pieces of ink that are looked at.
        specks = np.where(rng.random((-(-side // 2),) * 2) < 0.08, 0, 255).astype(np.uint8)
        return np.kron(specks, np.ones((2, 2), np.uint8))[:side, :side]
    made_up = MadeUpImages(0)
    rows = [made_up.row(1)] if kind == "one digit" else [made_up.row(8) for _ in range(6)]
    height = round(0.6 * side / len(rows))
    page = np.full((side, side), 235, np.uint8)
    for index, (images, _) in enumerate(rows):
        step = side // (len(images) + 1)
        for column, image in enumerate(images):
            ink = Image.fromarray(np.uint8(image * 255)).resize((height // 2 or 1,) * 2)
            top, left = side * (index + 1) // (len(rows) + 1) - height // 4, step * (column + 1)
            part = page[top : top + ink.height, left - ink.width // 2 :][:, : ink.width]
            part -= (np.asarray(ink)[: part.shape[0], : part.shape[1]] * 0.8).astype(np.uint8)
    return page


def _build_wheel(folder: Path) -> Path:
    root, copy = Path(__file__).parents[1], folder / "tree"
    # In place, setuptools would take what is left of earlier builds into the wheel.
    left_out = shutil.ignore_patterns(
        ".*", "build", "reports", "tests", "*.egg-info", "__pycache__"
    )
    shutil.copytree(root, copy, ignore=left_out)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q"]
    done = subprocess.run(
        [*command, "-w", str(folder), str(copy)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ConfigurationError(f"could not build a wheel of {root}: {done.stderr.strip()[-300:]}")
    return next(folder.glob("*.whl"))


def _first_answers(folder: Path, wheel: Path) -> list[float]:
    """Return wall seconds of ``digitrec predict`` in a new environment with the wheel.

    What digitrec depends on is taken from this environment; the package itself, its data folder
    and the home folder are new, and every proxy leads nowhere.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "env"], check=True)
    python = folder / "env" / "bin" / "python"
    packages = next((folder / "env" / "lib").glob("python*/site-packages"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    # Read after the new environment's own packages, and without this environment's .pth files.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    picture = folder / "digit.png"
    Image.fromarray(_picture("one digit", 1.0)).save(picture)
    nowhere = "http://127.0.0.1:9"
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), nowhere),
        "HOME": str(folder),
        "DIGITREC_DATA": str(folder / "data"),
    }
    seconds = []
    for _ in range(FIRST_ANSWERS):
        started = time.perf_counter()
        command = [str(python), "-m", "digitrec.cli", "predict", str(picture)]
        subprocess.run(command, check=True, capture_output=True, env=environment, cwd=folder)
        seconds.append(time.perf_counter() - started)
    return seconds


def render_bounds(facts: dict[str, Any]) -> str:
    """Return the section of the report, as Markdown."""
    columns = {
        "image": "{kind}",
        "megapixels": "{megapixels:g}",
        "predict_digit s": "{predict_seconds:.2f}",
        "read s": "{read_seconds:.2f}",
        "peak MB": "{peak_mb:.0f}",
    }
    first, *later = facts["first_seconds"]
    made = max(row["recognizer_seconds"] for row in facts["images"])
    return "\n\n".join(
        (
            "## Time and memory by size",
            "Processor time on one thread, and peak memory of a fresh process that does both. "
            "Specks are two pixels a side, on 8 % of the image.",
            table_of(facts["images"], columns),
            f"- `Recognizer()` takes at most {made:.2f} s.\n"
            f"- The wheel has {facts['wheel_bytes'] / 1e6:.2f} MB, weights included.\n"
            f"- `digitrec predict digit.png` in a new environment without network answers in "
            f"{first:.2f} s, then in {min(later):.2f} s.",
        )
    )
