from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from digitrec.errors import ConfigurationError
from digitrec.inference.command import (
    expand_paths,
    parse_allowed,
    parse_region,
    predict_paths,
)
from digitrec.inference.overlay import draw_overlay
from digitrec.inference.recognizer import Recognizer


@pytest.fixture
def folder(tmp_path: Path, digits, page) -> Path:
    images, labels = digits
    folder = tmp_path / "images"
    folder.mkdir()
    Image.fromarray(page([(images[0], 20, 20)], 70, 70)).save(folder / f"one-{labels[0]}.png")
    row = [(images[i], 40 + 50 * i, 40) for i in range(3)]
    Image.fromarray(page(row, 240, 110)).save(folder / "row.png")
    return folder


def run(recognizer_file: Path, paths: list[Path], **options) -> tuple[int, str]:
    output: list[str] = []
    code = predict_paths(
        [str(path) for path in paths], model=recognizer_file, write=output.append, **options
    )
    return code, "".join(output)


def test_text(recognizer_file, folder, digits):
    code, text = run(recognizer_file, [folder / "one-*.png"])
    assert code == 0
    assert f": {digits[1][0]} (" in text


def test_json_and_csv_of_readings(recognizer_file, folder, digits):
    expected = "".join(str(label) for label in digits[1][:3])
    code, text = run(recognizer_file, [folder / "row.png"], read=True, format="json")
    assert code == 0
    (entry,) = json.loads(text)
    assert entry["text"] == expected
    assert [str(d["digit"]) for d in entry["digits"]] == list(expected)
    _, text = run(recognizer_file, [folder / "row.png"], read=True, format="csv")
    (row,) = csv.DictReader(io.StringIO(text))
    assert row["text"] == expected
    assert row["n_digits"] == "3"


def test_what_cannot_be_read_does_not_stop_the_rest(recognizer_file, folder, capsys):
    (folder / "bad.png").write_bytes(b"not an image")
    code, text = run(recognizer_file, [folder, folder / "missing.png"], format="json")
    assert code == 1
    entries = {Path(e["path"]).name: e for e in json.loads(text)}
    assert len(entries) == 4
    assert "not a readable image" in entries["bad.png"]["error"]
    assert "No such file" in entries["missing.png"]["error"]
    assert entries["row.png"]["accepted"] in (True, False)
    run(recognizer_file, [folder / "bad.png"])
    assert "bad.png" in capsys.readouterr().err
    _, text = run(recognizer_file, [folder / "bad.png"], format="csv")
    assert "not a readable image" in text


def test_overlays(recognizer_file, folder, tmp_path):
    out = tmp_path / "overlays"
    other = tmp_path / "images" / "sub"
    other.mkdir()
    (other / "row.png").write_bytes((folder / "row.png").read_bytes())
    code, _ = run(recognizer_file, [folder], overlay_dir=out, read=True)
    assert code == 0
    names = sorted(path.name for path in out.iterdir())
    assert len(names) == 3
    assert names[:2] == ["1-row.png.png", "2-row.png.png"]
    picture = np.asarray(Image.open(out / names[0]).convert("RGB")).astype(int)
    assert (np.ptp(picture, axis=2) > 60).any()
    (tmp_path / "file").write_text("in the way")
    code, _ = run(recognizer_file, [folder / "row.png"], overlay_dir=tmp_path / "file")
    assert code == 1


def test_overlay_of_a_rejected_piece_and_of_sizes(recognizer_file):
    recognizer = Recognizer(recognizer_file, threshold=1.0)
    pixels = np.full((40, 40, 3), 255, np.uint8)
    pixels[10:30, 18:22] = 0
    prediction = recognizer.predict_digit(pixels)
    assert max(draw_overlay(pixels, [prediction]).size) == 320
    assert max(draw_overlay(np.zeros((1, 3000, 3), np.uint8), []).size) == 1600


def test_paths(folder, tmp_path):
    found, notes = expand_paths([str(folder), str(folder / "*.png"), str(folder / "row.png")])
    assert notes == []
    assert len(found) == 2
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigurationError, match="holds no image"):
        expand_paths([str(tmp_path / "empty")])
    with pytest.raises(ConfigurationError, match="no file matches"):
        expand_paths([str(tmp_path / "*.png")])


