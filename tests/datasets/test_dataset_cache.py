import gzip
import hashlib
import io
import zipfile

import pytest

from digitrec._messages import messages_to
from digitrec.datasets import mirrors
from digitrec.datasets.cache import ensure_files
from digitrec.datasets.mirrors import HttpMirror, LocalFolder, ZipArchive
from digitrec.errors import DatasetError

CONTENTS = {"images": bytes(range(256)) * 40, "labels": b"0123456789" * 30}
CHECKSUMS = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENTS.items()}
PACKED = {f"{name}.gz": gzip.compress(content) for name, content in CONTENTS.items()}

FAULTS = {
    "silent": "images.gz: no data within 0.4 s",
    "stalled": "images.gz: no data within 0.4 s",
    "truncated": "images.gz: the download was interrupted",
    "hang up": "images.gz: the download was interrupted",
    "short": "images is damaged",
    "corrupt": "images is damaged",
    "web page": "images is damaged or another version: 42 bytes",
    "error": "images.gz: 503",
    "missing": "images.gz: 404",
}


@pytest.fixture(autouse=True)
def _fast_and_direct(monkeypatch):
    monkeypatch.setattr(mirrors, "READ_TIMEOUT", 0.4)
    monkeypatch.setenv("NO_PROXY", "*")


def ensure(folder, *sources, checksums=CHECKSUMS):
    lines = []
    try:
        with messages_to(lines.append):
            return ensure_files("sample", folder, checksums, sources), lines
    except DatasetError as error:
        return error, lines


def kept_files(folder):
    return {path.name for path in folder.iterdir()} - {"source.txt"}


def assert_delivered(folder):
    assert {name: (folder / name).read_bytes() for name in CONTENTS} == CONTENTS
    assert kept_files(folder) == set(CONTENTS)


def test_fetch_and_cache(tmp_path, make_mirror):
    server = make_mirror(PACKED)
    mirror = HttpMirror(server.url, suffix=".gz")
    origin, lines = ensure(tmp_path / "new" / "cache", mirror)
    assert origin == server.url
    assert lines[-1] == f"sample: 2 file(s) from {server.url}, sha256 verified"
    assert_delivered(tmp_path / "new" / "cache")
    assert server.requests == ["images.gz", "labels.gz"]
    # The second time neither asks nor says anything, and still knows the origin.
    assert ensure(tmp_path / "new" / "cache", mirror) == (server.url, [])
    assert len(server.requests) == 2


@pytest.mark.parametrize("fault", FAULTS)
def test_faulty_mirror_is_named_and_left_for_the_next(tmp_path, make_mirror, fault):
    bad, good = make_mirror(PACKED), make_mirror(PACKED)
    bad.faults["images.gz"] = fault
    if fault == "missing":
        bad.files.clear()
    origin, lines = ensure(
        tmp_path, HttpMirror(bad.url, suffix=".gz"), HttpMirror(good.url, suffix=".gz")
    )
    assert origin == good.url
    (line,) = [line for line in lines if bad.url in line]
    assert FAULTS[fault] in line
    assert "\n" not in line
    assert bad.requests == ["images.gz"]  # dead after the first file
    assert_delivered(tmp_path)


def test_refused_connection(tmp_path, make_mirror, closed_port):
    server = make_mirror(PACKED)
    origin, lines = ensure(
        tmp_path,
        HttpMirror(f"http://127.0.0.1:{closed_port}/", suffix=".gz"),
        HttpMirror(server.url, suffix=".gz"),
    )
    assert origin == server.url
    assert any(f"127.0.0.1:{closed_port}/: cannot be reached" in line for line in lines)


def test_files_of_a_mirror_that_fails_later_are_kept(tmp_path, make_mirror):
    first, second = make_mirror(PACKED), make_mirror(PACKED)
    first.faults["labels.gz"] = "corrupt"
    origin, _ = ensure(
        tmp_path, HttpMirror(first.url, suffix=".gz"), HttpMirror(second.url, suffix=".gz")
    )
    assert origin == f"{first.url} and {second.url}"
    assert second.requests == ["labels.gz"]
    assert_delivered(tmp_path)


def test_error_lists_all_that_was_tried_and_the_remedy(tmp_path, make_mirror, closed_port):
    stalling, corrupting = make_mirror(PACKED), make_mirror(PACKED)
    stalling.faults["images.gz"] = "stalled"
    corrupting.faults["images.gz"] = "corrupt"
    urls = [stalling.url, corrupting.url, f"http://localhost:{closed_port}/"]
    error, lines = ensure(tmp_path, *(HttpMirror(url, suffix=".gz") for url in urls))
    assert isinstance(error, DatasetError)
    for url in urls:
        assert url in str(error)
    assert f"put images, labels into {tmp_path}, as they are or packed" in str(error)
    assert len(lines) == 4  # the cache and three mirrors
    assert kept_files(tmp_path) == set()


@pytest.mark.parametrize("damage", [lambda content: content[:100], lambda content: content + b"x"])
def test_damaged_cached_file_is_named_removed_and_fetched_again(tmp_path, make_mirror, damage):
    server = make_mirror(PACKED)
    mirror = HttpMirror(server.url, suffix=".gz")
    ensure(tmp_path, mirror)
    (tmp_path / "images").write_bytes(damage(CONTENTS["images"]))
    _, lines = ensure(tmp_path, mirror)
    assert f"{tmp_path / 'images'} is damaged" in lines[0]
    assert "removed" in lines[0]
    assert server.requests == ["images.gz", "labels.gz", "images.gz"]
    assert_delivered(tmp_path)


