"""Check the distributions in dist/: both install into fresh environments and work there.

Run: ``python .ci/check_dist.py``, after ``python -m build``. The commands run in an empty folder,
so that nothing of the clone is at hand.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# The wheel runs a whole comparison; of the sdist it is enough to know that it builds and starts.
COMPARE = ["compare", "--dataset", "mnist_5k", "--models", "logistic_regression,mlp"]
WRITTEN = ("report.md", "report.html", "results.json", "best_model.joblib")


def main() -> None:
    """Install and try the newest wheel and sdist."""
    for pattern, commands in (
        ("*.whl", [["--version"], ["models"], [*COMPARE, "--output-dir", "reports"]]),
        ("*.tar.gz", [["--version"], ["datasets"]]),
    ):
        found = sorted((ROOT / "dist").glob(pattern), key=lambda path: path.stat().st_mtime)
        if not found:
            sys.exit(f"dist/ has no {pattern}; run: python -m build")
        with tempfile.TemporaryDirectory() as folder:
            check(found[-1], Path(folder), commands)
        print(f"{found[-1].name} works from a fresh environment")


def check(distribution: Path, folder: Path, commands: list[list[str]]) -> None:
    """Install a distribution into a new environment in a folder, and run commands there."""
    venv.create(folder / "venv", with_pip=True)
    scripts = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
    suffix = ".exe" if os.name == "nt" else ""
    # Neither the clone nor the cache of the user may help.
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTHON")
    }
    environment["DIGITREC_DATA"] = str(folder / "cache")
    work = folder / "work"
    work.mkdir()

    def run(*words: str | Path) -> None:
        print("$", *words, flush=True)
        subprocess.run(list(map(str, words)), cwd=work, env=environment, check=True)

    python = scripts / f"python{suffix}"
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", distribution)
    for command in commands:
        run(scripts / f"digitrec{suffix}", *command)
    if any("compare" in command for command in commands):
        missing = [name for name in WRITTEN if not list(work.rglob(name))]
        if missing:
            sys.exit(f"digitrec compare wrote no {', '.join(missing)}")


if __name__ == "__main__":
    main()
