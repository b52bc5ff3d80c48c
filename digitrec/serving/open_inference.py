"""The Open Inference Protocol, version 2, with its binary tensor extension.

https://github.com/kserve/open-inference-protocol; the binary extension is the one that Triton's
HTTP client uses by default: the JSON head's length stands in the header
``Inference-Header-Content-Length`` and the tensors' bytes follow the head.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from digitrec.serving.bodies import as_rows
from digitrec.serving.messages import Answer, RequestError, Task
from digitrec.serving.open_inference_names import HEAD_LENGTH_HEADER, INPUT_NAME, OUTPUTS
from digitrec.serving.settings import Settings

if TYPE_CHECKING:
    from digitrec.inference import Recognizer

_DATATYPES = {
    "UINT8": "u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}


def infer(recognizer: Recognizer, task: Task, settings: Settings) -> Answer:
    """Answer an inference request.

    Raises
    ------
    RequestError
        If the request does not follow the protocol.
    """
    head, binary = _split(task.body, task.head_length)
    tensor = _input_tensor(head)
    rows, _ = as_rows(_tensor_values(tensor, binary))
    if len(rows) > settings.max_rows:
        raise RequestError(
            413, "too_many_images", f"{len(rows)} images are over the limit of {settings.max_rows}"
        )
    predictions = recognizer.predict_rows(rows)
    arrays: dict[str, NDArray[Any]] = {
        "digit": np.array([-1 if p.digit is None else p.digit for p in predictions], dtype="<i8"),
        "confidence": np.array([p.confidence for p in predictions], dtype="<f4"),
        "accepted": np.array([p.accepted for p in predictions], dtype=bool),
        "probabilities": np.array([p.probabilities for p in predictions], dtype="<f4"),
    }
    digits = tuple(prediction.digit for prediction in predictions)
    return _encode(task, head, arrays, digits)


def _split(body: bytes, head_length: int | None) -> tuple[dict[str, Any], bytes]:
    if head_length is not None and not 0 < head_length <= len(body):
        raise RequestError(
            400, "invalid_request", f"the JSON head's length {head_length} exceeds the body"
        )
    try:
        head = json.loads(body if head_length is None else body[:head_length])
    except (ValueError, RecursionError) as error:
        raise RequestError(400, "invalid_json", "the request is not valid JSON") from error
    if not isinstance(head, dict):
        raise RequestError(400, "invalid_request", "the request must be a JSON object")
    return head, b"" if head_length is None else body[head_length:]


def _input_tensor(head: dict[str, Any]) -> dict[str, Any]:
    inputs = head.get("inputs")
    if not (isinstance(inputs, list) and len(inputs) == 1 and isinstance(inputs[0], dict)):
        raise RequestError(
            400, "invalid_request", f"the request must have one input, {INPUT_NAME!r}"
        )
    tensor: dict[str, Any] = inputs[0]
    if tensor.get("name") != INPUT_NAME:
        raise RequestError(
            400, "invalid_request", f"unknown input {tensor.get('name')!r}; it is {INPUT_NAME!r}"
        )
    if tensor.get("datatype") not in _DATATYPES:
        names = ", ".join(_DATATYPES)
        raise RequestError(
            400,
            "invalid_request",
            f"unsupported datatype {tensor.get('datatype')!r}; use one of: {names}",
        )
    return tensor


def _tensor_values(tensor: dict[str, Any], binary: bytes) -> NDArray[Any]:
    shape = tensor.get("shape")
    if not (
        isinstance(shape, list)
        and 1 <= len(shape) <= 4
        and all(type(size) is int and 0 < size <= 2**31 for size in shape)
    ):
        raise RequestError(400, "invalid_request", f"invalid shape {shape!r}")
    parameters = tensor.get("parameters")
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    dtype = np.dtype(_DATATYPES[tensor["datatype"]])
    try:
        if size is not None:
            if size != len(binary):
                raise RequestError(
                    400,
                    "invalid_request",
                    f"binary_data_size is {size!r} but {len(binary)} bytes follow the JSON head",
                )
            values = np.frombuffer(binary, dtype=dtype)
        else:
            values = np.asarray(tensor.get("data"))
            if values.dtype.kind not in "uif":
                raise RequestError(400, "invalid_request", "the input's data must be numbers")
        values = values.reshape(shape)
    except (ValueError, TypeError, OverflowError) as error:
        raise RequestError(
            400, "invalid_request", f"the input's data do not fill the shape {shape}"
        ) from error
    return values


def _wanted_outputs(head: dict[str, Any]) -> dict[str, bool]:
    """Return the names of the outputs that the client asks for, and whether as bytes."""
    parameters = head.get("parameters")
    all_binary = isinstance(parameters, dict) and parameters.get("binary_data_output") is True
    wanted = head.get("outputs")
    if not wanted:
        return dict.fromkeys(OUTPUTS, all_binary)
    outputs: dict[str, bool] = {}
    for entry in wanted if isinstance(wanted, list) else [wanted]:
        known = {} if not isinstance(entry, dict) else entry
        name = known.get("name")
        if not isinstance(name, str) or name not in OUTPUTS:
            names = ", ".join(OUTPUTS)
            raise RequestError(400, "invalid_request", f"unknown output {name!r}; they are {names}")
        own = known.get("parameters")
        binary = own.get("binary_data", all_binary) if isinstance(own, dict) else all_binary
        outputs[name] = binary is True
    return outputs


def _encode(
    task: Task,
    head: dict[str, Any],
    arrays: dict[str, NDArray[Any]],
    digits: tuple[int | None, ...],
) -> Answer:
    outputs: list[dict[str, Any]] = []
    buffers: list[bytes] = []
    for name, binary in _wanted_outputs(head).items():
        array = arrays[name]
        output: dict[str, Any] = {
            "name": name,
            "datatype": OUTPUTS[name][0],
            "shape": list(array.shape),
        }
        if binary:
            buffers.append(array.tobytes())
            output["parameters"] = {"binary_data_size": len(buffers[-1])}
        else:
            output["data"] = array.ravel().tolist()
        outputs.append(output)
    response: dict[str, Any] = {"model_name": task.model, "model_version": "1", "outputs": outputs}
    if isinstance(head.get("id"), str):
        response["id"] = head["id"]
    encoded = json.dumps(response, allow_nan=False).encode()
    if not buffers:
        return Answer(encoded, digits=digits)
    return Answer(
        encoded + b"".join(buffers),
        headers=((HEAD_LENGTH_HEADER.encode(), str(len(encoded)).encode()),),
        content_type=b"application/octet-stream",
        digits=digits,
    )