def test_damaged_cached_file_is_removed_also_where_nothing_replaces_it(tmp_path):
    (tmp_path / "images").write_bytes(b"damaged")
    error, _ = ensure(tmp_path)
    assert isinstance(error, DatasetError)
    assert kept_files(tmp_path) == set()


def test_packed_files_put_into_the_cache_by_hand(tmp_path, make_mirror):
    for name, content in PACKED.items():
        (tmp_path / name).write_bytes(content)
    server = make_mirror(PACKED)
    origin, _ = ensure(tmp_path, HttpMirror(server.url, suffix=".gz"))
    assert origin == "local files"
    assert server.requests == []
    assert kept_files(tmp_path) == {*CONTENTS, *PACKED}


def test_damaged_packed_file_put_there_by_hand_is_named_and_left_alone(tmp_path, make_mirror):
    (tmp_path / "images.gz").write_bytes(PACKED["images.gz"][:-20])
    server = make_mirror(PACKED)
    origin, lines = ensure(tmp_path, HttpMirror(server.url, suffix=".gz"))
    assert origin == server.url
    assert "images is damaged" in lines[0]
    assert (tmp_path / "images.gz").exists()


def test_local_folder(tmp_path):
    (tmp_path / "system").mkdir()
    (tmp_path / "system" / "images.gz").write_bytes(PACKED["images.gz"])
    (tmp_path / "system" / "labels").write_bytes(CONTENTS["labels"])
    origin, _ = ensure(tmp_path / "cache", LocalFolder(tmp_path / "system", "system files"))
    assert origin == "system files"
    assert_delivered(tmp_path / "cache")
    error, _ = ensure(tmp_path / "other", LocalFolder(tmp_path / "none", "system files"))
    assert f"system files: no images in {tmp_path / 'none'}" in str(error)


def zip_of(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_zip_archive(tmp_path, make_mirror):
    server = make_mirror({"all.zip": zip_of({f"gzip/{n}": c for n, c in PACKED.items()})})
    origin, _ = ensure(tmp_path, ZipArchive(server.url + "all.zip", prefix="gzip/", suffix=".gz"))
    assert origin == server.url + "all.zip"
    assert server.requests == ["all.zip"]
    assert_delivered(tmp_path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (zip_of({"other": b""}), "images cannot be taken from the archive"),
        (zip_of(CONTENTS)[:200], "images cannot be taken from the archive"),
        (b"no archive", "images cannot be taken from the archive"),
    ],
)
def test_damaged_zip_archive(tmp_path, make_mirror, content, reason):
    server = make_mirror({"all.zip": content})
    error, _ = ensure(tmp_path, ZipArchive(server.url + "all.zip"))
    assert reason in str(error)


def compress_z(content):
    """Pack at most 250 bytes in the format of compress(1), every byte as one code of 9 bits."""
    bits = sum(byte << (9 * index) for index, byte in enumerate(content))
    return b"\x1f\x9d\x90" + bits.to_bytes((9 * len(content) + 7) // 8, "little")


@pytest.mark.skipif(mirrors.shutil.which("gzip") is None, reason="needs the program gzip")
def test_files_of_compress(tmp_path, make_mirror):
    content = b"handwritten digits of 43 writers"
    checksums = {"bitmaps": hashlib.sha256(content).hexdigest()}
    server = make_mirror({"bitmaps.Z": compress_z(content)})
    ensure(tmp_path / "good", HttpMirror(server.url, suffix=".Z"), checksums=checksums)
    assert (tmp_path / "good" / "bitmaps").read_bytes() == content
    server.files["bitmaps.Z"] = b"\x1f\x9d\xff\xff"
    error, _ = ensure(tmp_path / "bad", HttpMirror(server.url, suffix=".Z"), checksums=checksums)
    assert "bitmaps.Z is damaged" in str(error)


def test_cache_folder_that_cannot_be_used(tmp_path):
    (tmp_path / "file").write_text("in the way")
    error, _ = ensure(tmp_path / "file" / "cache")
    assert "set the environment variable DIGITREC_DATA" in str(error)


@pytest.mark.parametrize("room", [50, 3000])
def test_full_disk_is_named_and_no_other_source_is_tried(tmp_path, make_mirror, room):
    # 50 bytes take no packed file whole, 3,000 no unpacked one.
    resource = pytest.importorskip("resource")  # not on Windows
    first, second = make_mirror(PACKED), make_mirror(PACKED)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        error, _ = ensure(
            tmp_path, HttpMirror(first.url, suffix=".gz"), HttpMirror(second.url, suffix=".gz")
        )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert f"the disk is full, with the cache folder {tmp_path}; set" in str(error)
    assert not second.requests and not kept_files(tmp_path)


def test_dead_hosts_cost_one_time_out_together(make_mirror):
    alive = make_mirror().url
    # Addresses for documentation (RFC 5737), which nobody answers; and a name that cannot be.
    dead = [f"http://192.0.2.{host}/" for host in range(1, 9)] + ["https://nothing.invalid/"]
    reasons = mirrors.find_unreachable([alive, *dead], timeout=0.5)
    assert set(reasons) == set(dead)


def test_proxy_is_what_must_be_reachable(monkeypatch, make_mirror):
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("http_proxy", make_mirror().url)
    assert mirrors.find_unreachable(["http://nothing.invalid/"], timeout=2) == {}
