from __future__ import annotations

import pytest

from digitrec._image_limits import ImageLimits
from digitrec.errors import ConfigurationError
from digitrec.serving import serve
from digitrec.serving.settings import Settings


def test_limits_of_images_are_those_of_the_reader() -> None:
    assert Settings().image_limits == ImageLimits()
    changed = Settings(max_body_bytes=5, max_pixels=7).image_limits
    assert (changed.max_bytes, changed.max_pixels) == (5, 7)


@pytest.mark.parametrize("pixels", [0, -1, 178_956_971, 10**12])
def test_a_limit_that_could_not_hold_is_refused(pixels: int) -> None:
    with pytest.raises(ConfigurationError, match=f"max_pixels must lie in 1–.*{pixels}"):
        Settings(max_pixels=pixels)


@pytest.mark.parametrize("host", ["999.1.1.1", "no.such.host.invalid", "203.0.113.1", "x" * 80])
def test_an_address_that_cannot_be_listened_on_is_refused(host: str) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot listen on .*; choose another --host"):
        serve(host=host, port=8000)
