"""The query parameters of the routes: parsed here and documented in OpenAPI."""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import parse_qs

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from digitrec.inference.constraints import split_values
from digitrec.serving.messages import RequestError


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    model: str | None = Field(default=None, description="Id of a model; see `/models`.")
    normalised: bool = Field(default=False, description="Return what the model saw.")

    def known(self) -> dict[str, Any]:
        """Return what the client knows of the image, as the recogniser's methods take it."""
        return self.model_dump(exclude={"model", "normalised"}, exclude_none=True)


class PredictOptions(_Options):
    """The query of ``/predict``."""

    context: Literal["crop"] | None = Field(
        default=None,
        description="`crop`: the image was cut around one digit, and pieces of its neighbours, "
        "ruled lines or borders may be in it.",
    )


class ReadOptions(_Options):
    """The query of ``/read``."""

    expected: int | None = Field(default=None, description="Number of digits.")
    pattern: str | None = Field(
        default=None,
        description="What the number looks like: `ddddd`, `dd.dd.dddd`, `[01]d{3}`.",
    )
    check: str | None = Field(
        default=None, description="Check digit: luhn, ean, isbn, isbn10, isbn13, mod11 or mod97."
    )
    allowed: list[str] | None = Field(
        default=None, description="The possible numbers, with commas between; may be repeated."
    )
    region: str | None = Field(
        default=None,
        description="Part to read, in pixels: `left,top,right,bottom`.",
        pattern=r"^\d{1,6}(,\d{1,6}){3}$",
    )
    rotation: float | None = Field(
        default=None, description="Degrees to turn the image counter-clockwise."
    )

    def known(self) -> dict[str, Any]:
        """Return what the client knows of the image, as the recogniser's methods take it."""
        known = super().known()
        if self.region is not None:
            known["region"] = tuple(int(edge) for edge in self.region.split(","))
        if self.allowed is not None:
            known["allowed"] = [v for text in self.allowed for v in split_values(text)]
        return known


_OPTIONS: dict[str, type[_Options]] = {"predict": PredictOptions, "read": ReadOptions}
_REPEATABLE = ("allowed",)


def parse_query(kind: str, query: bytes) -> _Options:
    """Return the options of a request.

    Parameters
    ----------
    kind : {"predict", "read"}
        The route.
    query : bytes
        The query string, still encoded.

    Raises
    ------
    RequestError
        With status 422 where an option is unknown or has a wrong value.

    Examples
    --------
    >>> parse_query("read", b"expected=5&allowed=12345,54321").known()
    {'expected': 5, 'allowed': ['12345', '54321']}
    """
    given = parse_qs(query.decode("latin-1"), keep_blank_values=True)
    values = {name: v if name in _REPEATABLE else v[-1] for name, v in given.items()}
    try:
        return _OPTIONS[kind].model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0])
        if first["type"] == "extra_forbidden":
            names = ", ".join(_OPTIONS[kind].model_fields)
            message = f"unknown parameter {name!r}; /{kind} takes: {names}"
        else:
            message = f"{name}={str(first['input'])[:100]}: {first['msg']}"
        raise RequestError(422, "wrong_parameter", message) from error