def test_unknown_format(recognizer_file, folder):
    with pytest.raises(ConfigurationError, match="format"):
        run(recognizer_file, [folder], format="xml")


def test_hidden_and_system_files_of_a_folder_are_left_out(folder):
    images, _ = expand_paths([str(folder)])
    for name in ("._row.png", "__MACOSX/._row.png", ".thumbs/t.png", "@eaDir/row.png/S.jpg"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"no image")
    assert expand_paths([str(folder)]) == (images, [])
    # Named by the user, a hidden file is read like any other.
    assert expand_paths([str(folder / "._row.png")])[0] == [folder / "._row.png"]


def test_other_files_of_a_folder_are_counted(folder, tmp_path, recognizer_file, capsys):
    for name in ("a.heic", "b.HEIC", "notes.txt", "LICENSE"):
        (folder / name).write_bytes(b"x")
    run(recognizer_file, [folder])
    told = capsys.readouterr().err
    assert "left out 1 nameless file, 2 .heic files (HEIC" in told
    assert "1 .txt file" in told
    (tmp_path / "phone").mkdir()
    (tmp_path / "phone" / "a.heic").write_bytes(b"x")
    with pytest.raises(ConfigurationError, match=r"it holds 1 \.heic file .*convert"):
        expand_paths([str(tmp_path / "phone")])


def test_a_number_of_which_something_is_known(recognizer_file, folder, digits, tmp_path):
    text = "".join(str(label) for label in digits[1][:3])
    values = tmp_path / "values.txt"
    values.write_text(f"{text[0]}-{text[1:]}\n\n987654\n")
    known = {"allowed": parse_allowed(str(values)), "region": (10, 10, 230, 100)}
    code, printed = run(recognizer_file, [folder / "row.png"], known=known)
    assert code == 0
    assert f"row.png: {text[0]}-{text[1:]} (" in printed
    _, printed = run(recognizer_file, [folder / "row.png"], known={"pattern": "d{3}"}, format="csv")
    (row,) = csv.DictReader(io.StringIO(printed))
    assert row["text"] == text
    assert float(row["probability"]) > 0.5
    _, printed = run(recognizer_file, [folder / "row.png"], known={"expected": 3}, format="json")
    assert json.loads(printed)[0]["match"]["text"] == text
    _, printed = run(recognizer_file, [folder / "row.png"], known={"check": "isbn13"})
    assert "no number (" in printed


def test_lists_and_regions_on_the_command_line():
    assert parse_allowed("12, 34,,5") == ["12", "34", "5"]
    assert parse_region("1,2,3,4") == (1, 2, 3, 4)
    for bad in ("1,2,3", "a,b,c,d", ""):
        with pytest.raises(ConfigurationError, match="four whole numbers"):
            parse_region(bad)


def test_crops_are_of_one_digit(recognizer_file, folder):
    code, text = run(recognizer_file, [folder / "one-*.png"], crop=True, format="json")
    expected = Recognizer(recognizer_file).predict_digit(
        next(iter(folder.glob("one-*.png"))), context="crop"
    )
    assert code == 0
    assert json.loads(text)[0]["confidence"] == round(expected.confidence, 6)
    with pytest.raises(ConfigurationError, match="one digit"):
        run(recognizer_file, [folder], crop=True, read=True)


def test_pieces_of_a_page_that_were_not_read_are_told(recognizer, digits, page, tmp_path, capsys):
    images, _ = digits
    placed = [(images[i], 20 + 40 * (i % 16), 20 + 40 * (i // 16)) for i in range(240)]
    path = tmp_path / "page.png"
    Image.fromarray(page(placed, 680, 640)).save(path)
    (warning,) = recognizer.read(path).warnings
    assert "200 largest pieces" in warning
    written = []
    predict_paths([str(path)], read=True, format="json", write=written.append)
    assert json.loads(written[0])[0]["warnings"] == [warning]
    assert f"page.png: warning: {warning}" in capsys.readouterr().err
    assert recognizer.read(path, region=(0, 0, 680, 330)).warnings == ()
