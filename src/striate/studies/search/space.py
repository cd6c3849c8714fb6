"""Space: the settings of a recipe that are searched, and where each may lie."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from striate.config import frozen_config, replace_config
from striate.errors import ConfigError, UnknownNameError
from striate.models.registry import get_architecture
from striate.training.recipe import Recipe

Value = str | int | float

SETTINGS = (
    *("architecture", "augment", "batch", "dropout", "epochs", "fine_tune", "fine_tune_rate", "keep"),
    *("label_smoothing", "learning_rate", "optimizer", "patience", "precision", "schedule", "tta", "warmup"),
    "weight_decay",
)
"""What can be searched: of a recipe's fields those that leave the images' division and form as they are."""

FORMS = "a,b,c or low..high, with :log where the order of magnitude is in question"


class Suggests(Protocol):
    """Chooses values: Optuna's Trial does."""

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Returns one of the choices."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool) -> float:
        """Returns a number of the range."""

    def suggest_int(self, name: str, low: int, high: int, *, log: bool) -> int:
        """Returns a whole number of the range."""


@frozen_config
class Dimension:
    """One setting and where it may lie: one of several values, or a range.

    Attributes:
        name: the recipe's field.
        choices: the values; empty for a range.
        low: the range's least value.
        high: its greatest.
        log: whether its orders of magnitude are equally likely, instead of its values.
    """

    name: str
    choices: tuple[Value, ...] = ()
    low: int | float | None = None
    high: int | float | None = None
    log: bool = False

    @property
    def words(self) -> str:
        """It as on the command line."""
        if self.choices:
            separator = "|" if any("," in str(one) for one in self.choices) else ","
            return f"{self.name}={separator.join(map(str, self.choices))}"
        return f"{self.name}={self.low:g}..{self.high:g}" + (":log" if self.log else "")

    @property
    def ends(self) -> tuple[Value, ...]:
        """Its choices, or the two ends of its range."""
        return self.choices or tuple(end for end in (self.low, self.high) if end is not None)

    def suggest(self, trial: Suggests) -> Value:
        """Returns a value that the trial chooses."""
        if self.choices:
            chosen: Value = trial.suggest_categorical(self.name, self.choices)
            return chosen
        assert self.low is not None and self.high is not None  # noqa: S101
        if isinstance(self.low, int) and isinstance(self.high, int):
            return trial.suggest_int(self.name, self.low, self.high, log=self.log)
        return trial.suggest_float(self.name, self.low, self.high, log=self.log)


@frozen_config
class Space:
    """What is searched."""

    dimensions: tuple[Dimension, ...]

    def suggest(self, trial: Suggests) -> dict[str, Value]:
        """Returns setting → value, chosen by the trial."""
        return {dimension.name: dimension.suggest(trial) for dimension in self.dimensions}

    @property
    def size(self) -> float:
        """How many configurations there are; infinite where a range is searched."""
        return math.prod(len(dimension.choices) or math.inf for dimension in self.dimensions)


def space_of(asked: Mapping[str, Any] | Sequence[str] | None, recipe: Recipe) -> Space:
    """Returns the space that is asked for.

    Args:
        asked: setting → its values, as a list, a pair (low, high) of numbers that makes a range, or text as on the
            command line; or a list of such texts with names, `learning_rate=1e-4..1e-2:log`; None for
            `usual`.
        recipe: what each configuration changes.

    Raises:
        ConfigError: nothing that can be searched, or values that the recipe cannot take.
        UnknownNameError: an unknown setting or model.
    """
    if asked is None:
        return usual(recipe)
    if not isinstance(asked, Mapping):
        asked = dict(_named(text) for text in asked)
    dimensions = tuple(_dimension(name, values, recipe) for name, values in asked.items())
    if not dimensions:
        raise ConfigError("The search has nothing to search", expected="settings and values", hint="learning_rate")
    return Space(dimensions)


