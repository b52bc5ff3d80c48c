"""Schemas of requests and responses for OpenAPI."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from digitrec.serving.open_inference_names import INPUT_NAME


class Digit(BaseModel):
    """One recognised image."""

    digit: int | None = Field(
        description="0 to 9, or null where no digit was accepted.", ge=0, le=9
    )
    guess: int | None = Field(
        description="The most probable digit, accepted or not; null where there is no ink.",
        ge=0,
        le=9,
    )
    confidence: float = Field(description="Calibrated probability that the guess is right.")
    accepted: bool = Field(description="Whether the digit is good enough to be believed.")
    reason: str = Field(description="Why not, where `accepted` is false.")
    probabilities: list[float] = Field(min_length=10, max_length=10)
    box: list[int] | None = Field(
        description="Left, top, right, bottom in pixels of the upright image."
    )
    normalised: str | None = Field(
        default=None,
        description="With `?normalised=true`: the 28x28 bytes that the model saw, in base64.",
    )


class Problem(BaseModel):
    """Why a request, or one image of a batch, was refused."""

    error: str
    code: str


class _Answer(BaseModel):
    model_config = ConfigDict(protected_namespaces=())

    model: str = Field(description="Id of the model that answered.")
    milliseconds: float = Field(description="Time for decoding and recognising.")


class Prediction(Digit, _Answer):
    """Answer for one image."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model": "default",
                    "digit": 7,
                    "guess": 7,
                    "confidence": 0.9961,
                    "accepted": True,
                    "reason": "",
                    "probabilities": [0, 0, 0.0021, 0.0004, 0, 0, 0, 0.9961, 0, 0.0014],
                    "box": [212, 80, 431, 402],
                    "milliseconds": 8.6,
                }
            ]
        }
    )


class BatchPrediction(_Answer):
    """Answer for several images, in their order."""

    predictions: list[Digit | Problem]


class Match(BaseModel):
    """The most probable number that meets the constraints of the request."""

    text: str
    probability: float = Field(description="That it is the number, 0 to 1.")
    runner_up: str | None
    runner_up_probability: float
    accepted: bool
    reason: str


class Reading(BaseModel):
    """The digits of an image in reading order."""

    text: str
    lines: list[str]
    digits: list[Digit]
    rejected: list[Digit] = Field(description="Found, but not believed to be digits.")
    angle: float = Field(description="Degrees by which the page was turned to be level.")
    warnings: list[str] = Field(default=[], description="What was left out of the reading.")
    match: Match | None = Field(
        default=None, description="With `expected`, `pattern`, `check` or `allowed`."
    )


class ReadingAnswer(Reading, _Answer):
    """Answer for one image of several digits."""


class BatchReading(_Answer):
    """Answer for several images, in their order."""

    readings: list[Reading | Problem]


class ModelList(BaseModel):
    """The models of this service."""

    models: list[str] = Field(description="The first is used unless `?model=` names another.")


class Health(BaseModel):
    """State of the service."""

    status: str
    version: str


def _example_digit() -> list[list[int]]:
    """Return a plain 28x28 "1", so that trying the documentation gives a sensible answer."""
    rows = [[0] * 28 for _ in range(28)]
    for y in range(4, 24):
        rows[y][12:16] = [120, 255, 255, 120]
    return rows


def image_request(*, rows: bool) -> dict[str, Any]:
    """Return the OpenAPI request body of an image route.

    Parameters
    ----------
    rows : bool
        Whether the route takes raw pixels, too.
    """
    binary = {"schema": {"type": "string", "format": "binary"}}
    content: dict[str, Any] = {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {"file": {"type": "string", "format": "binary"}},
                "required": ["file"],
            }
        },
        "image/png": binary,
        "image/jpeg": binary,
    }
    if rows:
        pixels = {
            "description": "28x28 or 784 values from 0 (paper) to 255 (ink) as in MNIST, or from "
            "0 to 1; or an image file in base64, also as a data URL.",
            "anyOf": [{"type": "array", "items": {}}, {"type": "string"}],
        }
        content["application/json"] = {
            "schema": {
                "oneOf": [
                    {"type": "object", "properties": {"image": pixels}, "required": ["image"]},
                    {
                        "type": "object",
                        "properties": {"images": {"type": "array", "items": pixels}},
                        "required": ["images"],
                    },
                    {"type": "array", "items": {}},
                ]
            },
            "examples": {
                "one image": {"value": {"image": _example_digit()}},
                "a batch": {"value": {"images": [_example_digit(), _example_digit()]}},
            },
        }
        content["application/octet-stream"] = {
            **binary,
            "schema": {
                "type": "string",
                "format": "binary",
                "description": "784 bytes per image: the fastest way.",
            },
        }
    return {"requestBody": {"required": True, "content": content}}


def infer_request() -> dict[str, Any]:
    """Return the OpenAPI request body of the inference protocol."""
    example = {
        "inputs": [
            {
                "name": INPUT_NAME,
                "shape": [1, 784],
                "datatype": "UINT8",
                "data": [value for row in _example_digit() for value in row],
            }
        ]
    }
    content = {"application/json": {"schema": {"type": "object"}, "example": example}}
    return {"requestBody": {"required": True, "content": content}}
