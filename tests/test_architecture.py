import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("importlinter")
ROOT = Path(__file__).parents[1]


def test_imports_go_one_way():
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--config", "setup.cfg", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_importing_the_packages_touches_no_drawing_or_network_library():
    script = (
        "import sys\n"
        "import digitrec, digitrec.datasets, digitrec.preprocessing, digitrec.models\n"
        "import digitrec.evaluation, digitrec.reporting, digitrec.inference, digitrec.serving\n"
        "loaded = {'matplotlib', 'requests', 'keras', 'fastapi'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(loaded)) or 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
