"""Training without learning, for tests of what is kept about trainings: everything around the steps is real.

Takes the place of what runs a network's epochs, so that networks, the loop, its callbacks, checkpoints, signals and the
choice of the best epoch are the real ones. Nothing is traced and no gradient is computed: each epoch changes the
weights a little by a rule, and its figures follow from the epoch's number and the learning rate. What a network has
learned is tested elsewhere, on real trainings.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

BEST_RATE = 1e-3  # the learning rate whose figures are best


def run(
    epochs: Any, feed: Any, held_out: Any, *, first: int = 0, until: int = 1, callbacks: Sequence[Any] = ()
) -> None:
    """Goes through the epochs in the place of `Epochs.run` of striate.training.epochs."""
    go_through(epochs.model, first, until, callbacks, has_validation=held_out is not None)


def fit(
    model: Any,
    x: Any,
    *,
    initial_epoch: int = 0,
    epochs: int = 1,
    validation_data: Any = None,
    callbacks: Sequence[Any] = (),
    **_: Any,
) -> None:
    """Goes through the epochs in the place of `keras.Model.fit`."""
    go_through(model, initial_epoch, epochs, callbacks, has_validation=validation_data is not None)


def go_through(model: Any, first: int, until: int, callbacks: Sequence[Any], *, has_validation: bool) -> None:
    """Goes from epoch number `first` to before number `until`, calling every callback where Keras does."""
    from striate.backend import keras
    from striate.training.callbacks import EpochClock

    steps = next((len(one.feed) for one in callbacks if isinstance(one, EpochClock)), 0)
    listed = keras.callbacks.CallbackList(list(callbacks), model=model)
    rate = float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))
    chance = math.log(model.output_shape[-1])
    model.stop_training = False
    listed.on_train_begin()
    for epoch in range(first, until):
        listed.on_epoch_begin(epoch)
        logs = figures(epoch, rate, chance)
        for step in range(steps):
            listed.on_train_batch_begin(step)
            listed.on_train_batch_end(step, logs)
            if model.stop_training:
                break
        for variable in model.trainable_variables:
            variable.assign(variable * (1 + 0.01 / (epoch + 1)))
        if has_validation:
            listed.on_test_begin()
            listed.on_test_batch_end(0, logs)
            listed.on_test_end(logs)
            logs = logs | {f"val_{name}": value for name, value in figures(epoch, rate, 1.05 * chance).items()}
        listed.on_epoch_end(epoch, logs)
        if model.stop_training:
            break
    listed.on_train_end()


def figures(epoch: int, rate: float, chance: float) -> dict[str, float]:
    """Returns loss and accuracy after an epoch: better with every epoch, and the nearer the rate is to the best one."""
    speed = 1 / (1 + abs(math.log10(rate / BEST_RATE)))
    left = math.exp(-speed * (epoch + 1) / 2)
    return {"loss": chance * left, "accuracy": 1 - 0.9 * left}
