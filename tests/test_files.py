import json
import os
import stat
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import joblib
import numpy as np
import pytest

from digitrec._files import (
    atomic_path,
    cache_dir,
    create_array,
    describe_os_error,
    file_safe,
    is_disk_full,
    writable_cache_dir,
    write_json,
    write_text,
)

CREATE = """
import os, sys, threading
from digitrec._files import write_text

os.umask(int(sys.argv[2], 8))
done = threading.Event()

def write_many():
    for i in range(100):
        write_text(sys.argv[1] + "/ours.txt", "x")
    done.set()

thread = threading.Thread(target=write_many)
thread.start()
i = 0
while not done.is_set():
    i += 1
    os.close(os.open(f"{sys.argv[1]}/theirs-{i}", os.O_CREAT | os.O_WRONLY, 0o666))
thread.join()
"""


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_files_have_the_permissions_of_new_files_of_all_threads(umask, tmp_path):
    subprocess.run([sys.executable, "-c", CREATE, tmp_path, oct(umask)], check=True, timeout=300)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {0o666 & ~umask}
    assert len(list(tmp_path.iterdir())) > 1


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.json"
    write_text(path, "old")
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        assert temporary.suffix == ".json"
        temporary.write_text("half")
        raise RuntimeError
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
    assert path.read_text() == "old"


def test_threads_that_write_one_file_leave_one_whole_version(tmp_path):
    path = tmp_path / "a.json"
    threads = [
        threading.Thread(target=write_text, args=(path, json.dumps([i] * 1000))) for i in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(json.loads(path.read_text()))) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def unwritable(kind, tmp_path):
    """A path that not even the superuser can make a folder of, or write to."""
    if kind == "file":
        (tmp_path / "file").touch()
    if kind == "dangling":
        (tmp_path / "dangling").symlink_to(tmp_path / "file2" / "x" / "y" / "loop")
        (tmp_path / "file2").touch()
    return {"below a file": tmp_path / "file" / "x", "kernel": Path("/proc/digitrec")}.get(
        kind, tmp_path / kind
    )


@pytest.mark.parametrize("kind", ["file", "below a file", "dangling", "kernel"])
def test_an_unwritable_cache_is_told_once_and_costs_nothing(kind, tmp_path, monkeypatch, caplog):
    if kind == "kernel" and not Path("/proc/self").exists():
        pytest.skip("no such file system")
    if kind == "below a file":
        (tmp_path / "file").touch()
    monkeypatch.setenv("DIGITREC_DATA", str(unwritable(kind, tmp_path)))
    for part in ("features", "shared"):
        path = writable_cache_dir(part) / "a.txt"
        write_text(path, "kept")
        assert path.read_text() == "kept"
        assert cache_dir() not in path.parents
    (message,) = caplog.messages
    assert "DIGITREC_DATA" in message
    assert str(cache_dir()) in message


def test_a_writable_cache_is_used_without_a_word(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("DIGITREC_DATA", str(tmp_path / "new" / "folder"))
    assert writable_cache_dir("a") == cache_dir("a") == tmp_path / "new" / "folder" / "a"
    assert not caplog.messages
    assert not list((tmp_path / "new" / "folder").iterdir())


CALL = """
import digitrec
found = digitrec.compare("digits", models=["lda"], features="raw", analyses=[], progress=False)
assert found.best_name == "lda"
"""


def test_an_answer_is_had_without_a_cache_that_can_be_written(tmp_path):
    temporary = "longer than the path of a socket may be " * 3
    (tmp_path / "file").touch()
    (tmp_path / temporary).mkdir()
    script = tmp_path / "script.py"
    script.write_text('if __name__ == "__main__":\n' + textwrap.indent(CALL, "    "))
    done = subprocess.run(
        [sys.executable, script],
        env={
            **os.environ,
            "DIGITREC_DATA": str(tmp_path / "file"),
            "TMPDIR": str(tmp_path / temporary),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("DIGITREC_DATA") == 1
    assert not list((tmp_path / temporary).glob("digitrec-*"))  # nothing is left behind


WRITERS = {
    "text": lambda path: write_text(path, "x" * 200_000),
    "JSON": lambda path: write_json(path, list(range(50_000))),
    "array": lambda path: np.save(path, np.zeros(200_000, np.uint8)),
    "mapped array": lambda path: create_array(path, np.float32, (500, 100))[:].fill(1),
    "archive": lambda path: np.savez(path, np.random.default_rng(0).bytes(200_000)),
    "compressed": lambda path: joblib.dump(np.random.default_rng(0).random(50_000), path),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_a_file_that_does_not_fit_leaves_the_old_one(tmp_path, kind):
    resource = pytest.importorskip("resource")
    suffix = {"array": ".npy", "mapped array": ".npy", "archive": ".npz"}.get(kind, ".txt")
    path = tmp_path / f"file{suffix}"
    path.write_bytes(b"before")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OSError) as caught, atomic_path(path) as temporary:
            WRITERS[kind](temporary)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert is_disk_full(caught.value)
    assert describe_os_error(caught.value).startswith("the disk is full")
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"before"]


def test_mapped_arrays_are_written(tmp_path):
    create_array(tmp_path / "a.npy", np.int16, (2, 3))[:] = [[1, 2, 3], [4, 5, 6]]
    assert np.load(tmp_path / "a.npy").tolist() == [[1, 2, 3], [4, 5, 6]]
    assert len(create_array(tmp_path / "none.npy", np.int16, (0, 3))) == 0


@pytest.mark.parametrize("letter", ["a", "日"])
def test_long_names_make_different_files_that_can_be_written(letter, tmp_path):
    names = [file_safe(letter * 300 + end) for end in "xy"]
    assert names[0] != names[1]
    for name in names:
        (tmp_path / f"confusion_{name}-{name}-seed0-{'0' * 16}.png").touch()
