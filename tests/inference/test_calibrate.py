"""Thresholds that guarantee an error, and the command that chooses them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.stats import binom, binomtest

from digitrec.errors import ConfigurationError, DatasetError
from digitrec.inference.calibrate import calibrate_command, read_labelled_folder
from digitrec.inference.recognizer import Recognizer
from digitrec.inference.selection import (
    GRID,
    accuracy_by_threshold,
    choose_threshold,
    least_error,
    least_images,
    upper_bound,
)

ERROR = 0.02
N_TRIALS = 200


def calibrated(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    confidence = 1 / (1 + np.exp(-rng.normal(3, 2.5, n)))
    return confidence, rng.random(n) < confidence


def overconfident(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    score = rng.normal(3, 2.5, n)
    return 1 / (1 + np.exp(-2 * score)), rng.random(n) < 1 / (1 + np.exp(-0.7 * score))


def useless(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    # Confidence says nothing, and the error is a little too large: any choice breaks the guarantee.
    return rng.random(n), rng.random(n) > 1.1 * ERROR


@pytest.mark.parametrize("n", [200, 4000])
@pytest.mark.parametrize("source", [calibrated, overconfident, useless])
def test_the_guarantee_holds_as_often_as_it_says(source, n):
    rng = np.random.default_rng(n)
    confidence, right = source(rng, 100_000)
    broken = 0
    for _ in range(N_TRIALS):
        choice = choose_threshold(*source(rng, n), np.ones(n, bool), error=ERROR)
        if choice is not None:
            broken += np.mean(~right[confidence >= choice.threshold]) > ERROR
    # With a probability of 0.05 at most, more than this many are broken once in 10,000 runs.
    assert broken <= binom.ppf(0.9999, N_TRIALS, 0.05)


def test_enough_images_of_a_good_recogniser_give_a_useful_threshold():
    rng = np.random.default_rng(1)
    confidence, right = calibrated(rng, 5000)
    choice = choose_threshold(confidence, right, np.ones(5000, bool), error=ERROR)
    assert choice.n_accepted > 2000
    assert choice.bound <= ERROR
    assert choice.n_wrong == np.sum(~right[confidence >= choice.threshold])


@given(st.integers(0, 300), st.integers(0, 300), st.sampled_from([0.8, 0.95, 0.99]))
def test_the_bound_is_that_of_clopper_and_pearson(wrong, more, level):
    n = wrong + more
    bound = float(upper_bound(wrong, n, level))
    if n == 0:
        assert bound == 1
        return
    interval = binomtest(wrong, n).proportion_ci(1 - 2 * (1 - level), method="exact")
    assert bound == pytest.approx(interval.high, abs=1e-9)


@given(st.sampled_from([0.3, 0.05, 0.01]))
def test_the_least_number_of_images(error):
    n = least_images(error)
    sure = np.full(n, GRID[-1])
    right = np.ones(n, bool)
    assert choose_threshold(sure, right, right, error=error) is not None
    assert choose_threshold(sure[1:], right[1:], right[1:], error=error) is None
    assert choose_threshold([], [], [], error=error) is None
    assert choose_threshold(sure, right, np.zeros(n, bool), error=error) is None


@given(st.integers(0, 2**32 - 1), st.integers(1, 2000))
@settings(max_examples=30)
def test_the_least_error_is_the_least_guaranteed(seed, n):
    confidence, right = calibrated(np.random.default_rng(seed), n)
    shown = np.ones(n, bool)
    accepted, wrong = accuracy_by_threshold(confidence, right, shown)
    _, error = least_error(wrong, accepted)
    if error < 1:
        assert choose_threshold(confidence, right, shown, error=error) is not None
    assert choose_threshold(confidence, right, shown, error=0.999 * error) is None


@pytest.fixture
def labelled(tmp_path: Path, digits) -> Path:
    images, labels = digits
    folder = tmp_path / "mine"
    for k, i in enumerate(np.random.default_rng(0).permutation(len(images))[:120]):
        path = folder / f"digit_{labels[i]}" / f"{k}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.rint(255 * (1 - np.pad(images[i], 16))).astype(np.uint8)).save(path)
    return folder


def run(folder: Path, model: Path, tmp_path: Path, **options) -> tuple[int, str]:
    output: list[str] = []
    options = {"output": tmp_path / "t.json", "model": model, "write": output.append, **options}
    return calibrate_command(folder, **options), "".join(output)


def test_a_threshold_is_written_and_used(recognizer_file, labelled, tmp_path, capsys):
    (labelled / "digit_0" / "bad.png").write_bytes(b"no image")
    some = sorted((labelled / "digit_3").glob("*.png"))[0]
    (labelled / "digit_3" / "copy.png").write_bytes(some.read_bytes())
    (labelled / "other").mkdir()
    Image.new("L", (40, 40), 255).save(labelled / "other" / "blank.png")
    code, printed = run(
        labelled, recognizer_file, tmp_path, error=0.25, unlabelled=labelled / "digit_7"
    )
    assert code == 0, printed
    told = capsys.readouterr().err
    assert "left out 1 copies" in told
    assert "bad.png" in told
    assert "'other' means no digit: 1 images of none" in told
    assert "121 images" in printed
    assert "at most 0.25 are wrong, with 95% confidence" in printed
    assert "images to label next" in printed
    assert Image.open(tmp_path / "t.png").size[0] > 300
    facts = json.loads((tmp_path / "t.json").read_text())
    recognizer = Recognizer(recognizer_file, threshold=tmp_path / "t.json")
    assert recognizer.threshold == facts["threshold"]
    accepted = sum(
        recognizer.predict_digit(file.path).accepted
        for file in read_labelled_folder(labelled)[0]
        if file.path.name != "bad.png"
    )
    assert accepted == facts["n_accepted"]


@settings(max_examples=12)
@given(st.integers(0, 999), st.sampled_from([0.3, 0.9, 0.999]), st.integers(0, 2**32 - 1))
def test_a_threshold_decides_on_nothing_but_the_confidence(recognizer, digits, index, t, seed):
    rng = np.random.default_rng(seed)
    ink = np.pad(digits[0][index], 14) + rng.uniform(0, 0.5) * rng.random((56, 56))
    ink[:, : rng.integers(0, 6)] = 1
    pixels = (255 - 255 * ink.clip(0, 1)).astype(np.uint8)
    for context in (None, "crop"):
        open_to_all = Recognizer(recognizer.model, threshold=0.0)
        free = open_to_all.predict_digit(pixels, context=context)
        bound = Recognizer(recognizer.model, threshold=t).predict_digit(pixels, context=context)
        assert (bound.guess, bound.confidence) == (free.guess, free.confidence)
        assert bound.accepted == (free.accepted and free.confidence >= t)


def test_too_few_images_guarantee_nothing(recognizer_file, labelled, tmp_path):
    code, printed = run(labelled, recognizer_file, tmp_path, error=0.005)
    assert code == 1
    assert "too few images: even without a mistake, 817 accepted images are needed" in printed
    assert "no threshold file was written" in printed
    assert not (tmp_path / "t.json").exists()


def test_a_table_of_labels(tmp_path):
    for name in ("a.png", "b.png"):
        Image.new("L", (9, 9), len(name)).save(tmp_path / name)
    (tmp_path / "b.png").write_bytes((tmp_path / "b.png").read_bytes() + b"x")
    (tmp_path / "labels.csv").write_text(
        "path,label,kind\na.png,7,single\nb.png,,negative\nc,12,string\n"
    )
    files, notes = read_labelled_folder(tmp_path)
    assert [file.label for file in files] == [7, None]
    assert notes == []
    (tmp_path / "labels.csv").write_text("path,label\na.png,7\na.png,1\n")
    with pytest.raises(DatasetError, match="two labels"):
        read_labelled_folder(tmp_path)
    (tmp_path / "labels.csv").write_text("file,digit\n")
    with pytest.raises(DatasetError, match="columns path and label"):
        read_labelled_folder(tmp_path)


def test_folders_without_labelled_images_are_refused(tmp_path):
    with pytest.raises(DatasetError):
        read_labelled_folder(tmp_path)
    with pytest.raises(DatasetError):
        read_labelled_folder(tmp_path / "missing")


def test_files_that_are_no_thresholds_are_refused(recognizer_file, recognizer, tmp_path):
    path = tmp_path / "t.json"
    for content in ("", "[1]", "{}", '{"kind": "digitrec threshold", "threshold": 2}'):
        path.write_text(content)
        with pytest.raises(ConfigurationError, match="threshold file"):
            Recognizer(recognizer_file, threshold=path)
    with pytest.raises(ConfigurationError, match="No such file"):
        Recognizer(recognizer_file, threshold=tmp_path / "missing.json")
    facts = {"kind": "digitrec threshold", "threshold": 0.9, "probes": np.zeros((6, 11)).tolist()}
    path.write_text(json.dumps(facts))
    with pytest.raises(ConfigurationError, match="another model"):
        Recognizer(recognizer_file, threshold=path)