def usual(recipe: Recipe) -> Space:
    """Returns what is searched unless told: the learning rate within a tenth and ten times the recipe's, dropout, and
    whether the images are changed at random; with an optimizer that knows it, weight decay.
    """
    rate = recipe.learning_rate
    dimensions = [
        Dimension("learning_rate", low=rate / 10, high=rate * 10, log=True),
        Dimension("dropout", low=0.0, high=0.6),
    ]
    if recipe.weights is None or recipe.fine_tune:
        dimensions.append(Dimension("augment", choices=("none", "auto")))
    if recipe.optimizer != "adam":
        dimensions.append(Dimension("weight_decay", low=1e-4, high=0.1, log=True))
    return Space(tuple(dimensions))


def _named(text: str) -> tuple[str, str]:
    name, equals, values = text.partition("=")
    if not equals:
        raise ConfigError("Not a setting to search", received=text, expected=f"NAME={FORMS}")
    return name.strip().replace("-", "_"), values.strip()


def _dimension(name: str, values: Any, recipe: Recipe) -> Dimension:
    name = {"lr": "learning_rate", "arch": "architecture"}.get(name, name)
    if name not in SETTINGS:
        raise UnknownNameError("setting to search", name, SETTINGS)
    found = _parsed(name, values) if isinstance(values, str) else _given(name, values)
    if not found.choices:
        kind = float if _takes(recipe, name, 0.5) else partial(_whole, name)
        found = replace_config(found, low=kind(found.low or 0), high=kind(found.high or 0))
    for value in found.ends:
        if name == "architecture":
            get_architecture(str(value))
        replace_config(recipe, "the search", **{name: value})
    return found


def _parsed(name: str, text: str) -> Dimension:
    first, is_range, second = text.removesuffix(":log").partition("..")
    if is_range:
        low, high = _number(first), _number(second)
        if isinstance(low, str) or isinstance(high, str):
            raise ConfigError(f"{name} has no range of that kind", received=text, expected=FORMS)
        return _range(name, low, high, log=text.endswith(":log"))
    words = [word.strip() for word in text.split("|" if "|" in text else ",")]
    return _choices(name, [_number(word) for word in words if word])


def _given(name: str, values: Any) -> Dimension:
    if isinstance(values, Dimension):
        return values
    if isinstance(values, tuple) and len(values) == 2 and all(_is_number(value) for value in values):
        return _range(name, *values, log=False)
    if not isinstance(values, Sequence | set | frozenset):
        raise ConfigError(f"{name} has no values to search", received=values, expected="a list, (low, high), or text")
    return _choices(name, list(values))


def _range(name: str, low: float, high: float, *, log: bool) -> Dimension:
    if not low < high or (log and low <= 0):
        raise ConfigError(
            f"{name} has no such range",
            received=f"{low:g}..{high:g}{':log' if log else ''}",
            expected="a low end below the high one" + (", both above 0" if log else ""),
        )
    if isinstance(low, int) and isinstance(high, int):
        return Dimension(name, low=low, high=high, log=log)
    return Dimension(name, low=float(low), high=float(high), log=log)


def _choices(name: str, values: Sequence[Any]) -> Dimension:
    different = tuple(dict.fromkeys(values))
    if len(different) < 2:
        raise ConfigError(
            f"{name} has nothing to choose from",
            received=", ".join(map(str, values)) or "nothing",
            expected=f"two values or more: {FORMS}",
        )
    return Dimension(name, choices=different)


def _number(word: str) -> Value:
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return word


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _takes(recipe: Recipe, name: str, value: Value) -> bool:
    try:
        replace_config(recipe, "the search", **{name: value})
    except ConfigError:
        return False
    return True


def _whole(name: str, value: float) -> int:
    if value != int(value):
        raise ConfigError(f"{name} takes whole numbers", received=value, expected=f"{name}=low..high")
    return int(value)
