from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from digitrec._image_limits import ImageLimits, image_limits
from digitrec.errors import ImageError, ImageTooLargeError
from digitrec.inference.image_io import load_image, read_image

GREY = np.arange(12 * 20, dtype=np.uint8).reshape(12, 20)


def encode(image: Image.Image, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("format", "options"),
    [("PNG", {}), ("BMP", {}), ("TIFF", {}), ("GIF", {}), ("WEBP", {"lossless": True})],
)
def test_formats_without_loss_give_the_pixels(format, options):
    pixels = read_image(encode(Image.fromarray(GREY), format, **options))
    np.testing.assert_array_equal(pixels, np.repeat(GREY[..., None], 3, axis=2))


def test_jpeg_from_a_path(tmp_path: Path):
    path = tmp_path / "a.jpg"
    path.write_bytes(encode(Image.fromarray(GREY), "JPEG", quality=95))
    for source in (path, str(path)):
        assert np.abs(read_image(source)[..., 0].astype(int) - GREY).mean() < 4


def test_the_extension_does_not_matter(tmp_path: Path):
    path = tmp_path / "a.jpg"
    path.write_bytes(encode(Image.fromarray(GREY), "PNG"))
    np.testing.assert_array_equal(read_image(path)[..., 0], GREY)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation):
    turned = Image.fromarray(GREY)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(turned, "PNG", exif=exif)
    expected = {
        1: GREY,
        2: GREY[:, ::-1],
        3: GREY[::-1, ::-1],
        4: GREY[::-1],
        5: GREY.T,
        6: np.rot90(GREY, -1),
        7: np.rot90(GREY, 2).T,
        8: np.rot90(GREY),
    }[orientation]
    np.testing.assert_array_equal(read_image(data)[..., 0], expected)
    loaded = load_image(data, 10)
    assert loaded.size == (expected.shape[1], expected.shape[0])
    assert max(loaded.pixels.shape) == 10


def test_dark_ink_on_nothing_gets_white_paper_and_light_ink_black():
    alpha = np.zeros((8, 8), np.uint8)
    alpha[2:4] = 255
    for ink, paper in ((0, 255), (255, 0)):
        layers = [Image.fromarray(np.full((8, 8), ink, np.uint8))] * 3 + [Image.fromarray(alpha)]
        pixels = read_image(Image.merge("RGBA", layers))
        assert (pixels[2:4] == ink).all()
        assert (pixels[4:] == paper).all()


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "PA", "RGBA", "CMYK", "YCbCr", "I;16", "F"])
def test_modes_show_the_same_picture(mode):
    picture = np.zeros((16, 16), np.uint8)
    picture[4:12, 6:10] = 255
    image = Image.fromarray(picture)
    if mode == "I;16":
        image = Image.fromarray(picture.astype(np.uint16) * 257)
    elif mode == "PA":
        image = image.convert("LA").convert("PA")
    else:
        image = image.convert(mode)
    assert image.mode == mode
    assert np.abs(read_image(image).astype(int) - picture[..., None]).max() <= 1


@pytest.mark.parametrize("format", ["GIF", "TIFF", "WEBP", "PNG"])
def test_the_first_of_several_images_is_read_and_the_rest_told(format, caplog):
    frames = [Image.fromarray(np.full((9, 9), v, np.uint8)) for v in (10, 200)]
    data = encode(frames[0], format, save_all=True, append_images=frames[1:])
    assert np.abs(read_image(data).astype(int) - 10).max() <= 1
    assert "holds several images; the first is read" in caplog.text
    caplog.clear()
    read_image(encode(frames[0], format))
    assert not caplog.text


@pytest.mark.parametrize(
    "array",
    [
        GREY,
        GREY.astype(np.float64),
        GREY.astype(np.int64),
        GREY / 255,
        GREY[..., None],
        np.repeat(GREY[..., None], 3, axis=2),
        GREY.astype(np.uint16) * 257,
    ],
    ids=["uint8", "float", "int", "unit", "channel", "rgb", "uint16"],
)
def test_arrays_of_any_range(array):
    np.testing.assert_array_equal(read_image(array)[..., 0], GREY)


def test_an_mnist_row_is_an_image():
    assert read_image(np.arange(784) % 256).shape == (28, 28, 3)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.full((4, 4), np.nan), "finite"),
        (np.full((4, 4), -2.0), "span"),
        (np.full((4, 4), 70_000), "span"),
        (np.zeros((4, 4), complex), "dtype"),
        (np.array([["a", "b"]]), "dtype"),
        (np.array([[None]]), "dtype"),
        (np.zeros(7), "shape"),
        (np.zeros((2, 2, 7)), "shape"),
        (np.zeros((0, 5)), "no pixels"),
        (np.zeros((1, 2, 3, 4)), "shape"),
        (np.lib.stride_tricks.as_strided(np.zeros(1, np.uint8), (6000, 6000), (0, 0)), "megapix"),
    ],
)
def test_arrays_that_are_no_images(array, message):
    with pytest.raises(ImageError, match=message):
        read_image(array)


