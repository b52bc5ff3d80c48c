"""What bytes are that are no readable image, for a message that helps."""

from __future__ import annotations

import codecs

_BEGINNINGS = (
    (b"%PDF", "a PDF; send a picture of the page"),
    (b"PK\3\4", "a ZIP archive; send the images one by one, or as several files of one form"),
    (b"\x1f\x8b\x08", "compressed with gzip; send the image itself"),
    (b"\x93NUMPY", "a .npy file; send the bytes of the array as uint8, or the array as JSON"),
    (b"<svg", "an SVG drawing; send it as PNG"),
    (b"<?xml", "XML or SVG; send a picture as PNG"),
    (b"<!doctype", "an HTML page; send an image"),
    (b"<html", "an HTML page; send an image"),
    (b"data:", "a data URL; send the image file itself"),
    (b"\x89PNG\n", "a PNG that lost its line breaks on the way; with curl, use --data-binary"),
    (b"\x89PNG\x1a", "a PNG that lost its line breaks on the way; with curl, use --data-binary"),
)
_BRANDS = {b"heic": "HEIC", b"heix": "HEIC", b"mif1": "HEIF", b"msf1": "HEIF", b"avif": "AVIF"}
_TEXT = frozenset((*range(32, 127), *b"\t\n\r\f"))


def describe_foreign(body: bytes) -> str:
    """Return what a body seems to be and what to send instead; empty where that is not clear.

    Examples
    --------
    >>> describe_foreign(b'{"image": [0, 0]}')
    'JSON; send it with the header Content-Type: application/json'
    """
    head = body[:4096].removeprefix(codecs.BOM_UTF8).strip(b" \t\r\n\0")
    if body[4:8] == b"ftyp" and body[8:12] in _BRANDS:
        return f"{_BRANDS[body[8:12]]}; send it as JPEG or PNG"
    if head.startswith((b"{", b"[")) and _TEXT.issuperset(head):
        return "JSON; send it with the header Content-Type: application/json"
    for beginning, description in _BEGINNINGS:
        if head[: len(beginning)].lower() == beginning.lower():
            return description
    if head and _TEXT.issuperset(head):
        return "text; send an image file, or pixels as JSON or as bytes"
    return ""
