"""Request bodies to images and rows of pixels. Runs only in the engine process."""

from __future__ import annotations

import json
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import python_multipart
from numpy.typing import NDArray
from PIL import Image
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import parse_options_header

from digitrec.serving.messages import IMAGE_SIGNATURES, ROW_PIXELS, RequestError
from digitrec.serving.settings import Settings

__all__ = [
    "Images",
    "Rows",
    "as_rows",
    "check_image",
    "parse_body",
    "parse_json",
]


# What `curl --data-binary` and browsers send when nobody names the type: look at the bytes.
_UNNAMED_TYPES = {"", "application/octet-stream", "application/x-www-form-urlencoded", "image/*"}


@dataclass(frozen=True, eq=False)
class Rows:
    """Images that are already 28x28, light ink on black: shape (n, 784), 0–255."""

    values: NDArray[np.uint8] | NDArray[np.float32]
    single: bool


@dataclass(frozen=True, eq=False)
class Images:
    """Encoded image files."""

    files: list[bytes]
    single: bool


def parse_body(content_type: str, body: bytes, settings: Settings) -> Rows | Images:
    """Return the images of a request.

    Parameters
    ----------
    content_type : str
        The request's header; may be empty.
    body : bytes
        The whole body.
    settings : Settings
        The limits.

    Raises
    ------
    RequestError
        With status 400 (malformed), 413 (too many), 415 (type) or 422 (wrong values).
    """
    if not body:
        raise RequestError(400, "empty_body", "the request has no body; send an image")
    kind, parameters = parse_options_header(content_type)
    media_type = kind.decode("latin-1").lower()
    if media_type == "application/json":
        return parse_json(body, settings)
    if media_type == "multipart/form-data":
        return _parse_multipart(parameters.get(b"boundary", b""), body, settings)
    if media_type in _UNNAMED_TYPES and not body.startswith(IMAGE_SIGNATURES):
        count, rest = divmod(len(body), ROW_PIXELS)
        if not rest:
            return _limited(Rows(_bytes_to_rows(body), single=count == 1), count, settings)
    if media_type in _UNNAMED_TYPES or media_type.startswith("image/"):
        return Images([body], single=True)
    raise RequestError(
        415,
        "unsupported_type",
        f"the content type {media_type!r} is not supported; send an image, multipart/form-data, "
        "application/json, or application/octet-stream with 784 bytes per digit",
    )


