"""How to ask the server, as an OpenAPI 3.1 document."""

from __future__ import annotations

from typing import Any

from striate import __version__
from striate.serving.http_errors import ERROR_CODES

JSON_MEDIA_TYPE = "application/json"


def build_openapi(*, has_token: bool) -> dict[str, Any]:
    """Returns the document."""
    name = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
    version = {"name": "version", "in": "path", "required": True, "schema": {"type": "string"}}
    paths: dict[str, Any] = {
        "/": {"get": _build_get_operation("A page to ask with", None, (), media_type="text/html")},
        "/predict": {"post": _build_predict_operation()},
        "/explain": {"post": _build_explain_operation()},
        "/inside": {
            "get": _build_get_operation(
                "What is inside the network, as a page", None, ("absent",), [_build_classifier_parameter()], "text/html"
            )
        },
        "/report": {
            "get": _build_get_operation(
                "The run's report, as a page", None, ("absent",), [_build_classifier_parameter()], "text/html"
            )
        },
        "/classifier": {
            "get": _build_get_operation("What is served", "Classifier", ("absent",), [_build_classifier_parameter()])
        },
        "/metrics": {"get": _build_get_operation("Counts for Prometheus", None, ())},
        "/openapi.json": {"get": _build_get_operation("This document", "Object", ())},
        "/v2": {"get": _build_get_operation("The server", "Object", ())},
        "/v2/health/live": {"get": _build_get_operation("Whether it is alive", "Object", ())},
        "/v2/health/ready": {"get": _build_get_operation("Whether it answers", "Object", ("busy",))},
        "/v2/repository/index": {"post": _build_get_operation("The classifiers", "Versions", ())},
        "/v2/repository/models/{name}/load": {
            "post": _build_get_operation(
                "Take the version that lies on the disk now", "Version", ("absent", "unloadable"), [name]
            )
        },
    }
    for path, parameters in (("/v2/models/{name}", [name]), ("/v2/models/{name}/versions/{version}", [name, version])):
        paths[path] = {"get": _build_get_operation("Inputs and outputs", "Object", ("absent",), parameters)}
        paths[f"{path}/ready"] = {"get": _build_get_operation("Whether it answers", "Object", ("absent",), parameters)}
        paths[f"{path}/infer"] = {"post": _build_infer_operation(parameters)}
    found: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "Striate", "version": __version__, "description": "An image classifier."},
        "paths": paths,
        "components": {"schemas": _build_schemas()},
    }
    if has_token:
        found["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        found["security"] = [{"token": []}]
    return found


def _build_reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _build_error_responses(*codes: str) -> dict[str, Any]:
    """Returns the replies to requests that are refused, by status."""
    always = ("malformed", "host", "token", "origin", "method", "slow", "large")
    statuses: dict[str, list[str]] = {}
    for code in (*always, *codes):
        statuses.setdefault(str(ERROR_CODES[code][0]), []).append(code)
    return {
        status: {
            "description": "; ".join(ERROR_CODES[code][1] for code in found),
            "content": {JSON_MEDIA_TYPE: {"schema": _build_reference("Fault")}},
        }
        for status, found in statuses.items()
    }


def _build_get_operation(
    summary: str,
    schema: str | None,
    codes: tuple[str, ...],
    parameters: list[Any] | None = None,
    media_type: str = "text/plain",
) -> dict[str, Any]:
    content: dict[str, Any] = {media_type: {"schema": {"type": "string"}}}
    if schema is not None:
        content = {JSON_MEDIA_TYPE: {"schema": _build_reference(schema)}}
    return {
        "summary": summary,
        "parameters": parameters or [],
        "responses": {"200": {"description": summary, "content": content}, **_build_error_responses(*codes)},
    }


def _build_classifier_parameter() -> dict[str, Any]:
    return {
        "name": "classifier",
        "in": "query",
        "description": "Which one, by name; the first one served if not given.",
        "schema": {"type": "string"},
    }


_IMAGE_BODY = {
    kind: {"schema": {"type": "string", "format": "binary"}} for kind in ("application/octet-stream", "image/*")
}


def _build_explain_operation() -> dict[str, Any]:
    return {
        "summary": "Where it looked in one image",
        "parameters": [_build_classifier_parameter()],
        "requestBody": {"required": True, "content": _IMAGE_BODY},
        "responses": {
            "200": {
                "description": "Two images as data: addresses",
                "content": {JSON_MEDIA_TYPE: {"schema": _build_reference("Heat")}},
            },
            **_build_error_responses("absent", "type", "undecodable", "failed", "busy"),
        },
    }


def _build_predict_operation() -> dict[str, Any]:
    top = {"name": "top", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 999_999_999}}
    files = {"type": "array", "minItems": 1, "items": {"type": "string", "format": "binary"}}
    return {
        "summary": "What images show",
        "parameters": [_build_classifier_parameter(), top],
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {"type": "object", "properties": {"file": files}, "required": ["file"]}
                },
                JSON_MEDIA_TYPE: {"schema": _build_reference("Pictures")},
                **_IMAGE_BODY,
            },
        },
        "responses": {
            "200": {
                "description": "An answer, or an answer for each of several images, in their order",
                "content": {
                    JSON_MEDIA_TYPE: {"schema": {"anyOf": [_build_reference("Answer"), _build_reference("Answers")]}}
                },
            },
            **_build_error_responses("absent", "type", "undecodable", "failed", "busy"),
        },
    }


