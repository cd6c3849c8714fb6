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
from striate.serving.http_errors import Fault
from striate.serving.model_registry import House, Served
from striate.serving.request_images import decoded_base64

PICTURES, ENCODED, SHARES, LABEL = "pictures", "encoded", "probabilities", "label"
LENGTH = "inference-header-content-length"


def server() -> dict[str, Any]:
    """Returns the server's metadata."""
    return {"name": "striate", "version": __version__, "extensions": ["binary_tensor_data"]}


def metadata(served: Served) -> dict[str, Any]:
    """Returns a model's metadata."""
    shape = served.classifier.preprocessing.shape
    return {
        "name": served.name,
        "versions": [served.version],
        "platform": "striate",
        "inputs": [
            {"name": PICTURES, "datatype": "UINT8", "shape": [-1, *shape]},
            {"name": ENCODED, "datatype": "BYTES", "shape": [-1]},
        ],
        "outputs": [
            {"name": SHARES, "datatype": "FP32", "shape": [-1, len(served.classifier.classes)]},
            {"name": LABEL, "datatype": "BYTES", "shape": [-1]},
        ],
    }


async def infer(request: Request, house: House, served: Served) -> Response:
    """Returns the outputs that were asked for.

    Raises:
        Fault: the request is malformed, or does not fit the classifier.
    """
    document, data = _divided(await request.body(), request.headers.get(LENGTH))
    inputs = document.get("inputs")
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        raise Fault("unfit", f"expected one input, {PICTURES} or {ENCODED}")
    given, wanted = inputs[0], _wanted(document)
    if given.get("name") == PICTURES:
        pixels = _pixels(given, data, served)
        with house.room_for(_bounded(len(pixels), house)):
            rows = await house.shares(served, list(pixels))
        labels = [served.classifier.classes[int(row.argmax())] for row in rows]
    elif given.get("name") == ENCODED:
        files = _files(given, data)
        with house.room_for(_bounded(len(files), house)):
            answers = await house.answers(served, files)
        rows = [_row(answer, served) for answer in answers]
        labels = [answer.guess or "" for answer in answers]
    else:
        raise Fault("unfit", f"expected an input called {PICTURES} or {ENCODED}")
    outputs = {SHARES: np.array(rows, np.float32).reshape(len(rows), -1), LABEL: labels}
    head = {"model_name": served.name, "model_version": served.version}
    if isinstance(document.get("id"), str):
        head["id"] = document["id"][:256]
    return _reply(head, [(name, outputs[name], is_binary) for name, is_binary in wanted])


def _bounded(count: int, house: House) -> int:
    if not count:
        raise Fault("unfit", "there is no picture in it")
    if count > house.limits.pictures:
        raise Fault("large", f"more than {house.limits.pictures} pictures")
    return count


def _row(answer: Prediction, served: Served) -> NDArray[np.float64]:
    if answer.error is not None:
        raise Fault("undecodable", answer.error)
    return np.array([answer.probabilities[name] for name in served.classifier.classes])


def _divided(body: bytes, length: str | None) -> tuple[dict[str, Any], bytes]:
    """Returns the JSON, and the binary data behind it."""
    if length is not None and (not length.isdecimal() or int(length) > len(body)):
        raise Fault("malformed", "Inference-Header-Content-Length")
    size = len(body) if length is None else int(length)
    try:
        document = json.loads(body[:size])
    except (ValueError, RecursionError):
        raise Fault("malformed", "no JSON") from None
    if not isinstance(document, dict):
        raise Fault("malformed", "no JSON object")
    return document, body[size:]


def _parameters(value: dict[str, Any]) -> dict[str, Any]:
    found = value.get("parameters", {})
    return found if isinstance(found, dict) else {}


def _wanted(document: dict[str, Any]) -> list[tuple[str, bool]]:
    """Returns the outputs asked for, and whether each is wanted as binary data."""
    default = bool(_parameters(document).get("binary_data_output", False))
    asked = document.get("outputs") or [{"name": name} for name in (SHARES, LABEL)]
    if not isinstance(asked, list) or not all(
        isinstance(one, dict) and one.get("name") in (SHARES, LABEL) for one in asked
    ):
        raise Fault("unfit", f"outputs are {SHARES} and {LABEL}")
    return [(one["name"], bool(_parameters(one).get("binary_data", default))) for one in asked]


def _shape(given: dict[str, Any], rank: int) -> tuple[int, ...]:
    shape = given.get("shape")
    if not isinstance(shape, list) or len(shape) != rank or not all(type(one) is int and one >= 0 for one in shape):
        raise Fault("unfit", f"the shape has {rank} numbers")
    return tuple(shape)


def _raw(given: dict[str, Any], data: bytes) -> bytes | None:
    """Returns the binary data that belongs to the one input; None where it comes as JSON."""
    size = _parameters(given).get("binary_data_size")
    if size is None:
        return None
    if type(size) is not int or size != len(data):
        raise Fault("malformed", "binary_data_size")
    return data


def _pixels(given: dict[str, Any], data: bytes, served: Served) -> NDArray[np.uint8]:
    shape = _shape(given, 4)
    if given.get("datatype") != "UINT8" or shape[1:] != served.classifier.preprocessing.shape:
        raise Fault("unfit", f"{PICTURES} is UINT8, (n, {', '.join(map(str, served.classifier.preprocessing.shape))})")
    raw = _raw(given, data)
    if raw is None:
        try:
            listed = np.array(given.get("data"))
        except ValueError:
            raise Fault("malformed", "data") from None
        if listed.dtype.kind not in "iu" or listed.min(initial=0) < 0 or listed.max(initial=0) > 255:
            raise Fault("malformed", "data holds whole numbers from 0 to 255")
        raw = listed.astype(np.uint8).tobytes()
    if len(raw) != math.prod(shape):
        raise Fault("malformed", "the data do not fill the shape")
    return np.frombuffer(raw, np.uint8).reshape(shape)


def _files(given: dict[str, Any], data: bytes) -> list[bytes]:
    (count,) = _shape(given, 1)
    if given.get("datatype") != "BYTES":
        raise Fault("unfit", f"{ENCODED} is BYTES, (n,)")
    raw = _raw(given, data)
    if raw is None:
        listed = given.get("data")
        found = [decoded_base64(one) for one in listed] if isinstance(listed, list) else []
    else:
        found, at = [], 0
        while at + 4 <= len(raw):  # each with its length before it, 4 bytes
            length = int.from_bytes(raw[at : at + 4], "little")
            found.append(raw[at + 4 : at + 4 + length])
            at += 4 + length
        if at != len(raw):
            raise Fault("malformed", "the lengths do not add up")
    if len(found) != count:
        raise Fault("malformed", "the data do not fill the shape")
    return found


def _reply(head: dict[str, Any], outputs: Sequence[tuple[str, Any, bool]]) -> Response:
    """Returns the outputs as JSON, and behind it those that are wanted as binary data."""
    told, tail = [], b""
    for name, value, is_binary in outputs:
        is_label = name == LABEL
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
    document = {**head, "outputs": told}
    if not tail:
        return JSONResponse(document)
    text = json.dumps(document, ensure_ascii=False).encode()
    headers = {LENGTH: str(len(text))}
    return Response(text + tail, media_type="application/octet-stream", headers=headers)
