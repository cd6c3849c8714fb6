"""Frozen dataclass ⇄ JSON, strict: an unknown key or a wrong type is an error that names the nearest field.

msgspec converts and validates. This module adds what it leaves out: unknown keys and infinite numbers are refused, and
an error names the place, what was received and what was expected.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import re
from collections.abc import Callable, Iterable
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, dataclass_transform, get_args, get_origin, get_type_hints

import msgspec

from striate.errors import ConfigError, find_nearest_name

T = TypeVar("T")

TYPE_DESCRIPTIONS = {
    int: "an integer",
    float: "a finite number",
    str: "a text",
    bool: "true or false",
    NoneType: "null",
}
"""Type → how a message describes it; containers and configs are lists and objects."""

BOUND_DESCRIPTIONS = {
    "ge": "at least",
    "gt": "more than",
    "le": "at most",
    "lt": "less than",
    "pattern": "that matches",
}
"""Attribute of msgspec.Meta → how a message describes it."""


@dataclass_transform(frozen_default=True)
def frozen_config(cls: type[T]) -> type[T]:
    """Makes `cls` a frozen dataclass whose field types and bounds are enforced, from Python and from JSON."""
    made: Any = dataclasses.dataclass(frozen=True)(cls)
    assign = made.__init__

    @functools.wraps(assign)
    def __init__(self: Any, *arguments: Any, **values: Any) -> None:  # noqa: N807
        assign(self, *arguments, **values)
        vars(self).update(vars(_convert_values(made, _to_json_value(vars(self), made.__name__), made.__name__)))

    made.__init__ = __init__
    result: type[T] = made
    return result


def read_former_keys(**current_keys: str) -> Callable[[type[T]], type[T]]:
    """Returns a decorator for a config whose fields had other names in older files.

    Args:
        **current_keys: former key → name of the field. `from_json` reads both; `to_json` writes the field's name.
    """

    def add_former_keys(cls: type[T]) -> type[T]:
        cls.__former_keys__ = current_keys  # type: ignore[attr-defined]
        return cls

    return add_former_keys


def to_json(value: Any) -> str:
    """Returns a config (or any mix of configs, lists and dicts) as indented JSON text."""
    return json.dumps(to_plain(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def to_plain(value: Any) -> Any:
    """Returns a config as plain dicts, lists and numbers."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
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
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        reason = str(error).partition(" - at ")[0]
        raise ConfigError(f"{origin} cannot be read as JSON: {reason[:1].lower()}{reason[1:]}") from None
    return _convert_values(cls, _rename_former_keys(cls, document), origin)


def replace_config(value: T, origin: str = "the settings", **changes: Any) -> T:
    """Returns a copy of a config with `changes` made and checked.

    Raises:
        ConfigError: an unknown name, a wrong type or a value out of bounds.
    """
    return _convert_values(type(value), {**vars(value), **_to_json_value(changes, origin)}, origin)


def _to_json_value(value: Any, origin: str, key_path: tuple[str, ...] = ()) -> Any:
    """Returns a value from Python, checked for numbers and texts that JSON cannot hold; numbers of a type derived from
    float (NumPy's) as floats.
    """
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:  # half a surrogate pair
            raise _build_value_error(value, str, origin, key_path) from None
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _build_value_error(value, float, origin, key_path)
        return float(value)
    if isinstance(value, dict):
        return {key: _to_json_value(item, origin, (*key_path, str(key))) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_to_json_value(item, origin, (*key_path, str(number))) for number, item in enumerate(value))
    return value


def _convert_values(cls: type[T], values: Any, origin: str) -> T:
    """Returns the `cls` that plain values describe; configs among them are taken as they are."""
    if isinstance(values, dict):
        _refuse_unknown_keys(cls, values, origin, ())
    try:
        return msgspec.convert(values, cls)
    except msgspec.ValidationError as error:
        raise _build_validation_error(cls, values, str(error), origin) from None