def _build_infer_operation(parameters: list[Any]) -> dict[str, Any]:
    return {
        "summary": "Open Inference Protocol, version 2",
        "parameters": parameters,
        "requestBody": {"required": True, "content": {JSON_MEDIA_TYPE: {"schema": _build_reference("Tensors")}}},
        "responses": {
            "200": {"description": "Tensors", "content": {JSON_MEDIA_TYPE: {"schema": _build_reference("Object")}}},
            **_build_error_responses("absent", "unfit", "undecodable", "failed", "busy"),
        },
    }


def _build_schemas() -> dict[str, Any]:
    text, fraction = {"type": "string"}, {"type": "number", "minimum": 0, "maximum": 1}
    side = {"type": "integer", "minimum": 1}
    base64 = {"type": "string", "contentEncoding": "base64"}
    prediction = {
        "label": {"type": ["string", "null"]},
        "confidence": {"anyOf": [fraction, {"type": "null"}]},
        "probabilities": {"type": "object", "additionalProperties": fraction},
        "abstained": {"type": "boolean"},
        "error": {"type": ["string", "null"]},
    }
    head = {"classifier": text, "version": text}
    tensor = {
        "type": "object",
        "properties": {
            "name": {"enum": ["images", "encoded"]},
            "datatype": {"enum": ["UINT8", "BYTES"]},
            "shape": {
                "description": "(n, height, width, channels) of images, (n,) of encoded ones",
                "type": "array",
                "items": {"type": "integer", "minimum": 1},
                "minItems": 1,
                "maxItems": 4,
            },
            "data": {"type": "array"},
        },
        "required": ["name", "datatype", "shape"],
    }

    def build_object_schema(properties: dict[str, Any]) -> dict[str, Any]:
        return {"type": "object", "properties": properties, "required": list(properties)}

    return {
        "Object": {"type": "object"},
        "Fault": build_object_schema({"error": text, "code": {"enum": list(ERROR_CODES)}}),
        "Answer": build_object_schema({**head, **prediction}),
        "Answers": build_object_schema(
            {**head, "answers": {"type": "array", "items": build_object_schema(prediction)}}
        ),
        "Heat": build_object_schema(
            {**head, "label": text, "height": side, "width": side, "pixels": text, "overlay": text}
        ),
        "Version": build_object_schema({"name": text, "version": text}),
        "Versions": {"type": "array", "items": build_object_schema({"name": text, "version": text, "state": text})},
        "Classifier": build_object_schema(
            {
                **head,
                "architecture": text,
                "classes": {"type": "array", "items": text},
                "pages": {"type": "array", "items": {"enum": ["inside", "report"]}},
                "preprocessing": {"type": "object"},
                "reject_below": fraction,
                "test": {"type": "object"},
                "classifiers": {"type": "array", "items": text},
            }
        ),
        "Pictures": {
            "oneOf": [
                {**build_object_schema({"image": base64}), "additionalProperties": False},
                {
                    **build_object_schema({"images": {"type": "array", "items": base64, "minItems": 1}}),
                    "additionalProperties": False,
                },
            ]
        },
        "Tensors": {
            "type": "object",
            "properties": {"id": text, "inputs": {"type": "array", "items": tensor, "minItems": 1, "maxItems": 1}},
            "required": ["inputs"],
        },
    }
