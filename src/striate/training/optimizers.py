"""A recipe's optimizer, its rate following the recipe's schedule.

Keras writes an optimizer's step out in a dozen operations for each variable, and the schedule of its rate once more for
each that decays: of a small model's step, tracing that takes most of the time. TensorFlow has one operation for it.
"""

from __future__ import annotations

from typing import Any

from striate.system.backend import ACTIVE_BACKEND, keras
from striate.training.recipe import Recipe


def make_optimizer(
    recipe: Recipe, peak_learning_rate: float, *, steps: int, rate_factors: dict[str, float] | None = None
) -> Any:
    """Returns a Keras optimizer of the recipe's kind.

    Args:
        recipe: which, and its schedule and weight decay.
        peak_learning_rate: the highest learning rate.
        steps: over which the schedule runs.
        rate_factors: variable's path → what its rate is multiplied by; 1 for those not named.
    """
    rate = build_schedule(recipe, peak_learning_rate, steps)
    options: dict[str, Any] = {}
    if recipe.optimizer == "adam":
        kind = keras.optimizers.Adam
    elif recipe.optimizer == "adamw":
        kind, options = keras.optimizers.AdamW, {"weight_decay": recipe.weight_decay}
    else:
        kind = keras.optimizers.SGD
        options = {"momentum": 0.9, "nesterov": True, "weight_decay": recipe.weight_decay or None}
    if rate_factors:
        kind = _build_discriminative_class(kind, rate_factors)
    if ACTIVE_BACKEND.name == "tensorflow":
        kind = _build_fused_class(kind)
    return kind(rate, **options)


def build_schedule(recipe: Recipe, peak_learning_rate: float, steps: int) -> Any:
    """Returns the learning rate, or Keras' schedule of it over so many steps."""
    schedules = keras.optimizers.schedules
    if recipe.schedule == "step":
        return schedules.PiecewiseConstantDecay(
            [steps // 2, steps * 3 // 4], [peak_learning_rate, peak_learning_rate / 10, peak_learning_rate / 100]
        )
    if recipe.schedule == "cosine":
        warmup = round(steps * recipe.warmup)
        return schedules.CosineDecay(
            peak_learning_rate / 25 if warmup else peak_learning_rate,
            max(1, steps - warmup),
            warmup_target=peak_learning_rate if warmup else None,
            warmup_steps=warmup,
        )
    return peak_learning_rate


def _build_discriminative_class(optimizer_class: Any, rate_factors: dict[str, float]) -> Any:
    """Returns the optimizer's class with a rate of its own for each variable (Howard and Ruder 2018, section 3.2)."""

    class DiscriminativeOptimizer(optimizer_class):  # type: ignore[misc]
        def build(self, variables: list[Any]) -> None:
            super().build(variables)
            self.rate_factors = tuple(rate_factors.get(variable.path, 1.0) for variable in variables)

        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            fraction = self.rate_factors[self._get_variable_index(variable)]  # TensorFlow's own variables have no path
            super().update_step(gradient, variable, learning_rate * fraction)

    return DiscriminativeOptimizer


def _build_fused_class(optimizer_class: Any) -> Any:
    """Returns the optimizer's class with TensorFlow's own operation for each variable's step: the same arithmetic and
    the same variables. What that cannot do (constraints, sparse gradients) Keras does.
    """
    import tensorflow as tf

    is_adam = issubclass(optimizer_class, keras.optimizers.Adam)

    class FusedOptimizer(optimizer_class):  # type: ignore[misc]
        def apply(self, grads: Any, trainable_variables: Any = None) -> None:
            grads, variables = list(grads), list(trainable_variables or ())
            is_plain = self.built and all(
                isinstance(gradient, tf.Tensor) and variable.constraint is None
                for gradient, variable in zip(grads, variables, strict=False)
            )
            if not variables or not is_plain:
                super().apply(grads, trainable_variables)
                return
            rate = tf.convert_to_tensor(self.learning_rate, tf.float32)
            if self.weight_decay:
                for variable in variables:
                    variable.value.assign_sub(variable.value * (rate * self.weight_decay))
            step = tf.cast(self.iterations.value + 1, tf.float32)
            powers = [tf.pow(beta, step) for beta in (self.beta_1, self.beta_2)] if is_adam else []
            for gradient, variable in zip(grads, variables, strict=True):
                at = self._get_variable_index(variable)
                fraction = self.rate_factors[at] if hasattr(self, "rate_factors") else 1.0
                own = rate if fraction == 1 else rate * fraction
                (self._apply_adam if is_adam else self._apply_nesterov)(
                    variable, at, tf.cast(gradient, tf.float32), own, *powers
                )
            self.iterations.assign_add(1)

        def _apply_adam(
            self, variable: Any, variable_index: int, gradient: Any, rate: Any, beta_1_power: Any, beta_2_power: Any
        ) -> None:
            tf.raw_ops.ResourceApplyAdam(
                var=variable.value.handle,
                m=self._momentums[variable_index].value.handle,
                v=self._velocities[variable_index].value.handle,
                beta1_power=beta_1_power,
                beta2_power=beta_2_power,
                lr=rate,
                beta1=self.beta_1,
                beta2=self.beta_2,
                epsilon=self.epsilon,
                grad=gradient,
            )

        def _apply_nesterov(self, variable: Any, variable_index: int, gradient: Any, rate: Any) -> None:
            tf.raw_ops.ResourceApplyKerasMomentum(
                var=variable.value.handle,
                accum=self.momentums[variable_index].value.handle,
                lr=rate,
                grad=gradient,
                momentum=self.momentum,
                use_nesterov=self.nesterov,
            )

    FusedOptimizer.__name__ = optimizer_class.__name__  # after which Keras names its variables
    return FusedOptimizer
