import dataclasses
import json

import pytest
from typer.testing import CliRunner

from benchmarks import peers
from benchmarks._common import make_app, run_facts
from digitrec._messages import messages_to
from digitrec.datasets import load_dataset
from digitrec.models import DEFAULT_MODELS


@pytest.fixture(scope="module")
def few_digits():
    digits = load_dataset("digits", max_train=500)
    return dataclasses.replace(digits, X_test=digits.X_test[:150], y_test=digits.y_test[:150])


def test_every_default_model_stands_beside_a_peer(few_digits):
    lines = []
    with messages_to(lines.append):
        comparison = peers.compare(few_digits, n_jobs=1)
    timings = comparison["timings"]
    for model in DEFAULT_MODELS:
        assert {t.side for t in timings if t.model == model} == {"digitrec", "peer"}
    assert all(0 <= t.error_low <= t.test_error <= t.error_high <= 1 for t in timings)
    assert all(t.fit_seconds > 0 and t.predict_seconds > 0 for t in timings)
    assert len(lines) == 1 + len(timings)

    facts = run_facts("peers", few_digits, n_jobs=1)
    text = peers.render_report(comparison, facts)
    assert all(t.title in text for t in timings)
    ours = comparison["feature_seconds"] + sum(t.seconds for t in timings if t.side == "digitrec")
    theirs = sum(t.seconds for t in timings if t.side == "peer")
    assert f"({theirs / ours:.1f} times ours)" in text


def test_main_writes_both_reports(tmp_path):
    arguments = ["--dataset", "digits", "--max-train", "200", "--jobs", "1"]
    app = make_app(peers.main)
    done = CliRunner().invoke(app, [*arguments, "--output-dir", str(tmp_path)])
    assert done.exit_code == 0, done.output
    facts = json.loads((tmp_path / "results.json").read_text())
    assert (
        facts["command"] == "python -m benchmarks.peers --dataset digits --max-train 200 --jobs 1"
    )
    assert len(facts["timings"]) == 9
    assert "Default models compared with the usual way" in (tmp_path / "report.md").read_text()
