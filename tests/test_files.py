import json
import os
import stat
import subprocess
import sys
import threading

import pytest

from digitrec._files import atomic_path, write_text

CREATE = """
import os, sys, threading
from digitrec._files import write_text

os.umask(int(sys.argv[2], 8))
done = threading.Event()

def write_many():
    for i in range(200):
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
@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077, 0o000])
def test_files_have_the_permissions_of_new_files_of_all_threads(umask, tmp_path):
    subprocess.run([sys.executable, "-c", CREATE, tmp_path, oct(umask)], check=True, timeout=60)
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
