"""Ctrl-C during a fit of scikit-learn's MLP."""

import os
import signal
import subprocess
import sys
import time
import warnings

import pytest
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from digitrec._interruption import interruptible


class Interrupted(MLPClassifier):
    """Gets a Ctrl-C at the end of its second epoch."""

    def _update_no_improvement_count(self, *arguments):
        super()._update_no_improvement_count(*arguments)
        if self.n_iter_ == 2:
            signal.raise_signal(signal.SIGINT)


def test_an_interrupted_fit_does_not_pass_for_a_whole_one():
    X, y = load_digits(return_X_y=True)
    # Shows that scikit-learn does go on: else the guard could be deleted.
    with pytest.warns(UserWarning, match="interrupted by user"):
        Interrupted().fit(X[:200], y[:200])
    with pytest.raises(KeyboardInterrupt), interruptible():
        Interrupted().fit(X[:200], y[:200])


@pytest.mark.skipif(os.name == "nt", reason="sends POSIX signals")
def test_train_writes_nothing_after_ctrl_c(tmp_path):
    path = tmp_path / "model.joblib"
    command = [sys.executable, "-m", "digitrec.cli", "train", "--dataset", "digits"]
    command += ["--model", "mlp", "--set", "mlp.max_iter=100000", "--set", "mlp.tol=0"]
    command += ["--set", "mlp.n_iter_no_change=100000", "--set", "mlp.early_stopping=False"]
    process = subprocess.Popen(
        [*command, "--output", str(path)],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    assert any("fitting" in line for line in process.stderr)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=300)
    assert process.returncode not in (0, None)
    assert "Traceback" not in errors
    assert not list(tmp_path.iterdir())


def test_other_warnings_stay_warnings():
    with pytest.warns(UserWarning, match="something else"), interruptible():
        warnings.warn("something else", UserWarning, stacklevel=1)
