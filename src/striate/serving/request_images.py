"""The images in a request, in whichever of three ways they come."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request

from striate.serving.http_errors import RequestError
from striate.serving.settings import ServerLimits


async def read_request_images(request: Request, limits: ServerLimits) -> tuple[list[bytes], bool]:
    """Returns encoded images, and whether the client speaks of several.

    multipart/form-data: every file. application/json: {"images": [BASE64, …]} or {"image": BASE64}. image/* and
    application/octet-stream: the body is the image.

    Raises:
        Fault: malformed, of another type, none or too many.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        found, several = await _read_form_files(request, limits), True
    elif kind == "application/json":
        found, several = _parse_json_images(await read_json_body(request))
    elif kind.startswith("image/") or kind in ("application/octet-stream", ""):
        found, several = [await request.body()], False
    else:
        raise RequestError("type", "send multipart/form-data, application/json, image/* or application/octet-stream")
    if not found:
        raise RequestError("malformed", "there is no image in it")
    if len(found) > limits.max_images:
        raise RequestError("large", f"more than {limits.max_images} images")
    return found, several and len(found) > 1


async def read_json_body(request: Request) -> Any:
    """Returns the body read as JSON.

    Raises:
        Fault: it is none.
    """
    try:
        return json.loads(await request.body())
    except (ValueError, RecursionError):
        raise RequestError("malformed", "no JSON") from None


def decode_base64(text: Any) -> bytes:
    """Returns the bytes that a base64 text stands for.

    Raises:
        Fault: it is none.
    """
    try:
        if isinstance(text, str):
            return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        pass
    raise RequestError("malformed", "an image in JSON is text in base64")


def _parse_json_images(value: Any) -> tuple[list[bytes], bool]:
    if isinstance(value, dict) and len(value) == 1:
        ((key, found),) = value.items()
        if key in ("image", "picture"):  # the second of each is the former name
            return [decode_base64(found)], False
        if key in ("images", "pictures") and isinstance(found, list):
            return [decode_base64(one) for one in found], True
    raise RequestError("malformed", 'expected {"images": [BASE64, …]} or {"image": BASE64}')


async def _read_form_files(request: Request, limits: ServerLimits) -> list[bytes]:
    try:
        async with request.form(max_files=limits.max_images + 1, max_fields=8, max_part_size=1 << 16) as form:
            return [await part.read() for _, part in form.multi_items() if isinstance(part, UploadFile)]
    except (MultiPartException, HTTPException, ValueError):
        raise RequestError("malformed", "no multipart/form-data, or of too many parts") from None
