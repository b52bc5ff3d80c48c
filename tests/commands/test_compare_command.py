"""`digitrec compare` within this process: own models, configuration, names that collide."""

import dataclasses
import tomllib

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from digitrec.analyses import pareto
from digitrec.cli import app
from digitrec.commands.options import load_object, parse_settings, read_config
from digitrec.errors import ConfigurationError, DigitrecError
from digitrec.evaluation.result import read_run

OWN = """
from sklearn.naive_bayes import GaussianNB
from sklearn.linear_model import RidgeClassifier

class Mine(GaussianNB):
    def predict(self, X):
        return super().predict(X)

def make():
    return RidgeClassifier(alpha=3.0)
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def own_cache(cache, monkeypatch):
    monkeypatch.setenv("DIGITREC_DATA", str(cache))


def call(*arguments):
    result = CliRunner().invoke(app, ["compare", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


SMALL = ("--dataset", "digits", "--max-train", 300)


def test_own_models_from_a_file_and_a_configuration_that_repeats_the_run(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    own = f"{tmp_path / 'own.py'}:Mine,{tmp_path / 'own.py'}:make,lda"
    out = tmp_path / "out"
    settings = ("--set", "lda.shrinkage=0.1", "--set", "lda.solver=eigen", "--ignore", "close_lead")
    done = call(*SMALL, "--models", own, "--seeds", 2, "--output-dir", out, *settings)
    assert done.exit_code == 0, done.output
    run = read_run(out / "digits" / "results.json")
    assert {result.model for result in run.results} == {"Mine", "make", "lda"}
    assert all(result.ok for result in run.results)
    report = (out / "digits" / "report.md").read_text()
    text = report.split("```toml\n")[1].split("```")[0]
    assert tomllib.loads(text)["seeds"] == 2
    assert report.rstrip().endswith("```")
    (tmp_path / "run.toml").write_text(text)
    again = call("--config", tmp_path / "run.toml")
    assert again.output.count("(stored)") == 6
    assert read_run(out / "digits" / "results.json") == run
    # An option of the command line goes before that of the file.
    with pytest.raises(ConfigurationError, match="unknown model 'svn'"):
        call("--config", tmp_path / "run.toml", "--models", "svn")


def test_two_datasets_of_one_name_do_not_share_a_folder(tmp_path):
    rng = np.random.default_rng(0)
    for place in ("a", "b"):
        for label in ("loop", "stroke"):
            (tmp_path / place / "shapes" / label).mkdir(parents=True)
            for i in range(20):
                image = rng.integers(0, 60, (12, 12)).astype(np.uint8)
                image[2:10, 5] = 255
                if label == "loop":
                    image[5, 2:10] = 255
                Image.fromarray(image).save(tmp_path / place / "shapes" / label / f"{i}.png")
    both = f"{tmp_path / 'a' / 'shapes'},{tmp_path / 'b' / 'shapes'}"
    common = ("--models", "ridge", "--features", "raw", "--output-dir", tmp_path / "out")
    with pytest.raises(ConfigurationError, match="another dataset of this name"):
        call("--dataset", both, *common)
    first = read_run(tmp_path / "out" / "shapes" / "results.json")
    assert first.dataset.label_names == ("loop", "stroke")
    assert first.winning_result.test_accuracy > 0.7
    with pytest.raises(ConfigurationError, match="another dataset of this name"):
        call("--dataset", tmp_path / "b" / "shapes", *common)
    assert read_run(tmp_path / "out" / "shapes" / "results.json") == first
    report = tmp_path / "out" / "shapes" / "report.md"
    before = report.read_text()
    report.unlink()
    path = tmp_path / "a" / "shapes"
    done = call("--report-only", "--dataset", path, "--output-dir", tmp_path / "out")
    assert done.exit_code == 0
    assert report.read_text() == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("models = [", "is not valid TOML"),
        ("modls = 'svm'", "unknown option in"),
        ("config = 'x'", "unknown option in"),
    ],
)
def test_a_configuration_that_cannot_be_read(tmp_path, text, message):
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        read_config(path, {"models": False, "set": True})


def test_forms_of_a_configuration(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(
        "models = ['svm', 'mlp']\ntimeout = 5\nignore = ['close_lead']\n"
        "[set.svm]\nC = 5\nkernel = 'rbf'\n"
    )
    repeated = dict.fromkeys(("set", "timeout", "ignore"), True)
    found = read_config(path, {"models": False, **repeated})
    assert found == {
        "models": "svm,mlp",
        "timeout": ["5"],
        "ignore": ["close_lead"],
        "set": ["svm.C=5", "svm.kernel='rbf'"],
    }
    assert parse_settings(found["set"]) == {"svm": {"C": 5, "kernel": "rbf"}}


def test_settings_are_literals_or_text():
    settings = ["svm.C=5", "mlp.hidden_layer_sizes=(64, 32)", "knn.weights=uniform"]
    assert parse_settings(settings) == {
        "svm": {"C": 5},
        "mlp": {"hidden_layer_sizes": (64, 32)},
        "knn": {"weights": "uniform"},
    }
    for setting in ("svm", "svm=5"):
        with pytest.raises(ConfigurationError, match=r"model\.parameter=value"):
            parse_settings([setting])


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        (":Model", "cannot load"),
        ("no.such.module:Model", "No module named 'no'"),
        ("digitrec.models:Nothing", "has no 'Nothing'"),
    ],
)
def test_own_objects_that_are_not_there(reference, message):
    with pytest.raises(ConfigurationError, match=message):
        load_object(reference)


def test_a_file_that_does_not_run(tmp_path):
    (tmp_path / "bad.py").write_text("raise ValueError('half written')\n")
    with pytest.raises(ConfigurationError, match="ValueError: half written"):
        load_object(f"{tmp_path / 'bad.py'}:Model")


def test_the_version_and_the_module():
    import digitrec

    result = CliRunner().invoke(app, ["--version"])
    assert result.output.strip() == f"digitrec {digitrec.__version__}"


def test_checks_that_are_ignored_and_analyses_that_fail_are_named_in_the_report(
    tmp_path, monkeypatch
):
    def broken(context):
        raise RuntimeError("no front today")

    monkeypatch.setattr(pareto, "ANALYSIS", dataclasses.replace(pareto.ANALYSIS, run=broken))
    ignored = ("--ignore", "close_lead", "--ignore", "busy_machine")
    models = ("--models", "lda,logistic_regression", "--set", "logistic_regression.max_iter=2")
    arguments = (*SMALL, *models, *ignored, "--analyses", "pareto", "--output-dir", tmp_path)
    done = CliRunner().invoke(app, ["compare", *map(str, arguments)])
    assert isinstance(done.exception, DigitrecError)
    assert "pareto on digits: RuntimeError: no front today" in str(done.exception)
    assert "Warning: Stopped at the iteration limit" in done.output
    report = (tmp_path / "digits" / "report.md").read_text()
    assert "no front today" in report
    assert "## Checks" in report
    assert "Left out on request: `close_lead`, `busy_machine`." in report
    with pytest.raises(ConfigurationError, match="close_lead"):
        call(*SMALL, "--ignore", "close")
