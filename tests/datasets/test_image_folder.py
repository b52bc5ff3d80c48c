import numpy as np
import pytest
from PIL import Image

from digitrec.datasets import load_dataset
from digitrec.errors import DatasetError


def write_images(folder, classes=("0", "1"), n=5, size=(6, 8), suffix=".png", value=200):
    """Write dark images with a bright square; pixel (row 2, column 2) tells image and class."""
    for label, name in enumerate(classes):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(n):
            pixels = np.zeros((size[1], size[0]), np.uint8)
            pixels[3:5, 2:4] = value
            pixels[6, 1 + label % 4] = value
            pixels[2, 2] = 10 * index + label
            Image.fromarray(pixels).save(folder / name / f"{index}{suffix}")
    return folder


def all_rows(dataset):
    return np.concatenate([dataset.X_train, dataset.X_test])


def test_classes_and_split(tmp_path):
    dataset = load_dataset(write_images(tmp_path, ("10", "9", "letter")))
    assert dataset.label_names == ("9", "10", "letter")
    assert dataset.image_shape == (8, 6)
    assert not dataset.has_fixed_test
    assert (len(dataset.y_train), len(dataset.y_test)) == (12, 3)
    assert sorted(dataset.y_test) == [0, 1, 2]
    assert dataset.warnings == ()
    # write_images has put the class's index in the units of this pixel: 10 -> 0, 9 -> 1.
    in_pixel = dataset.X_train[:, 2 * 6 + 2] % 10
    np.testing.assert_array_equal(np.array([1, 0, 2])[dataset.y_train], in_pixel)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".pgm", ".PNG"])
def test_lossless_formats_agree(tmp_path, suffix):
    dataset = load_dataset(write_images(tmp_path, suffix=suffix))
    assert sorted(all_rows(dataset)[:, 2 * 6 + 2]) == [0, 1, 10, 11, 20, 21, 30, 31, 40, 41]
    assert set(all_rows(dataset)[:, 3 * 6 + 2]) == {200}


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".gif"])
def test_other_formats(tmp_path, suffix):
    dataset = load_dataset(write_images(tmp_path, suffix=suffix))
    assert np.all(np.abs(all_rows(dataset)[:, 3 * 6 + 2].astype(int) - 200) < 40)


def test_dark_on_light_is_inverted_with_a_note(tmp_path):
    write_images(tmp_path)
    upright = load_dataset(tmp_path)
    for path in tmp_path.glob("*/*.png"):
        with Image.open(path) as opened:
            inverted = Image.fromarray(255 - np.asarray(opened))
        inverted.save(path)
    dataset = load_dataset(tmp_path)
    np.testing.assert_array_equal(dataset.X_train, upright.X_train)
    assert "inverted" in dataset.warnings[0]


def test_other_size_is_named(tmp_path):
    write_images(tmp_path)
    Image.new("L", (7, 8)).save(tmp_path / "1" / "odd.png")
    with pytest.raises(DatasetError, match=r"odd\.png has the size 7x8, .*0\.png has 6x8"):
        load_dataset(tmp_path)


def test_train_and_test_of_other_size(tmp_path):
    write_images(tmp_path / "train")
    write_images(tmp_path / "test", size=(8, 8))
    with pytest.raises(DatasetError, match="another size"):
        load_dataset(tmp_path)


@pytest.mark.parametrize("content", [b"", b"not an image", "cut"])
def test_damaged_image_is_named(tmp_path, content):
    write_images(tmp_path)
    path = tmp_path / "0" / "3.png"
    path.write_bytes(path.read_bytes()[:50] if content == "cut" else content)
    with pytest.raises(DatasetError, match=r"3\.png"):
        load_dataset(tmp_path)


def test_image_with_huge_dimensions_is_refused(tmp_path):
    write_images(tmp_path)
    Image.new("1", (12_000, 9_000)).save(tmp_path / "0" / "0.png")
    with pytest.raises(DatasetError, match=r"0\.png"):
        load_dataset(tmp_path)


@pytest.mark.parametrize(
    ("classes", "n", "reason"),
    [
        ((), 0, "neither the four IDX files nor class folders"),
        (("0", "1"), 0, "no images"),
        (("0", "1"), 1, "class '0' has one image"),
    ],
)
def test_folders_without_enough(tmp_path, classes, n, reason):
    with pytest.raises(DatasetError, match=reason):
        load_dataset(write_images(tmp_path, classes, n))
