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
from collections.abc import Iterable
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, dataclass_transform, get_args, get_origin, get_type_hints

import msgspec

from striate.errors import ConfigError, nearest

T = TypeVar("T")

KINDS = {int: "an integer", float: "a finite number", str: "a text", bool: "true or false", NoneType: "null"}
"""Type → how a message describes it; containers and configs are lists and objects."""

BOUNDS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than", "pattern": "that matches"}
"""Attribute of msgspec.Meta → how a message describes it."""


@dataclass_transform(frozen_default=True)
def config(cls: type[T]) -> type[T]:
    """Makes `cls` a frozen dataclass whose field types and bounds are enforced, from Python and from JSON."""
    made: Any = dataclasses.dataclass(frozen=True)(cls)
    assign = made.__init__

    @functools.wraps(assign)
    def __init__(self: Any, *arguments: Any, **values: Any) -> None:  # noqa: N807
        assign(self, *arguments, **values)
        vars(self).update(vars(_checked(made, _representable(vars(self), made.__name__), made.__name__)))

    made.__init__ = __init__
    result: type[T] = made
    return result


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
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        reason = str(error).partition(" - at ")[0]
        raise ConfigError(f"{origin} cannot be read as JSON: {reason[:1].lower()}{reason[1:]}") from None
    return _checked(cls, document, origin)


def replace(value: T, origin: str = "the settings", **changes: Any) -> T:
    """Returns a copy of a config with `changes` made and checked.

    Raises:
        ConfigError: an unknown name, a wrong type or a value out of bounds.
    """
    return _checked(type(value), {**vars(value), **_representable(changes, origin)}, origin)


def _representable(value: Any, origin: str, place: tuple[str, ...] = ()) -> Any:
    """Returns a value from Python, checked for numbers and texts that JSON cannot hold; numbers of a type derived from
    float (NumPy's) as floats.
    """
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:  # half a surrogate pair
            raise _unusable(value, str, origin, place) from None
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _unusable(value, float, origin, place)
        return float(value)
    if isinstance(value, dict):
        return {key: _representable(item, origin, (*place, str(key))) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_representable(item, origin, (*place, str(number))) for number, item in enumerate(value))
    return value


def _checked(cls: type[T], given: Any, origin: str) -> T:
    """Returns the `cls` that plain values describe; configs among them are taken as they are."""
    if isinstance(given, dict):
        _refuse_unknown(cls, given, origin, ())
    try:
        return msgspec.convert(given, cls)
    except msgspec.ValidationError as error:
        raise _explained(cls, given, str(error), origin) from None


def _refuse_unknown(kind: Any, given: Any, origin: str, place: tuple[str, ...]) -> None:
    """Raises ConfigError for a key that is no field, at any depth: msgspec ignores it."""
    fields = _fields(kind)
    for part, item in given.items() if isinstance(given, dict) else enumerate(given):
        if fields and isinstance(part, str) and part not in fields:
            raise ConfigError(
                f"Unknown key in {origin}",
                received=".".join((*place, part)),
                expected="one of " + ", ".join(fields),
                hint=nearest(part, fields),
            )
        inside = _kind_inside(kind, part)
        if inside is not Any and isinstance(item, dict | list | tuple):
            _refuse_unknown(inside, item, origin, (*place, str(part)))


def _explained(kind: Any, given: Any, message: str, origin: str) -> ConfigError:
    """Returns the error for what msgspec says, which ends with the place: "… - at `$.augment.shift`"."""
    problem, _, path = message.partition(" - at ")
    place: list[str] = []
    for name in re.findall(r"\w+", path.partition("$")[2].partition("[...]")[0]):  # "[...]" is any value of a dict
        part = int(name) if name.isdigit() else name
        kind, given, place = _kind_inside(kind, part), given[part], [*place, name]
    if missing := re.match(r"Object missing required field `(\w+)`", problem):
        where = ".".join([*place, missing[1]])
        return ConfigError(f"{origin}: {where} is missing", expected=_described(_kind_inside(kind, missing[1])))
    return _unusable(given, kind, origin, place)


def _unusable(value: Any, kind: Any, origin: str, place: Iterable[str]) -> ConfigError:
    received = repr(value)
    return ConfigError(
        f"{origin}: {'.'.join(place) or 'the document'} cannot be used",
        received=received if len(received) < 80 else received[:77] + "…",
        expected=_described(kind),
    )


@functools.cache
def _fields(kind: Any) -> dict[str, Any]:
    """Returns name → declared type for the fields of the config that `kind` is, or that is one of its alternatives."""
    configs = (get_type_hints(one, include_extras=True) for one in _members(kind) if dataclasses.is_dataclass(one))
    return next(configs, {})


def _members(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def _kind_inside(kind: Any, part: str | int) -> Any:
    """Returns the declared type of a config's field, of a dict's value or of a list's item."""
    for one in _members(kind):
        of = get_args(one)
        if isinstance(part, int) and get_origin(one) in (list, tuple):
            return of[0] if of[-1] in (of[0], ...) else of[min(part, len(of) - 1)]
        if isinstance(part, str) and get_origin(one) is dict:
            return of[1]
    return _fields(kind).get(str(part), Any)


def _described(kind: Any) -> str:
    """Returns what values of a type are: "an integer, at least 1, or null"."""
    origin, of = get_origin(kind), get_args(kind)
    if origin is Annotated:
        bounds = [(words, getattr(mark, name)) for mark in of[1:] for name, words in BOUNDS.items()]
        return ", ".join([_described(of[0]), *(f"{words} {bound}" for words, bound in bounds if bound is not None)])
    if origin in (Union, UnionType):
        return ", or ".join(map(_described, of))
    if origin is Literal:
        return " or ".join(", ".join(map(repr, of)).rsplit(", ", 1))
    if origin in (list, tuple):
        return "a list" if origin is list or of[-1] is ... else f"a list of {len(of)}"
    return KINDS.get(kind) or ("an object" if origin is dict or dataclasses.is_dataclass(kind) else str(kind))
