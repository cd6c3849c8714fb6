"""How to ask the server, as an OpenAPI 3.1 document."""

from __future__ import annotations

from typing import Any

from striate import __version__
from striate.serving.http_errors import CODES

JSON = "application/json"


def document(*, has_token: bool) -> dict[str, Any]:
    """Returns the document."""
    name = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
    version = {"name": "version", "in": "path", "required": True, "schema": {"type": "string"}}
    paths: dict[str, Any] = {
        "/": {"get": _get("A page to ask with", None, (), kind="text/html")},
        "/predict": {"post": _predict()},
        "/explain": {"post": _explain()},
        "/inside": {
            "get": _get("What is inside the network, as a page", None, ("absent",), [_classifier()], "text/html")
        },
        "/report": {"get": _get("The run's report, as a page", None, ("absent",), [_classifier()], "text/html")},
        "/classifier": {"get": _get("What is served", "Classifier", ("absent",), [_classifier()])},
        "/metrics": {"get": _get("Counts for Prometheus", None, ())},
        "/openapi.json": {"get": _get("This document", "Object", ())},
        "/v2": {"get": _get("The server", "Object", ())},
        "/v2/health/live": {"get": _get("Whether it is alive", "Object", ())},
        "/v2/health/ready": {"get": _get("Whether it answers", "Object", ("busy",))},
        "/v2/repository/index": {"post": _get("The classifiers", "Versions", ())},
        "/v2/repository/models/{name}/load": {
            "post": _get("Take the version that lies on the disk now", "Version", ("absent", "unloadable"), [name])
        },
    }
    for path, parameters in (("/v2/models/{name}", [name]), ("/v2/models/{name}/versions/{version}", [name, version])):
        paths[path] = {"get": _get("Inputs and outputs", "Object", ("absent",), parameters)}
        paths[f"{path}/ready"] = {"get": _get("Whether it answers", "Object", ("absent",), parameters)}
        paths[f"{path}/infer"] = {"post": _infer(parameters)}
    found: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "Striate", "version": __version__, "description": "An image classifier."},
        "paths": paths,
        "components": {"schemas": _schemas()},
    }
    if has_token:
        found["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        found["security"] = [{"token": []}]
    return found


def _reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _faults(*codes: str) -> dict[str, Any]:
    """Returns the replies to requests that are refused, by status."""
    always = ("malformed", "host", "token", "origin", "method", "slow", "large")
    statuses: dict[str, list[str]] = {}
    for code in (*always, *codes):
        statuses.setdefault(str(CODES[code][0]), []).append(code)
    return {
        status: {
            "description": "; ".join(CODES[code][1] for code in found),
            "content": {JSON: {"schema": _reference("Fault")}},
        }
        for status, found in statuses.items()
    }


def _get(
    summary: str,
    schema: str | None,
    codes: tuple[str, ...],
    parameters: list[Any] | None = None,
    kind: str = "text/plain",
) -> dict[str, Any]:
    content: dict[str, Any] = {kind: {"schema": {"type": "string"}}}
    if schema is not None:
        content = {JSON: {"schema": _reference(schema)}}
    return {
        "summary": summary,
        "parameters": parameters or [],
        "responses": {"200": {"description": summary, "content": content}, **_faults(*codes)},
    }


def _classifier() -> dict[str, Any]:
    return {
        "name": "classifier",
        "in": "query",
        "description": "Which one, by name; the first one served if not given.",
        "schema": {"type": "string"},
    }


_BODY = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in ("application/octet-stream", "image/*")}


def _explain() -> dict[str, Any]:
    return {
        "summary": "Where it looked in one picture",
        "parameters": [_classifier()],
        "requestBody": {"required": True, "content": _BODY},
        "responses": {
            "200": {
                "description": "Two pictures as data: addresses",
                "content": {JSON: {"schema": _reference("Heat")}},
            },
            **_faults("absent", "type", "undecodable", "failed", "busy"),
        },
    }


def _predict() -> dict[str, Any]:
    top = {"name": "top", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 999_999_999}}
    files = {"type": "array", "minItems": 1, "items": {"type": "string", "format": "binary"}}
    return {
        "summary": "What pictures show",
        "parameters": [_classifier(), top],
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {"type": "object", "properties": {"file": files}, "required": ["file"]}
                },
                JSON: {"schema": _reference("Pictures")},
                **_BODY,
            },
        },
        "responses": {
            "200": {
                "description": "An answer, or an answer for each of several pictures, in their order",
                "content": {JSON: {"schema": {"anyOf": [_reference("Answer"), _reference("Answers")]}}},
            },
            **_faults("absent", "type", "undecodable", "failed", "busy"),
        },
    }


def _infer(parameters: list[Any]) -> dict[str, Any]:
    return {
        "summary": "Open Inference Protocol, version 2",
        "parameters": parameters,
        "requestBody": {"required": True, "content": {JSON: {"schema": _reference("Tensors")}}},
        "responses": {
            "200": {"description": "Tensors", "content": {JSON: {"schema": _reference("Object")}}},
            **_faults("absent", "unfit", "undecodable", "failed", "busy"),
        },
    }


def _schemas() -> dict[str, Any]:
    text, share = {"type": "string"}, {"type": "number", "minimum": 0, "maximum": 1}
    side = {"type": "integer", "minimum": 1}
    base64 = {"type": "string", "contentEncoding": "base64"}
    answer = {
        "label": {"type": ["string", "null"]},
        "confidence": {"anyOf": [share, {"type": "null"}]},
        "probabilities": {"type": "object", "additionalProperties": share},
        "unsure": {"type": "boolean"},
        "error": {"type": ["string", "null"]},
    }
    head = {"classifier": text, "version": text}
    tensor = {
        "type": "object",
        "properties": {
            "name": {"enum": ["pictures", "encoded"]},
            "datatype": {"enum": ["UINT8", "BYTES"]},
            "shape": {
                "description": "(n, height, width, channels) of pictures, (n,) of encoded ones",
                "type": "array",
                "items": {"type": "integer", "minimum": 1},
                "minItems": 1,
                "maxItems": 4,
            },
            "data": {"type": "array"},
        },
        "required": ["name", "datatype", "shape"],
    }

    def of(properties: dict[str, Any]) -> dict[str, Any]:
        return {"type": "object", "properties": properties, "required": list(properties)}

    return {
        "Object": {"type": "object"},
        "Fault": of({"error": text, "code": {"enum": list(CODES)}}),
        "Answer": of({**head, **answer}),
        "Answers": of({**head, "answers": {"type": "array", "items": of(answer)}}),
        "Heat": of({**head, "label": text, "height": side, "width": side, "pixels": text, "overlay": text}),
        "Version": of({"name": text, "version": text}),
        "Versions": {"type": "array", "items": of({"name": text, "version": text, "state": text})},
        "Classifier": of(
            {
                **head,
                "architecture": text,
                "classes": {"type": "array", "items": text},
                "pages": {"type": "array", "items": {"enum": ["inside", "report"]}},
                "preprocessing": {"type": "object"},
                "reject_below": share,
                "test": {"type": "object"},
                "classifiers": {"type": "array", "items": text},
            }
        ),
        "Pictures": {
            "oneOf": [
                {**of({"picture": base64}), "additionalProperties": False},
                {**of({"pictures": {"type": "array", "items": base64, "minItems": 1}}), "additionalProperties": False},
            ]
        },
        "Tensors": {
            "type": "object",
            "properties": {"id": text, "inputs": {"type": "array", "items": tensor, "minItems": 1, "maxItems": 1}},
            "required": ["inputs"],
        },
    }
