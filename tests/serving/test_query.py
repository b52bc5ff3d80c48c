from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digitrec.serving import create_app
from digitrec.serving.messages import RequestError
from digitrec.serving.query import PredictOptions, ReadOptions, parse_query

ROUTES = {"predict": PredictOptions, "read": ReadOptions}


@pytest.mark.parametrize("route", ROUTES)
def test_what_is_documented_is_what_is_taken(route: str, digit_model_file: Path) -> None:
    schema = create_app([digit_model_file]).openapi()
    documented = schema["paths"][f"/{route}"]["post"]["parameters"]
    assert {entry["name"] for entry in documented} == set(ROUTES[route].model_fields)
    assert all(entry["in"] == "query" and entry["description"] for entry in documented)


@pytest.mark.parametrize("route", ROUTES)
@given(
    query=st.binary(max_size=80) | st.text(max_size=40).map(lambda t: urlencode({t: t}).encode())
)
def test_any_query_is_understood_or_refused(route: str, query: bytes) -> None:
    try:
        options = parse_query(route, query)
    except RequestError as error:
        assert (error.status, error.code) == (422, "wrong_parameter")
        assert "\n" not in error.message.partition(" takes: ")[2]
    else:
        assert isinstance(options.known(), dict)


@pytest.mark.parametrize(
    ("route", "query", "message"),
    [
        ("predict", "modle=x", "unknown parameter 'modle'; /predict takes: model, normalised"),
        ("predict", "expected=5", "unknown parameter 'expected'"),
        ("predict", "context=page", "context=page"),
        ("predict", "normalised=perhaps", "normalised=perhaps"),
        ("read", "expected=many", "expected=many"),
        ("read", "region=1,2,3", "region=1,2,3"),
        ("read", "context=crop", "unknown parameter 'context'"),
    ],
)
def test_options_that_are_not_understood_are_named(route: str, query: str, message: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse_query(route, query.encode())
    assert message in caught.value.message


def test_the_last_of_several_values_holds_and_lists_are_kept() -> None:
    options: Any = parse_query(
        "read", b"expected=4&expected=5&allowed=1+2,4&allowed=%33&region=1,2,3,4"
    )
    assert options.known() == {"expected": 5, "allowed": ["1 2", "4", "3"], "region": (1, 2, 3, 4)}


def test_what_is_known_of_an_image_is_not_for_rows(server: Any) -> None:
    answer = server.post("/predict?context=crop", bytes(784), "application/octet-stream")
    assert (answer.status, answer.json()["code"]) == (422, "wrong_parameter")
