"""What differs between systems; the real other system is not at hand, its rules are."""

import ast
import csv
import importlib
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

import digitrec
from digitrec import _platform

ROOT = Path(digitrec.__file__).parent.parent
POSIX_MODULES = {"fcntl", "grp", "posix", "pwd", "resource", "syslog", "termios", "tty"}
POSIX_NAMES = {
    *("fork", "forkpty", "getpgid", "getuid", "geteuid", "killpg", "mkfifo", "nice", "setpgid"),
    *("setsid", "umask", "uname", "wait", "SIGKILL", "SIGALRM", "SIGUSR1", "SIGUSR2", "SIGHUP"),
    *("SIGCHLD", "pthread_sigmask", "setitimer", "alarm", "sched_getaffinity", "getloadavg"),
}


def asks_first(tree, name):
    """Whether a module looks for a name, with hasattr, before it uses it."""
    return any(
        isinstance(node, ast.Call)
        and getattr(node.func, "id", "") == "hasattr"
        and isinstance(node.args[1], ast.Constant)
        and node.args[1].value == name
        for node in ast.walk(tree)
    )


def posix_only(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name.split(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module]
        yield from POSIX_MODULES.intersection(names)
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in ("os", "signal")
            and node.attr in POSIX_NAMES
            and not asks_first(tree, node.attr)
        ):
            yield node.attr


def test_what_only_posix_has_is_used_in_one_module_or_with_an_alternative():
    found = {
        str(path.relative_to(ROOT)): set(names)
        for folder in ("digitrec", "benchmarks")
        for path in (ROOT / folder).rglob("*.py")
        if (names := list(posix_only(path)))
    }
    # There, the modules stand in try blocks, and the signal where os.killpg was asked for.
    assert found == {"digitrec/_platform.py": {"fcntl", "resource", "SIGKILL"}}


class ByteLocks:
    """`msvcrt` as it locks a byte, with the record locks of the system at hand."""

    LK_NBLCK = 2

    def __init__(self):
        self._fcntl = importlib.import_module("fcntl")

    def locking(self, descriptor, mode, n_bytes):
        assert mode == self.LK_NBLCK
        where = os.lseek(descriptor, 0, os.SEEK_CUR)
        self._fcntl.lockf(
            descriptor, self._fcntl.LOCK_EX | self._fcntl.LOCK_NB, n_bytes, where, os.SEEK_SET
        )


HOLD = """
import sys
from digitrec import _platform
sys.path.insert(0, sys.argv[2])
if sys.argv[3] == "windows":
    from test_platform import ByteLocks
    _platform.fcntl, _platform.msvcrt = None, ByteLocks()
file = open(sys.argv[1], "w")
print(_platform.try_lock(file.fileno()), flush=True)
sys.stdin.readline()
"""


@pytest.mark.parametrize("system", ["posix", "windows"])
def test_a_lock_holds_between_processes_and_ends_with_a_killed_one(system, tmp_path):
    pytest.importorskip("fcntl")
    path = tmp_path / ".lock"

    def other():
        return subprocess.Popen(
            [sys.executable, "-c", HOLD, path, Path(__file__).parent, system],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    with other() as first:
        assert first.stdout.readline() == "True\n"
        with other() as second:
            assert second.stdout.readline() == "False\n"
            second.kill()
        first.kill()
    with other() as third:
        assert third.stdout.readline() == "True\n"
        third.kill()


def test_a_system_without_locks_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(_platform, "fcntl", None)
    monkeypatch.setattr(_platform, "msvcrt", None)
    with (tmp_path / "f").open("w") as file, pytest.raises(OSError, match="lock no files"):
        _platform.try_lock(file.fileno())


@pytest.mark.parametrize("groups", [True, False])
def test_a_process_ends_with_its_children(groups, monkeypatch):
    if not groups:
        monkeypatch.delattr(os, "killpg", raising=False)
    child = "import time; time.sleep(600)"
    parent = (
        f"import subprocess, sys; c = subprocess.Popen([sys.executable, '-c', {child!r}]); "
        "print(c.pid, flush=True); c.wait()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        pid = int(process.stdout.readline())
        _platform.end_process_tree(process)
    deadline = time.monotonic() + 300
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize(("code", "name"), [(-2, "SIGINT"), (-15, "SIGTERM"), (-900, "signal 900")])
def test_signals_have_names(code, name):
    assert _platform.signal_name(code) == name


OTHER_SYSTEM = """
import builtins, multiprocessing, os, signal, sys

HIDDEN = {"fcntl", "resource", "pwd", "grp", "termios"}
real_import = builtins.__import__

def import_as_there(name, globals=None, *arguments, **options):
    importer = (globals or {}).get("__name__", "")
    if name in HIDDEN and importer.split(".")[0] in ("digitrec", "benchmarks"):
        raise ImportError(f"no module named {name!r}")
    return real_import(name, globals, *arguments, **options)

builtins.__import__ = import_as_there
for name in ("killpg", "fork", "sched_getaffinity", "getloadavg", "umask"):
    if hasattr(os, name):
        delattr(os, name)
multiprocessing.get_all_start_methods = lambda: ["spawn"]
"""


def on_the_other_system(code, *arguments, cwd=None):
    """Run code in a process without what only POSIX has; modules of others keep what they use."""
    locks = f"""
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from digitrec import _platform
        from test_platform import ByteLocks
        _platform.msvcrt = ByteLocks()
    """
    script = OTHER_SYSTEM + textwrap.dedent(locks) + textwrap.dedent(code)
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        check=False,
        timeout=300,
    )


def test_every_module_imports_on_the_other_system():
    code = """
        import importlib, pkgutil
        import digitrec
        for module in pkgutil.walk_packages(digitrec.__path__, "digitrec."):
            importlib.import_module(module.name)
        print(len([name for name in sys.modules if name.startswith("digitrec")]))
    """
    done = on_the_other_system(code)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 100


@pytest.mark.slow
def test_the_runner_and_its_lock_work_on_the_other_system(tmp_path):
    script = tmp_path / "run.py"
    script.write_text(
        OTHER_SYSTEM
        + textwrap.dedent(
            f"""
            sys.path.insert(0, {str(Path(__file__).parent)!r})
            sys.path.insert(0, {str(Path(__file__).parents[1])!r})
            from digitrec import _platform
            from digitrec.errors import DigitrecError

            if __name__ == "__main__":
                from test_platform import ByteLocks
                _platform.msvcrt = ByteLocks()
                from digitrec.evaluation.job_store import JobStore
                from benchmarks.run_all import app
                arguments = ["--dataset", "digits", "--models", "lda", "--profile", "fast"]
                app([*arguments, "--output-dir", sys.argv[1]], standalone_mode=False)
            """
        )
    )
    done = subprocess.run(
        [sys.executable, script, tmp_path / "out"],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "digits" / "report.md").exists()
    with (tmp_path / "out" / "digits" / "results.csv").open(encoding="utf-8") as file:
        assert {row["status"] for row in csv.DictReader(file)} == {"ok"}


def test_the_client_ends_its_program_on_the_other_system(tmp_path):
    code = """
        from digitrec.datasets.clients import run_client
        from digitrec.datasets.mirrors import SourceError
        try:
            run_client([sys.executable, "-c", "import time; time.sleep(600)"], timeout=0.5)
        except SourceError as error:
            print(error)
    """
    done = on_the_other_system(code)
    assert done.stdout.strip() == "not finished within 0.5 s", done.stderr