def _rename_former_keys(annotation: Any, values: Any) -> Any:
    """Returns a document with the keys of older files replaced by the names of the fields, at any depth."""
    if isinstance(values, list):
        return [_rename_former_keys(_get_inner_type(annotation, number), item) for number, item in enumerate(values)]
    if not isinstance(values, dict):
        return values
    former: dict[str, str] = {
        key: name
        for one in _list_alternatives(annotation)
        for key, name in getattr(one, "__former_keys__", {}).items()
        if key in values and name not in values
    }
    renamed = {former.get(str(key), str(key)): item for key, item in values.items()}
    return {key: _rename_former_keys(_get_inner_type(annotation, key), item) for key, item in renamed.items()}


def _refuse_unknown_keys(annotation: Any, values: Any, origin: str, key_path: tuple[str, ...]) -> None:
    """Raises ConfigError for a key that is no field, at any depth: msgspec ignores it."""
    fields = _get_fields(annotation)
    for part, item in values.items() if isinstance(values, dict) else enumerate(values):
        if fields and isinstance(part, str) and part not in fields:
            raise ConfigError(
                f"Unknown key in {origin}",
                received=".".join((*key_path, part)),
                expected="one of " + ", ".join(fields),
                hint=find_nearest_name(part, fields),
            )
        inside = _get_inner_type(annotation, part)
        if inside is not Any and isinstance(item, dict | list | tuple):
            _refuse_unknown_keys(inside, item, origin, (*key_path, str(part)))


def _build_validation_error(annotation: Any, value: Any, message: str, origin: str) -> ConfigError:
    """Returns the error for what msgspec says, which ends with the place: "… - at `$.augment.shift`"."""
    problem, _, path = message.partition(" - at ")
    place: list[str] = []
    for name in re.findall(r"\w+", path.partition("$")[2].partition("[...]")[0]):  # "[...]" is any value of a dict
        part = int(name) if name.isdigit() else name
        annotation, value, place = _get_inner_type(annotation, part), value[part], [*place, name]
    if missing := re.match(r"Object missing required field `(\w+)`", problem):
        where = ".".join([*place, missing[1]])
        return ConfigError(
            f"{origin}: {where} is missing", expected=_describe_type(_get_inner_type(annotation, missing[1]))
        )
    return _build_value_error(value, annotation, origin, place)


def _build_value_error(value: Any, annotation: Any, origin: str, key_path: Iterable[str]) -> ConfigError:
    received = repr(value)
    return ConfigError(
        f"{origin}: {'.'.join(key_path) or 'the document'} cannot be used",
        received=received if len(received) < 80 else received[:77] + "…",
        expected=_describe_type(annotation),
    )


@functools.cache
def _get_fields(annotation: Any) -> dict[str, Any]:
    """Returns name → declared type for the fields of the config that `annotation` is, or that is one of its
    alternatives.
    """
    configs = (
        get_type_hints(one, include_extras=True)
        for one in _list_alternatives(annotation)
        if dataclasses.is_dataclass(one)
    )
    return next(configs, {})


def _list_alternatives(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)


def _get_inner_type(annotation: Any, key: str | int) -> Any:
    """Returns the declared type of a config's field, of a dict's value or of a list's item."""
    for one in _list_alternatives(annotation):
        of = get_args(one)
        if isinstance(key, int) and get_origin(one) in (list, tuple):
            return of[0] if of[-1] in (of[0], ...) else of[min(key, len(of) - 1)]
        if isinstance(key, str) and get_origin(one) is dict:
            return of[1]
    return _get_fields(annotation).get(str(key), Any)


def _describe_type(annotation: Any) -> str:
    """Returns what values of a type are: "an integer, at least 1, or null"."""
    origin, of = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        bounds = [(words, getattr(mark, name)) for mark in of[1:] for name, words in BOUND_DESCRIPTIONS.items()]
        return ", ".join([_describe_type(of[0]), *(f"{words} {bound}" for words, bound in bounds if bound is not None)])
    if origin in (Union, UnionType):
        return ", or ".join(map(_describe_type, of))
    if origin is Literal:
        return " or ".join(", ".join(map(repr, of)).rsplit(", ", 1))
    if origin in (list, tuple):
        return "a list" if origin is list or of[-1] is ... else f"a list of {len(of)}"
    return TYPE_DESCRIPTIONS.get(annotation) or (
        "an object" if origin is dict or dataclasses.is_dataclass(annotation) else str(annotation)
    )
