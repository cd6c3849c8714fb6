"""The Open Inference Protocol, version 2 (github.com/kserve/open-inference-protocol), with the extension for binary
tensors (Triton's), which tritonclient uses unless it is told not to.

A classifier has one of two inputs: `pictures`, UINT8 (n, h, w, c), preprocessed as its contract says; or `encoded`,
BYTES (n,), files of any size and format (base64 where they come in JSON). Its outputs: `probabilities`, FP32
(n, classes), and `label`, BYTES (n,).
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from striate import __version__
from striate.prediction import Prediction
from striate.serving.http_errors import RequestError
from striate.serving.model_registry import ModelRegistry, ServedModel
from striate.serving.request_images import decode_base64

IMAGES_INPUT, ENCODED_INPUT, PROBABILITIES_OUTPUT, LABEL_OUTPUT = "images", "encoded", "probabilities", "label"
JSON_LENGTH_HEADER = "inference-header-content-length"


def build_server_metadata() -> dict[str, Any]:
    """Returns the server's metadata."""
    return {"name": "striate", "version": __version__, "extensions": ["binary_tensor_data"]}


def build_model_metadata(served_model: ServedModel) -> dict[str, Any]:
    """Returns a model's metadata."""
    shape = served_model.classifier.preprocessing.shape
    return {
        "name": served_model.name,
        "versions": [served_model.version],
        "platform": "striate",
        "inputs": [
            {"name": IMAGES_INPUT, "datatype": "UINT8", "shape": [-1, *shape]},
            {"name": ENCODED_INPUT, "datatype": "BYTES", "shape": [-1]},
        ],
        "outputs": [
            {"name": PROBABILITIES_OUTPUT, "datatype": "FP32", "shape": [-1, len(served_model.classifier.classes)]},
            {"name": LABEL_OUTPUT, "datatype": "BYTES", "shape": [-1]},
        ],
    }


async def infer(request: Request, registry: ModelRegistry, served_model: ServedModel) -> Response:
    """Returns the outputs that were asked for.

    Raises:
        Fault: the request is malformed, or does not fit the classifier.
    """
    document, data = _split_body(await request.body(), request.headers.get(JSON_LENGTH_HEADER))
    inputs = document.get("inputs")
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        raise RequestError("unfit", f"expected one input, {IMAGES_INPUT} or {ENCODED_INPUT}")
    given, wanted = inputs[0], _parse_outputs(document)
    if given.get("name") == IMAGES_INPUT:
        pixels = _parse_pixels(given, data, served_model)
        with registry.reserve_capacity(_check_image_count(len(pixels), registry)):
            rows = await registry.predict_probabilities(served_model, list(pixels))
        labels = [served_model.classifier.classes[int(row.argmax())] for row in rows]
    elif given.get("name") == ENCODED_INPUT:
        files = _parse_encoded_images(given, data)
        with registry.reserve_capacity(_check_image_count(len(files), registry)):
            predictions = await registry.predict_images(served_model, files)
        rows = [_get_probabilities(prediction, served_model) for prediction in predictions]
        labels = [prediction.top_label or "" for prediction in predictions]
    else:
        raise RequestError("unfit", f"expected an input called {IMAGES_INPUT} or {ENCODED_INPUT}")
    outputs = {PROBABILITIES_OUTPUT: np.array(rows, np.float32).reshape(len(rows), -1), LABEL_OUTPUT: labels}
    head = {"model_name": served_model.name, "model_version": served_model.version}
    if isinstance(document.get("id"), str):
        head["id"] = document["id"][:256]
    return _build_response(head, [(name, outputs[name], is_binary) for name, is_binary in wanted])


def _check_image_count(count: int, registry: ModelRegistry) -> int:
    if not count:
        raise RequestError("unfit", "there is no image in it")
    if count > registry.limits.max_images:
        raise RequestError("large", f"more than {registry.limits.max_images} images")
    return count


def _get_probabilities(prediction: Prediction, served_model: ServedModel) -> NDArray[np.float64]:
    if prediction.error is not None:
        raise RequestError("undecodable", prediction.error)
    return np.array([prediction.probabilities[name] for name in served_model.classifier.classes])


def _split_body(body: bytes, json_length: str | None) -> tuple[dict[str, Any], bytes]:
    """Returns the JSON, and the binary data behind it."""
    if json_length is not None and (not json_length.isdecimal() or int(json_length) > len(body)):
        raise RequestError("malformed", "Inference-Header-Content-Length")
    size = len(body) if json_length is None else int(json_length)
    try:
        document = json.loads(body[:size])
    except (ValueError, RecursionError):
        raise RequestError("malformed", "no JSON") from None
    if not isinstance(document, dict):
        raise RequestError("malformed", "no JSON object")
    return document, body[size:]


