"""The limits and options of the service."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass, field

from digitrec._environment import available_cores
from digitrec._image_limits import IMAGE_FORMATS, ImageLimits
from digitrec.errors import ConfigurationError

API_KEY_VARIABLE = "DIGITREC_API_KEY"

_MIB = 2**20


def _api_key_from_environment() -> str | None:
    return os.environ.get(API_KEY_VARIABLE) or None


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Limits and options of the service.

    Attributes
    ----------
    max_body_bytes : int
        Largest request body, and so the largest file; more is refused while it arrives.
    max_buffered_bytes : int
        Largest sum of all bodies that are held at one time.
    max_pixels : int
        Largest width times height, read from an image's header before it is decoded. More than
        the default costs time and memory in proportion.
    max_jpeg_scans : int
        Most scans of a progressive JPEG; each scan costs a pass over all pixels.
    max_images, max_rows : int
        Most files, or rows of 784 values, in one request.
    image_formats : tuple of str
        Pillow's names of the formats that are decoded.
    task_seconds : float
        Longest time for decoding and recognising one request; then its process is ended.
    header_seconds : float
        Longest time for the head of a request to arrive.
    body_grace_seconds, body_bytes_per_second : float
        A body must arrive within the grace time plus its size so far over this rate.
    max_header_bytes : int
        Largest head of a request.
    max_connections : int
        Most connections of a worker.
    queue_size : int
        Most requests of a worker that wait; more are answered 503.
    retry_after_seconds : int
        Seconds to wait that a 503 names to the client.
    max_row_batch, max_image_batch : int
        Most concurrent single rows, or small images, that are recognised together.
    engines : int or None
        Recognising processes of a worker; None for one per usable core, at most four.
    shutdown_seconds : int
        Longest time that requests in flight get at shutdown.
    keep_alive_seconds : int
        How long an idle connection is kept. A proxy in front should close first: nginx keeps its
        connections for 60 s.
    root_path : str
        Path under which a proxy offers the service, such as ``"/digits"``; it works whether the
        proxy takes it off the requests or not. Empty for the root.
    forwarded_allow_ips : tuple of str
        Addresses or networks of proxies whose ``X-Forwarded-For`` and ``X-Forwarded-Proto`` are
        believed; ``"*"`` for any.
    cors_origins : tuple of str
        Origins, such as ``"https://example.org"``, whose pages may use the service; ``"*"`` for
        any.
    threshold : float, str or None
        Least confidence to accept a digit, or the path of a file that ``digitrec calibrate``
        wrote for the model; None for the default.
    api_key : str or None
        Key that clients must send; by default the environment variable ``DIGITREC_API_KEY``.
    """

    max_body_bytes: int = ImageLimits.max_bytes
    max_buffered_bytes: int = 128 * _MIB
    max_pixels: int = ImageLimits.max_pixels
    max_jpeg_scans: int = 64
    max_images: int = 64
    max_rows: int = 4096
    image_formats: tuple[str, ...] = IMAGE_FORMATS
    task_seconds: float = 10.0
    header_seconds: float = 10.0
    body_grace_seconds: float = 5.0
    body_bytes_per_second: float = 16_384.0
    max_header_bytes: int = 65_536
    max_connections: int = 1000
    queue_size: int = 256
    retry_after_seconds: int = 1
    max_row_batch: int = 64
    max_image_batch: int = 8
    engines: int | None = None
    shutdown_seconds: int = 30
    keep_alive_seconds: int = 75
    root_path: str = ""
    forwarded_allow_ips: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    threshold: float | str | None = None
    api_key: str | None = field(default_factory=_api_key_from_environment, repr=False)

    def __post_init__(self) -> None:
        for name in (
            "max_body_bytes",
            "queue_size",
            "max_row_batch",
            "max_image_batch",
            "task_seconds",
            "keep_alive_seconds",
        ):
            if getattr(self, name) <= 0:
                raise ConfigurationError(f"{name} must be positive; got {getattr(self, name)!r}")
        _ = self.image_limits  # refuses what it does not allow
        # From JSON, which has no tuples, these come as lists.
        for name in ("image_formats", "forwarded_allow_ips", "cors_origins"):
            if isinstance(getattr(self, name), str):
                raise ConfigurationError(f"{name} takes several values, not one text")
            object.__setattr__(self, name, tuple(getattr(self, name)))
        object.__setattr__(self, "root_path", _clean_root(self.root_path))
        for address in self.forwarded_allow_ips:
            _check_address(address)
        for origin in self.cors_origins:
            _check_origin(origin)
        if self.engines is not None and self.engines < 1:
            raise ConfigurationError(f"engines must be at least 1; got {self.engines!r}")
        unknown = [name for name in self.image_formats if name not in IMAGE_FORMATS]
        if unknown:
            raise ConfigurationError(
                f"unknown image formats {unknown!r}; choose from: {', '.join(IMAGE_FORMATS)}"
            )

    @property
    def image_limits(self) -> ImageLimits:
        """The limits under which images are read."""
        return ImageLimits(max_bytes=self.max_body_bytes, max_pixels=self.max_pixels)

    def engines_per_worker(self, workers: int = 1) -> int:
        """Return the number of recognising processes of each of `workers` workers."""
        if self.engines is not None:
            return self.engines
        return max(1, min(4, available_cores() // max(1, workers)))


def _clean_root(path: str) -> str:
    """Return a root path as ``/name`` or ``/name/name``; empty for the root."""
    parts = path.strip("/")
    if parts and not re.fullmatch(r"[A-Za-z0-9._~-]+(/[A-Za-z0-9._~-]+)*", parts):
        raise ConfigurationError(
            f"root_path must be a path such as /digits, of letters, digits and - . _ ~; "
            f"got {path!r}"
        )
    return f"/{parts}" if parts else ""


def _check_address(address: str) -> None:
    if address == "*":
        return
    try:
        ipaddress.ip_network(address)
    except ValueError as error:
        raise ConfigurationError(
            f"forwarded_allow_ips takes addresses or networks such as 10.0.0.0/8, or *; {error}"
        ) from error


def _check_origin(origin: str) -> None:
    if origin != "*" and not re.fullmatch(r"https?://[^/\s?#@]+", origin):
        raise ConfigurationError(
            "a CORS origin must be a scheme and a host such as https://example.org, without a "
            f"path, or *; got {origin!r}"
        )
