"""Frozen dataclass ⇄ JSON, strict: an unknown key or a wrong type is an error that names the nearest field.

Validation is pydantic's; this module gives it one set of rules and our one kind of error message.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any, TypeVar, dataclass_transform, get_args

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
    errors = error.errors()
    unknown = [one for one in errors if one["type"] in ("unexpected_keyword_argument", "extra_forbidden")]
    first = (unknown or errors)[0]  # a misspelt key also makes the right one missing; the misspelling is the news
    holder, parts = _located(cls, first["loc"])
    where = ".".join(parts) or "the document"
    if unknown:
        fields = [field.name for field in dataclasses.fields(holder)]
        return ConfigError(
            f"Unknown key in {origin}",
            received=where,
            expected="one of " + ", ".join(fields),
            hint=nearest(parts[-1], fields),
        )
    received = repr(first["input"])
    return ConfigError(
        f"{origin}: {where} cannot be used",
        received=received if len(received) < 80 else received[:77] + "…",
        expected=first["msg"].removeprefix("Input should be ").removeprefix("Value error, "),
    )


def _located(cls: type, loc: tuple[int | str, ...]) -> tuple[type, list[str]]:
    """Returns the innermost config that a pydantic location leads into, and the location without union tags."""
    parts: list[str] = []
    for part in loc:
        if part == cls.__name__:  # pydantic names the member of a union that it tried
            continue
        parts.append(str(part))
        field = getattr(cls, "__pydantic_fields__", {}).get(part)
        kind = field.annotation if field else None
        cls = next((one for one in (kind, *get_args(kind)) if dataclasses.is_dataclass(one)), cls)  # type: ignore[assignment]
    return cls, parts
