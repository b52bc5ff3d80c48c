import runpy
import sys

import pytest

from digitrec.commands.options import choose, parse_timeouts, split_names
from digitrec.comparison.experiment import parse_size
from digitrec.errors import ConfigurationError


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4GB", 4 * 10**9),
        ("4G", 4 * 10**9),
        ("1.5 gb", 15 * 10**8),
        ("512MiB", 512 * 2**20),
        ("1e9", 10**9),
        ("100", 100),
        ("2kb", 2000),
    ],
)
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "4 XB", "-1GB", "0", "1.2.3MB", "i", "4iB"])
def test_bad_sizes(text):
    with pytest.raises(ConfigurationError, match="cannot read the size"):
        parse_size(text)


def test_timeouts():
    found = parse_timeouts(["1m", "svm=600", "mlp=1.5s"])
    assert found == {None: 60.0, "svm": 600.0, "mlp": 1.5}
    assert parse_timeouts([]) == {}


@pytest.mark.parametrize("setting", ["x", "svm=", "svm=-1", "0", "inf", "nan", "svm=a"])
def test_bad_timeouts(setting):
    with pytest.raises(ConfigurationError, match="cannot read the time limit"):
        parse_timeouts([setting])


def test_choices():
    assert choose("model", None, ["a", "b", "c"]) is None
    assert choose("model", "all", ["a", "b", "c"]) == "all"
    assert list(choose("model", "c, a,c", ["a", "b", "c"])) == ["c", "a"]
    with pytest.raises(ConfigurationError, match=r"unknown model 'd'; choose one of: a, b, c"):
        choose("model", "a,d", ["a", "b", "c"])
    with pytest.raises(ConfigurationError, match="no name"):
        choose("model", ",", ["a"])


def test_a_path_with_a_comma_stays_whole(tmp_path):
    folder = tmp_path / "a,b"
    folder.mkdir()
    assert split_names(str(folder)) == [str(folder)]
    assert split_names("a,b") == ["a", "b"]


@pytest.mark.parametrize(
    "command",
    [
        "frontier --dataset nonsense",
        "image_changes --data nowhere",
        "inference --report-dir nowhere",
        "optimizers --dataset nonsense",
        "peers --dataset nonsense",
        "preprocessing --dataset nonsense",
        "published --datasets nonsense",
        "readme --report-dir nowhere",
        "real_images --data nowhere",
        "serving --model nowhere",
        "transfer --models nonsense",
    ],
)
def test_bad_input_ends_a_command_with_a_line(
    command, tmp_path, digit_model_file, monkeypatch, capsys
):
    name, *arguments = command.split()
    if name in ("image_changes", "real_images"):
        arguments += ["--model", str(digit_model_file)]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    # As ``python -m`` does; a copy that a test has imported would be warned of.
    monkeypatch.delitem(sys.modules, f"benchmarks.{name}", raising=False)
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(f"benchmarks.{name}", run_name="__main__", alter_sys=True)
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert not list(tmp_path.iterdir())
