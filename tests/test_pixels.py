"""One understanding of scale, polarity and shape: properties over kinds of input."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from digitrec.errors import DigitrecError, PixelError
from digitrec.pixels import decode_grey, scale_dataset, to_ink_on_black, to_rows, to_uint8

REAL = np.dtype("f8")
FULL_IMAGES = hnp.arrays(np.uint8, (5, 7)).filter(lambda a: a.max() > 16)


def decode_image(image):
    return to_uint8(decode_grey(image), what="the image's values")[0]


def ink(n=12, side=12, seed=0):
    """Strokes of full strength on black."""
    rng = np.random.default_rng(seed)
    images = np.zeros((n, side, side), np.uint8)
    for image in images:
        row, column = rng.integers(2, side - 3, 2)
        image[row : row + 2, 2:-2] = 255
        image[2:-2, column] = rng.integers(100, 256)
    return images


@given(FULL_IMAGES, st.sampled_from(["u1", "u2", "i4", "i8", "f4", "f8"]))
def test_bytes_stay_whatever_holds_them(image, dtype):
    pixels, note = to_uint8(image.astype(dtype))
    np.testing.assert_array_equal(pixels, image)
    assert note is None


@given(FULL_IMAGES, st.sampled_from(["f2", "f4", "f8"]), st.floats(-1e-3, 1e-3))
def test_unit_floats_give_the_bytes_they_were_made_of(image, dtype, error):
    values = image.astype(dtype) / np.dtype(dtype).type(255) + np.dtype(dtype).type(error)
    assume(values.max() <= 1.001)
    pixels, note = to_uint8(values)
    assert np.abs(pixels.astype(int) - image).max() <= 1
    assert "0–1" in note


@given(hnp.arrays(bool, (5, 7)).filter(lambda a: a.any() and not a.all()), st.booleans())
def test_two_values_are_black_and_ink(bits, per_image):
    expected = bits * np.uint8(255)
    for values in (bits, bits.astype(int), bits.astype(np.uint8), bits.astype(float), bits * 2 - 1):
        pixels, note = to_uint8([values] if per_image else values, per_image=per_image)
        np.testing.assert_array_equal(pixels.reshape(5, 7), expected)
        assert note


@given(FULL_IMAGES.filter(lambda a: a.min() == 0))
def test_signed_unit_floats(image):
    pixels, _ = to_uint8(image / 127.5 - 1)
    np.testing.assert_array_equal(pixels, image)


@given(hnp.arrays(np.uint8, (5, 7)).filter(lambda a: a.max() > 16))
def test_16_bits(image):
    np.testing.assert_array_equal(to_uint8(image.astype(np.uint16) * 257)[0], image)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([0.0, np.nan], "not finite"),
        ([0.0, np.inf], "not finite"),
        ([-0.4242, 2.8215], "standardised"),
        ([-1, 0, 1], "span -1 to 1"),
        ([0.0, 16.0], "span 0 to 16"),
        ([0, 16], "span 0 to 16"),
        ([0, 300], "span 0 to 300"),
        ([0.0, 300.0], "span 0 to 300"),
        ([0, 70_000], "span 0 to 70000"),
        (np.array([-128, 127], np.int8), "int8"),
        (["a", "b"], "dtype"),
        ([1j], "dtype"),
        ([None], "dtype"),
        ([[1], [1, 2]], "differ in shape"),
    ],
)
def test_unclear_values_are_refused_with_what_was_found(values, found):
    with pytest.raises(PixelError, match=found) as caught:
        to_uint8(values)
    assert len(str(caught.value)) < 200
    assert isinstance(caught.value, DigitrecError)
    assert isinstance(caught.value, ValueError)


@settings(max_examples=200)
@given(
    hnp.arrays(
        st.sampled_from(["?", "u1", "i1", "u2", "i2", "i4", "f4", "f8"]),
        hnp.array_shapes(max_dims=3, max_side=5, min_side=0),
    ),
    st.booleans(),
)
def test_any_numbers_are_understood_or_refused(values, per_image):
    try:
        pixels, _ = to_uint8(values, per_image=per_image)
    except PixelError:
        return
    assert pixels.dtype == np.uint8
    assert pixels.shape == values.shape


@given(st.lists(FULL_IMAGES, min_size=2, max_size=5), st.data())
def test_each_image_has_the_answer_it_has_alone(images, data):
    stack = np.stack(images).astype(float)
    unit = data.draw(st.lists(st.booleans(), min_size=len(images), max_size=len(images)))
    stack[unit] /= 255
    together, _ = to_uint8(stack, per_image=True)
    for image, pixels in zip(stack, together, strict=True):
        np.testing.assert_array_equal(pixels, to_uint8(image)[0])
    np.testing.assert_array_equal(together, np.stack(images))


@given(
    st.sampled_from([1, 4, 15, 16, 31, 44, 63, 64, 100, 127, 128, 1023, 4095, 65535]),
    st.sampled_from(["u2", "i8", "f8"]),
)
def test_a_dataset_of_any_depth_spans_the_bytes(top, dtype):
    images = ink()
    values = np.rint(images * (top / 255)).astype(dtype)
    (pixels,), notes, _ = scale_dataset([values])
    assert np.abs(pixels.astype(int) - images).max() <= max(1, 255 / top)
    assert pixels.max() == 255
    assert notes


@pytest.mark.parametrize("factor", [1 / 255, 1 / 2550, 1e-6 / 255])
def test_a_dataset_of_floats_spans_the_bytes(factor):
    images = ink()
    (pixels,), notes, _ = scale_dataset([images * factor])
    np.testing.assert_array_equal(pixels, images)
    assert notes


def test_a_dataset_on_the_byte_scale_stays_as_it_is():
    images = ink()
    for values in (images, images.astype(float), np.clip(images, 0, 200)):
        (pixels,), notes, _ = scale_dataset([values])
        np.testing.assert_array_equal(pixels, values)
        assert notes == ()


def test_parts_share_the_factor_and_differ_in_kind():
    images = ink() // 4
    (train, test), _, _ = scale_dataset([images, images[:3] // 2])
    assert (train.max(), test.max()) == (255, 125)
    (train, test), notes, _ = scale_dataset([ink(), ink() / 255])
    np.testing.assert_array_equal(train, test)
    assert len(notes) == 1


def test_binary_images_among_others():
    images = ink()
    mixed = images.copy()
    mixed[3] = images[3] > 0
    (pixels,), notes, _ = scale_dataset([mixed])
    np.testing.assert_array_equal(pixels[3], (images[3] > 0) * 255)
    assert "1 of 12 images" in notes[0]


@pytest.mark.parametrize("top", [4, 16, 64])
def test_images_of_another_scale_among_others_are_refused(top):
    mixed = ink()
    mixed[6:] = np.rint(mixed[6:] * (top / 255))
    with pytest.raises(PixelError, match="6 of 12 images, the first is number 6"):
        scale_dataset([mixed])


@pytest.mark.parametrize(
    "values",
    [
        np.array([[0, 256], [0, 255], [3, 255]]),
        np.array([[-0.42, 2.8]] * 3),
        np.array([[0.5, 300.0]] * 3),
        np.array([[0, 70_000]] * 3),
        np.array([[np.nan, 1.0]] * 3),
        np.array([[-1, 255]] * 3),
    ],
)
def test_datasets_of_no_known_scale_are_refused(values):
    with pytest.raises(PixelError):
        scale_dataset([values])


@settings(max_examples=30)
@given(st.lists(st.booleans(), min_size=12, max_size=12))
def test_polarity_of_each_image(inverted):
    images = ink()
    given_images = np.where(np.array(inverted)[:, None, None], 255 - images, images)
    found, note = to_ink_on_black(given_images)
    np.testing.assert_array_equal(found, images)
    assert (note is None) == (not any(inverted))


def test_what_has_no_clear_polarity_stays():
    noise = np.random.default_rng(0).integers(0, 256, (50, 12, 12), dtype=np.uint8)
    blank = np.zeros((3, 12, 12), np.uint8)
    tiny = np.random.default_rng(0).integers(0, 256, (50, 3, 3), dtype=np.uint8)
    for images in (noise, blank, tiny, noise[:0]):
        found, note = to_ink_on_black(images)
        np.testing.assert_array_equal(found, images)
        assert note is None


def test_ink_that_touches_the_border_goes_with_the_others():
    images = ink(20)
    images[0] = 0
    images[0, :8] = 255
    for given_images in (images, 255 - images):
        np.testing.assert_array_equal(to_ink_on_black(given_images)[0], images)


@pytest.mark.parametrize(
    ("shape", "n", "single"),
    [
        ((28, 28), 1, True),
        ((784,), 1, True),
        ((28, 28, 1), 1, True),
        ((1, 28, 28), 1, False),
        ((3, 784), 3, False),
        ((3, 28, 28), 3, False),
        ((3, 28, 28, 1), 3, False),
        ((3, 1, 28, 28), 3, False),
        ((28, 28, 28), 28, False),
        ((0, 784), 0, False),
    ],
)
def test_shapes_that_are_understood(shape, n, single):
    values = np.arange(np.prod(shape)).reshape(shape)
    rows, alone = to_rows(values)
    assert (rows.shape, alone) == ((n, 784), single)
    np.testing.assert_array_equal(rows.ravel(), values.ravel())


@pytest.mark.parametrize(
    ("shape", "hint"),
    [
        ((5, 785), "labels"),
        ((784, 5), "transposed"),
        ((784, 1), "transposed"),
        ((28, 28, 40), "moveaxis"),
        ((5, 28, 28, 3), "grey"),
        ((28, 28, 3), "grey"),
        ((), "array of images"),
        ((27, 27), "shape"),
    ],
)
def test_shapes_that_are_refused_say_why(shape, hint):
    with pytest.raises(PixelError, match=hint):
        to_rows(np.zeros(shape))


PICTURE = np.zeros((16, 12), np.uint8)
PICTURE[3:12, 4:7] = 255
PICTURE[3:5, 4:9] = 200


def saved(image, format="PNG", **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return Image.open(io.BytesIO(file.getvalue()))


@pytest.mark.parametrize(
    ("image", "tolerance"),
    [
        (Image.fromarray(PICTURE), 0),
        (Image.fromarray(PICTURE).convert("RGB"), 0),
        (Image.fromarray(PICTURE).convert("P"), 0),
        (Image.fromarray(PICTURE).convert("CMYK"), 1),
        (Image.fromarray(PICTURE.astype(np.uint16)), 0),
        (Image.fromarray(PICTURE.astype(np.uint16) * 257), 0),
        (Image.fromarray(PICTURE.astype(np.uint16) * 16), 1),
        (Image.fromarray(PICTURE.astype(np.int32) * 257), 0),
        (Image.fromarray(PICTURE.astype(np.float32) / 255), 0),
        (Image.fromarray(PICTURE.astype(np.float32)), 0),
        (Image.merge("LA", (Image.new("L", (12, 16), 255), Image.fromarray(PICTURE))), 0),
    ],
    ids=lambda value: getattr(value, "mode", None),
)
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_files_of_any_mode_and_orientation(image, tolerance, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    turns = {1: 0, 3: 2, 6: -1, 8: 1}[orientation]
    read = decode_image(saved(image, "TIFF", exif=exif))
    assert read.dtype == np.uint8
    assert np.abs(read.astype(int) - np.rot90(PICTURE, turns)).max() <= tolerance


def test_one_bit_and_binary_files():
    expected = (PICTURE > 127) * np.uint8(255)
    np.testing.assert_array_equal(
        decode_image(saved(Image.fromarray(expected).convert("1"))), expected
    )
    np.testing.assert_array_equal(
        decode_image(saved(Image.fromarray((PICTURE > 127).astype(np.uint8)))), expected
    )


@pytest.mark.parametrize("light", [True, False])
def test_transparent_ground(light):
    layers = (Image.new("L", (12, 16), 255 if light else 0), Image.fromarray(PICTURE))
    expected = PICTURE if light else 255 - PICTURE
    for image in (Image.merge("LA", layers), Image.merge("LA", layers).convert("RGBA")):
        np.testing.assert_array_equal(decode_image(saved(image)), expected)


@pytest.mark.parametrize("paper", [0, 255])
@pytest.mark.parametrize("file_type", ["PNG", "GIF"])
def test_a_colour_made_transparent_is_the_paper(paper: int, file_type: str) -> None:
    # Thin strokes, most of whose pixels lie between paper and ink.
    values = np.full((28, 28), paper, np.uint8)
    values[5:20, 12:15] = [abs(paper - v) for v in (60, 255, 60)]
    file = io.BytesIO()
    Image.fromarray(values).save(file, file_type, transparency=paper)
    with Image.open(file) as image:
        np.testing.assert_array_equal(decode_image(image), values)
