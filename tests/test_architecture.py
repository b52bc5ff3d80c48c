"""Names of modules, and what imports and listings may cost: nothing heavy, no network."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

SCRIPT = """
import socket, sys

def refuse(*arguments):
    raise AssertionError(arguments)

def loaded(*names):
    return set(names) & set(sys.modules)

socket.getaddrinfo = socket.socket.connect = refuse
from digitrec.cli import main
for command in (["--help"], ["models"], ["datasets"], ["train", "--help"]):
    try:
        main(command)
    except SystemExit as ended:
        assert not ended.code, command
    slow = loaded("sklearn", "scipy", "pandas", "matplotlib", "joblib", "fastapi")
    assert not slow, (command, slow)
# The server of worker processes starts before this process loads what both need.
from digitrec.evaluation import executors
servers = []
def start():
    servers.append(loaded("sklearn", "scipy", "pandas", "matplotlib"))
    raise SystemExit
executors.process_context = start
try:
    main(["compare", "--dataset", "digits", "--output-dir", "not made"])
except SystemExit:
    pass
assert servers == [set()], servers
import digitrec.datasets, digitrec.preprocessing, digitrec.models, digitrec.evaluation
import digitrec.reporting, digitrec.inference, digitrec.serving
assert not loaded("matplotlib", "urllib.request", "keras", "fastapi")
"""


def test_listings_and_imports_load_no_library_that_they_do_not_need():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_no_two_modules_share_a_name():
    root = Path(__file__).parents[1] / "digitrec"
    names = Counter(path.stem for path in root.rglob("*.py") if path.stem != "__init__")
    assert not {name for name, n in names.items() if n > 1}
