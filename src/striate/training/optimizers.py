"""A recipe's optimizer, its rate following the recipe's schedule."""

from __future__ import annotations

from typing import Any

from striate.backend import keras
from striate.training.recipe import Recipe


def make_optimizer(recipe: Recipe, peak: float, *, steps: int, factors: dict[str, float] | None = None) -> Any:
    """Returns a Keras optimizer of the recipe's kind.

    Args:
        recipe: which, and its schedule and weight decay.
        peak: the highest learning rate.
        steps: over which the schedule runs.
        factors: variable's path → what its rate is multiplied by; 1 for those not named.
    """
    rate = schedule(recipe, peak, steps)
    options: dict[str, Any] = {}
    if recipe.optimizer == "adam":
        kind = keras.optimizers.Adam
    elif recipe.optimizer == "adamw":
        kind, options = keras.optimizers.AdamW, {"weight_decay": recipe.weight_decay}
    else:
        kind = keras.optimizers.SGD
        options = {"momentum": 0.9, "nesterov": True, "weight_decay": recipe.weight_decay or None}
    return (_discriminative(kind, factors) if factors else kind)(rate, **options)


def schedule(recipe: Recipe, peak: float, steps: int) -> Any:
    """Returns the learning rate, or Keras' schedule of it over so many steps."""
    schedules = keras.optimizers.schedules
    if recipe.schedule == "step":
        return schedules.PiecewiseConstantDecay([steps // 2, steps * 3 // 4], [peak, peak / 10, peak / 100])
    if recipe.schedule == "cosine":
        warmup = round(steps * recipe.warmup)
        return schedules.CosineDecay(
            peak / 25 if warmup else peak,
            max(1, steps - warmup),
            warmup_target=peak if warmup else None,
            warmup_steps=warmup,
        )
    return peak


def _discriminative(kind: Any, factors: dict[str, float]) -> Any:
    """Returns the optimizer's class with a rate of its own for each variable (Howard and Ruder 2018, section 3.2)."""

    class Discriminative(kind):  # type: ignore[misc]
        def build(self, variables: list[Any]) -> None:
            super().build(variables)
            self.shares = tuple(factors.get(variable.path, 1.0) for variable in variables)

        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            share = self.shares[self._get_variable_index(variable)]  # TensorFlow's own variables have no path
            super().update_step(gradient, variable, learning_rate * share)

    return Discriminative
