"""What can be checked of the deployment files without a container engine."""

from __future__ import annotations

import configparser
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "serving.md"


def block(language: str, containing: str) -> str:
    blocks = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    found = [text for text in blocks if containing in text]
    assert len(found) == 1, f"{PAGE.name} has {len(found)} {language} blocks with {containing!r}"
    return str(found[0])


def test_the_client_in_the_documentation_works(
    server: Any, drawing: Any, encode: Any, tmp_path: Path
) -> None:
    code = block("python", "def recognise(").replace("http://127.0.0.1:8000", server.url)
    (tmp_path / "digit.png").write_bytes(encode(drawing))
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=3000
    )
    assert done.returncode == 0, done.stderr
    digit, confidence = done.stdout.split()
    assert digit == "7"
    assert 0 < float(confidence) <= 1


def test_the_systemd_unit_is_well_formed() -> None:
    unit = configparser.RawConfigParser()
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(block("ini", "[Service]"))
    assert unit.sections() == ["Unit", "Service", "Install"]
    command = unit["Service"]["ExecStart"].split()
    assert command[0].endswith("/digitrec")
    assert command[1] == "serve"
    assert unit["Service"]["NoNewPrivileges"] == "yes"


def instructions() -> list[tuple[str, str]]:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split(None, 1)[0], line.split(None, 1)[1].strip()) for line in lines]


def test_the_image_is_not_run_by_root_and_checks_its_health() -> None:
    steps = instructions()
    names = [name for name, _ in steps]
    assert dict(steps)["USER"] == "digitrec"
    assert names.index("USER") < names.index("ENTRYPOINT")
    assert "/health" in dict(steps)["HEALTHCHECK"]


def test_the_image_copies_only_what_exists_and_is_not_ignored() -> None:
    kept = {
        line[1:]
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line.startswith("!")
    }
    for name, arguments in instructions():
        if name == "COPY" and not arguments.startswith("--from"):
            for source in arguments.split()[:-1]:
                assert (ROOT / source).exists(), source
                assert source in kept, source


def test_the_health_check_works(server: Any) -> None:
    command = dict(instructions())["HEALTHCHECK"].partition("CMD")[2]
    _, _, code = json.loads(command)
    code = code.replace("http://127.0.0.1:8000", server.url)
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
    with pytest.raises(subprocess.CalledProcessError):
        dead = code.replace(f":{server.port}", ":9")
        subprocess.run([sys.executable, "-c", dead], check=True, timeout=300, capture_output=True)


def test_the_compose_file_publishes_on_loopback_only() -> None:
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    ports = re.findall(r'- "([\d.:]*:8000)"', text)
    assert ports == ["127.0.0.1:8000:8000"]
    assert "read_only: true" in text
    assert "cap_drop: [ALL]" in text