def parse_json(body: bytes, settings: Settings) -> Rows:
    """Return the rows of ``{"image": …}``, ``{"images": …}`` or a bare array."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(400, "invalid_json", "the body is not valid JSON") from error
    expects_single: bool | None = None
    if isinstance(value, dict):
        keys = [key for key in ("image", "images") if key in value]
        if len(keys) != 1:
            raise RequestError(
                422, "wrong_fields", "the JSON object must have one of the fields: image, images"
            )
        expects_single = keys[0] == "image"
        value = value[keys[0]]
    rows, single = as_rows(value)
    if expects_single is not None and expects_single != single:
        wanted = "28x28 or 784 values" if expects_single else "a list of images"
        raise RequestError(422, "wrong_shape", f"the field {keys[0]!r} must hold {wanted}")
    return _limited(Rows(rows, single), len(rows), settings)


def as_rows(value: Any) -> tuple[NDArray[np.float32], bool]:
    """Return nested lists or an array as rows (n, 784), and whether it was one bare image."""
    shapes = "28x28 or 784 values per image, or a list of such images"
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise RequestError(422, "wrong_shape", f"the pixels must be {shapes}") from error
    if array.dtype.kind not in "uif":
        raise RequestError(422, "wrong_values", "pixels must be numbers from 0 to 255")
    single = array.shape in ((ROW_PIXELS,), (28, 28))
    if single:
        array = array.reshape(1, ROW_PIXELS)
    elif array.ndim in (2, 3) and len(array) and array.shape[1:] in ((ROW_PIXELS,), (28, 28)):
        array = array.reshape(len(array), ROW_PIXELS)
    else:
        raise RequestError(
            422, "wrong_shape", f"the pixels have shape {array.shape}; expected {shapes}"
        )
    # NaN fails both comparisons.
    if not (array.min() >= 0 and array.max() <= 255):
        raise RequestError(422, "wrong_values", "pixels must be numbers from 0 to 255")
    if array.dtype.kind == "f" and 0 < array.max() <= 1:
        raise RequestError(
            422, "wrong_values", "the pixels look scaled to 0–1; send values from 0 to 255"
        )
    return array.astype(np.float32), single


def check_image(data: bytes, settings: Settings) -> None:
    """Refuse an image by its header, before any pixel is decoded.

    Raises
    ------
    RequestError
        With status 415 for a format that is not allowed, 413 for too many scans. The reader
        itself refuses too many pixels, also before it decodes any.
    """
    try:
        # `formats` keeps Pillow from trying any decoder outside the list.
        with Image.open(BytesIO(data), formats=settings.image_formats) as image:
            image_format = image.format
    except Image.DecompressionBombError:
        return  # left to the reader, which says what the limit is
    except Exception as error:  # Pillow's plugins raise many types on damaged headers
        names = ", ".join(settings.image_formats)
        raise RequestError(
            415, "unsupported_image", f"this is not a readable image; allowed formats: {names}"
        ) from error
    # A start-of-scan marker cannot occur inside entropy-coded data, so this bounds the passes.
    if image_format in ("JPEG", "MPO") and data.count(b"\xff\xda") > settings.max_jpeg_scans:
        raise RequestError(
            413,
            "image_too_large",
            f"the JPEG has more than {settings.max_jpeg_scans} scans; save it again",
        )


def _bytes_to_rows(body: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(body, dtype=np.uint8).reshape(-1, ROW_PIXELS)


def _limited(rows: Rows, count: int, settings: Settings) -> Rows:
    if count > settings.max_rows:
        raise RequestError(
            413, "too_many_images", f"{count} images are over the limit of {settings.max_rows}"
        )
    return rows


def _parse_multipart(boundary: bytes, body: bytes, settings: Settings) -> Images:
    if not boundary:
        raise RequestError(400, "invalid_multipart", "the multipart content type has no boundary")
    files: list[bytearray] = []
    header_field = bytearray()
    header_value = bytearray()
    is_file = False

    def on_part_begin() -> None:
        nonlocal is_file
        is_file = False

    def on_header_begin() -> None:
        header_field.clear()
        header_value.clear()

    def on_header_field(data: bytes, start: int, end: int) -> None:
        header_field.extend(data[start:end])

    def on_header_value(data: bytes, start: int, end: int) -> None:
        header_value.extend(data[start:end])

    def on_header_end() -> None:
        nonlocal is_file
        if header_field.lower() == b"content-disposition":
            _, options = parse_options_header(bytes(header_value))
            # Parts without a file name are ordinary form fields; their content is ignored.
            is_file = b"filename" in options
            if is_file:
                files.append(bytearray())
        if len(files) > settings.max_images:
            raise RequestError(
                413, "too_many_images", f"more than {settings.max_images} files in one request"
            )

    def on_part_data(data: bytes, start: int, end: int) -> None:
        if is_file:
            files[-1].extend(data[start:end])

    ended = False

    def on_end() -> None:
        nonlocal ended
        ended = True

    try:
        parser = python_multipart.MultipartParser(
            boundary,
            {
                "on_part_begin": on_part_begin,
                "on_part_data": on_part_data,
                "on_header_begin": on_header_begin,
                "on_header_field": on_header_field,
                "on_header_value": on_header_value,
                "on_header_end": on_header_end,
                "on_end": on_end,
            },
        )
        parser.write(body)
        parser.finalize()
    except MultipartParseError as error:
        raise RequestError(400, "invalid_multipart", "the multipart body is malformed") from error
    if not ended:
        raise RequestError(400, "invalid_multipart", "the multipart body is cut short")
    if not files:
        raise RequestError(422, "no_file", "the form has no file; send an image as a file field")
    return Images([bytes(file) for file in files], single=len(files) == 1)