def _get_parameters(value: dict[str, Any]) -> dict[str, Any]:
    found = value.get("parameters", {})
    return found if isinstance(found, dict) else {}


def _parse_outputs(document: dict[str, Any]) -> list[tuple[str, bool]]:
    """Returns the outputs asked for, and whether each is wanted as binary data."""
    default = bool(_get_parameters(document).get("binary_data_output", False))
    asked = document.get("outputs") or [{"name": name} for name in (PROBABILITIES_OUTPUT, LABEL_OUTPUT)]
    if not isinstance(asked, list) or not all(
        isinstance(one, dict) and one.get("name") in (PROBABILITIES_OUTPUT, LABEL_OUTPUT) for one in asked
    ):
        raise RequestError("unfit", f"outputs are {PROBABILITIES_OUTPUT} and {LABEL_OUTPUT}")
    return [(one["name"], bool(_get_parameters(one).get("binary_data", default))) for one in asked]


def _parse_shape(tensor: dict[str, Any], rank: int) -> tuple[int, ...]:
    shape = tensor.get("shape")
    if not isinstance(shape, list) or len(shape) != rank or not all(type(one) is int and one >= 0 for one in shape):
        raise RequestError("unfit", f"the shape has {rank} numbers")
    return tuple(shape)


def _get_binary_data(tensor: dict[str, Any], data: bytes) -> bytes | None:
    """Returns the binary data that belongs to the one input; None where it comes as JSON."""
    size = _get_parameters(tensor).get("binary_data_size")
    if size is None:
        return None
    if type(size) is not int or size != len(data):
        raise RequestError("malformed", "binary_data_size")
    return data


def _parse_pixels(tensor: dict[str, Any], data: bytes, served_model: ServedModel) -> NDArray[np.uint8]:
    shape = _parse_shape(tensor, 4)
    if tensor.get("datatype") != "UINT8" or shape[1:] != served_model.classifier.preprocessing.shape:
        raise RequestError(
            "unfit", f"{IMAGES_INPUT} is UINT8, (n, {', '.join(map(str, served_model.classifier.preprocessing.shape))})"
        )
    raw = _get_binary_data(tensor, data)
    if raw is None:
        try:
            listed = np.array(tensor.get("data"))
        except ValueError:
            raise RequestError("malformed", "data") from None
        if listed.dtype.kind not in "iu" or listed.min(initial=0) < 0 or listed.max(initial=0) > 255:
            raise RequestError("malformed", "data holds whole numbers from 0 to 255")
        raw = listed.astype(np.uint8).tobytes()
    if len(raw) != math.prod(shape):
        raise RequestError("malformed", "the data do not fill the shape")
    return np.frombuffer(raw, np.uint8).reshape(shape)


def _parse_encoded_images(tensor: dict[str, Any], data: bytes) -> list[bytes]:
    (count,) = _parse_shape(tensor, 1)
    if tensor.get("datatype") != "BYTES":
        raise RequestError("unfit", f"{ENCODED_INPUT} is BYTES, (n,)")
    raw = _get_binary_data(tensor, data)
    if raw is None:
        listed = tensor.get("data")
        found = [decode_base64(one) for one in listed] if isinstance(listed, list) else []
    else:
        found, at = [], 0
        while at + 4 <= len(raw):  # each with its length before it, 4 bytes
            length = int.from_bytes(raw[at : at + 4], "little")
            found.append(raw[at + 4 : at + 4 + length])
            at += 4 + length
        if at != len(raw):
            raise RequestError("malformed", "the lengths do not add up")
    if len(found) != count:
        raise RequestError("malformed", "the data do not fill the shape")
    return found


def _build_response(fields: dict[str, Any], outputs: Sequence[tuple[str, Any, bool]]) -> Response:
    """Returns the outputs as JSON, and behind it those that are wanted as binary data."""
    told, tail = [], b""
    for name, value, is_binary in outputs:
        is_label = name == LABEL_OUTPUT
        one: dict[str, Any] = {
            "name": name,
            "datatype": "BYTES" if is_label else "FP32",
            "shape": [len(value)] if is_label else list(value.shape),
        }
        if is_binary:
            texts = [text.encode() for text in value] if is_label else []
            raw = b"".join(len(text).to_bytes(4, "little") + text for text in texts) if is_label else value.tobytes()
            one["parameters"] = {"binary_data_size": len(raw)}
            tail += raw
        else:
            one["data"] = value if is_label else value.ravel().tolist()
        told.append(one)
    document = {**fields, "outputs": told}
    if not tail:
        return JSONResponse(document)
    text = json.dumps(document, ensure_ascii=False).encode()
    headers = {JSON_LENGTH_HEADER: str(len(text))}
    return Response(text + tail, media_type="application/octet-stream", headers=headers)
