"""Request bodies to images and rows of pixels. Runs only in the engine process."""

from __future__ import annotations

import base64
import contextlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import python_multipart
from numpy.typing import NDArray
from PIL import Image
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import parse_options_header

from digitrec.errors import PixelError
from digitrec.inference.file_kinds import describe_foreign
from digitrec.inference.row_layout import check_row_layout
from digitrec.pixels import to_rows, to_uint8
from digitrec.serving.messages import IMAGE_SIGNATURES, ROW_PIXELS, RequestError
from digitrec.serving.settings import Settings

# What `curl --data-binary` and browsers send without a content type: the bytes decide.
_UNNAMED_TYPES = {"", "application/octet-stream", "application/x-www-form-urlencoded", "image/*"}


_QUOTED = re.compile(rb'"(?:[^"\\]|\\.)*"')
# filename, filename*=UTF-8''… (RFC 6266), and filename*0 … (RFC 2231).
_FILE_NAME = re.compile(rb";\s*filename(\*\d*)?\*?\s*=", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Rows:
    """Images that are already 28x28, light ink on black: uint8, shape (n, 784)."""

    values: NDArray[np.uint8]
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
        return _parse_json(body, settings)
    if media_type == "multipart/form-data":
        return _parse_multipart(parameters.get(b"boundary", b""), body, settings)
    if media_type in _UNNAMED_TYPES and not body.startswith(IMAGE_SIGNATURES):
        count, rest = divmod(len(body), ROW_PIXELS)
        if not rest:
            return _parse_rows(body, count, settings)
    if media_type in _UNNAMED_TYPES or media_type.startswith("image/"):
        return Images([body], single=True)
    raise RequestError(
        415,
        "unsupported_type",
        f"the content type {media_type!r} is not supported; send an image, multipart/form-data, "
        "application/json, or application/octet-stream with 784 bytes per digit",
    )


def check_rows(body: bytes) -> None:
    """Refuse bytes that cannot be pixels, one byte each.

    Parameters
    ----------
    body : bytes
        Of a length that is a multiple of 784.

    Raises
    ------
    RequestError
        With status 415 where they are text or another file, 422 where they are other numbers.
    """
    # Most rows of pixels begin with the background, so that this look costs nothing.
    if any(body[:5]) and (foreign := describe_foreign(body)):
        raise RequestError(415, "unsupported_type", f"the body is {foreign}")
    try:
        check_row_layout(np.frombuffer(body, np.uint8).reshape(-1, ROW_PIXELS))
    except PixelError as error:
        raise RequestError(422, "wrong_values", str(error)) from error


def _parse_rows(body: bytes, count: int, settings: Settings) -> Rows:
    check_rows(body)
    _check_count(count, settings)
    rows = np.frombuffer(body, dtype=np.uint8).reshape(-1, ROW_PIXELS)
    return Rows(rows, single=count == 1)


def _parse_json(body: bytes, settings: Settings) -> Rows | Images:
    """Return what ``{"image": …}``, ``{"images": …}`` or a bare value holds.

    A value is pixels, or the base64 of an image file as text, also as a data URL.
    """
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(400, "invalid_json", "the body is not valid JSON") from error
    field = ""
    if isinstance(value, dict):
        keys = [key for key in ("image", "images") if key in value]
        if len(keys) != 1:
            raise RequestError(
                422, "wrong_fields", "the JSON object must have one of the fields: image, images"
            )
        field = keys[0]
        value = value[field]
    if isinstance(value, str):
        found: Rows | Images = Images([_decode_text(value)], single=True)
    elif isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        if _is_number(value[0]):
            raise RequestError(
                422, "wrong_values", "the pixels are texts; send them as numbers, without quotes"
            )
        if len(value) > settings.max_images:
            raise _too_many_files(settings)
        found = Images([_decode_text(text) for text in value], single=False)
    else:
        rows, single = as_rows(value)
        _check_count(len(rows), settings)
        found = Rows(rows, single)
    if field and found.single != (field == "image"):
        wanted = (
            "one image: 28x28 or 784 values, or a file in base64"
            if field == "image"
            else "a list of images"
        )
        raise RequestError(422, "wrong_shape", f"the field {field!r} must hold {wanted}")
    return found


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _decode_text(text: str) -> bytes:
    """Return the file that stands in JSON as base64 or as a data URL."""
    head, comma, data = text.partition(",")
    is_url = text[:5].lower() == "data:"
    if is_url and not (comma and head.lower().endswith(";base64")):
        data = ""
    # The alphabet of URLs is taken too, and padding that was left out.
    encoded = "".join((data if is_url else text).split()).rstrip("=")
    encoded = encoded.replace("-", "+").replace("_", "/")
    file = b""
    with contextlib.suppress(ValueError):
        file = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    if file.startswith((*IMAGE_SIGNATURES, b"BM")):
        return file
    foreign = describe_foreign(file)
    raise RequestError(
        422,
        "wrong_values",
        f"the text {text[:40]!r} is not an image in base64"
        + (f" but {foreign}" if foreign else "")
        + "; send the image file itself as the body or as the file of a form, its base64 as text, "
        "or pixels as numbers from 0 to 255",
    )


def as_rows(value: Any) -> tuple[NDArray[np.uint8], bool]:
    """Return nested lists or an array as rows (n, 784), and whether it was one bare image.

    Raises
    ------
    RequestError
        With status 422 where they are none; see `digitrec.pixels` for what is understood.
    """
    try:
        rows, single = to_rows(value)
    except PixelError as error:
        raise RequestError(422, "wrong_shape", str(error)) from error
    if not len(rows):
        raise RequestError(422, "wrong_shape", "there are no images in the list")
    try:
        return to_uint8(rows, per_image=True)[0], single
    except PixelError as error:
        raise RequestError(422, "wrong_values", str(error)) from error


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
        foreign = describe_foreign(data)
        names = ", ".join(settings.image_formats)
        message = f"this is {foreign}" if foreign else "this is not a readable image"
        raise RequestError(415, "unsupported_image", f"{message}; images are {names}") from error
    # A start-of-scan marker cannot occur inside entropy-coded data, so this bounds the passes.
    if image_format in ("JPEG", "MPO") and data.count(b"\xff\xda") > settings.max_jpeg_scans:
        raise RequestError(
            413,
            "image_too_large",
            f"the JPEG has more than {settings.max_jpeg_scans} scans; save it again",
        )


def _check_count(count: int, settings: Settings) -> None:
    if count > settings.max_rows:
        raise RequestError(
            413, "too_many_images", f"{count} images are over the limit of {settings.max_rows}"
        )


def _too_many_files(settings: Settings) -> RequestError:
    return RequestError(
        413, "too_many_images", f"more than {settings.max_images} files in one request"
    )


def _parse_multipart(boundary: bytes, body: bytes, settings: Settings) -> Images:
    if not boundary:
        raise RequestError(400, "invalid_multipart", "the multipart content type has no boundary")
    files: list[bytearray] = []
    header_field = bytearray()
    header_value = bytearray()
    headers: dict[bytes, bytes] = {}
    is_file = False

    def on_part_begin() -> None:
        nonlocal is_file
        is_file = False
        headers.clear()

    def on_header_begin() -> None:
        header_field.clear()
        header_value.clear()

    def on_header_field(data: bytes, start: int, end: int) -> None:
        header_field.extend(data[start:end])

    def on_header_value(data: bytes, start: int, end: int) -> None:
        header_value.extend(data[start:end])

    def on_header_end() -> None:
        headers[bytes(header_field).lower()] = bytes(header_value)

    def on_headers_finished() -> None:
        nonlocal is_file
        # Other parts are ordinary form fields; their content is ignored.
        is_file = _is_file(headers)
        if is_file:
            files.append(bytearray())
        if len(files) > settings.max_images:
            raise _too_many_files(settings)

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
                "on_headers_finished": on_headers_finished,
                "on_end": on_end,
            },
        )
        parser.write(body)
        parser.finalize()
    except MultipartParseError as error:
        raise RequestError(400, "invalid_multipart", "the multipart body is malformed") from error
    if not ended:
        raise RequestError(400, "invalid_multipart", "the multipart body is cut short")
    # Browsers send an empty file for a field that nobody filled in.
    filled = [bytes(file) for file in files if file]
    if not filled:
        raise RequestError(422, "no_file", "the form has no file; send an image as a file field")
    return Images(filled, single=len(filled) == 1)


def _is_file(headers: Mapping[bytes, bytes]) -> bool:
    """Return whether a part of a form is a file: by its name, in any spelling, or by its type."""
    disposition = _QUOTED.sub(b'""', headers.get(b"content-disposition", b""))
    kind = headers.get(b"content-type", b"").lower()
    return bool(_FILE_NAME.search(disposition)) or kind.startswith(
        (b"image/", b"application/octet-stream")
    )
