"""Frozen dataclass ⇄ JSON, strict: an unknown key or a wrong type is an error that names the nearest field.

Validation is pydantic's; this module gives it one set of rules and our one kind of error message.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any, TypeVar, dataclass_transform

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as pydantic_dataclass

from striate.errors import ConfigError, nearest

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def config(cls: type[T]) -> type[T]:
    """Makes `cls` a frozen dataclass whose field types and bounds are enforced, from Python and from JSON."""
    strict = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
    make: Callable[[type[T]], Any] = pydantic_dataclass(frozen=True, config=strict)
    made: type[T] = make(cls)
    return made


def to_json(value: Any) -> str:
    """Returns a config (or any mix of configs, lists and dicts) as indented JSON text."""
    return json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def plain(value: Any) -> Any:
    """Returns a config as plain dicts, lists and numbers."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def from_json(cls: type[T], text: str | bytes, origin: str) -> T:
    """Returns the `cls` that the JSON `text` describes.

    Args:
        cls: a dataclass made by `config`.
        text: the JSON document.
        origin: where it came from (a path), for the message.

    Raises:
        ConfigError: not JSON, an unknown key, a wrong type or a value out of bounds.
    """
    try:
        return TypeAdapter(cls).validate_json(text)
    except ValidationError as error:
        raise _explained(cls, error, origin) from None


def replace(value: T, origin: str = "the settings", **changes: Any) -> T:
    """Returns a copy of a config with `changes` made and checked.

    Raises:
        ConfigError: a wrong type or a value out of bounds.
    """
    try:
        return dataclasses.replace(value, **changes)  # type: ignore[type-var]
    except ValidationError as error:
        raise _explained(type(value), error, origin) from None


def _explained(cls: type, error: ValidationError, origin: str) -> ConfigError:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "the document"
    fields = [field.name for field in dataclasses.fields(cls)]
    if first["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        return ConfigError(
            f"Unknown key in {origin}",
            received=where,
            expected="one of " + ", ".join(fields),
            hint=nearest(where, fields),
        )
    received = repr(first["input"])
    return ConfigError(
        f"{origin}: {where} cannot be used",
        received=received if len(received) < 80 else received[:77] + "…",
        expected=first["msg"].removeprefix("Input should be ").removeprefix("Value error, "),
    )
