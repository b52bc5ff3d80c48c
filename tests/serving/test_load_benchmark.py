from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from benchmarks._hostile import attack
from benchmarks._load import build_request, run_load
from benchmarks.serving import CONNECTIONS, TITLES, _cell, make_bodies, render_report


def test_loads_bodies_and_attacks(server: Any) -> None:
    bodies, labels = make_bodies(10)
    types = {"raw": "application/octet-stream", "png": "image/png", "jpeg": "image/jpeg"}
    for kind in TITLES:
        digits = [
            server.post("/predict", body, types[kind]).json()["digit"] for body in bodies[kind]
        ]
        assert np.mean(np.array(digits) == labels) >= 0.8, kind
    requests = [build_request("/predict", body, types["raw"]) for body in bodies["raw"]]
    load = run_load(server.port, requests, 4, 30.0, n_requests=40)
    assert 40 <= len(load.latencies) <= 44
    assert not load.failures
    assert load.percentile_ms(50) <= load.percentile_ms(99)

    sent: Counter[str] = Counter()
    while sum(sent.values()) <= 5:  # a busy machine sends few in this time
        sent += attack(server.port, 1.5, bodies["jpeg"][0])
    assert server.post("/predict", bodies["raw"][0], types["raw"]).status == 200

    refused = run_load(server.port, [build_request("/predict", b"x", "text/plain")], 2, 5.0, 6)
    assert refused.failures["415"] == len(refused.latencies)

    cells = [vars(_cell(kind, n, load, 0.1)) for kind in TITLES for n in CONNECTIONS]
    report = render_report(
        {
            "hardware": {"processor": "p", "cores": 2, "memory_gib": 1.0},
            "models": ["m"],
            "load_average_before": 0.5,
            "load_average_after": 0.6,
            "correct": dict.fromkeys(TITLES, 1.0),
            "cells": cells,
            "soak": {**cells[0], "memory_before_mib": 100.0, "memory_after_mib": 101.0},
            "hostile": {"attacks": dict(sent), "honest": cells[:3], "memory_after_mib": 102.0},
            "without_batching": cells[0],
        }
    )
    assert report.startswith("# Load test")
    assert report.count("\n|") > 20