def test_too_many_bytes_and_too_many_pixels(tmp_path: Path):
    big = tmp_path / "big.png"
    big.write_bytes(b"\x89PNG" + b"0" * ImageLimits.max_bytes)
    with pytest.raises(ImageError, match="10 MiB"):
        read_image(big)
    with pytest.raises(ImageTooLargeError, match="25 megapixels"):
        read_image(encode(Image.new("1", (6000, 6000)), "PNG"))


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "array", "pil"])
def test_one_limit_holds_for_every_source_and_can_be_set(format):
    image = Image.new("L", (300, 200), 255)
    source = {"array": np.asarray(image), "pil": image}.get(format)
    source = encode(image, format) if source is None else source
    with image_limits(ImageLimits(max_pixels=60_000)):
        assert read_image(source).shape == (200, 300, 3)
    with (
        image_limits(ImageLimits(max_pixels=59_999)),
        pytest.raises(ImageTooLargeError, match=r"0\.059999 megapixels"),
    ):
        read_image(source)
    assert read_image(source).shape == (200, 300, 3)


@pytest.mark.parametrize("source", [3, None, [[1, 2]], {}])
def test_other_things_are_refused(source):
    with pytest.raises(ImageError, match="cannot read an image from"):
        read_image(source)


def test_missing_files_and_folders(tmp_path: Path):
    for path in (tmp_path / "nothing.png", tmp_path, Path("a\0b")):
        with pytest.raises(ImageError, match="cannot read"):
            read_image(path)


def test_the_size_is_reduced_while_decoding():
    pixels = np.zeros((900, 1200, 3), np.uint8)
    pixels[300:600] = 255
    for format in ("JPEG", "PNG"):
        loaded = load_image(encode(Image.fromarray(pixels), format), 200)
        height, width = loaded.pixels.shape[:2]
        assert 200 <= width < 400
        assert loaded.scale == (1200 / width, 900 / height)
        assert loaded.pixels[height // 2].mean() > 240


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_small_look_comes_first_and_the_detail_when_asked_for(format, orientation):
    pixels = np.zeros((900, 1300, 3), np.uint8)
    pixels[300:600, :200] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(Image.fromarray(pixels), format, exif=exif)
    upright = (1300, 900) if orientation == 1 else (900, 1300)
    look = load_image(data, 600, look_side=200)
    assert look.finer is not None
    fine = look.finer()
    assert 100 <= max(look.pixels.shape) <= 200
    assert 600 <= max(fine.pixels.shape) < 1300
    for image in (look, fine):
        height, width = image.pixels.shape[:2]
        assert image.size == upright
        assert image.scale == (upright[0] / width, upright[1] / height)
        # The light square lies on the left, and at the top once the picture is turned.
        part = (
            image.pixels[: height // 10, width // 2 - 1]
            if orientation == 6
            else (image.pixels[height // 2, : width // 10])
        )
        assert part.mean() > 240
        assert image.pixels[-height // 10 :, -width // 10 :].mean() < 15


def test_a_small_image_has_no_detail_to_add():
    for format in ("JPEG", "PNG"):
        assert load_image(encode(Image.fromarray(GREY), format), 600, look_side=200).finer is None


def test_the_detail_of_a_file_cut_short_is_refused_too():
    data = encode(Image.fromarray(np.full((900, 1200), 200, np.uint8)), "JPEG")
    with pytest.raises(ImageError, match=r"not a readable image|cannot be decoded"):
        load_image(data[: len(data) // 2], 600, look_side=200)


def test_an_image_that_was_given_stays_as_it_is():
    data = encode(Image.fromarray(np.zeros((900, 1200, 3), np.uint8)), "JPEG")
    with Image.open(io.BytesIO(data)) as image:
        load_image(image, 200, look_side=100)
        assert image.size == (1200, 900)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIF"),
        (b"%PDF-1.7", "PDF"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"PK\x03\x04abc", "ZIP"),
        (b"\x93NUMPY\x01", "npy"),
        (b"<!DOCTYPE html>", "HTML"),
        (bytes(range(256)), "unknown format"),
    ],
)
def test_files_that_are_no_images_are_named(content, named, tmp_path: Path):
    path = tmp_path / "IMG_0001.jpg"
    path.write_bytes(content)
    for source in (content, path):
        with pytest.raises(ImageError, match=named) as caught:
            read_image(source)
        assert "give PNG, JPEG" in str(caught.value)
        assert "object at 0x" not in str(caught.value)
        assert len(str(caught.value)) < 200 + len(str(tmp_path))
