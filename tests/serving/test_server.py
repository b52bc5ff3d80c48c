from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from digitrec.persistence import metadata_path

ROWS = "application/octet-stream"


FAIL_TWICE = """
import sys
from digitrec.errors import DigitrecError
from digitrec.serving import Settings, serve
tampered, model, port = sys.argv[1:]
try:
    serve([tampered], port=0)
except DigitrecError as error:
    print(error)
serve([model], port=int(port), settings=Settings(engines=1))
"""


@pytest.mark.slow
def test_a_tampered_model_is_not_served_and_a_port_in_use_is_reported(
    digit_model_file: Path, tmp_path: Path
) -> None:
    for file in (digit_model_file, metadata_path(digit_model_file)):
        shutil.copy(file, tmp_path)
    copy = tmp_path / digit_model_file.name
    with copy.open("r+b") as file:
        file.seek(2000)
        file.write(b"tampered")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-c", FAIL_TWICE, str(copy), str(digit_model_file), port],
            capture_output=True,
            text=True,
            timeout=300,
            cwd=tmp_path,
        )
    assert "cannot start the recogniser" in done.stdout
    assert "sha256" in done.stdout
    assert "Uvicorn running" not in done.stderr
    assert done.returncode != 0
    assert "address already in use" in done.stderr.lower()


def test_engines_are_replaced_and_shutdown_finishes_requests_in_flight(start_server: Any) -> None:
    replies: list[int] = []
    with start_server() as live:
        parent = psutil.Process(live.process.pid)
        for engine in parent.children(recursive=True):
            engine.kill()
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            if live.post("/predict", bytes(784), ROWS).status == 200:
                break
            time.sleep(0.2)
        assert live.post("/predict", bytes(784), ROWS).status == 200
        assert "digitrec_engine_restarts_total 1.0" in live.request("/metrics").body.decode()
        body = bytes(784 * 4000)
        waiting = [
            threading.Thread(
                target=lambda: replies.append(live.post("/predict", body, ROWS).status)
            )
            for _ in range(3)
        ]
        for thread in waiting:
            thread.start()
        time.sleep(0.4)
        # As a terminal's Ctrl-C and systemd do it: every process of the service gets a signal.
        for process in [*parent.children(recursive=True), parent]:
            process.send_signal(signal.SIGTERM)
        for thread in waiting:
            thread.join(300)
        live.process.wait(300)
        assert replies == [200, 200, 200]
        with pytest.raises(OSError):
            live.connect()
        assert "Traceback" not in live.log.read_text()


def test_several_workers_offer_several_models_and_share_the_metrics(
    start_server: Any, digit_model_file: Path, tmp_path: Path, digits: Any
) -> None:
    (tmp_path / "jobs").mkdir()
    for suffix in (".joblib", ".joblib.json"):
        source = digit_model_file.with_suffix(suffix)
        shutil.copy(source, tmp_path / f"best_model{suffix}")
        shutil.copy(source, tmp_path / "jobs" / f"mlp-0123456789ab{suffix}")
    X, y = digits
    with start_server([tmp_path], workers=2) as live:
        assert live.request("/models").json()["models"] == ["best_model", "mlp"]
        assert live.request("/v2/models/mlp").status == 200
        # One connection per request spreads them over the workers.
        for model in ("best_model", "mlp") * 10:
            answer = live.post(f"/predict?model={model}", X[0].tobytes(), ROWS).json()
            assert answer["model"] == model
            assert answer["digit"] == y[0]
        counts = set()
        for _ in range(10):
            for line in live.request("/metrics").body.decode().splitlines():
                if line.startswith("digitrec_requests_total") and '"/predict"' in line:
                    counts.add(float(line.split()[-1]))
        assert counts == {20.0}


def test_it_listens_on_loopback_only(server: Any) -> None:
    listening = [
        connection.laddr.ip
        for connection in psutil.Process(server.process.pid).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening == ["127.0.0.1"]


def test_it_opens_no_connection_of_its_own(server: Any, digits: Any) -> None:
    server.post("/predict", digits[0][0].tobytes(), ROWS)
    parent = psutil.Process(server.process.pid)
    for process in (parent, *parent.children(recursive=True)):
        for connection in process.net_connections("inet"):
            if connection.raddr:
                assert connection.laddr.port == server.port


def test_the_default_recogniser_is_served_without_a_model_or_a_cache_and_leaves_no_engine(
    start_server: Any, drawing: Any, encode: Any, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with start_server([], environment={"DIGITREC_DATA": str(tmp_path / "file")}) as live:
        for query in ("", "?context=crop"):
            answer = live.post(f"/predict{query}", encode(drawing), "image/png").json()
            assert (answer["model"], answer["digit"]) == ("default", 7)
        assert live.post("/read", encode(drawing), "image/png").json()["text"] == "7"
        engines = psutil.Process(live.process.pid).children(recursive=True)
        assert engines
        live.process.send_signal(signal.SIGKILL)
        _, alive = psutil.wait_procs(engines, timeout=300)
        assert not alive
    assert not list(tmp_path.glob("*/*"))
